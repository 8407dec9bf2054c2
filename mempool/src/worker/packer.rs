//! Packs admitted transactions into batches.
//!
//! Pure: time comes in as an argument, work goes out as a value. The driver is
//! `sequencer::workers`; the tests below need no runtime.

use std::{mem, time::Duration};

use bytes::Bytes;
use kraken_types::{Timestamp, codec::BATCH_BYTES_MAX};

/// What a batch without transactions takes: epoch, author, worker, sequence and their number.
const ENVELOPE_BYTES: usize = 8 + 2 + 1 + 8 + LENGTH_BYTES;

/// What stands before each transaction.
const LENGTH_BYTES: usize = 4;

/// The batch that is being filled, and when to close it.
#[derive(Debug)]
pub struct Packer {
    config: Config,
    open: Vec<Bytes>,
    /// What the encoding of a batch of `open` takes.
    open_bytes: usize,
    /// When `open` must be sealed; `None` while it is empty.
    seal_at: Option<Timestamp>,
}

/// When a batch is full.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Seal before the encoding of a batch outgrows this many bytes; a larger transaction is a batch
    /// of its own. Not above [`BATCH_BYTES_MAX`], beyond which no peer takes a batch.
    pub batch_bytes_max: usize,
    /// Seal this long after the first transaction of a batch. Zero, in a committee of one, seals
    /// whatever was waiting.
    pub batch_age_max: Duration,
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// The gateway admitted a transaction.
    Transaction(Bytes),
    /// Only time has passed.
    Tick,
}

/// What to do about it.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make a batch of these transactions and make it durable.
    Seal(Vec<Bytes>),
    /// Come back with [`Input::Tick`] at this time, whatever was asked before.
    WakeAt(Timestamp),
}

impl Packer {
    /// Starts with nothing to pack.
    pub fn new(config: Config) -> Self {
        let batch_bytes_max = config.batch_bytes_max.min(BATCH_BYTES_MAX);
        let config = Config { batch_bytes_max, ..config };
        Self { config, open: Vec::new(), open_bytes: ENVELOPE_BYTES, seal_at: None }
    }

    /// Applies one input and returns what to do next, in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::Transaction(transaction) => {
                let bytes = LENGTH_BYTES + transaction.len();
                if self.config.batch_bytes_max < self.open_bytes + bytes {
                    outputs.extend(self.seal());
                }
                if self.open.is_empty() {
                    let seal_at = now + self.config.batch_age_max;
                    self.seal_at = Some(seal_at);
                    outputs.push(Output::WakeAt(seal_at));
                }
                self.open_bytes += bytes;
                self.open.push(transaction);
            }
            Input::Tick => {
                if self.seal_at.is_some_and(|seal_at| seal_at <= now) {
                    outputs.extend(self.seal());
                }
            }
        }
        outputs
    }

    /// When the open batch must be sealed; `None` if there is none.
    pub fn wake_at(&self) -> Option<Timestamp> {
        self.seal_at
    }

    fn seal(&mut self) -> Option<Output> {
        if self.open.is_empty() {
            return None;
        }
        self.open_bytes = ENVELOPE_BYTES;
        self.seal_at = None;
        Some(Output::Seal(mem::take(&mut self.open)))
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::{Batch, Epoch, ValidatorId, WorkerId};
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn encoded(transactions: &[Bytes]) -> usize {
        let (epoch, author, worker) = (Epoch(0), ValidatorId(0), WorkerId(0));
        let transactions = transactions.to_vec();
        Batch { epoch, author, worker, sequence: 0, transactions }.encode().1.len()
    }

    fn collect(batches: &mut Vec<Vec<Bytes>>, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Seal(batch) => batches.push(batch),
                Output::WakeAt(_) => {}
            }
        }
    }

    proptest! {
        /// Whatever arrives, and however fast, packing is lossless, ordered and bounded.
        #[test]
        fn packs_each_transaction_once_in_order_within_bounds(
            arrivals in vec((prop_oneof![0_usize..4, 0_usize..1_500], 0_u64..40), 0..200),
        ) {
            let config =
                Config { batch_bytes_max: 1_000, batch_age_max: Duration::from_millis(100) };
            let mut packer = Packer::new(config);
            let mut now = Timestamp::ZERO;
            let mut batches = Vec::new();

            let sent: Vec<_> = (0_u8..=255)
                .cycle()
                .zip(&arrivals)
                .map(|(fill, &(bytes, _))| Bytes::from(vec![fill; bytes]))
                .collect();
            for (transaction, (_, gap_ms)) in sent.iter().zip(&arrivals) {
                now = now + Duration::from_millis(*gap_ms);
                collect(&mut batches, packer.step(now, Input::Tick));
                collect(&mut batches, packer.step(now, Input::Transaction(transaction.clone())));
            }
            collect(&mut batches, packer.step(now + config.batch_age_max, Input::Tick));

            prop_assert_eq!(batches.concat(), sent);
            for batch in &batches {
                prop_assert!(encoded(batch) <= config.batch_bytes_max || batch.len() == 1);
            }
        }
    }

    #[test]
    fn a_lone_transaction_waits_no_longer_than_the_age_limit() {
        let config = Config { batch_bytes_max: 100, batch_age_max: Duration::from_millis(10) };
        let mut packer = Packer::new(config);
        let transaction = Bytes::from_static(b"one");

        let at = |millis| Timestamp::from_millis(millis);
        let asked = packer.step(at(5), Input::Transaction(transaction.clone()));
        assert_eq!(asked, [Output::WakeAt(at(15))]);
        assert_eq!(packer.step(at(14), Input::Tick), []);
        assert_eq!(packer.step(at(15), Input::Tick), [Output::Seal(vec![transaction])]);
        assert_eq!(packer.step(at(30), Input::Tick), []);
    }
}
