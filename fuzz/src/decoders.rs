//! Every decoder: any bytes are refused or give a value whose encoding they are, and the memory
//! that takes is in proportion to them.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_consensus as consensus;
use kraken_mempool::{primary, worker};
use kraken_ordering as ordering;
use kraken_types::{
    Batch, Certificate, Commit, Committee, Header, SignedHeader, Signers, Verify, Vote,
    codec::{self, DecodeError},
    testing,
};

use crate::heap;

/// So many bytes of memory may a byte of input take: an empty transaction is four bytes, and its
/// `Bytes` 32, in a vector that may just have doubled with the old one still there.
const BYTES_PER_BYTE: usize = 24;

/// Memory that any decoder may take: what is reserved before the first element is read.
const BYTES_AT_ONCE: usize = 32 << 10;

/// Memory that a lying length may take until the lie is found out: borsh believes so much.
const BYTES_BELIEVED: usize = 1 << 20;

/// One decoder, given what it should read.
type Decoder = fn(&[u8]);

/// All of them; the first byte of the input chooses. New ones go to the end, so that the corpus
/// keeps its meaning.
const DECODERS: [Decoder; 14] = [
    |bytes| drop(round_trip(bytes, Batch::decode)),
    |bytes| drop(round_trip(bytes, of::<Header>)),
    |bytes| checked(round_trip(bytes, of::<SignedHeader>)),
    |bytes| checked(round_trip(bytes, of::<Certificate>)),
    |bytes| checked(round_trip(bytes, of::<Vote>)),
    |bytes| drop(round_trip(bytes, of::<Commit>)),
    |bytes| drop(round_trip(bytes, of::<Signers>)),
    |bytes| drop(round_trip(bytes, worker::Message::decode)),
    |bytes| drop(round_trip(bytes, primary::Message::decode)),
    |bytes| drop(round_trip(bytes, consensus::Message::decode)),
    |bytes| drop(round_trip(bytes, ordering::Message::decode)),
    |bytes| drop(round_trip(bytes, of::<ordering::Entry>)),
    |bytes| drop(round_trip(bytes, of::<primary::Record>)),
    |bytes| drop(round_trip(bytes, of::<consensus::Record>)),
];

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    DECODERS[usize::from(*choice) % DECODERS.len()](bytes);
}

/// A decoder of a type that has none of its own, because it only ever is part of something.
fn of<T: BorshDeserialize>(bytes: &[u8]) -> Result<T, DecodeError> {
    codec::decode(bytes, primary::Message::BYTES_MAX)
}

fn round_trip<T: BorshSerialize>(
    bytes: &[u8],
    decode: impl FnOnce(&[u8]) -> Result<T, DecodeError>,
) -> Option<T> {
    let (decoded, peak) = heap::peak_of(|| decode(bytes));
    let lie = if decoded.is_err() { BYTES_BELIEVED } else { 0 };
    let peak_max = BYTES_PER_BYTE * bytes.len() + BYTES_AT_ONCE + lie;
    assert!(peak <= peak_max, "{peak} bytes of memory for {} bytes", bytes.len());
    let value = decoded.ok()?;
    assert_eq!(codec::encode(&value), bytes, "another encoding of the same value");
    Some(value)
}

/// Whatever was decoded, checking it comes to a verdict; with real signatures.
fn checked<T: Verify>(value: Option<T>) {
    thread_local!(static COMMITTEE: Committee = testing::committee(4));
    if let Some(value) = value {
        COMMITTEE.with(|committee| drop(value.verify(committee)));
    }
}
