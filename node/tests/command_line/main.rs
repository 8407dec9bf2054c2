//! The binary, as somebody at a terminal meets it.

mod bench;
mod committee;
mod compile_class;
mod dev;
mod help;
mod process;
