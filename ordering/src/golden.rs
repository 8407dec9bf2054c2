//! Which part said it or stored it is the first byte; the rest has its own golden bytes, in
//! `mempool` and `consensus`. And what is too large, or lies about its size, is refused.

use kraken_consensus::{self as consensus, fcfs, hotstuff};
use kraken_mempool::{primary, worker};
use kraken_types::{
    Batch, ChainDigest, CommitIndex, HeaderDigest, Round, Signature, Signers, ValidatorId, View,
    codec::{self, DecodeError},
    testing::{self, assert_golden, assert_no_length_is_believed, certify},
};

use crate::{Entry, Message};

fn block() -> hotstuff::block::Block {
    let committee = testing::committee(4);
    let certificate = certify(testing::header(1, 1), 4).into_inner();
    hotstuff::block::Block {
        author: certificate.header().author,
        view: View(1),
        parent: hotstuff::block::BlockRef::genesis(&committee),
        cut: Some(certificate),
    }
}

#[test]
fn the_first_byte_says_whose_it_is() {
    let protocol = consensus::Message::Fcfs(fcfs::Message::Want(CommitIndex(5)));
    assert_golden(&Message::Primary(primary::Message::Forgot), "00 06");
    assert_golden(&Message::Protocol(protocol), "01 00 01 0500000000000000");

    let block = block();
    let golden = format!("01 01 01 {}", testing::hex_of(&block));
    let protocol = consensus::Record::HotStuff(hotstuff::Record::Block(block));
    assert_golden(&Entry::Primary(primary::Record::Silent(Round(7))), "00 04 0700000000000000");
    assert_golden(&Entry::Protocol(protocol), &golden);
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    fn refused<T>(bytes_max: usize, decode: fn(&[u8]) -> Result<T, DecodeError>) -> bool {
        let decoded = decode(&vec![0; bytes_max + 1]);
        matches!(decoded, Err(DecodeError::TooLarge { max, .. }) if max == bytes_max)
    }
    assert!(refused(codec::BATCH_BYTES_MAX, Batch::decode));
    assert!(refused(worker::Message::BYTES_MAX, worker::Message::decode));
    assert!(refused(primary::Message::BYTES_MAX, primary::Message::decode));
    assert!(refused(consensus::Message::BYTES_MAX, consensus::Message::decode));
    assert!(refused(Message::BYTES_MAX, Message::decode));
}

#[test]
fn no_length_is_believed() {
    let certificate = certify(testing::header(1, 1), 4).into_inner();
    let digest = certificate.digest();
    let of_primary = [
        primary::Message::Want(vec![digest, digest]),
        primary::Message::Behind(vec![Round(1); 4]),
        primary::Message::Certificates(vec![certificate.clone(), certificate.clone()]),
        primary::Message::Reached(Some(certificate)),
    ];
    let of_protocols = [
        consensus::Message::HotStuff(hotstuff::Message::Blocks(vec![block(), block()])),
        consensus::Message::HotStuff(hotstuff::Message::Status(Box::new(status()))),
        consensus::Message::Fcfs(fcfs::Message::Orders(vec![order(digest)])),
    ];
    let of_protocols = of_protocols.map(Message::Protocol);
    for message in of_primary.map(Message::Primary).into_iter().chain(of_protocols) {
        assert_no_length_is_believed(&message);
    }
    assert_no_length_is_believed(&worker::Message::Batch(vec![1; 10].into()));
    assert_no_length_is_believed(&worker::Message::Want(vec![testing::batch(1).digest]));
}

fn status() -> hotstuff::message::Status {
    let signers = Signers::from_iter([ValidatorId(1)]);
    let signatures = vec![Signature::from_bytes([1; 64])];
    let high_qc = hotstuff::quorum::Qc { block: block().parent, signers, signatures };
    hotstuff::message::Status { asked_at: None, high_qc, high_tc: None }
}

fn order(anchor: HeaderDigest) -> fcfs::Order {
    fcfs::Order { index: CommitIndex(5), anchor, chain: ChainDigest::default() }
}
