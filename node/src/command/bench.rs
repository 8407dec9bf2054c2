//! `kraken bench`: what this program does on this machine.

pub(crate) mod execution;
pub(crate) mod order;

mod child;
mod load;
mod process;
mod sample;
mod transfers;
