//! Batches: the payload that validators spread before they order it.

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
        // Behind epoch, author, worker and sequence.
        const COUNT: usize = 8 + 2 + 1 + 8;
        let is_one = bytes.get(COUNT..COUNT + 4) == Some(&1_u32.to_le_bytes());
        let more = if is_one { codec::TRANSACTION_BYTES_MAX } else { 0 };
        codec::decode(bytes, codec::BATCH_BYTES_MAX + more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let refused = Batch::decode(&many);
            assert!(matches!(refused, Err(DecodeError::TooLarge { max: told, .. }) if told == max));
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
