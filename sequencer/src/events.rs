//! What the sequencer tells the world.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kraken_execution::Prepared;
use starknet_api::{
    block::{BlockHash, BlockNumber},
    transaction::TransactionHash,
};
use tokio::sync::broadcast;

use crate::Progress;

/// Something changed; ask the [`crate::View`] for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The open block has more transactions, or there is a new open block.
    PreConfirmed,
    /// A block is durable.
    Block(BlockNumber),
}

/// A transaction that is in no block has come further. No [`crate::View`] shows it, so it is told
/// one by one.
#[derive(Clone, Debug)]
pub enum Move {
    /// It is in the pool.
    Received(Prepared),
    /// It is in the order, about to be executed.
    Candidate(Prepared),
    /// It was left out, and why.
    Rejected {
        /// Of the transaction.
        hash: TransactionHash,
        /// One line for the sender.
        reason: String,
    },
}

impl Move {
    /// Whose move it is.
    pub fn hash(&self) -> TransactionHash {
        match self {
            Self::Received(transaction) | Self::Candidate(transaction) => transaction.hash(),
            Self::Rejected { hash, .. } => *hash,
        }
    }

    /// Where it led.
    pub fn progress(&self) -> Progress {
        match self {
            Self::Received(_) => Progress::Received,
            Self::Candidate(_) => Progress::Candidate,
            Self::Rejected { reason, .. } => Progress::Rejected { reason: reason.clone() },
        }
    }
}

/// A developer took the end of the chain back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revert {
    /// The newest block that stayed; an open block above it is gone.
    pub kept: BlockNumber,
    /// The closed blocks that are gone, if there were any.
    pub orphaned: Option<Orphaned>,
}

/// Closed blocks that are no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Orphaned {
    /// The oldest.
    pub first: (BlockNumber, BlockHash),
    /// The newest.
    pub last: (BlockNumber, BlockHash),
}

/// How often the end of the chain was taken back, and the newest of these times.
#[derive(Clone, Debug, Default)]
pub struct Reverts {
    count: u64,
    recent: VecDeque<Revert>,
}

impl Reverts {
    /// How many reverts are kept.
    const RECENT_MAX: usize = 64;

    /// How often it happened since the node was started.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// What happened behind the first so many times, oldest first; what is too long ago is left out.
    pub fn since(&self, count: u64) -> impl Iterator<Item = &Revert> {
        let missed = usize::try_from(self.count.saturating_sub(count)).unwrap_or(usize::MAX);
        self.recent.iter().skip(self.recent.len().saturating_sub(missed))
    }

    /// It happens again.
    pub fn push(&mut self, revert: Revert) {
        self.count += 1;
        self.recent.push_back(revert);
        if Self::RECENT_MAX < self.recent.len() {
            self.recent.pop_front();
        }
    }
}

/// How many events a slow listener may be behind before it misses some.
const EVENTS_MAX: usize = 1_024;

/// How many moves a slow listener may be behind before it misses some.
const MOVES_MAX: usize = 4_096;

/// Tells whoever listens, over all lives. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    events: broadcast::Sender<Event>,
    pub(crate) moves: Moves,
    reverts: Arc<Mutex<Arc<Reverts>>>,
}

impl Events {
    /// Where nobody listens yet.
    pub(crate) fn new() -> Self {
        let events = broadcast::Sender::new(EVENTS_MAX);
        Self { events, moves: Moves::default(), reverts: Arc::default() }
    }

    /// Something changed.
    pub(crate) fn tell(&self, event: Event) {
        // Without a listener there is nobody to tell.
        drop(self.events.send(event));
    }

    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The end of the chain is taken back.
    pub(crate) fn revert(&self, revert: Revert) {
        Arc::make_mut(&mut self.lock()).push(revert);
    }

    /// How often that has happened.
    pub(crate) fn reverts(&self) -> Arc<Reverts> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Reverts>> {
        self.reverts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of moves. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Moves(broadcast::Sender<Move>);

impl Default for Moves {
    fn default() -> Self {
        Self(broadcast::Sender::new(MOVES_MAX))
    }
}

impl Moves {
    /// A transaction has moved. Costs nothing where nobody listens.
    pub(crate) fn tell(&self, moved: impl FnOnce() -> Move) {
        if self.0.receiver_count() != 0 {
            // The last listener may leave meanwhile.
            drop(self.0.send(moved()));
        }
    }

    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Move> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revert(kept: u64) -> Revert {
        Revert { kept: BlockNumber(kept), orphaned: None }
    }

    #[test]
    fn whoever_has_seen_some_reverts_is_told_of_the_others() {
        let mut reverts = Reverts::default();
        assert_eq!(reverts.since(0).count(), 0);
        for kept in 0..3 {
            reverts.push(revert(kept));
        }
        let since = |count| reverts.since(count).map(|revert| revert.kept.0).collect::<Vec<_>>();
        assert_eq!([since(0), since(2), since(3)], [vec![0, 1, 2], vec![2], vec![]]);
        assert_eq!(since(9), Vec::<u64>::new(), "of another chain");
    }

    #[test]
    fn reverts_of_long_ago_are_forgotten_but_counted() {
        let mut reverts = Reverts::default();
        for kept in 0..100 {
            reverts.push(revert(kept));
        }
        assert_eq!((reverts.count(), reverts.since(0).count()), (100, Reverts::RECENT_MAX));
        assert_eq!(reverts.since(99).map(|revert| revert.kept.0).collect::<Vec<_>>(), [99]);
    }
}
