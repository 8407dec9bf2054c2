//! The data plane: transactions to batches, and batches to every validator.
//!
//! Rules (Narwhal, arXiv:2105.11827, section 4.2; numbers as in `docs/protocol.md`):
//!
//! - W1 A batch is sealed when it is full or old; a larger transaction is a batch of its own.
//! - W2 A sealed batch goes to the same worker of every other validator, again and again until it
//!   is acknowledged or released.
//! - W3 An acknowledgement means durable.
//! - W4 Once a quorum, with us, holds a batch, the primary is told; the others go on being sent to.
//! - W5 A peer's batch is checked (author, worker, epoch, size), stored, then acknowledged and
//!   reported to the primary.
//! - W6 A batch that the primary misses is asked of its author, then of others that vouch for it.
//! - W7 After a restart everything that is stored and not released is reported again.
//! - W8 What is executed is released.

pub mod packer;

pub use packer::Packer;

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::{
    BatchDigest, BatchRef, Identity, Signers, Timestamp, ValidatorId, WorkerId,
    codec::{self, DecodeError},
};

/// One worker of one validator.
#[derive(Debug)]
pub struct Worker {
    config: Config,
}

/// Who this worker is and what it may use.
#[derive(Clone, Debug)]
pub struct Config {
    /// The validator it belongs to.
    pub identity: Identity,
    /// Its place there.
    pub worker: WorkerId,
    /// When a batch is full.
    pub packer: packer::Config,
    /// A batch that is not acknowledged, and a wanted batch that has not come, is sent or asked
    /// for again after this long; twice as long each time, up to 32 times.
    pub retry_after: Duration,
    /// Own batches that are not released may take this many bytes; then transactions must wait.
    pub own_bytes_max: usize,
    /// Batches of one peer that are not released may take this many bytes; more are not taken.
    pub peer_bytes_max: usize,
    /// How many transactions may be tried before one must wait.
    pub requests_per_peer_max: usize,
}

/// What workers of one place say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// An encoded batch: a new one of the sender, or one that was asked for.
    Batch(Bytes),
    /// This batch is durable here.
    Stored(BatchDigest),
    /// Send these batches.
    Want(Vec<BatchDigest>),
}

/// A batch that is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who made it.
    pub author: ValidatorId,
    /// Which it is.
    pub batch: BatchRef,
    /// Its encoded size.
    pub bytes: usize,
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the batches on disk that are not released, oldest first. The
    /// newest own batch is always there.
    Recovered(Vec<Held>),
    /// The gateway admitted a transaction.
    Transaction(Bytes),
    /// The worker at the same place of another validator sent this.
    Message {
        /// That validator; the network vouches for it.
        from: ValidatorId,
        /// Unchecked.
        message: Message,
    },
    /// The primary needs a batch of `author` that it does not have; `holders` vouch for it.
    Fetch {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
        /// Who else should have it; may be empty.
        holders: Signers,
    },
    /// The bytes of a batch that [`Output::Read`] asked for; `None` if it is released.
    Read {
        /// Which.
        digest: BatchDigest,
        /// For whom.
        to: ValidatorId,
        /// Its encoding.
        bytes: Option<Bytes>,
    },
    /// These batches were ordered: nobody needs to hear of them again.
    Ordered(Vec<(ValidatorId, BatchRef)>),
    /// These batches are executed, or can never be ordered: they may be forgotten.
    Release(Vec<BatchDigest>),
    /// Time asked for with [`Output::WakeAt`] has come, or only time has passed.
    Tick,
}

/// What to do about it. Outputs are carried out in order; nothing behind a [`Output::Store`] before
/// the batch is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this batch durable before carrying out anything that follows.
    Store {
        /// What it is.
        held: Held,
        /// Its encoding.
        bytes: Bytes,
    },
    /// Send to the same worker of one validator; delivery is best effort.
    Send {
        /// Whose worker.
        to: ValidatorId,
        /// What.
        message: Message,
    },
    /// Read a batch from disk and come back with [`Input::Read`].
    Read {
        /// Which.
        digest: BatchDigest,
        /// For whom.
        to: ValidatorId,
    },
    /// Tell the primary: a quorum holds this batch of ours.
    Sealed(BatchRef),
    /// Tell the primary: this batch of a peer is durable here.
    Stored {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
    },
    /// Whether transactions must wait: too many own bytes are not released.
    Full(bool),
    /// Come back with [`Input::Tick`] at this time, whatever was asked before.
    WakeAt(Timestamp),
}

impl Message {
    /// The largest message: a batch and its frame.
    pub const BYTES_MAX: usize = codec::TRANSACTION_BYTES_MAX + codec::BATCH_BYTES_MAX + 64;

    /// Decodes a message.
    ///
    /// # Errors
    /// If there are too many bytes, or they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl Worker {
    /// Starts with nothing; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Applies one input and returns what to do next, in order.
    #[must_use]
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Output> {
        let _ = (now, input, &self.config);
        Vec::new()
    }
}
