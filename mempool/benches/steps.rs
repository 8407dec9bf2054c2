//! What the steps of primary and worker cost, with real signatures, from the bytes of a message on.
//!
//! `cargo xtask bench steps` prints these as a table.

use std::{collections::BTreeMap, hint::black_box, sync::Arc, time::Duration};

use bytes::Bytes;
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use kraken_mempool::{
    primary::{self, Input, Output, Primary},
    worker::{self, Worker, packer},
};
use kraken_types::{
    Batch, BatchRef, Certificate, Epoch, Header, Identity, SignedHeader, Timestamp, ValidatorId,
    Verified, Vote, WorkerId, codec, testing,
};

/// A header names so many batches, as at two megabytes in five rounds a second.
const BATCHES: u64 = 4;

const NOW: Timestamp = Timestamp::from_millis(1_000);

/// Everybody's place, key and committee.
fn identities(size: u16) -> Vec<Identity> {
    let committee = Arc::new(testing::committee(size));
    let identity = |id| Identity {
        committee: Arc::clone(&committee),
        id: ValidatorId(id),
        signer: testing::signer(id),
    };
    (0..size).map(identity).collect()
}

/// The batches that an author names in a round.
fn batches(author: u16, round: u64) -> Vec<BatchRef> {
    let first = (u64::from(author) << 32) + round * BATCHES;
    (first..first + BATCHES).map(testing::batch).collect()
}

/// A header of everybody on top of some certificates.
fn headers(
    all: &[Identity],
    round: u64,
    parents: &[Verified<Certificate>],
) -> Vec<Verified<SignedHeader>> {
    let parents: Vec<_> = parents.iter().map(|parent| parent.digest()).collect();
    let header = |author: &Identity| {
        let batches = batches(author.id.0, round);
        let header = Header { batches, ..testing::child(author.id.0, round, &parents) };
        header.sign(author)
    };
    all.iter().map(header).collect()
}

/// A certificate of each header, with as many votes as are needed.
fn certificates(
    all: &[Identity],
    headers: &[Verified<SignedHeader>],
) -> Vec<Verified<Certificate>> {
    let committee = &all[0].committee;
    let certify = |header: &Verified<SignedHeader>| {
        let voters = all.iter().take(quorum(all));
        let votes: BTreeMap<_, _> =
            voters.map(|voter| (voter.id, Vote::sign(header.digest(), voter))).collect();
        Certificate::assemble(header, &votes, committee).expect("a quorum voted")
    };
    headers.iter().map(certify).collect()
}

fn quorum(all: &[Identity]) -> usize {
    usize::try_from(all[0].committee.quorum()).expect("a small committee")
}

/// The primary of the first validator, which has accepted these certificates.
fn primary(all: &[Identity], accepted: &[Verified<Certificate>]) -> Primary {
    let mut primary = Primary::new(primary::Config {
        identity: all[0].clone(),
        header_batches: 4,
        header_delay_max: Duration::from_millis(100),
        round_delay_max: Duration::from_secs(1),
        retry_after: Duration::from_millis(500),
        drift_max: Duration::from_secs(1),
        gc_depth: 50,
        serve_depth: 50,
    });
    black_box(primary.step(NOW, Input::Recovered(Vec::new())));
    for certificate in accepted {
        black_box(primary.step(NOW, Input::Certificate(certificate.clone())));
    }
    primary
}

/// What arrives, and from whom.
type Arrivals = Vec<(ValidatorId, Vec<u8>)>;

fn arrivals(messages: impl Iterator<Item = (ValidatorId, primary::Message)>) -> Arrivals {
    messages.map(|(from, message)| (from, codec::encode(&message))).collect()
}

/// Reads each message, and takes a step with it.
fn hear(primary: &mut Primary, arrivals: &Arrivals) -> Vec<Output> {
    let step = |(from, bytes): &(ValidatorId, Vec<u8>)| {
        let message = primary::Message::decode(bytes).expect("an honest message");
        primary.step(NOW, Input::Message { from: *from, message })
    };
    arrivals.iter().flat_map(step).collect()
}

