//! Blocks and state on disk.
//!
//! Start reading at [`Storage`]. The truth is the *chain log*: one record per block, and appending
//! it is the commit ([`log`]). Behind it an *engine* keeps what queries need, in tables that can be
//! made again from the log (`engine`, `tables`). A [`Snapshot`] reads the state as it was after any
//! block. Two more logs, of batches and of votes, are kept for the rooms above, which alone know
//! what is in them.

mod block;
mod cache;
pub mod codec;
mod disk;
mod engine;
mod error;
mod events;
pub mod log;
mod snapshot;
mod storage;
mod tables;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trie;

pub use block::{Block, Class, ExecutedTransaction, Header, Receipt, Reset, SierraClass};
pub use error::Error;
pub use events::EventPattern;
pub use snapshot::Snapshot;
pub use storage::{Candidates, Config, Storage};
pub use trie::{ContractLeaf, Proof, ProofNode, Wanted};
