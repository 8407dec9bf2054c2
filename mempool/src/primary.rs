//! The control plane: batches to headers to certificates.
//!
//! Rules (Narwhal, arXiv:2105.11827, section 4; numbers as in `docs/protocol.md`):
//!
//! - P1 One header per round, ever: payload, and certificates of the round before with the weight
//!   of a quorum, our own among them if there is one.
//! - P2 The next round is entered with a quorum of certificates of this one, and a reason: payload
//!   of ours that waits, payload anywhere that is not ordered, a wish ([`Input::Propose`]), or
//!   others that went ahead. It is entered at once if there is payload enough, else after a
//!   delay; and not before what the ordering protocol awaits, unless the round's deadline has come.
//! - P3 A header gets our vote if its parents are known with all their ancestors and make a quorum,
//!   its time lies between theirs and now, its payload is durable with us, and we voted for no
//!   other header of its author and round. The vote is durable before it is sent.
//! - P4 A quorum of votes makes a certificate, which everyone is sent.
//! - P5 A certificate is accepted once all its parents are, or lie below the horizon; until then it
//!   waits, and they are fetched. Ordering sees certificates in that order.
//! - P6 Payload of an accepted certificate that we lack is fetched; ordering does not wait for it.
//! - P7 Our header, our vote and our certificate are sent again until they are obsolete.
//!
//! The horizon lies `gc_depth` rounds below the newest committed anchor. Own payload that falls
//! below it without having been ordered is proposed again. Certificates are kept `serve_depth`
//! rounds longer, for validators that catch up.

pub mod certifier;
pub mod proposer;

use std::time::Duration;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::{
    Awaited, BatchRef, Certificate, Commit, Header, HeaderDigest, Identity, Round, SignedHeader,
    Signers, Timestamp, ValidatorId, Verified, Vote,
    codec::{self, DecodeError},
};

/// One validator's part in the DAG.
#[derive(Debug)]
pub struct Primary {
    config: Config,
}

/// Who this primary is and how patient.
#[derive(Clone, Debug)]
pub struct Config {
    /// The validator.
    pub identity: Identity,
    /// So many batches are worth a header at once.
    pub header_batches: usize,
    /// A header with less, or nothing, is made this long after its round could begin.
    pub header_delay_max: Duration,
    /// A round is left this long after it could be, whatever the ordering protocol awaits.
    pub round_delay_max: Duration,
    /// What was not answered is sent again after this long; twice as long each time, up to 32
    /// times.
    pub retry_after: Duration,
    /// How far the time of a header may be ahead of ours.
    pub drift_max: Duration,
    /// How many rounds below a committed anchor a certificate may still be ordered.
    pub gc_depth: u64,
    /// How many rounds longer certificates are kept for others.
    pub serve_depth: u64,
}

/// What primaries say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Please vote.
    Header(SignedHeader),
    /// Said to the author of the header.
    Vote(Vote),
    /// A new certificate of the sender, or one that was asked for.
    Certificate(Certificate),
    /// Send these certificates.
    Want(Vec<HeaderDigest>),
    /// The sender is behind: send certificates above these rounds, oldest first, as many as fit.
    /// One round for each validator, in order: the highest that the sender has accepted.
    Behind(Vec<Round>),
    /// An answer to `Want` or `Behind`: certificates in causal order, [`Message::SYNC_MAX`] at most.
    Certificates(Vec<Certificate>),
    /// The sender lost its disk: how far are you?
    Forgot,
    /// An answer: the highest round that the sender has accepted a certificate of.
    Reached(Round),
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the records made durable before, oldest first; empty on a new
    /// chain. What [`Output::Pruned`] let go of may be missing.
    Recovered(Vec<Record>),
    /// First input instead of the above when the disk was lost: we may have voted and not know it.
    /// Nothing is signed until that cannot matter any more.
    Forgotten,
    /// The primary of another validator sent this.
    Message {
        /// That validator; the network vouches for it.
        from: ValidatorId,
        /// Unchecked.
        message: Message,
    },
    /// A quorum holds a batch of ours.
    Sealed(BatchRef),
    /// A batch of a peer is durable in our worker.
    Stored {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
    },
    /// The order must go on although there may be nothing to order: a block waits for its end.
    Propose {
        /// The open block is to end behind our next header; for a committee of one only.
        close_block: bool,
    },
    /// The ordering protocol would rather not leave `round` without this. Replaces what was awaited
    /// in that round before.
    Hold {
        /// Which round.
        round: Round,
        /// For what.
        until: Awaited,
    },
    /// Bytes for our next header, instead of those given before.
    Attach(Bytes),
    /// The ordering protocol came across this certificate; it may be new to us.
    Certificate(Verified<Certificate>),
    /// This was ordered.
    Committed(Commit),
    /// Time asked for with [`Output::WakeAt`] has come, or only time has passed.
    Tick,
}

/// What to do about it. Outputs are carried out in order; nothing behind a [`Output::Persist`]
/// leaves this validator before the record is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Make this durable before sending anything that follows.
    Persist(Record),
    /// Send to one validator; delivery is best effort.
    Send {
        /// Whom.
        to: ValidatorId,
        /// What.
        message: Message,
    },
    /// Send to every other validator; delivery is best effort.
    Broadcast(Message),
    /// Hand this to the ordering protocol: all its ancestors above the horizon went before.
    Certified(Verified<Certificate>),
    /// Tell our workers to get this batch, and report it.
    Fetch {
        /// Who made it.
        author: ValidatorId,
        /// Which.
        batch: BatchRef,
        /// Who vouches for it; may be empty.
        holders: Signers,
    },
    /// Records about this round and those below are not needed any more.
    Pruned(Round),
    /// Come back with [`Input::Tick`] at this time, whatever was asked before.
    WakeAt(Timestamp),
}

/// What must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// Our header of its round; there must never be another.
    Proposed(Header),
    /// Our vote; there must never be another for that author and round.
    Voted {
        /// Whose header.
        author: ValidatorId,
        /// Of which round.
        round: Round,
        /// Which.
        header: HeaderDigest,
    },
    /// A certificate was accepted.
    Accepted(Certificate),
    /// Nothing at or below the first round will be accepted or voted for any more; what is at or
    /// below the second need not be kept.
    Pruned {
        /// The horizon.
        horizon: Round,
        /// What may be forgotten.
        forgotten: Round,
    },
    /// The disk was lost: nothing may be signed up to this round.
    Silent(Round),
}

impl Record {
    /// The round that this is about; the record may go once that round is pruned. `None` for a
    /// record of which only the newest counts.
    pub fn round(&self) -> Option<Round> {
        match self {
            Self::Proposed(header) => Some(header.round),
            Self::Voted { round, .. } => Some(*round),
            Self::Accepted(certificate) => Some(certificate.header().round),
            Self::Pruned { .. } | Self::Silent(_) => None,
        }
    }
}

impl Message {
    /// The largest message.
    pub const BYTES_MAX: usize = 4 << 20;

    /// The most certificates, or digests of certificates, in one message.
    pub const SYNC_MAX: usize = 256;

    /// Decodes a message.
    ///
    /// # Errors
    /// If there are too many bytes, or they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

impl Primary {
    /// Starts at the genesis; feed [`Input::Recovered`] next.
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
