//! The binary, as somebody at a terminal meets it.

mod committee;
mod dev;
mod help;
mod process;
