//! The encoding of everything that protocols say and store, byte by byte, and what HotStuff signs.
//!
//! What it is made of has its own golden bytes, in `types`.

use kraken_types::{
    ChainDigest, Commit, CommitIndex, Digest, HeaderDigest, Round, Signature, Signers, Timestamp,
    ValidatorId, View,
    testing::{self, assert_golden, assert_golden_debug, assert_hex, certify, committee, hex_of},
};

use crate::{
    Message, Record, fcfs,
    hotstuff::{
        self,
        block::{Block, BlockId, BlockRef},
        message::{Proposal, Status},
        order::Mark,
        quorum::{Qc, Tc, Timeout, Vote},
        safety::Safety,
    },
    leader, linearizer,
};

const DIGEST_A1: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const DIGEST_B1: &str = "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1";
const DIGEST_C1: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn signature(byte: u8) -> Signature {
    Signature::from_bytes([byte; 64])
}

fn golden_signature(byte: &str) -> String {
    byte.repeat(64)
}

fn block_ref() -> BlockRef {
    BlockRef { view: View(7), id: BlockId(digest(0xb1)) }
}

fn golden_block_ref() -> String {
    format!("0700000000000000 {DIGEST_B1}")
}

fn qc() -> Qc {
    let signers: Signers = [ValidatorId(0), ValidatorId(2)].into_iter().collect();
    Qc { block: block_ref(), signers, signatures: vec![signature(0x51), signature(0x52)] }
}

fn golden_qc() -> String {
    let signatures = golden_signature("51") + &golden_signature("52");
    format!("{} 01000000 05 02000000 {signatures}", golden_block_ref())
}

fn tc() -> Tc {
    let signers: Signers = [ValidatorId(1)].into_iter().collect();
    Tc { view: View(8), high_qc: qc(), signers, timeouts: vec![(View(7), signature(0x53))] }
}

fn golden_tc() -> String {
    let timeout = format!("0700000000000000 {}", golden_signature("53"));
    format!("0800000000000000 {} 01000000 02 01000000 {timeout}", golden_qc())
}

fn vote() -> Vote {
    Vote { voter: ValidatorId(2), block: block_ref(), signature: signature(0x54) }
}

fn golden_vote() -> String {
    format!("0200 {} {}", golden_block_ref(), golden_signature("54"))
}

fn block() -> Block {
    let cut = Some(certify(testing::header(1, 1), 4).into_inner());
    Block { author: ValidatorId(3), view: View(9), parent: block_ref(), cut }
}

fn golden_block() -> String {
    let cut = hex_of(&block().cut);
    format!("0300 0900000000000000 {} {cut}", golden_block_ref())
}

#[test]
fn the_bytes_of_fcfs_do_not_change() {
    let order = fcfs::Order {
        index: CommitIndex(5),
        anchor: HeaderDigest(digest(0xa1)),
        chain: ChainDigest(digest(0xc1)),
    };
    let order_bytes = format!("0500000000000000 {DIGEST_A1} {DIGEST_C1}");
    let messages = [
        (fcfs::Message::Orders(vec![order]), format!("00 00 01000000 {order_bytes}")),
        (fcfs::Message::Want(CommitIndex(5)), "00 01 0500000000000000".to_owned()),
    ];
    for (message, golden) in messages {
        assert_golden(&Message::Fcfs(message), &golden);
    }
}

#[test]
fn the_bytes_of_hotstuff_do_not_change() {
    use hotstuff::Message as Said;

    let timeout = Timeout {
        sender: ValidatorId(1),
        view: View(9),
        high_qc: qc(),
        tc: Some(tc()),
        signature: signature(0x55),
    };
    let proposal =
        Proposal { block: block(), qc: qc(), tc: Some(tc()), signature: signature(0x56) };
    let status =
        Status { asked_at: Some(Timestamp::from_millis(6)), high_qc: qc(), high_tc: Some(tc()) };
    let want = Said::Want { block: BlockId(digest(0xb1)), above: View(6) };
    let (block_bytes, qc_bytes, tc_bytes) = (golden_block(), golden_qc(), golden_tc());
    let signed = golden_signature;
    let messages = [
        (
            Said::Proposal(Box::new(proposal)),
            format!("01 00 {block_bytes} {qc_bytes} 01 {tc_bytes} {}", signed("56")),
        ),
        (Said::Vote(vote()), format!("01 01 {}", golden_vote())),
        (
            Said::Timeout(Box::new(timeout)),
            format!("01 02 0100 0900000000000000 {qc_bytes} 01 {tc_bytes} {}", signed("55")),
        ),
        (
            Said::Status(Box::new(status)),
            format!("01 03 01 0600000000000000 {qc_bytes} 01 {tc_bytes}"),
        ),
        (want, format!("01 04 {DIGEST_B1} 0600000000000000")),
        (Said::Blocks(vec![block()]), format!("01 05 01000000 {block_bytes}")),
        (Said::Forgot(Timestamp::from_millis(6)), "01 06 0600000000000000".to_owned()),
    ];
    for (message, golden) in messages {
        assert_golden(&Message::HotStuff(message), &golden);
    }
}

