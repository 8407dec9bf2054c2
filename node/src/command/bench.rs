//! `kraken bench`: what this program does on this machine.

pub(crate) mod execution;
pub(crate) mod order;

mod process;
mod sample;
