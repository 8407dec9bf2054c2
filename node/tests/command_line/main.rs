//! The binary, as somebody at a terminal meets it.

mod bench;
mod committee;
mod dev;
mod help;
mod process;