/// Measures how long what arrives takes a primary that was made ready for it, and checks first that
/// so many outputs are of the kind that is meant.
fn measure(
    criterion: &mut Criterion,
    name: (&str, usize),
    arrivals: &Arrivals,
    ready: impl Fn() -> Primary,
    is_meant: fn(&Output) -> bool,
) {
    let (operation, size) = name;
    let meant = hear(&mut ready(), arrivals).iter().filter(|output| is_meant(output)).count();
    assert_eq!(meant, if operation == "count_vote" { 1 } else { arrivals.len() });
    let mut group = criterion.benchmark_group(format!("primary::{operation}"));
    group.throughput(Throughput::Elements(arrivals.len() as u64));
    group.bench_function(BenchmarkId::from_parameter(format!("n={size}")), |bencher| {
        bencher.iter_batched_ref(
            &ready,
            |primary| black_box(hear(primary, arrivals)),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// Reads the header of another validator, checks it and votes; its parents and its batches are here.
fn vote(criterion: &mut Criterion, all: &[Identity]) {
    let before = certificates(all, &headers(all, 1, &[]));
    let headers = headers(all, 2, &before);
    let others = || headers.iter().skip(1);
    let ready = || {
        let mut primary = primary(all, &before);
        for (author, batch) in others().flat_map(|header| {
            header.header().batches.iter().map(|batch| (header.header().author, *batch))
        }) {
            black_box(primary.step(NOW, Input::Stored { author, batch }));
        }
        primary
    };
    let messages = others().map(|header| {
        let message = primary::Message::Header(SignedHeader::clone(header));
        (header.header().author, message)
    });
    let is_vote =
        |output: &Output| matches!(output, Output::Send { message: primary::Message::Vote(_), .. });
    measure(criterion, ("vote", all.len()), &arrivals(messages), ready, is_vote);
}

/// Counts the votes for our header; the last of them makes the certificate.
fn count_vote(criterion: &mut Criterion, all: &[Identity]) {
    let ready = || {
        let mut primary = primary(all, &[]);
        for batch in batches(0, 1) {
            black_box(primary.step(NOW, Input::Sealed(batch)));
        }
        primary
    };
    let mut primary = primary(all, &[]);
    let inputs = batches(0, 1).into_iter().map(Input::Sealed);
    let outputs: Vec<_> = inputs.flat_map(|input| primary.step(NOW, input)).collect();
    let own = outputs.iter().find_map(|output| {
        let Output::Broadcast(primary::Message::Header(own)) = output else { return None };
        Some(own.digest())
    });
    let own = own.expect("four batches are worth a header");
    let voters = all[1..quorum(all)].iter();
    let messages =
        voters.map(|voter| (voter.id, primary::Message::Vote(Vote::sign(own, voter).into_inner())));
    let is_certificate =
        |output: &Output| matches!(output, Output::Broadcast(primary::Message::Certificate(_)));
    let name = ("count_vote", all.len());
    measure(criterion, name, &arrivals(messages), ready, is_certificate);
}

/// Reads the certificate of another validator, checks its quorum of signatures and accepts it.
fn certificate(criterion: &mut Criterion, all: &[Identity]) {
    let before = certificates(all, &headers(all, 1, &[]));
    let then = certificates(all, &headers(all, 2, &before));
    let messages = then.iter().skip(1).map(|certificate| {
        let message = primary::Message::Certificate(Certificate::clone(certificate));
        (certificate.header().author, message)
    });
    let is_accepted = |output: &Output| matches!(output, Output::Certified(_));
    let name = ("certificate", all.len());
    measure(criterion, name, &arrivals(messages), || primary(all, &before), is_accepted);
}

/// Reads a batch of a peer of half a megabyte, checks it and stores it.
fn take(criterion: &mut Criterion, all: &[Identity]) {
    const TRANSACTION_BYTES: usize = 512;
    const BATCH_BYTES: usize = 500_000;
    let transactions =
        vec![Bytes::from(vec![7; TRANSACTION_BYTES - 4]); BATCH_BYTES / TRANSACTION_BYTES];
    let author = ValidatorId(1);
    let batch = Batch { epoch: Epoch(0), author, worker: WorkerId(0), sequence: 1, transactions };
    let bytes = codec::encode(&worker::Message::Batch(batch.encode().1));
    let ready = || {
        let mut worker = Worker::new(worker::Config {
            identity: all[0].clone(),
            worker: WorkerId(0),
            packer: packer::Config {
                batch_bytes_max: BATCH_BYTES,
                batch_age_max: Duration::from_millis(100),
            },
            retry_after: Duration::from_secs(1),
            own_bytes_max: 64 << 20,
            peer_bytes_max: 64 << 20,
            requests_per_peer_max: 64,
        });
        black_box(worker.step(NOW, worker::Input::Recovered(Vec::new())));
        worker
    };
    let take = |worker: &mut Worker| {
        let message = worker::Message::decode(&bytes).expect("an honest message");
        worker.step(NOW, worker::Input::Message { from: author, message })
    };
    let outputs = take(&mut ready());
    assert!(outputs.iter().any(|output| matches!(output, worker::Output::Store { .. })));
    let mut group = criterion.benchmark_group("worker::take");
    group.throughput(Throughput::Elements(1));
    group.bench_function(BenchmarkId::from_parameter(format!("bytes={BATCH_BYTES}")), |bencher| {
        bencher.iter_batched_ref(ready, |worker| black_box(take(worker)), BatchSize::PerIteration);
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for size in [4, 10, 50] {
        let all = identities(size);
        vote(&mut criterion, &all);
        count_vote(&mut criterion, &all);
        certificate(&mut criterion, &all);
    }
    take(&mut criterion, &identities(4));
    criterion.final_summary();
}