#[test]
fn the_bytes_of_what_a_protocol_must_not_forget_do_not_change() {
    let commit = Commit {
        index: CommitIndex(5),
        anchor: HeaderDigest(digest(0xa1)),
        round: Round(2),
        timestamp: Timestamp::from_millis(0x1234),
        batches: vec![(ValidatorId(1), testing::batch(3))],
        close_block: true,
        chain: ChainDigest(digest(0xc1)),
    };
    let (order, schedule) = (linearizer::State::default(), leader::State::default());
    let parts = (hex_of(&commit), hex_of(&order), hex_of(&schedule));
    let committed = Record::Committed { commit, order, schedule };
    assert_golden(&committed, &format!("00 {} {} {}", parts.0, parts.1, parts.2));
    let safety = Safety::new(&committee(4));
    let safety_bytes = hex_of(&safety);
    let records = [
        (hotstuff::Record::Safety(Box::new(safety)), format!("01 00 {safety_bytes}")),
        (hotstuff::Record::Block(block()), format!("01 01 {}", golden_block())),
    ];
    for (record, golden) in records {
        assert_golden(&Record::HotStuff(record), &golden);
    }
    assert_golden_debug::<Record>(
        "HotStuff(Settled(Mark { block: BlockRef { view: View(7), id: BlockId(b1b1b1b1) }, \
         former: None }))",
        &format!("01 02 {} 00", golden_block_ref()),
    );
}

#[test]
fn the_bytes_of_what_is_ordered_and_who_leads_do_not_change() {
    let bits = "01".to_owned() + &"00".repeat(15);
    let window = format!("0300000000000000 02000000 {bits} {bits}");
    let taken = "01000000 0100 02 02000000 0000000000000000 0400000000000000
                 0600000000000000 0700000000000000";
    assert_golden_debug::<linearizer::State>(
        "State { next: CommitIndex(5), chain: ChainDigest(c1c1c1c1), timestamp: Timestamp(6), \
         window: Window { anchor: Round(3), authors: [1, 1] }, \
         taken: {(ValidatorId(1), WorkerId(2)): Ranges([(0, 4), (6, 7)])} }",
        &format!("0500000000000000 {DIGEST_C1} 0600000000000000 {window} {taken}"),
    );
    assert_golden_debug::<leader::State>(
        "State { substitutes: {ValidatorId(1): ValidatorId(2)}, commits: 3, \
         records: {ValidatorId(3): Record { present: 4, skipped: 5 }} }",
        "01000000 0100 0200 03 01000000 0300 04 05000000",
    );
}

#[test]
fn the_bytes_of_safety_and_marks_do_not_change() {
    let former = "0900000000000000 00000000 03 00000000";
    assert_golden_debug::<Mark>(
        "Mark { block: BlockRef { view: View(7), id: BlockId(b1b1b1b1) }, \
         former: Some((View(9), State { substitutes: {}, commits: 3, records: {} })) }",
        &format!("{} 01 {former}", golden_block_ref()),
    );
    let golden = format!(
        "0a00000000000000 0900000000000000 01 {} {} 01 {} 01",
        golden_vote(),
        golden_qc(),
        golden_tc()
    );
    let debug = format!(
        "Safety {{ signed: View(10), proposed: View(9), vote: Some({:?}), high_qc: {:?}, \
         high_tc: Some({:?}), is_silent: true }}",
        vote(),
        qc(),
        tc()
    );
    assert_golden_debug::<Safety>(&debug, &golden);
}

#[test]
fn what_hotstuff_signs_does_not_change() {
    let committee = committee(4);
    let signed = [
        (
            "genesis",
            BlockRef::genesis(&committee).id.0,
            "81edeacd11ecab71cb17755048ef8ff5534509152c28bd56dc12b55151f5b5c6",
        ),
        (
            "block",
            block().id(&committee).0,
            "6782e97a66bf57782253f3c0922ddc5b407f5b8818dc0331872268e94950738c",
        ),
        (
            "proposal",
            Proposal::signed(BlockId(digest(0xb1)), &committee),
            "085069a353f49d58a52e5ac18ca2edb3dd4b144a35ec39623878e1c87b743f65",
        ),
        (
            "vote",
            Vote::signed(block_ref(), &committee),
            "144ad4aa7037cfa7480924ab46dde10597bf8d383af56cd8af7d550de8cb2492",
        ),
        (
            "time-out",
            Timeout::signed(View(9), View(7), &committee),
            "3cf64a34fb915d8593bfd239dbfab4703198bdf8281b43c2becb0e261b240507",
        ),
    ];
    for (name, digest, golden) in signed {
        assert_hex(name, digest.as_bytes(), golden);
    }
}
