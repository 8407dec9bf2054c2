//! Our own batches on their way into the order.

use std::collections::{BTreeMap, VecDeque};

use kraken_types::{BatchDigest, BatchRef, Header, Round};

/// Our own batches: those that wait for a header, and those that are in one above the horizon.
///
/// Bound: what our own workers report, and one header of ours for each round above the horizon.
#[derive(Debug, Default)]
pub(super) struct Payload {
    /// In the order of the next headers.
    pending: VecDeque<BatchRef>,
    states: BTreeMap<BatchDigest, State>,
    headers: BTreeMap<Round, Vec<BatchRef>>,
}

/// Where a batch of ours is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In no header.
    Pending,
    /// In our header of that round.
    Proposed(Round),
    /// In our header of that round since before a restart, and not reported by a worker yet: if it
    /// was ordered meanwhile, it never will be.
    Resumed(Round),
    /// Ordered; our header of that round named it.
    Ordered(Round),
}

impl Payload {
    /// How many batches wait for a header.
    pub(super) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether this validator knows the batch as its own.
    pub(super) fn contains(&self, digest: BatchDigest) -> bool {
        self.states.contains_key(&digest)
    }

    /// A worker reports a batch; it may do so again after a restart.
    pub(super) fn add(&mut self, batch: BatchRef) {
        match self.states.get(&batch.digest) {
            Some(State::Resumed(round)) => {
                self.states.insert(batch.digest, State::Proposed(*round));
            }
            Some(State::Pending | State::Proposed(_) | State::Ordered(_)) => {}
            None => {
                self.states.insert(batch.digest, State::Pending);
                self.pending.push_back(batch);
            }
        }
    }

    /// Takes the oldest batches into our header of a round.
    pub(super) fn take(&mut self, round: Round, batches_max: usize) -> Vec<BatchRef> {
        let count = batches_max.min(self.pending.len());
        let batches: Vec<_> = self.pending.drain(..count).collect();
        for batch in &batches {
            self.states.insert(batch.digest, State::Proposed(round));
        }
        self.headers.insert(round, batches.clone());
        batches
    }

    /// Takes up a header of an earlier run. A later one that names the same batch goes first.
    pub(super) fn resume(&mut self, header: &Header) {
        for batch in &header.batches {
            self.states.insert(batch.digest, State::Resumed(header.round));
        }
        self.headers.insert(header.round, header.batches.clone());
    }

    /// A batch of ours was ordered.
    pub(super) fn ordered(&mut self, batch: BatchRef) {
        match self.states.get(&batch.digest) {
            Some(State::Pending) => {
                self.pending.retain(|pending| pending.digest != batch.digest);
                self.states.remove(&batch.digest);
            }
            Some(State::Proposed(round) | State::Resumed(round)) => {
                self.states.insert(batch.digest, State::Ordered(*round));
            }
            Some(State::Ordered(_)) | None => {}
        }
    }

    /// Our headers up to this round can never be ordered any more: what they carried and was not
    /// ordered goes first into the next ones.
    pub(super) fn prune(&mut self, horizon: Round) {
        let kept = self.headers.split_off(&horizon.ahead(1));
        let old = std::mem::replace(&mut self.headers, kept);
        for (round, batches) in old.into_iter().rev() {
            self.give_back(round, &batches);
        }
    }

    /// Our header of this round was given up before it was certified.
    pub(super) fn abandon(&mut self, round: Round) {
        if let Some(batches) = self.headers.remove(&round) {
            self.give_back(round, &batches);
        }
    }

    fn give_back(&mut self, round: Round, batches: &[BatchRef]) {
        for batch in batches.iter().rev() {
            match self.states.get(&batch.digest) {
                Some(State::Proposed(place)) if *place == round => {
                    self.states.insert(batch.digest, State::Pending);
                    self.pending.push_front(*batch);
                }
                Some(State::Resumed(place) | State::Ordered(place)) if *place == round => {
                    self.states.remove(&batch.digest);
                }
                // Another header of ours names it too.
                Some(
                    State::Pending | State::Proposed(_) | State::Resumed(_) | State::Ordered(_),
                )
                | None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::testing::{batch, batches, header};

    use super::*;

    #[test]
    fn headers_take_the_oldest_batches_first() {
        let mut payload = Payload::default();
        batches(5).into_iter().for_each(|batch| payload.add(batch));
        payload.add(batch(0));
        assert_eq!(payload.take(Round(1), 3), batches(3));
        assert_eq!(payload.take(Round(2), 3), batches(5)[3..]);
        assert_eq!(payload.pending(), 0);
    }

    #[test]
    fn what_is_not_ordered_before_the_horizon_goes_first() {
        let mut payload = Payload::default();
        batches(6).into_iter().for_each(|batch| payload.add(batch));
        let _ = (payload.take(Round(1), 2), payload.take(Round(2), 2));
        payload.ordered(batch(1));
        payload.prune(Round(2));
        assert_eq!(payload.take(Round(5), 9), [0, 2, 3, 4, 5].map(batch));
    }

    #[test]
    fn a_header_given_up_returns_its_batches() {
        let mut payload = Payload::default();
        batches(3).into_iter().for_each(|batch| payload.add(batch));
        let _ = payload.take(Round(1), 2);
        payload.abandon(Round(1));
        assert_eq!(payload.take(Round(2), 9), batches(3));
        payload.prune(Round(1));
        assert_eq!(payload.pending(), 0, "they are in a newer header");
    }

    #[test]
    fn after_a_restart_only_reported_batches_are_proposed_again() {
        let mut payload = Payload::default();
        payload.resume(&kraken_types::Header { batches: batches(3), ..header(0, 1) });
        payload.add(batch(2));
        assert_eq!(payload.pending(), 0, "it is in a header already");
        payload.prune(Round(1));
        assert_eq!(payload.take(Round(2), 9), [batch(2)]);
        payload.add(batch(0));
        assert_eq!(payload.take(Round(3), 9), [batch(0)]);
    }

    #[test]
    fn an_ordered_batch_is_not_proposed() {
        let mut payload = Payload::default();
        batches(2).into_iter().for_each(|batch| payload.add(batch));
        payload.ordered(batch(0));
        assert_eq!(payload.take(Round(1), 9), [batch(1)]);
        payload.ordered(batch(1));
        payload.add(batch(1));
        payload.prune(Round(1));
        assert_eq!(payload.pending(), 0);
        assert!(!payload.contains(batch(1).digest), "forgotten with its header");
    }
}
