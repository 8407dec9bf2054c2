//! The tasks that drive the quiet rooms: from an admitted transaction to a durable block.
//!
//! ```text
//! gateway ─► pool ─► workers ─► ordering ─► builder ─► committer ─► attestation ─► events
//!  checks    waits    packs      certifies   executes    seals        accepts        tells
//! ```
//!
//! Workers, ordering and attestation talk to their likes on other validators, over the lanes of
//! `swarms`; `sync` helps a validator that was away. A full node has no key and takes every block
//! over in this way (`adopting`); what it is sent goes to a validator (`handing`).
//!
//! [`Orderer`] is the same without what is before workers and behind ordering.
//!
//! Start reading at [`Sequencer`]. What is decided here is decided in functions of their inputs:
//! `pool` (who goes next) and `builder::rules` (where a block ends); everything else carries out.

mod adopting;
mod attestation;
mod board;
mod builder;
mod clock;
mod committer;
mod dev;
mod error;
mod events;
mod evidence;
mod full_node;
mod gateway;
mod handing;
mod journal;
mod lanes;
mod link;
mod lives;
mod machines;
mod metrics;
mod network;
mod order;
mod orderer;
mod ordering;
mod pool;
mod queue;
mod recent;
mod recovery;
mod running;
mod sequencer;
mod supervisor;
mod swarms;
mod sync;
mod traces;
mod view;
mod worker_process;
mod workers;

pub use committer::seal_genesis;
pub use dev::{DevControl, DevError, Diff};
pub use error::{StartError, SubmitError};
pub use events::{Event, Move, Orphaned, Revert, Reverts};
pub use evidence::{Evidence, EvidenceError};
pub use full_node::FullNodeConfig;
pub use metrics::Metrics;
pub use network::{NetworkConfig, Seed, SwarmConfig, Transport, WorkerConfig};
pub use orderer::{OrderObserver, Orderer, OrdererConfig};
pub use pool::Progress;
pub use sequencer::{Admitted, Config, Mode, Sequencer};
pub use sync::Distance;
pub use view::{BlockAt, UnsealedBlock, View};
pub use worker_process::{WorkerProcess, WorkerProcessConfig};

#[cfg(test)]
mod tests;
