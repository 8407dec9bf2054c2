//! Inputs to begin with: a value for each decoder, and scripts in which everything goes well.

use bytes::Bytes;
use kraken_consensus as consensus;
use kraken_mempool::{primary, worker};
use kraken_ordering as ordering;
use kraken_types::{
    Batch, Certificate, ChainDigest, Commit, CommitIndex, Epoch, Header, Round, Signers, Timestamp,
    ValidatorId, WorkerId, codec, testing,
};

/// The targets of protocols, and what chooses no odd committee and no forgery there.
pub const PROTOCOLS: [(&str, &[u8]); 3] =
    [("bullshark_step", &[0]), ("fcfs_step", &[0]), ("hotstuff_step", &[0, 0])];

/// Every seed: its target, its name, its bytes.
pub fn all() -> Vec<(&'static str, String, Vec<u8>)> {
    let mut seeds = Vec::new();
    for (decoder, value) in (0..).zip(values()) {
        seeds.push(("decoders", format!("value-{decoder}"), [vec![decoder], value].concat()));
    }
    for times in [20, 80] {
        for (target, begin) in PROTOCOLS {
            seeds.push((target, format!("rounds-{times}"), rounds(begin, times)));
        }
        for protocol in 0..3 {
            let name = format!("protocol-{protocol}-{times}");
            seeds.push(("ordering_step", name, talk(protocol, times)));
        }
        seeds.push(("primary_step", format!("votes-{times}"), votes(times)));
    }
    seeds.push(("worker_step", "batches".to_owned(), batches()));
    seeds
}

/// A value of each type, in the order of the decoders.
fn values() -> Vec<Vec<u8>> {
    let header = Header {
        batches: testing::batches(2),
        attachment: Bytes::from_static(b"attached"),
        ..testing::child(1, 2, &[testing::header(0, 1).digest()])
    };
    let signed = header.clone().sign(&testing::identity(4, 1)).into_inner();
    let certificate = testing::certify(header.clone(), 4).into_inner();
    let vote = kraken_types::Vote::sign(signed.digest(), &testing::identity(4, 2)).into_inner();
    let signers: Signers = [0, 3, 17].map(ValidatorId).into_iter().collect();
    let transactions = vec![Bytes::from_static(b"one"), Bytes::new()];
    let batch = Batch {
        epoch: Epoch(0),
        author: ValidatorId(1),
        worker: WorkerId(0),
        sequence: 7,
        transactions,
    };
    let certificates = vec![certificate.clone(), Certificate::clone(&certificate)];
    let certificates = primary::Message::Certificates(certificates);
    let want = consensus::Message::Fcfs(consensus::fcfs::Message::Want(CommitIndex(9)));
    let record = consensus::Record::Committed {
        commit: commit(),
        order: consensus::linearizer::State::default(),
        schedule: consensus::leader::State::default(),
    };
    vec![
        codec::encode(&batch),
        codec::encode(&header),
        codec::encode(&signed),
        codec::encode(&certificate),
        codec::encode(&vote),
        codec::encode(&commit()),
        codec::encode(&signers),
        codec::encode(&worker::Message::Batch(batch.encode().1)),
        codec::encode(&certificates),
        codec::encode(&want),
        codec::encode(&ordering::Message::Primary(primary::Message::Behind(vec![Round(3); 4]))),
        codec::encode(&ordering::Entry::Primary(primary::Record::Silent(Round(54)))),
        codec::encode(&primary::Record::Accepted(certificate)),
        codec::encode(&record),
    ]
}

fn commit() -> Commit {
    Commit {
        index: CommitIndex(3),
        anchor: testing::header(0, 1).digest(),
        round: Round(8),
        timestamp: Timestamp::from_millis(9),
        batches: testing::batches(2).into_iter().map(|batch| (ValidatorId(1), batch)).collect(),
        close_block: false,
        chain: ChainDigest::default(),
    }
}

/// All make rounds of the DAG, 20 ms one after the other, and all hear of them; they talk, and what
/// they wait for does not come.
pub fn rounds(begin: &[u8], times: usize) -> Vec<u8> {
    let (advance, talk) = ([0, 0, 20, 0, 0], [0, 10, 15]);
    let rings = [0, 23, 1, 23, 2, 23];
    [begin, &[&advance[..], &talk, &talk, &rings, &talk].concat().repeat(times)].concat()
}

/// Somebody has a batch, which all store; then the network is good for a while.
pub fn talk(protocol: u8, times: usize) -> Vec<u8> {
    let (seal, talk) = ([1, 18, 0], [0, 0]);
    [&[0, protocol][..], &[&seal[..], &talk].concat().repeat(times)].concat()
}

/// The others make a round, of which we hear all; somebody asks for a vote; once we were woken, all
/// vote for ours; what was delivered is committed.
pub fn votes(times: usize) -> Vec<u8> {
    let (advance, ask) = ([4, 0, 0, 0, 0], [13, 0, 0, 0, 0, 0, 0, 0]);
    let (wake, vote, commit) = ([0, 0], [10], [23, 255]);
    let events = [&advance[..], &ask, &wake, &vote, &commit].concat();
    [&[0, 0][..], &events.repeat(times)].concat()
}

/// Transactions, and batches of a peer, each in another place; some time passes.
pub fn batches() -> Vec<u8> {
    let mut bytes = vec![0];
    for place in 0..16 {
        bytes.extend([4, 1, 100, 10, 0, 0, 0, place, 1, 9, 0, 0, 0, 0]);
    }
    bytes
}
