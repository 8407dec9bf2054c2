//! Small committees and headers for tests. Behind the feature `testing`.

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;

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

/// Checks bytes against hexadecimal digits, with spaces wherever they help.
///
/// # Panics
/// If they differ.
pub fn assert_hex(name: &str, bytes: &[u8], golden: &str) {
    let golden: String = golden.split_whitespace().collect();
    let found: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found, golden, "{name} changed: what others say and what is on disk is not read");
}
