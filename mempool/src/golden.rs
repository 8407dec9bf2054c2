//! The encoding of everything that workers and primaries say and store, byte by byte.
//!
//! What it is made of has its own golden bytes, in `types`.

use bytes::Bytes;
use kraken_types::{
    BatchDigest, Certificate, Digest, Header, HeaderDigest, Round, SignedHeader, ValidatorId, Vote,
    testing::{self, assert_golden, certify, hex_of, identity},
};

use crate::{
    primary::{self, Record},
    worker,
};

const DIGEST_A1: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

fn digest() -> Digest {
    Digest::from_bytes([0xa1; 32])
}

fn header() -> Header {
    testing::header(1, 1)
}

fn certificate() -> Certificate {
    certify(header(), 4).into_inner()
}

#[test]
fn the_bytes_of_what_workers_say_do_not_change() {
    use worker::Message;

    let digest = BatchDigest(digest());
    assert_golden(&Message::Batch(Bytes::from_static(b"ab")), "00 02000000 6162");
    assert_golden(&Message::Stored(digest), &format!("01 {DIGEST_A1}"));
    assert_golden(&Message::Want(vec![digest]), &format!("02 01000000 {DIGEST_A1}"));
}

#[test]
fn the_bytes_of_what_primaries_say_do_not_change() {
    use primary::Message;

    let signed: SignedHeader = header().sign(&identity(4, 1)).into_inner();
    let vote: Vote = Vote::sign(HeaderDigest(digest()), &identity(4, 2)).into_inner();
    let certificate = certificate();
    let parts = (hex_of(&signed), hex_of(&vote), hex_of(&certificate));
    let messages = [
        (Message::Header(signed), format!("00 {}", parts.0)),
        (Message::Vote(vote), format!("01 {}", parts.1)),
        (Message::Certificate(certificate.clone()), format!("02 {}", parts.2)),
        (Message::Want(vec![HeaderDigest(digest())]), format!("03 01000000 {DIGEST_A1}")),
        (Message::Behind(vec![Round(5)]), "04 01000000 0500000000000000".to_owned()),
        (Message::Certificates(vec![certificate.clone()]), format!("05 01000000 {}", parts.2)),
        (Message::Forgot, "06".to_owned()),
        (Message::Reached(None), "07 00".to_owned()),
        (Message::Reached(Some(certificate)), format!("07 01 {}", parts.2)),
    ];
    for (message, golden) in messages {
        assert_golden(&message, &golden);
    }
}

#[test]
fn the_bytes_of_what_a_primary_must_not_forget_do_not_change() {
    let voted =
        Record::Voted { author: ValidatorId(3), round: Round(4), header: HeaderDigest(digest()) };
    let pruned = Record::Pruned { horizon: Round(9), forgotten: Round(8) };
    let certificate = certificate();
    let accepted = format!("02 {}", hex_of(&certificate));
    let records = [
        (Record::Proposed(header()), format!("00 {}", hex_of(&header()))),
        (voted, format!("01 0300 0400000000000000 {DIGEST_A1}")),
        (Record::Accepted(certificate), accepted),
        (pruned, "03 0900000000000000 0800000000000000".to_owned()),
        (Record::Silent(Round(7)), "04 0700000000000000".to_owned()),
    ];
    for (record, golden) in records {
        assert_golden(&record, &golden);
    }
}
