//! What validators were handed and is in no block: pure, time is an argument.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use kraken_types::ValidatorId;
use starknet_api::{core::ContractAddress, transaction::TransactionHash};
use tokio::{sync::broadcast, time::Instant};

use crate::{Move, Progress, events::Moves};

/// What is in no block after this time is handed to another validator.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// What is in no block after this time never will be.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);

/// How much is remembered, in bytes of transactions. What comes beyond that is handed on once.
const BYTES_MAX: usize = 64 << 20;

/// How much is handed on again at a time.
const DUE_MAX: usize = 64;

/// How many rejections are remembered.
const REJECTED_MAX: usize = 1_000;

/// What validators were handed and is in no block.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    known: BTreeMap<TransactionHash, Entry>,
    /// Of what is known.
    bytes: usize,
    rejected: VecDeque<(TransactionHash, String)>,
    moves: Moves,
}

#[derive(Debug)]
struct Entry {
    due: Due,
    since: Instant,
    again_at: Instant,
}

/// A transaction that is to be handed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) hash: TransactionHash,
    pub(super) sender: ContractAddress,
    /// As a batch carries it.
    pub(super) bytes: Bytes,
    /// The validator that took it last.
    pub(super) taker: ValidatorId,
}

impl Handed {
    /// A validator took a transaction.
    pub(super) fn remember(&mut self, due: Due, now: Instant) {
        self.rejected.retain(|(hash, _)| *hash != due.hash);
        self.forget(due.hash);
        if BYTES_MAX < self.bytes + due.bytes.len() {
            return;
        }
        self.bytes += due.bytes.len();
        self.known.insert(due.hash, Entry { due, since: now, again_at: now + AGAIN_AFTER });
    }

    /// Whether this very transaction is under way.
    pub(super) fn contains(&self, hash: TransactionHash) -> bool {
        self.known.contains_key(&hash)
    }

    /// How many are under way.
    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    /// How far a transaction has come; `None` if it is not known, or in a block.
    pub(super) fn progress(&self, hash: TransactionHash) -> Option<Progress> {
        if self.contains(hash) {
            return Some(Progress::Received);
        }
        let rejected = self.rejected.iter().find(|(rejected, _)| *rejected == hash);
        rejected.map(|(_, reason)| Progress::Rejected { reason: reason.clone() })
    }

    /// A transaction has moved.
    pub(super) fn tell(&self, moved: impl FnOnce() -> Move) {
        self.moves.tell(moved);
    }

    /// How transactions move from now on.
    pub(crate) fn moves(&self) -> broadcast::Receiver<Move> {
        self.moves.subscribe()
    }

    /// These are in a block.
    pub(crate) fn in_block(&mut self, hashes: impl Iterator<Item = TransactionHash>) {
        for hash in hashes {
            self.forget(hash);
        }
    }

    /// Another validator took it.
    pub(super) fn taken(&mut self, hash: TransactionHash, taker: ValidatorId) {
        if let Some(entry) = self.known.get_mut(&hash) {
            entry.due.taker = taker;
        }
    }

    /// A validator says that it can be in no block.
    pub(super) fn rejected(&mut self, hash: TransactionHash, reason: String) {
        // It may be in a block meanwhile.
        if self.forget(hash) {
            self.moves.tell(|| Move::Rejected { hash, reason: reason.clone() });
            self.rejected.push_back((hash, reason));
            if REJECTED_MAX < self.rejected.len() {
                self.rejected.pop_front();
            }
        }
    }

    /// What is to be handed on again now. Gives up on what has waited for too long.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Due> {
        let has_waited = |entry: &&Entry| entry.since + GIVE_UP_AFTER <= now;
        let lost: Vec<_> = self.known.values().filter(has_waited).map(|it| it.due.hash).collect();
        for hash in lost {
            self.rejected(hash, "no validator put it into a block in time".to_owned());
        }
        let is_due = |entry: &&mut Entry| entry.again_at <= now;
        let due = self.known.values_mut().filter(is_due).take(DUE_MAX).map(|entry| {
            entry.again_at = now + AGAIN_AFTER;
            entry.due.clone()
        });
        due.collect()
    }

    /// Whether it was known.
    fn forget(&mut self, hash: TransactionHash) -> bool {
        let entry = self.known.remove(&hash);
        self.bytes -= entry.as_ref().map_or(0, |entry| entry.due.bytes.len());
        entry.is_some()
    }
}

#[cfg(test)]
mod tests {
    use starknet_types_core::felt::Felt;

    use super::*;

    fn hash(number: u64) -> TransactionHash {
        TransactionHash(Felt::from(number))
    }

    fn due(number: u64, bytes: usize) -> Due {
        let bytes = Bytes::from(vec![0; bytes]);
        Due { hash: hash(number), sender: ContractAddress::default(), bytes, taker: ValidatorId(0) }
    }

    #[test]
    fn what_is_in_no_block_is_handed_on_again_until_it_is_given_up() {
        let (mut handed, now) = (Handed::default(), Instant::now());
        handed.remember(due(1, 10), now);
        handed.remember(due(2, 10), now);
        assert_eq!(handed.progress(hash(1)), Some(Progress::Received));
        assert!(handed.due(now).is_empty());
        handed.in_block([hash(2), hash(3)].into_iter());
        assert_eq!(handed.progress(hash(2)), None);

        let again = now + AGAIN_AFTER;
        assert_eq!(handed.due(again), [due(1, 10)]);
        assert!(handed.due(again).is_empty(), "once at a time");
        handed.taken(hash(1), ValidatorId(3));
        assert_eq!(handed.due(again + AGAIN_AFTER)[0].taker, ValidatorId(3));

        assert!(handed.due(now + GIVE_UP_AFTER).is_empty());
        assert!(matches!(handed.progress(hash(1)), Some(Progress::Rejected { .. })));
        assert_eq!((handed.len(), handed.bytes), (0, 0));
        handed.remember(due(1, 10), now);
        assert_eq!(handed.progress(hash(1)), Some(Progress::Received), "sent again");
    }

    #[test]
    fn what_is_rejected_says_why_unless_it_is_in_a_block() {
        let (mut handed, now) = (Handed::default(), Instant::now());
        handed.remember(due(1, 10), now);
        handed.rejected(hash(1), "no".to_owned());
        let rejected = Progress::Rejected { reason: "no".to_owned() };
        assert_eq!(handed.progress(hash(1)), Some(rejected));
        handed.rejected(hash(2), "no".to_owned());
        assert_eq!(handed.progress(hash(2)), None);
        for number in 0..2 * REJECTED_MAX as u64 {
            handed.remember(due(number, 1), now);
            handed.rejected(hash(number), String::new());
        }
        assert_eq!(handed.rejected.len(), REJECTED_MAX);
    }

    #[test]
    fn what_is_remembered_has_a_limit() {
        let (mut handed, now) = (Handed::default(), Instant::now());
        handed.remember(due(1, BYTES_MAX), now);
        handed.remember(due(1, BYTES_MAX), now);
        handed.remember(due(2, 1), now);
        assert_eq!((handed.len(), handed.bytes), (1, BYTES_MAX));
        handed.in_block([hash(1)].into_iter());
        for number in 0..2 * DUE_MAX as u64 {
            handed.remember(due(number, 1), now);
        }
        assert_eq!(handed.due(now + AGAIN_AFTER).len(), DUE_MAX);
    }
}
