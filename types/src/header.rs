//! Headers: a validator's proposal for one round of the DAG.

use std::{collections::BTreeSet, io, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use crate::{
    BatchDigest, Committee, Digest, Epoch, Identity, Signature, Timestamp, ValidatorId, Verified,
    Verify, WorkerId,
    codec::{self, ATTACHMENT_BYTES_MAX, HEADER_BATCHES_MAX, HEADER_BYTES_MAX},
};

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

    /// The round before this one, `None` before the genesis.
    pub const fn previous(self) -> Option<Self> {
        match self.0.checked_sub(1) {
            Some(round) => Some(Self(round)),
            None => None,
        }
    }

    /// The round this many rounds earlier, or the genesis.
    pub const fn back(self, rounds: u64) -> Self {
        Self(self.0.saturating_sub(rounds))
    }

    /// The round this many rounds later.
    pub const fn ahead(self, rounds: u64) -> Self {
        Self(self.0.saturating_add(rounds))
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
    /// The place of the batch in the order of that worker. Voters hold the batch and so know that
    /// this is true; the order takes each place once.
    pub sequence: u64,
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
    /// Certificates of the round before, by the digest of their headers, in the order of their
    /// authors. Headers of round 1 have none: the genesis is implicit.
    pub parents: Vec<HeaderDigest>,
    /// Whatever the ordering protocol wants carried along, for example a share of a common coin.
    pub attachment: Bytes,
    /// Asks that the open block be closed behind this header; obeyed in a committee of one only.
    pub close_block: bool,
}

impl Header {
    /// What identifies this header, and what its author signs.
    pub fn digest(&self) -> HeaderDigest {
        HeaderDigest(Digest::of("kraken header v2", self))
    }

    /// Signs the header as its author.
    pub fn sign(self, identity: &Identity) -> Verified<SignedHeader> {
        let digest = self.digest();
        let signature = identity.signer.sign(&digest.0);
        Verified::made_here(SignedHeader { header: Arc::new(self), digest, signature })
    }
}

/// A header with its author's signature. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    header: Arc<Header>,
    digest: HeaderDigest,
    signature: Signature,
}

/// Why a header is not one of this chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum HeaderError {
    /// Another chain's.
    #[error("the header is of another chain")]
    WrongGenesis,
    /// Another committee's.
    #[error("the header is of epoch {}, not {}", got.0, expected.0)]
    WrongEpoch { got: Epoch, expected: Epoch },
    /// Nobody of ours.
    #[error("validator {id} is not in the committee")]
    Stranger { id: ValidatorId },
    /// Round 0 is the genesis, which nobody signs.
    #[error("a header of round 0")]
    Genesis,
    /// More bytes than a header may have.
    #[error("{got} bytes are more than the {HEADER_BYTES_MAX} of a header")]
    TooLarge { got: usize },
    /// More batches than a header may name.
    #[error("{got} batches are more than the {HEADER_BATCHES_MAX} of a header")]
    TooManyBatches { got: usize },
    /// More attached bytes than a header may have.
    #[error("{got} attached bytes are more than {ATTACHMENT_BYTES_MAX}")]
    AttachmentTooLarge { got: usize },
    /// One batch, named twice.
    #[error("a batch is named twice")]
    SameBatch,
    /// A parent named twice, more parents than validators, or parents in round 1.
    #[error("{got} parents in round {}, of which some cannot be", round.0)]
    BadParents { got: usize, round: Round },
    /// Only a lone validator may close blocks: nobody else could object.
    #[error("asks to close the block, in a committee of several")]
    ClosesBlock,
    /// Not signed by its author.
    #[error("the signature is not validator {author}'s")]
    BadSignature { author: ValidatorId },
}

impl SignedHeader {
    /// What was signed.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The same, shared.
    pub fn shared(&self) -> Arc<Header> {
        Arc::clone(&self.header)
    }

    /// What identifies it.
    pub fn digest(&self) -> HeaderDigest {
        self.digest
    }
}

impl Verify for SignedHeader {
    type Error = HeaderError;

    fn verify(&self, committee: &Committee) -> Result<(), HeaderError> {
        check(&self.header, committee)?;
        let author = self.header.author;
        if !committee.has_signed(author, &self.digest.0, &self.signature) {
            return Err(HeaderError::BadSignature { author });
        }
        Ok(())
    }
}

