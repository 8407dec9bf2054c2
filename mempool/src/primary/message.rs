//! What primaries say to each other, and what they must not forget.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    Certificate, Header, HeaderDigest, Round, SignedHeader, ValidatorId, Vote,
    codec::{self, DecodeError},
};

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
    /// An answer: a certificate of the highest round that the sender has accepted one of, `None` if
    /// there is none. It is its own proof, so that nobody can exaggerate.
    Reached(Option<Certificate>),
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
