//! Small committees and headers for tests, and scripts for fuzz targets. Behind the feature `testing`.

mod script;

use std::{fmt, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

pub use self::script::Script;
use crate::{
    BatchDigest, BatchRef, Certificate, ChainDigest, Commit, CommitIndex, Committee, Digest, Epoch,
    Header, HeaderDigest, Identity, Round, Signer, Timestamp, Validator, ValidatorId, Verified,
    Vote, WorkerId, codec,
};

/// The key of a validator.
pub fn signer(id: u16) -> Signer {
    let mut seed = [1; 32];
    seed[..2].copy_from_slice(&id.to_le_bytes());
    Signer::from_seed(seed)
}

/// A committee of this many validators of equal weight, of epoch 0 of one chain.
///
/// # Panics
/// If a committee cannot be that large.
pub fn committee(size: u16) -> Committee {
    let member = |id| Validator { key: signer(id).public_key(), stake: 1 };
    let members = (0..size).map(member).collect();
    Committee::new(Digest::from_bytes([7; 32]), Epoch(0), members).expect("a small committee")
}

/// One of its validators.
pub fn identity(size: u16, id: u16) -> Identity {
    Identity { committee: Arc::new(committee(size)), id: ValidatorId(id), signer: signer(id) }
}

/// A header without payload and without parents, made as many milliseconds after the epoch as its
/// round.
pub fn header(author: u16, round: u64) -> Header {
    Header {
        genesis: Digest::from_bytes([7; 32]),
        epoch: Epoch(0),
        author: ValidatorId(author),
        round: Round(round),
        created_at: Timestamp::from_millis(round),
        batches: Vec::new(),
        parents: Vec::new(),
        attachment: Bytes::new(),
        close_block: false,
    }
}

/// So many batches of worker 0, each with its own digest.
pub fn batches(count: u64) -> Vec<BatchRef> {
    (0..count).map(batch).collect()
}

/// One of them.
pub fn batch(sequence: u64) -> BatchRef {
    let digest = BatchDigest(Digest::of("kraken test batch v1", &sequence));
    BatchRef { digest, worker: WorkerId(0), sequence }
}

/// A header with parents.
pub fn child(author: u16, round: u64, parents: &[HeaderDigest]) -> Header {
    Header { parents: parents.to_vec(), ..header(author, round) }
}

/// A commit of the first validator's batches, as many milliseconds after the epoch as its index.
pub fn commit(index: u64, batches: &[BatchRef]) -> Commit {
    Commit {
        index: CommitIndex(index),
        anchor: HeaderDigest(Digest::default()),
        round: Round(index + 1),
        timestamp: Timestamp::from_millis(index),
        batches: batches.iter().map(|batch| (ValidatorId(0), *batch)).collect(),
        close_block: false,
        chain: ChainDigest::default(),
    }
}

/// Certifies a header with the votes of a whole committee.
///
/// # Panics
/// If the author is not in the committee.
pub fn certify(header: Header, size: u16) -> Verified<Certificate> {
    let author = header.author.0;
    let signed = header.sign(&identity(size, author));
    let vote = |id| (ValidatorId(id), Vote::sign(signed.digest(), &identity(size, id)));
    let votes = (0..size).map(vote).collect();
    Certificate::assemble(&signed, &votes, &committee(size)).expect("everyone voted")
}

/// Checks that the encoding of a value is what it always was. `golden` is hexadecimal, with spaces
/// wherever they help.
///
/// # Panics
/// If the encoding changed, or is not read as the same value.
pub fn assert_golden<T: BorshSerialize + BorshDeserialize>(value: &T, golden: &str) {
    let bytes = codec::encode(value);
    assert_hex(std::any::type_name::<T>(), &bytes, golden);
    let read: T = codec::decode(&bytes, bytes.len()).expect("the encoding of a value");
    assert_eq!(codec::encode(&read), bytes, "it was read as something else");
}

/// Checks the encoding of a value that cannot be put together from outside, by what is read.
///
/// # Panics
/// If `golden` is not read as what prints as `debug`, or does not encode as `golden` again.
pub fn assert_golden_debug<T>(debug: &str, golden: &str)
where
    T: BorshSerialize + BorshDeserialize + fmt::Debug,
{
    let digits: String = golden.split_whitespace().collect();
    let byte = |place| u8::from_str_radix(&digits[place..place + 2], 16).expect("hexadecimal");
    let bytes: Vec<_> = (0..digits.len()).step_by(2).map(byte).collect();
    let value: T = codec::decode(&bytes, bytes.len()).expect("the encoding of a value");
    assert_eq!(format!("{value:?}"), debug);
    assert_golden(&value, golden);
}

/// Checks bytes against hexadecimal digits, with spaces wherever they help.
///
/// # Panics
/// If they differ.
pub fn assert_hex(name: &str, bytes: &[u8], golden: &str) {
    let golden: String = golden.split_whitespace().collect();
    assert_eq!(
        hex(bytes),
        golden,
        "{name} changed: what others say and what is on disk is not read"
    );
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The encoding of a value as hexadecimal digits.
pub fn hex_of(value: &impl BorshSerialize) -> String {
    hex(&codec::encode(value))
}

/// Replaces each four bytes of an encoding, which may be a length, by large numbers: that must be
/// refused, or be the encoding of another value.
///
/// # Panics
/// If some such bytes are read as a value with another encoding; or if a length is believed, since
/// nothing could hold so much.
pub fn assert_no_length_is_believed<T: BorshSerialize + BorshDeserialize>(value: &T) {
    let bytes = codec::encode(value);
    for place in 0..bytes.len().saturating_sub(3) {
        for lie in [u32::MAX, 1 << 31, 1 << 24] {
            let mut lying = bytes.clone();
            lying[place..place + 4].copy_from_slice(&lie.to_le_bytes());
            if let Ok(read) = codec::decode::<T>(&lying, lying.len()) {
                assert_eq!(codec::encode(&read), lying, "{lie} at {place}");
            }
        }
    }
}
