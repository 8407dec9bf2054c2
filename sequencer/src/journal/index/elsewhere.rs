//! Batches that a worker in another process holds: which there are, and the bytes of those that are
//! about to be executed. And the other side of it: what such a worker learns of its batches.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kraken_mempool::worker::Held;
use kraken_types::{BatchDigest, BatchRef, ValidatorId, WorkerId};

use super::{Batch, Index, Place, Standing, order_of};

/// The bytes of batches that are elsewhere.
#[derive(Debug, Default)]
pub(super) struct Fetching {
    asked: BTreeMap<BatchDigest, Asked>,
    fetched: BTreeMap<BatchDigest, Bytes>,
}

/// Somebody wants to read a batch.
#[derive(Debug)]
struct Asked {
    worker: WorkerId,
    is_under_way: bool,
}

impl Fetching {
    /// Nobody wants to read it any more.
    pub(super) fn forget(&mut self, digest: &BatchDigest) {
        self.asked.remove(digest);
        self.fetched.remove(digest);
    }
}

/// Whether a batch can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readable {
    Now,
    /// It was asked for just now.
    Soon,
    /// It was asked for before, or nobody has it.
    NotYet,
}

impl Index {
    /// Whether the bytes of a batch can be read; asks for them if they are elsewhere.
    pub(in super::super) fn readable(&mut self, digest: &BatchDigest) -> Readable {
        let Some(Batch { held, place }) = self.batches.get(digest) else {
            return Readable::NotYet;
        };
        if *place != Place::Elsewhere || self.fetching.fetched.contains_key(digest) {
            return Readable::Now;
        }
        if self.fetching.asked.contains_key(digest) {
            return Readable::NotYet;
        }
        let asked = Asked { worker: held.batch.worker, is_under_way: false };
        self.fetching.asked.insert(*digest, asked);
        Readable::Soon
    }

    /// The bytes of a batch that was elsewhere, once.
    pub(in super::super) fn take_fetched(&mut self, digest: &BatchDigest) -> Option<Bytes> {
        self.fetching.fetched.remove(digest)
    }

    /// What somebody wants to read of this worker's; it is under way from now on.
    pub(in super::super) fn take_asked(&mut self, worker: WorkerId) -> Vec<BatchDigest> {
        let asked = self.fetching.asked.iter_mut();
        let new = asked.filter(|(_, asked)| asked.worker == worker && !asked.is_under_way);
        new.map(|(digest, asked)| {
            asked.is_under_way = true;
            *digest
        })
        .collect()
    }

    /// What became of an attempt to read a batch; without bytes it will be asked for again.
    pub(in super::super) fn fetched(&mut self, digest: BatchDigest, bytes: Option<Bytes>) {
        let is_wanted = self.fetching.asked.remove(&digest).is_some();
        if let Some(bytes) = bytes.filter(|_| is_wanted) {
            self.fetching.fetched.insert(digest, bytes);
        }
    }

    /// A worker elsewhere holds these batches; says how far each has come, and remembers those that
    /// somebody needs.
    pub(in super::super) fn note_elsewhere(
        &mut self,
        batches: &[(ValidatorId, BatchRef)],
    ) -> Vec<Standing> {
        let standings = self.standings(batches);
        for ((author, batch), standing) in batches.iter().zip(&standings) {
            if *standing != Standing::Released {
                // What it takes on a disk is no concern of ours.
                let held = Held { author: *author, batch: *batch, bytes: 0 };
                let elsewhere = Batch { held, place: Place::Elsewhere };
                self.batches.entry(batch.digest).or_insert(elsewhere);
            }
        }
        standings
    }

    /// A worker elsewhere holds no other batches than these. Returns those that it held before.
    pub(in super::super) fn keep_elsewhere(
        &mut self,
        worker: WorkerId,
        digests: &BTreeSet<BatchDigest>,
    ) -> Vec<(ValidatorId, BatchRef)> {
        let is_gone = |Batch { held, place }: &Batch| {
            *place == Place::Elsewhere
                && held.batch.worker == worker
                && !digests.contains(&held.batch.digest)
        };
        let gone = self.batches.values().filter(|batch| is_gone(batch));
        let gone: Vec<_> = gone.map(|batch| (batch.held.author, batch.held.batch)).collect();
        for (_, batch) in &gone {
            self.batches.remove(&batch.digest);
            self.fetching.forget(&batch.digest);
        }
        gone
    }

    /// A worker learns what became of its batches elsewhere.
    pub(in super::super) fn learn(
        &mut self,
        worker: WorkerId,
        ordered: Vec<(ValidatorId, BatchRef)>,
        released: &[BatchDigest],
    ) {
        self.news_of(worker).ordered.extend(ordered);
        self.release_batches(released);
    }

    fn standings(&self, batches: &[(ValidatorId, BatchRef)]) -> Vec<Standing> {
        let order = self.newest_of_protocol.iter().find_map(|(record, _)| order_of(record));
        let known: BTreeSet<_> = self.commits.values().flat_map(|commit| &commit.batches).collect();
        let standing = |(author, batch): &(ValidatorId, BatchRef)| {
            let taken = order.and_then(|order| order.taken.get(&(*author, batch.worker)));
            if !taken.is_some_and(|taken| taken.contains(batch.sequence)) {
                Standing::Pending
            } else if known.contains(&batch.digest) {
                Standing::Ordered
            } else {
                Standing::Released
            }
        };
        batches.iter().map(standing).collect()
    }
}
