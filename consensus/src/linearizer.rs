//! From anchors to one order of batches: pure, and the same for every protocol.
//!
//! Rules (numbers as in `docs/protocol.md`):
//!
//! - L1 The certificates of an anchor are those reachable from it over parents that are not ordered
//!   yet and whose round is above a limit: `gc_depth` rounds below the anchor, or below the highest
//!   anchor ordered before if that is higher. The limit depends on what is ordered alone, never on
//!   what this validator happens to have pruned.
//! - L2 They are ordered by round, then author; their batches in the order of the headers. The
//!   place of a batch in the order of its worker is taken once: a place taken before is dropped.
//! - L3 A certificate is known to be ordered by its author and round, of which a quorum certifies
//!   one header only. What lies at or below the limit of the highest anchor counts as ordered.
//! - L4 A missing ancestor above the limit is a broken invariant: the mempool delivers causally.
//! - L5 The time of a commit is the lower median, by stake, of the times of the anchor's parents,
//!   but never earlier than that of the commit before. An anchor of round 1 has no parents and
//!   gives its own time. Parents at or below the limit of the commit before need not be there; then
//!   the time stays. (In FCFS nobody lies, and the time is always the anchor's own: [`Clock`].)
//!
//! No minority moves the time: the parents are a quorum, more than half of whose weight is honest,
//! so their lower median lies between the times of two honest validators.

mod ranges;
mod window;

use std::{collections::BTreeMap, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    BatchRef, Certificate, ChainDigest, Commit, CommitIndex, Committee, Header, Round, Signers,
    Stake, Timestamp, ValidatorId, Verified, WorkerId,
};

use crate::dag::{Dag, Node};

pub use ranges::Ranges;
pub use window::Window;

/// The largest `gc_depth`: as many rounds as a [`Window`] can tell apart, and some to spare.
pub const GC_DEPTH_MAX: u64 = 120;

/// Turns anchors, in the order in which a protocol decides them, into commits.
#[derive(Debug)]
pub struct Linearizer {
    committee: Arc<Committee>,
    gc_depth: u64,
    clock: Clock,
    state: State,
}

/// What is ordered so far: enough to go on after a restart. The same on all honest validators.
///
/// A few hundred bytes, as long as nobody leaves gaps between the batches it gets ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct State {
    /// The index of the next commit.
    pub next: CommitIndex,
    /// The chain digest of the last one.
    pub chain: ChainDigest,
    /// Its time.
    pub timestamp: Timestamp,
    /// The highest anchor, and the certificates ordered below it.
    pub window: Window,
    /// The places of batches that are taken, by the worker whose order they are places of.
    pub taken: BTreeMap<(ValidatorId, WorkerId), Ranges>,
}

/// Whose word is taken for the time of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The median of the anchor's parents (rule L5).
    Median,
    /// The anchor's author, where nobody lies: a lone developer sees the time of his clock at once.
    Anchor,
}

/// A commit and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The next stretch of the order.
    pub commit: Commit,
    /// The certificates of that stretch, by round, then author; the anchor is the last.
    pub certificates: Vec<Verified<Certificate>>,
}

impl Linearizer {
    /// Starts with an empty order. `gc_depth` is the same on all validators.
    ///
    /// # Panics
    /// If `gc_depth` is not 1 to [`GC_DEPTH_MAX`]: with another, certificates would be ordered twice.
    pub fn new(committee: Arc<Committee>, gc_depth: u64, clock: Clock) -> Self {
        assert!((1..=GC_DEPTH_MAX).contains(&gc_depth), "gc_depth {gc_depth} is not 1 to 120");
        Self { committee, gc_depth, clock, state: State::default() }
    }

    /// Goes on from what was ordered before a restart.
    pub fn restore(&mut self, state: State) {
        self.state = state;
    }

    /// What is ordered so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The round at and below which nothing will be ordered any more; a [`Dag`] may let go of it.
    pub fn horizon(&self) -> Round {
        self.state.window.anchor.back(self.gc_depth)
    }

    /// Whether a certificate needs no order any more: it has one, or is too old to get one.
    pub fn is_ordered(&self, round: Round, author: ValidatorId) -> bool {
        round <= self.horizon() || self.state.window.contains(round, author)
    }

