//! The whole primary, and committees of them.

mod accepting;
mod alone;
mod amnesia;
mod arbitrary;
mod certifying;
mod committee;
mod net;
mod one;
mod proposing;
mod pruning;
mod syncing;
mod voting;

use kraken_types::{
    Certificate, ChainDigest, Commit, CommitIndex, HeaderDigest, Round, Timestamp, codec,
};

/// A commit of an anchor, without payload.
fn commit(anchor: HeaderDigest, round: u64) -> Commit {
    Commit {
        index: CommitIndex(0),
        anchor,
        round: Round(round),
        timestamp: Timestamp::ZERO,
        batches: Vec::new(),
        close_block: false,
        chain: ChainDigest::default(),
    }
}

/// A certificate with a broken signature.
fn altered(certificate: &Certificate) -> Certificate {
    let mut bytes = codec::encode(certificate);
    let last = bytes.last_mut().expect("a certificate has bytes");
    *last ^= 1;
    codec::decode(&bytes, codec::CERTIFICATE_BYTES_MAX).expect("a signature is any 64 bytes")
}
