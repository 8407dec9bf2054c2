//! The one encoding of everything that is signed, sent or stored: borsh.
//!
//! Borsh is canonical by specification: a value has one encoding, and decoding takes all bytes or
//! fails. (Sets and maps with entries out of order are refused through its feature
//! `de_strict_order`.) The limits below are checked before anything is allocated for a message.

use borsh::{BorshDeserialize, BorshSerialize};

/// The largest transaction a batch may carry: a declare with the largest class, and some room.
pub const TRANSACTION_BYTES_MAX: usize = 5 << 20;

/// The largest batch, unless it holds one single transaction.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// The largest header. A committee of 1,024 with 1,024 batches in every header just fits.
pub const HEADER_BYTES_MAX: usize = 96 << 10;

/// The most batches that a header names.
pub const HEADER_BATCHES_MAX: usize = 1_024;

/// The most bytes that a protocol attaches to a header.
pub const ATTACHMENT_BYTES_MAX: usize = 256;

/// The largest certificate: a header, and a signature of every validator.
pub const CERTIFICATE_BYTES_MAX: usize = HEADER_BYTES_MAX + 65 * 1_024;

/// Why bytes are not a value.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum DecodeError {
    /// The limit of this kind of value was checked first.
    #[error("{got} bytes are more than the {max} allowed")]
    TooLarge { got: usize, max: usize },
    /// The bytes are not the encoding of any such value.
    #[error("malformed bytes")]
    Malformed(#[source] std::io::Error),
}

/// Encodes a value.
///
/// # Panics
/// Never for our types: writing to memory cannot fail, and no length of ours exceeds `u32::MAX`.
pub fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    borsh::to_vec(value).expect("writing to memory cannot fail")
}

/// Decodes exactly one value from all of `bytes`.
///
/// # Errors
/// [`DecodeError`] if there are more than `bytes_max` bytes, or they are not one such value.
pub fn decode<T: BorshDeserialize>(bytes: &[u8], bytes_max: usize) -> Result<T, DecodeError> {
    if bytes_max < bytes.len() {
        return Err(DecodeError::TooLarge { got: bytes.len(), max: bytes_max });
    }
    borsh::from_slice(bytes).map_err(DecodeError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::{Batch, Certificate, Commit, Header, SignedHeader, Signers, Vote};

    /// Decodes, but to a value whose encoding is not these bytes. There must be no such bytes.
    fn has_another_encoding<T: BorshSerialize + BorshDeserialize>(bytes: &[u8]) -> bool {
        decode::<T>(bytes, HEADER_BYTES_MAX).is_ok_and(|value| encode(&value) != bytes)
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_no_value_has_two_encodings(bytes in vec(any::<u8>(), 0..400)) {
            prop_assert!(!has_another_encoding::<Batch>(&bytes));
            prop_assert!(!has_another_encoding::<Header>(&bytes));
            prop_assert!(!has_another_encoding::<Vote>(&bytes));
            prop_assert!(!has_another_encoding::<Signers>(&bytes));
            prop_assert!(!has_another_encoding::<SignedHeader>(&bytes));
            prop_assert!(!has_another_encoding::<Certificate>(&bytes));
            prop_assert!(!has_another_encoding::<Commit>(&bytes));
        }
    }

    #[test]
    fn a_map_has_one_encoding() {
        type Map = std::collections::BTreeMap<u8, u8>;
        let of = |entries: [u8; 4]| [&[2, 0, 0, 0][..], &entries].concat();
        let map = Map::from([(1, 0), (2, 0)]);
        assert_eq!(decode::<Map>(&of([1, 0, 2, 0]), 8).expect("in order"), map);
        assert!(decode::<Map>(&of([2, 0, 1, 0]), 8).is_err(), "out of order");
        assert!(decode::<Map>(&of([1, 0, 1, 0]), 8).is_err(), "twice");
    }

    #[test]
    fn too_many_bytes_are_refused_before_they_are_read() {
        let refused = decode::<u8>(&[0; 3], 2);
        assert!(matches!(refused, Err(DecodeError::TooLarge { got: 3, max: 2 })));
    }
}
