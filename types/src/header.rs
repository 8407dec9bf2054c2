//! Headers: a validator's proposal for one round of the DAG.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{BatchDigest, Digest, Epoch, Signature, Signer, Timestamp, ValidatorId, WorkerId};

/// A round of the DAG. Round 0 is the genesis, which nobody signs.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Round(pub u64);

impl Round {
    /// The round after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// What identifies a [`Header`], and the certificate made of it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct HeaderDigest(pub Digest);

/// A batch as a header names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchRef {
    /// Which batch.
    pub digest: BatchDigest,
    /// The author's worker that serves it.
    pub worker: WorkerId,
}

/// What one validator proposes to the others in one round.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Header {
    /// The genesis whose chain this is, so that chains never mix.
    pub genesis: Digest,
    /// The epoch whose committee certifies it.
    pub epoch: Epoch,
    /// Who proposes.
    pub author: ValidatorId,
    /// Once per author and round, ever.
    pub round: Round,
    /// When it was made, by the author's clock.
    pub created_at: Timestamp,
    /// The payload, in order.
    pub batches: Vec<BatchRef>,
    /// Certificates of the round before, by the digest of their headers.
    pub parents: Vec<HeaderDigest>,
    /// Asks that the open block be closed behind this header; obeyed in a committee of one only.
    pub close_block: bool,
}

impl Header {
    /// What identifies this header, and what its author and its voters sign.
    pub fn digest(&self) -> HeaderDigest {
        HeaderDigest(Digest::of("kraken header v1", self))
    }

    /// Signs the header as its author.
    pub fn sign(&self, signer: &Signer) -> Signature {
        signer.sign(&self.digest().0)
    }
}
