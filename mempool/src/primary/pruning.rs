//! What the order makes superfluous.

use std::collections::BTreeSet;

use kraken_types::{BatchDigest, BatchRef, Commit, HeaderDigest, Round, Timestamp, ValidatorId};

use super::{Output, Primary, Record};

/// How far the log may be pruned already.
#[derive(Debug, Default)]
pub(super) struct Pruned {
    pub(super) horizon: Round,
    pub(super) forgotten: Round,
}

impl Primary {
    /// A commit: its history is ordered, and the horizon may move.
    pub(super) fn commit(&mut self, now: Timestamp, commit: &Commit) {
        let gc_depth = self.config.gc_depth.max(1);
        let limit = commit.round.back(gc_depth);
        let ordered = self.dag.order(commit.anchor, limit);
        self.fetch_ordered(&ordered, &commit.batches);
        for (author, batch) in &commit.batches {
            if *author == self.config.identity.id {
                self.payload.ordered(*batch);
            } else {
                self.stored.ordered(commit.round, *author, *batch);
            }
        }
        // What the order dropped, because its place was taken, is no more to be proposed again.
        for certificate in ordered.iter().filter_map(|digest| self.dag.get(*digest)) {
            if certificate.header().author == self.config.identity.id {
                let batches = certificate.header().batches.iter();
                batches.for_each(|batch| self.payload.ordered(*batch));
            }
        }
        self.proposer.ordered(commit.round);
        if self.dag.horizon() < limit {
            self.raise(now, limit);
        }
    }

    /// Fetches ordered batches that we still lack: after a restart nobody else knows of them.
    fn fetch_ordered(&mut self, ordered: &[HeaderDigest], batches: &[(ValidatorId, BatchRef)]) {
        let lacking = batches.iter().filter(|(author, batch)| !self.holds(*author, batch.digest));
        let mut lacking: BTreeSet<(ValidatorId, BatchDigest)> =
            lacking.map(|(author, batch)| (*author, batch.digest)).collect();
        if lacking.is_empty() {
            return;
        }
        for certificate in ordered.iter().filter_map(|digest| self.dag.get(*digest)) {
            let author = certificate.header().author;
            for batch in &certificate.header().batches {
                if lacking.remove(&(author, batch.digest)) {
                    let (batch, holders) = (*batch, certificate.signers().clone());
                    self.outputs.push(Output::Fetch { author, batch, holders });
                }
            }
        }
        // What no certificate of ours names was ordered by one that is too old for us. A quorum
        // held it, so anyone may be asked.
        for (author, batch) in batches {
            if lacking.remove(&(*author, batch.digest)) {
                let holders = self.config.identity.peers().collect();
                let (author, batch) = (*author, *batch);
                self.outputs.push(Output::Fetch { author, batch, holders });
            }
        }
    }

    /// Moves the horizon: nothing at or below it can be ordered any more.
    fn raise(&mut self, now: Timestamp, horizon: Round) {
        // A certificate at the horizon may still be the parent of one above it.
        let forgotten = horizon.back(self.config.serve_depth.max(1));
        self.dag.prune(horizon, forgotten);
        self.payload.prune(horizon);
        self.voter.prune(horizon);
        self.stored.prune(horizon);
        self.sync.prune(horizon);
        self.certifier = self.certifier.take().filter(|own| horizon < own.round());
        for certificate in self.waiting.prune(horizon) {
            self.take_in(now, None, certificate);
        }
        let step = self.config.gc_depth / 4 + 1;
        if self.pruned.horizon.ahead(step) <= horizon {
            self.pruned.horizon = horizon;
            self.outputs.push(Output::Persist(Record::Pruned { horizon, forgotten }));
            if self.pruned.forgotten < forgotten {
                self.pruned.forgotten = forgotten;
                self.outputs.push(Output::Pruned(forgotten));
            }
        }
    }
}
