//! The JSON shapes of the specification, version 0.10.2, in and out; what 0.9.0 lacks is left out.
//!
//! What goes out borrows from the blocks it shows and is written exactly as the specification says:
//! field elements in minimal hexadecimal, fields that do not apply left out. What comes in is read
//! by hand, so that every error names its field.

pub(crate) mod block;
pub(crate) mod block_id;
pub(crate) mod broadcasted;
pub(crate) mod casm;
pub(crate) mod class;
pub(crate) mod event;
pub(crate) mod fee;
pub(crate) mod felt;
pub(crate) mod flag;
pub(crate) mod initial_reads;
pub(crate) mod proof;
pub(crate) mod receipt;
pub(crate) mod state_update;
pub(crate) mod trace;
pub(crate) mod transaction;
pub(crate) mod written;

#[cfg(test)]
mod tests;
