//! What the sequencer tells the world.

use starknet_api::block::BlockNumber;
use tokio::sync::broadcast;

/// Something changed; ask the [`crate::View`] for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The open block has more transactions, or there is a new open block.
    PreConfirmed,
    /// A block is durable.
    Block(BlockNumber),
}

/// How many events a slow listener may be behind before it misses some.
const EVENTS_MAX: usize = 1_024;

/// Tells whoever listens.
pub(crate) type Events = broadcast::Sender<Event>;

/// Where nobody listens yet.
pub(crate) fn events() -> Events {
    broadcast::Sender::new(EVENTS_MAX)
}
