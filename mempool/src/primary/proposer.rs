//! Makes headers: once per round, each behind the one before.

use std::mem;

use kraken_types::{BatchRef, Header, HeaderDigest, Round, Timestamp};

use super::Config;

/// What the next header will say.
#[derive(Debug, Default)]
pub struct Proposer {
    /// The round of our newest header; round 0 is the genesis.
    round: Round,
    /// Our newest header, `None` before the first.
    parent: Option<HeaderDigest>,
    /// Its time; those of its successors are never earlier.
    created_at: Timestamp,
    /// Durable batches that are in no header yet.
    pending: Vec<BatchRef>,
}

impl Proposer {
    /// Puts a durable batch into the next header.
    pub fn add(&mut self, batch: BatchRef) {
        self.pending.push(batch);
    }

    /// Goes on behind a header of an earlier run.
    pub fn resume(&mut self, newest: &Header) {
        self.round = newest.round;
        self.parent = Some(newest.digest());
        self.created_at = newest.created_at;
    }

    /// Makes the header of the next round, with all pending batches.
    pub fn propose(&mut self, config: &Config, now: Timestamp, close_block: bool) -> Header {
        self.round = self.round.next();
        self.created_at = self.created_at.max(now);
        let header = Header {
            genesis: config.genesis,
            epoch: config.committee.epoch(),
            author: config.id,
            round: self.round,
            created_at: self.created_at,
            batches: mem::take(&mut self.pending),
            parents: self.parent.into_iter().collect(),
            close_block,
        };
        self.parent = Some(header.digest());
        header
    }
}