/// Everything about a header but its signature and what it refers to.
pub(crate) fn check(header: &Header, committee: &Committee) -> Result<(), HeaderError> {
    if header.genesis != committee.genesis() {
        return Err(HeaderError::WrongGenesis);
    }
    if header.epoch != committee.epoch() {
        return Err(HeaderError::WrongEpoch { got: header.epoch, expected: committee.epoch() });
    }
    if committee.get(header.author).is_none() {
        return Err(HeaderError::Stranger { id: header.author });
    }
    if header.round == Round(0) {
        return Err(HeaderError::Genesis);
    }
    let (batches, parents) = (header.batches.len(), header.parents.len());
    if HEADER_BATCHES_MAX < batches {
        return Err(HeaderError::TooManyBatches { got: batches });
    }
    if ATTACHMENT_BYTES_MAX < header.attachment.len() {
        return Err(HeaderError::AttachmentTooLarge { got: header.attachment.len() });
    }
    let distinct: BTreeSet<_> = header.batches.iter().map(|batch| batch.digest).collect();
    if distinct.len() < batches {
        return Err(HeaderError::SameBatch);
    }
    let distinct: BTreeSet<_> = header.parents.iter().collect();
    let has_parents = header.round != Round(1);
    if distinct.len() < parents || committee.len() < parents || has_parents == (parents == 0) {
        return Err(HeaderError::BadParents { got: parents, round: header.round });
    }
    if header.close_block && committee.len() != 1 {
        return Err(HeaderError::ClosesBlock);
    }
    let bytes = codec::encode(header).len();
    if HEADER_BYTES_MAX < bytes {
        return Err(HeaderError::TooLarge { got: bytes });
    }
    Ok(())
}

impl BorshSerialize for SignedHeader {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        self.header.serialize(writer)?;
        self.signature.serialize(writer)
    }
}

impl BorshDeserialize for SignedHeader {
    /// Computes the digest, which is not sent.
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let header = Header::deserialize_reader(reader)?;
        let digest = header.digest();
        let signature = Signature::deserialize_reader(reader)?;
        Ok(Self { header: Arc::new(header), digest, signature })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, committee, header, identity};

    #[test]
    fn a_header_of_ours_is_accepted() {
        let signed = header(1, 1).sign(&identity(4, 1)).into_inner();
        assert_eq!(signed.verify(&committee(4)), Ok(()));
        let bytes = codec::encode(&signed);
        assert_eq!(codec::decode::<SignedHeader>(&bytes, HEADER_BYTES_MAX).expect("own"), signed);
    }

    #[test]
    fn each_fault_is_named() {
        type Fault = fn(&mut Header);
        let faults: [(Fault, HeaderError); 10] = [
            (|header| header.genesis = Digest::from_bytes([9; 32]), HeaderError::WrongGenesis),
            (
                |header| header.epoch = Epoch(9),
                HeaderError::WrongEpoch { got: Epoch(9), expected: Epoch(0) },
            ),
            (|header| header.author = ValidatorId(4), HeaderError::Stranger { id: ValidatorId(4) }),
            (|header| header.round = Round(0), HeaderError::Genesis),
            (
                |header| header.batches = testing::batches(1_025),
                HeaderError::TooManyBatches { got: 1_025 },
            ),
            (
                |header| header.attachment = Bytes::from(vec![0; 257]),
                HeaderError::AttachmentTooLarge { got: 257 },
            ),
            (
                |header| header.batches = [testing::batches(1), testing::batches(1)].concat(),
                HeaderError::SameBatch,
            ),
            (
                |header| header.parents = vec![HeaderDigest(Digest::default())],
                HeaderError::BadParents { got: 1, round: Round(1) },
            ),
            (|header| header.round = Round(2), HeaderError::BadParents { got: 0, round: Round(2) }),
            (|header| header.close_block = true, HeaderError::ClosesBlock),
        ];
        for (fault, expected) in faults {
            let mut header = header(1, 1);
            fault(&mut header);
            let signed = header.sign(&identity(4, 1)).into_inner();
            assert_eq!(signed.verify(&committee(4)), Err(expected));
        }
        let forged = header(1, 1).sign(&identity(4, 2)).into_inner();
        let expected = HeaderError::BadSignature { author: ValidatorId(1) };
        assert_eq!(forged.verify(&committee(4)), Err(expected));
    }
}
