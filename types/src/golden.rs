//! The encoding of everything that is signed, sent or stored, byte by byte.
//!
//! A change here is a change of format: validators of two versions do not understand each other, and
//! do not read what is on their disks.

use bytes::Bytes;

use crate::{
    Acceptance, Attestation, Batch, BatchDigest, BatchRef, Certificate, ChainDigest, Commit,
    CommitIndex, Cursor, Digest, Epoch, Genesis, Header, HeaderDigest, Round, SignedHeader,
    Signers, Statement, Timestamp, Validator, ValidatorId, View, Vote, WorkerId, codec, genesis,
    testing::{
        assert_golden, assert_hex, assert_no_length_is_believed, certify, committee, identity,
        signer,
    },
};

fn digest(byte: u8) -> Digest {
    Digest::from_bytes([byte; 32])
}

fn batch_ref() -> BatchRef {
    BatchRef { digest: BatchDigest(digest(0xb1)), worker: WorkerId(2), sequence: 3 }
}

fn batch() -> Batch {
    Batch {
        epoch: Epoch(1),
        author: ValidatorId(2),
        worker: WorkerId(3),
        sequence: 4,
        transactions: vec![Bytes::from_static(b"ab"), Bytes::from_static(b"c")],
    }
}

fn header() -> Header {
    Header {
        genesis: digest(0x07),
        epoch: Epoch(0),
        author: ValidatorId(1),
        round: Round(2),
        created_at: Timestamp::from_millis(0x1234),
        batches: vec![batch_ref()],
        parents: vec![HeaderDigest(digest(0xa1)), HeaderDigest(digest(0xa2))],
        attachment: Bytes::from_static(b"abc"),
        close_block: false,
    }
}

fn commit() -> Commit {
    Commit {
        index: CommitIndex(5),
        anchor: HeaderDigest(digest(0xa1)),
        round: Round(2),
        timestamp: Timestamp::from_millis(0x1234),
        batches: vec![(ValidatorId(1), batch_ref())],
        close_block: true,
        chain: ChainDigest(digest(0xc1)),
    }
}

const KEY_0: &str = "11df7f0a09fd69432733ca3263221fd98472af9d15f13ccbb7384ed52da73c68";
const DIGEST_07: &str = "0707070707070707070707070707070707070707070707070707070707070707";
const DIGEST_A1: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
const DIGEST_A2: &str = "a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2";
const DIGEST_B1: &str = "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1";
const DIGEST_C1: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";

const SIGNATURE_OF_HEADER: &str = "0f61fcb53a4e4c0a1977b03a4cfd27a9d3c37d28d89eaac5ca9d5075eff9365b\
                                   cab99b3d5b6dffd0e7e40afa71c49d77028d55a3046cd1a1da9086223a34c00b";
const SIGNATURE_OF_VOTE: &str = "8fdcb21e7c682c22c703e4c9af59517adba2f815680c0709c63071b7a758bd9a\
                                 f3fd76496d6fe5ada4c07d895e87b10bfc82cd5962669182eb748e1b1dc6b507";
const SIGNATURE_OF_ATTESTATION: &str = "c4eaa7737fc3a7a411571fa477d21ae82983a3240f63a40c1748605b0678f8de\
     08eef6262c1759baf8d01915c44d21397545a373ec8e6481d48c8afd97253601";
const SIGNATURES_OF_CERTIFICATE: [&str; 2] = [
    "423af24f1a2c6c8c049b9cbec0752767f7c6318dfc9ae00b26ba9aa91410980d\
     5f7b12014189b7444a2828e4cdd87d97883dfbc0114feba821c3f6f383f1240a",
    "a32648a8e97fb1f552b99821adb2017957a2e642cec8c8ee9f470067058e7b6f\
     41806b8f57791727ed89a771a76342f29f9ba0cc8319bf267981dca8f8631b0c",
];

fn golden_header() -> String {
    format!(
        "{DIGEST_07} 0000000000000000 0100 0200000000000000 3412000000000000
         01000000 {DIGEST_B1} 02 0300000000000000
         02000000 {DIGEST_A1} {DIGEST_A2}
         03000000 616263
         00"
    )
}

#[test]
fn the_bytes_of_names_and_numbers_do_not_change() {
    assert_golden(&digest(0x07), DIGEST_07);
    assert_golden(&ValidatorId(0x0102), "0201");
    assert_golden(&WorkerId(3), "03");
    assert_golden(&Epoch(4), "0400000000000000");
    assert_golden(&Round(5), "0500000000000000");
    assert_golden(&View(6), "0600000000000000");
    assert_golden(&CommitIndex(7), "0700000000000000");
    assert_golden(&Timestamp::from_millis(0x0102), "0201000000000000");
    assert_golden(&batch_ref(), &format!("{DIGEST_B1} 02 0300000000000000"));
    let cursor = Cursor { commit: CommitIndex(7), transactions: 8 };
    assert_golden(&cursor, "0700000000000000 08000000");
    let member = Validator { key: signer(0).public_key(), stake: 9 };
    assert_golden(&member, &format!("{KEY_0} 0900000000000000"));
    let signers: Signers = [ValidatorId(0), ValidatorId(9)].into_iter().collect();
    assert_golden(&signers, "02000000 0102");
}

#[test]
fn the_bytes_of_payload_headers_votes_and_certificates_do_not_change() {
    let transactions = "02000000 02000000 6162 01000000 63";
    assert_golden(&batch(), &format!("0100000000000000 0200 03 0400000000000000 {transactions}"));

    assert_golden(&header(), &golden_header());
    let signed: SignedHeader = header().sign(&identity(4, 1)).into_inner();
    assert_golden(&signed, &(golden_header() + SIGNATURE_OF_HEADER));
    let vote: Vote = Vote::sign(HeaderDigest(digest(0xa1)), &identity(4, 2)).into_inner();
    assert_golden(&vote, &format!("0200 {DIGEST_A1} {SIGNATURE_OF_VOTE}"));
    let certificate: Certificate = certify(header(), 2).into_inner();
    let votes = format!("01000000 03 02000000 {}", SIGNATURES_OF_CERTIFICATE.concat());
    assert_golden(&certificate, &(golden_header() + &votes));
}

