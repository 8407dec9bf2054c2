//! What of both logs is still needed, and where it is.

pub(super) mod elsewhere;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use kraken_consensus::{self as consensus, linearizer};
use kraken_execution::Prepared;
use kraken_mempool::{primary, worker::Held};
use kraken_ordering::Entry;
use kraken_storage::log::Location;
use kraken_types::{BatchDigest, BatchRef, CommitIndex, Round, ValidatorId, WorkerId};

use self::elsewhere::Fetching;

/// What of both logs is still needed.
#[derive(Debug)]
pub(super) struct Index {
    own: ValidatorId,
    batches: BTreeMap<BatchDigest, Batch>,
    /// What we know already of our own batches, so that nothing is decoded and hashed twice.
    prepared: BTreeMap<BatchDigest, Vec<Prepared>>,
    /// Each of our workers goes on counting behind its own.
    newest_own_batches: BTreeMap<WorkerId, Location>,
    commits: BTreeMap<CommitIndex, Commit>,
    /// For each round above `forgotten` the oldest record about it.
    rounds: BTreeMap<Round, Location>,
    forgotten: Round,
    /// Records of the primary that are about no round: the newest of each kind.
    newest_of_primary: Vec<(mem::Discriminant<primary::Record>, Location)>,
    /// Records of the protocol that none has superseded.
    newest_of_protocol: Vec<(consensus::Record, Location)>,
    /// For each worker.
    news: BTreeMap<WorkerId, News>,
    fetching: Fetching,
}

/// What became of the batches of one worker, ours and those of its likes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct News {
    /// In a durable commit now.
    pub(crate) ordered: Vec<(ValidatorId, BatchRef)>,
    /// In a durable block now.
    pub(crate) released: Vec<BatchDigest>,
}

#[derive(Debug)]
struct Batch {
    held: Held,
    place: Place,
}

/// Where the bytes of a batch are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In our log.
    Here(Location),
    /// With its worker, which is a process of its own.
    Elsewhere,
}

impl Place {
    const fn location(self) -> Option<Location> {
        match self {
            Self::Here(location) => Some(location),
            Self::Elsewhere => None,
        }
    }
}

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Not ordered.
    Pending,
    /// In a commit that is not in accepted blocks.
    Ordered,
    /// Nobody needs it any more.
    Released,
}

/// A commit that is not, or not wholly, in durable blocks.
#[derive(Debug)]
struct Commit {
    location: Location,
    batches: Vec<BatchDigest>,
}

impl Index {
    pub(super) fn new(own: ValidatorId) -> Self {
        Self {
            own,
            batches: BTreeMap::new(),
            prepared: BTreeMap::new(),
            newest_own_batches: BTreeMap::new(),
            commits: BTreeMap::new(),
            rounds: BTreeMap::new(),
            forgotten: Round::default(),
            newest_of_primary: Vec::new(),
            newest_of_protocol: Vec::new(),
            news: BTreeMap::new(),
            fetching: Fetching::default(),
        }
    }

    pub(super) fn note_prepared(&mut self, digest: BatchDigest, prepared: Vec<Prepared>) {
        self.prepared.insert(digest, prepared);
    }

    pub(super) fn note_batch(&mut self, held: &Held, location: Location) {
        if held.author == self.own {
            let newest = self.newest_own_batches.entry(held.batch.worker).or_insert(location);
            *newest = location.max(*newest);
        }
        let place = Place::Here(location);
        self.batches.insert(held.batch.digest, Batch { held: *held, place });
    }

    pub(super) fn note_entry(&mut self, entry: Entry, location: Location) {
        match entry {
            Entry::Primary(record) => self.note_primary(&record, location),
            Entry::Protocol(record) => self.note_protocol(record, location),
        }
    }

    fn note_primary(&mut self, record: &primary::Record, location: Location) {
        if let primary::Record::Pruned { forgotten, .. } = record {
            self.forget(*forgotten);
        }
        match record.round() {
            Some(round) if round <= self.forgotten => {}
            Some(round) => {
                self.rounds.entry(round).or_insert(location);
            }
            None => {
                let kind = mem::discriminant(record);
                self.newest_of_primary.retain(|(older, _)| *older != kind);
                self.newest_of_primary.push((kind, location));
            }
        }
    }