    /// Orders the history of an anchor; `None` for one that [is ordered](Self::is_ordered) already.
    ///
    /// # Panics
    /// If an anchor that is not ordered yet, or one of its ancestors above the limit, is missing
    /// from the DAG (rule L4). No message can bring that about: anchors are decided among
    /// certificates that the mempool delivered, and it delivers causally.
    pub fn order(&mut self, dag: &Dag, anchor: &Certificate) -> Option<Ordered> {
        let header = anchor.header();
        if self.is_ordered(header.round, header.author) {
            return None;
        }
        let timestamp = self.state.timestamp.max(self.time_of(dag, header));
        let nodes = self.history(dag, header);
        self.state.window.advance(header.round, self.gc_depth);
        let certificates: Vec<_> = nodes.iter().map(|node| node.certificate().clone()).collect();
        let batches = certificates.iter().flat_map(|certificate| self.take(certificate.header()));
        let batches = batches.collect();
        let asks = certificates.iter().any(|certificate| certificate.header().close_block);
        let commit = Commit {
            index: self.state.next,
            anchor: anchor.digest(),
            round: header.round,
            timestamp,
            batches,
            // Nobody else could object.
            close_block: asks && self.committee.len() == 1,
            chain: ChainDigest::default(),
        }
        .chained(self.state.chain);
        self.state.next = commit.index.next();
        self.state.chain = commit.chain;
        self.state.timestamp = timestamp;
        Some(Ordered { commit, certificates })
    }

    /// Rules L1 and L2: what is reachable, not ordered, and above the limit; oldest first.
    fn history<'a>(&self, dag: &'a Dag, anchor: &Header) -> Vec<&'a Node> {
        let limit = self.state.window.anchor.max(anchor.round).back(self.gc_depth);
        let mut layers = Vec::new();
        let mut round = anchor.round;
        let mut authors = Signers::from_iter([anchor.author]);
        while !authors.is_empty() {
            let is_new = |author: &ValidatorId| !self.is_ordered(round, *author);
            let missing = "the mempool delivers causally: ancestors above the limit are there";
            let layer: Vec<_> = authors
                .iter()
                .filter(is_new)
                .map(|author| dag.node(round, author).expect(missing))
                .collect();
            round = round.back(1);
            authors = Signers::default();
            if limit < round {
                let parents = layer.iter().flat_map(|node| node.parents().iter());
                authors = parents.collect();
            }
            layers.push(layer);
        }
        layers.into_iter().rev().flatten().collect()
    }

    /// Rule L3, and the second half of L2: a header is ordered, with the batches not ordered yet.
    fn take(&mut self, header: &Header) -> Vec<(ValidatorId, BatchRef)> {
        let State { window, taken, .. } = &mut self.state;
        window.insert(header.round, header.author);
        let is_new = |batch: &&BatchRef| {
            taken.entry((header.author, batch.worker)).or_default().insert(batch.sequence)
        };
        header.batches.iter().filter(is_new).map(|batch| (header.author, *batch)).collect()
    }

    /// Rule L5, without the memory of the commit before.
    fn time_of(&self, dag: &Dag, anchor: &Header) -> Timestamp {
        match (self.clock, anchor.round.previous()) {
            (Clock::Anchor, _) | (Clock::Median, None | Some(Round(0))) => anchor.created_at,
            (Clock::Median, Some(below)) if below <= self.horizon() => self.state.timestamp,
            (Clock::Median, Some(below)) => {
                let node = dag.node(anchor.round, anchor.author);
                let node = node.expect("an anchor is decided after it was delivered");
                let missing = "parents above the horizon were delivered before their child";
                let times = node.parents().iter().map(|author| {
                    let parent = dag.node(below, author).expect(missing);
                    (parent.certificate().header().created_at, self.committee.stake(author))
                });
                median(times.collect())
            }
        }
    }
}

/// The earliest time at or before which half of the weight lies; the epoch if there is no weight.
fn median(mut times: Vec<(Timestamp, Stake)>) -> Timestamp {
    times.sort_unstable();
    let total: Stake = times.iter().map(|(_, stake)| stake).sum();
    let mut weight = 0;
    let half = times.into_iter().find(|(_, stake)| {
        weight += stake;
        total <= 2 * weight
    });
    half.map_or(Timestamp::ZERO, |(time, _)| time)
}

#[cfg(test)]
mod tests;
