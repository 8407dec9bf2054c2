//! Batches: the payload that validators spread before they order it.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

use crate::{
    Digest, Epoch, ValidatorId,
    codec::{self, DecodeError},
};

/// The place of a worker at its validator.
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
pub struct WorkerId(pub u8);

/// What identifies a [`Batch`].
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct BatchDigest(pub Digest);

/// Transactions of one worker, in the order in which they were admitted.
///
/// Epoch, author and worker are part of the digest, so a batch can be asked of exactly one worker,
/// and two workers never make the same batch.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// The epoch it was made in.
    pub epoch: Epoch,
    /// The validator that made it.
    pub author: ValidatorId,
    /// The worker that made it and serves it.
    pub worker: WorkerId,
    /// Counts the batches of this worker; equal payloads sealed twice differ by it.
    pub sequence: u64,
    /// Opaque transactions.
    pub transactions: Vec<Bytes>,
}

/// What stands in a batch before its transactions, and how many these are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of a batch")]
pub struct BatchHead {
    pub epoch: Epoch,
    pub author: ValidatorId,
    pub worker: WorkerId,
    pub sequence: u64,
    pub transactions: usize,
}

impl Batch {
    /// Encodes the batch and says what identifies it.
    pub fn encode(&self) -> (BatchDigest, Bytes) {
        let bytes = Bytes::from(codec::encode(self));
        (Self::digest_of(&bytes), bytes)
    }

    /// What identifies the batch with this encoding.
    pub fn digest_of(bytes: &[u8]) -> BatchDigest {
        let mut hasher = blake3::Hasher::new_derive_key("kraken batch v1");
        hasher.update(bytes);
        BatchDigest(Digest::from_bytes(*hasher.finalize().as_bytes()))
    }

    /// Decodes a batch. More than [`codec::BATCH_BYTES_MAX`] bytes are a batch of one transaction or
    /// none at all; this is looked at first, because the smallest transactions take twelve times
    /// their bytes in memory.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are too many or not a batch.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, bytes_max(bytes))
    }

    /// Reads all of a batch and keeps nothing but its head. Takes what [`Batch::decode`] takes, at a
    /// fraction of the cost: no transaction is copied.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are too many or not a batch.
    pub fn head_of(bytes: &[u8]) -> Result<BatchHead, DecodeError> {
        let max = bytes_max(bytes);
        if max < bytes.len() {
            return Err(DecodeError::TooLarge { got: bytes.len(), max });
        }
        read_head(bytes).map_err(DecodeError::Malformed)
    }
}

/// The largest batch that may begin with these bytes.
fn bytes_max(bytes: &[u8]) -> usize {
    // Behind epoch, author, worker and sequence.
    const COUNT: usize = 8 + 2 + 1 + 8;
    let is_one = bytes.get(COUNT..COUNT + 4) == Some(&1_u32.to_le_bytes());
    codec::BATCH_BYTES_MAX + if is_one { codec::TRANSACTION_BYTES_MAX } else { 0 }
}

fn read_head(mut bytes: &[u8]) -> io::Result<BatchHead> {
    let rest = &mut bytes;
    let (epoch, author) = BorshDeserialize::deserialize(rest)?;
    let (worker, sequence) = BorshDeserialize::deserialize(rest)?;
    let count = u32::deserialize(rest)?;
    for _ in 0..count {
        let length = u32::deserialize(rest)?;
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidData)?;
        *rest = rest.get(length..).ok_or(io::ErrorKind::UnexpectedEof)?;
    }
    if !rest.is_empty() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let transactions = usize::try_from(count).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(BatchHead { epoch, author, worker, sequence, transactions })
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// Whatever is done to the bytes of a batch, the head can be read exactly if all of it can.
        #[test]
        fn a_head_is_that_of_a_batch(
            sizes in vec(0_usize..20, 0..5),
            changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cut in 0_usize..3,
        ) {
            let transactions = sizes.into_iter().map(|bytes| Bytes::from(vec![7; bytes])).collect();
            let mut bytes = Batch { transactions, ..batch(&[]) }.encode().1.to_vec();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.truncate(bytes.len() - cut);
            let whole = Batch::decode(&bytes).ok().map(|batch| BatchHead {
                epoch: batch.epoch,
                author: batch.author,
                worker: batch.worker,
                sequence: batch.sequence,
                transactions: batch.transactions.len(),
            });
            prop_assert_eq!(Batch::head_of(&bytes).ok(), whole);
        }
    }

    fn batch(transactions: &[&'static [u8]]) -> Batch {
        Batch {
            epoch: Epoch(1),
            author: ValidatorId(2),
            worker: WorkerId(3),
            sequence: 4,
            transactions: transactions.iter().map(|bytes| Bytes::from_static(bytes)).collect(),
        }
    }

    #[test]
    fn the_bytes_of_a_batch_do_not_change() {
        let (_, bytes) = batch(&[b"ab", b"c"]).encode();
        let golden = "0100000000000000\
                      0200\
                      03\
                      0400000000000000\
                      02000000\
                      02000000 6162\
                      01000000 63"
            .replace(' ', "");
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, golden);
        assert_eq!(Batch::decode(&bytes).expect("round trip"), batch(&[b"ab", b"c"]));
    }

    #[test]
    fn where_one_transaction_ends_is_part_of_the_digest() {
        assert_ne!(batch(&[b"ab", b"c"]).encode().0, batch(&[b"a", b"bc"]).encode().0);
    }

    #[test]
    fn only_a_lone_transaction_makes_a_larger_batch() {
        let of = |count, bytes| {
            let transactions = vec![Bytes::from(vec![7; bytes]); count];
            Batch { transactions, ..batch(&[]) }.encode().1
        };
        assert!(Batch::decode(&of(1, codec::TRANSACTION_BYTES_MAX)).is_ok());
        assert!(Batch::decode(&of(2, codec::BATCH_BYTES_MAX / 2 - 16)).is_ok());
        let max = codec::BATCH_BYTES_MAX;
        for many in [of(2, max / 2), of(max / 4, 0)] {
            for refused in [Batch::decode(&many).map(drop), Batch::head_of(&many).map(drop)] {
                let too_large = DecodeError::TooLarge { got: many.len(), max };
                assert_eq!(refused.expect_err("too large").to_string(), too_large.to_string());
            }
        }
    }

    #[test]
    fn a_lying_length_is_refused_without_a_large_allocation() {
        let (_, bytes) = batch(&[]).encode();
        let mut lying = bytes.to_vec();
        let count = lying.len() - 4;
        lying[count..].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(Batch::decode(&lying).is_err());
    }
}