    fn note_protocol(&mut self, record: consensus::Record, location: Location) {
        if let consensus::Record::Committed { commit, .. } = &record {
            for (author, batch) in &commit.batches {
                self.news_of(batch.worker).ordered.push((*author, *batch));
            }
            let batches = commit.batches.iter().map(|(_, batch)| batch.digest).collect();
            self.commits.insert(commit.index, Commit { location, batches });
        }
        self.newest_of_protocol.retain(|(older, _)| !record.supersedes(older));
        self.newest_of_protocol.push((record, location));
    }

    pub(super) fn forget(&mut self, round: Round) {
        self.forgotten = self.forgotten.max(round);
        self.rounds = self.rounds.split_off(&self.forgotten.next());
    }

    pub(super) fn take_prepared(&mut self, digest: &BatchDigest) -> Option<Vec<Prepared>> {
        self.prepared.remove(digest)
    }

    pub(super) fn batch_location(&self, digest: &BatchDigest) -> Option<Location> {
        self.batches.get(digest).and_then(|batch| batch.place.location())
    }

    pub(super) fn held(&self) -> Vec<Held> {
        let here = |batch: &Batch| batch.place.location().map(|location| (location, batch.held));
        let mut held: Vec<_> = self.batches.values().filter_map(here).collect();
        held.sort_unstable_by_key(|(location, _)| *location);
        held.into_iter().map(|(_, held)| held).collect()
    }

    pub(super) fn take_news(&mut self, worker: WorkerId) -> News {
        self.news.remove(&worker).unwrap_or_default()
    }

    fn news_of(&mut self, worker: WorkerId) -> &mut News {
        self.news.entry(worker).or_default()
    }

    pub(super) fn release(&mut self, before: CommitIndex) {
        let kept = self.commits.split_off(&before);
        for commit in mem::replace(&mut self.commits, kept).into_values() {
            self.release_batches(&commit.batches);
        }
    }

    /// Lets go of batches that were ordered, but in no commit that is still known: so they are in
    /// durable blocks.
    pub(super) fn release_ordered(&mut self) {
        let Some(order) = self.newest_of_protocol.iter().find_map(|(record, _)| order_of(record))
        else {
            return;
        };
        let known: BTreeSet<_> = self.commits.values().flat_map(|commit| &commit.batches).collect();
        let is_taken = |Held { author, batch, .. }: &Held| {
            let taken = order.taken.get(&(*author, batch.worker));
            taken.is_some_and(|taken| taken.contains(batch.sequence))
        };
        let held = self.batches.values().map(|batch| &batch.held);
        let released = held.filter(|held| is_taken(held) && !known.contains(&held.batch.digest));
        let released: Vec<_> = released.map(|held| held.batch.digest).collect();
        self.release_batches(&released);
    }

    fn release_batches(&mut self, digests: &[BatchDigest]) {
        for digest in digests {
            self.prepared.remove(digest);
            self.fetching.forget(digest);
            if let Some(batch) = self.batches.remove(digest) {
                self.news_of(batch.held.batch.worker).released.push(*digest);
            }
        }
    }

    pub(super) fn oldest_batch(&self) -> Option<Location> {
        let waiting = self.batches.values().filter_map(|batch| batch.place.location()).min();
        waiting.into_iter().chain(self.newest_own_batches.values().copied()).min()
    }

    pub(super) fn oldest_entry(&self) -> Option<Location> {
        let commits = self.commits.values().map(|commit| commit.location);
        let of_primary = self.newest_of_primary.iter().map(|(_, location)| *location);
        let of_protocol = self.newest_of_protocol.iter().map(|(_, location)| *location);
        let rounds = self.rounds.values().copied();
        commits.chain(rounds).chain(of_primary).chain(of_protocol).min()
    }
}

/// What is ordered up to a commit.
fn order_of(record: &consensus::Record) -> Option<&linearizer::State> {
    match record {
        consensus::Record::Committed { order, .. } => Some(order),
        consensus::Record::HotStuff(_) => None,
    }
}