#[test]
fn the_bytes_of_attestations_do_not_change() {
    let statement = Statement {
        epoch: Epoch(0),
        number: 3,
        block_hash: [0xb1; 32],
        executed_up_to: Cursor { commit: CommitIndex(7), transactions: 8 },
        checkpoint: digest(0xc1),
    };
    let golden = format!(
        "0000000000000000 0300000000000000 {DIGEST_B1} 0700000000000000 08000000 {DIGEST_C1}"
    );
    assert_golden(&statement, &golden);
    let attestation = Attestation::sign(statement, &identity(4, 1)).into_inner();
    let signature = attestation.signature;
    assert_golden(&attestation, &format!("0100 {golden} {SIGNATURE_OF_ATTESTATION}"));
    let signers: Signers = [ValidatorId(1)].into_iter().collect();
    let acceptance = Acceptance { statement, signers, signatures: vec![signature] };
    let signed = format!("01000000 02 01000000 {SIGNATURE_OF_ATTESTATION}");
    assert_golden(&acceptance, &format!("{golden} {signed}"));
}

#[test]
fn the_bytes_of_commits_do_not_change() {
    let golden = format!(
        "0500000000000000 {DIGEST_A1} 0200000000000000 3412000000000000
         01000000 0100 {DIGEST_B1} 02 0300000000000000
         01
         {DIGEST_C1}"
    );
    assert_golden(&commit(), &golden);
}

#[test]
fn the_numbers_of_the_protocols_do_not_change() {
    let numbers = [
        (genesis::Protocol::Fcfs, "00"),
        (genesis::Protocol::HotStuff, "01"),
        (genesis::Protocol::Bullshark, "02"),
    ];
    for (protocol, golden) in numbers {
        assert_hex("genesis::Protocol", &codec::encode(&protocol), golden);
    }
}

#[test]
fn digests_and_what_is_signed_do_not_change() {
    let chained = commit().chained(ChainDigest(digest(0xc2)));
    let mut of_committee = committee(4).hasher("kraken test v1");
    of_committee.update(&1_u8);
    let genesis = Genesis::from_toml(GENESIS).expect("a genesis");
    let digests = [
        (
            "kraken batch v1",
            batch().encode().0.0,
            "183de480a1f9384e243814957b79f9b5643bfd7ce800f1c6f031413ea2735f64",
        ),
        (
            "kraken header v2",
            header().digest().0,
            "16af619aba55dee2bf88cf69da92c0e5477c612e1765ec4e50584932721172af",
        ),
        (
            "kraken vote v1",
            Vote::signed(header().digest()),
            "e96bee394f756dc58caee875464622b4138f4cf1741496d13a62c56d58c8876d",
        ),
        (
            "kraken commit v2",
            chained.chain.0,
            "6c7c1a5895590051ffb25cb18caae89c58ed537bb461cab4f49d7f8038f3cfaa",
        ),
        (
            "kraken genesis v2",
            genesis.digest(),
            "bb5532c3c227295c326c8fd2d4e0ce0e170d825ae557f3e4a06a566ce80c776b",
        ),
        (
            "a digest of one committee",
            of_committee.finish(),
            "e8f221ef4ead35c8a36a5d00a69035aa7b25a74c201338d383273449f71f51f2",
        ),
    ];
    for (domain, digest, golden) in digests {
        assert_hex(domain, digest.as_bytes(), golden);
    }
}

#[test]
fn no_length_is_believed() {
    assert_no_length_is_believed(&batch());
    assert_no_length_is_believed(&header());
    assert_no_length_is_believed(&*header().sign(&identity(4, 1)));
    assert_no_length_is_believed(&*Vote::sign(HeaderDigest(digest(0xa1)), &identity(4, 2)));
    assert_no_length_is_believed(&*certify(header(), 2));
    assert_no_length_is_believed(&commit());
}

/// Written down, so that neither the text nor what it means can change unnoticed.
const GENESIS: &str = r#"
chain_id = "SN_SEPOLIA"
starknet_version = "0.14.4"
timestamp_seconds = 1
sequencer_address = "0x1"
protocol = "hotstuff"

[mempool]
gc_depth = 50

[block]
interval_millis = 1000
empty_blocks = false
transactions_max = 1000
l2_gas_max = 5800000000

[fees]
l1_gas_price_fri = "1"
l1_gas_price_wei = "2"
l1_data_gas_price_fri = "3"
l1_data_gas_price_wei = "4"
l2_gas_price_fri_min = "5"
l2_gas_price_wei_min = "6"
l2_gas_target = 7
l2_gas_price_change_denominator = 48

[limits]
calldata_felts_max = 5000
signature_felts_max = 4000
l2_gas_max = 1210000000
class_bytes_max = 4089446
sierra_felts_max = 81920
bytecode_felts_max = 81920
nonce_ahead_max = 200

[accounts]
seed = 0
count = 10
initial_balance = "1000000000000000000000"

[[committee]]
key = "d04ab232742bb4ab3a1368bd4615e4e6d0224ab71a016baf8520a332c9778737"
stake = 1

[committee.network]
primary = "11df7f0a09fd69432733ca3263221fd98472af9d15f13ccbb7384ed52da73c68"
workers = ["a09aa5f47a6759802ff955f8dc2d2a14a5c99d23be97f864127ff9383455a4f0"]
"#;
