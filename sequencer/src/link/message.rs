//! What a primary and its worker say to each other.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::{BatchDigest, BatchRef, Signers, ValidatorId, codec::TRANSACTION_BYTES_MAX};

/// How many batches one message names.
pub(super) const BATCHES_MAX: usize = 1_024;

/// Transactions are put together up to so many bytes; a larger one goes alone.
pub(super) const TOGETHER_BYTES_MAX: usize = 256 << 10;

/// The largest message.
pub(crate) const FRAME_BYTES_MAX: usize = TRANSACTION_BYTES_MAX + (1 << 20);

/// The largest question: the digest of a batch.
pub(crate) const QUESTION_BYTES_MAX: usize = 64;

/// What may wait to be sent: more than is handed over and not taken.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// What the primary says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum ToWorker {
    /// What was said before counts no more: say what you hold.
    Begin {
        /// Counts up.
        session: u64,
    },
    /// What became of batches.
    Known {
        /// They are ordered.
        ordered: Vec<(ValidatorId, BatchRef)>,
        /// Nobody needs them any more.
        released: Vec<BatchDigest>,
        /// This was all that is known of what the worker said it holds: begin again with the rest.
        begins: bool,
    },
    /// Get this batch, and report it.
    Fetch {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
        /// Who vouches for it.
        holders: Signers,
    },
    /// Put these into batches.
    Transactions {
        /// The number of the first; the others follow. Numbers never go back, whatever crashes.
        first: u64,
        /// Encoded.
        transactions: Vec<Bytes>,
    },
}

/// What the worker says.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) enum ToPrimary {
    /// It holds these.
    Holds {
        /// The session that this answers.
        session: u64,
        /// Durable here.
        batches: Vec<(ValidatorId, BatchRef)>,
        /// There are no others.
        is_all: bool,
    },
    /// The transactions up to this number are in durable batches.
    Taken {
        /// Of the newest one.
        number: u64,
    },
    /// A quorum holds this batch of ours.
    Sealed(BatchRef),
    /// This batch of another validator is durable here.
    Stored {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
    },
    /// There was no room for something that had to be said: begin again.
    Lost,
}

#[cfg(test)]
mod tests {
    use kraken_types::{Digest, WorkerId, testing::assert_golden};

    use super::*;

    /// Encoded as digest, worker, sequence.
    fn batch() -> BatchRef {
        let digest = BatchDigest(Digest::from_bytes([7; 32]));
        BatchRef { digest, worker: WorkerId(1), sequence: 2 }
    }

    #[test]
    fn the_bytes_of_messages_do_not_change() {
        let digest = "07".repeat(32);
        let batch_bytes = format!("{digest} 01 0200000000000000");
        assert_golden(&ToWorker::Begin { session: 3 }, "00 0300000000000000");
        let known = ToWorker::Known {
            ordered: vec![(ValidatorId(4), batch())],
            released: vec![batch().digest],
            begins: true,
        };
        assert_golden(&known, &format!("01 01000000 0400 {batch_bytes} 01000000 {digest} 01"));
        let transactions = vec![Bytes::from_static(b"\x05")];
        let transactions = ToWorker::Transactions { first: 6, transactions };
        assert_golden(&transactions, "03 0600000000000000 01000000 01000000 05");

        let holds = ToPrimary::Holds {
            session: 3,
            batches: vec![(ValidatorId(4), batch())],
            is_all: false,
        };
        assert_golden(&holds, &format!("00 0300000000000000 01000000 0400 {batch_bytes} 00"));
        assert_golden(&ToPrimary::Taken { number: 6 }, "01 0600000000000000");
        assert_golden(&ToPrimary::Sealed(batch()), &format!("02 {batch_bytes}"));
        let stored = ToPrimary::Stored { author: ValidatorId(4), batch: batch() };
        assert_golden(&stored, &format!("03 0400 {batch_bytes}"));
        assert_golden(&ToPrimary::Lost, "04");
    }
}
