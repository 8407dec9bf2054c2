//! The data plane: transactions to batches.

pub mod packer;

pub use packer::Packer;
