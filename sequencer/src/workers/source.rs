//! Where the transactions of a worker come from.

use std::{collections::VecDeque, fmt};

use bytes::Bytes;
use kraken_execution::Prepared;
use kraken_types::BatchRef;

use crate::{
    builder::encode,
    journal::Journal,
    metrics::{Metrics, gauge},
    pool::{Pace, SharedPool},
};

/// Where the transactions of a worker come from, and who is told what became of them.
pub(crate) trait Source: fmt::Debug + Send + 'static {
    /// The next that are ready, encoded, at most `count_max`; they are under way from now on.
    fn take(&mut self, count_max: usize, pace: Pace) -> Vec<Bytes>;

    /// The oldest `count` of those that were taken and are in no batch make this batch, which is on
    /// its way to the disk.
    fn sealed(&mut self, batch: &BatchRef, count: usize);

    /// This batch of ours is on the disk.
    fn durable(&mut self, batch: &BatchRef);

    /// The oldest `count` of those that were taken are in batches of another process.
    fn left(&mut self, count: usize);

    /// A quorum holds this batch of ours.
    fn available(&mut self, batch: &BatchRef);

    /// Some time has passed.
    fn expire(&mut self);
}

/// Takes from the pool, and keeps what is known already of a transaction, so that nothing is decoded
/// and hashed twice.
#[derive(Debug)]
pub(crate) struct FromPool {
    pub(crate) pool: SharedPool,
    /// Keeps what is known of the transactions in batches.
    pub(crate) journal: Journal,
    pub(crate) metrics: Metrics,
    /// Taken, and in no batch yet.
    pub(crate) unsealed: VecDeque<Prepared>,
}

impl Source for FromPool {
    fn take(&mut self, count_max: usize, pace: Pace) -> Vec<Bytes> {
        let ready = self.pool.lock().take_ready(count_max, pace, self.pool.now());
        let bytes = ready.iter().map(|transaction| Bytes::from(encode(transaction))).collect();
        self.unsealed.extend(ready);
        bytes
    }

    fn sealed(&mut self, batch: &BatchRef, count: usize) {
        let prepared = self.unsealed.drain(..count).collect();
        self.journal.note_prepared(batch.digest, prepared);
    }

    fn durable(&mut self, _: &BatchRef) {}

    fn left(&mut self, count: usize) {
        self.unsealed.drain(..count);
    }

    fn available(&mut self, _: &BatchRef) {}

    /// Gives up on what has waited for too long, and says how much is left.
    fn expire(&mut self) {
        let mut pool = self.pool.lock();
        pool.expire(self.pool.now());
        let count = |count: usize| gauge(u64::try_from(count).unwrap_or(u64::MAX));
        self.metrics.pool.set(count(pool.pending()));
        self.metrics.pool_bytes.set(count(pool.bytes()));
        self.metrics.pool_window.set(count(pool.window()));
    }
}
