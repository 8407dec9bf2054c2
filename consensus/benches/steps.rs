//! What one step of a protocol costs, with real signatures where it checks any.
//!
//! `cargo xtask bench steps` prints these as a table.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, SamplingMode, Throughput};
use kraken_consensus::{
    Bullshark, Config, Effect, HotStuff, Input, Message, Protocol as _,
    dag::Dag,
    hotstuff::{
        self,
        block::Block,
        message::Proposal,
        quorum::{Qc, Vote},
    },
    linearizer::{Clock, Linearizer},
};
use kraken_types::{
    Certificate, Digest, Header, Identity, PublicKey, SecretKey, Signature, Signer, Timestamp,
    ValidatorId, Verified, View, codec, testing,
};

/// Rounds below an anchor that may still be ordered, as on a real chain.
const GC_DEPTH: u64 = 50;

/// So many rounds are fed while the clock runs.
const ROUNDS: u64 = 50;

/// A key whose signatures nobody can check, and nobody does: protocols get checked certificates.
struct Blank(PublicKey);

impl SecretKey for Blank {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, _digest: &Digest) -> Signature {
        Signature::from_bytes([0; 64])
    }
}

/// Round by round, everybody's certificates, each on top of all of the round before.
fn rounds(size: u16, count: u64) -> Vec<Vec<Verified<Certificate>>> {
    let committee = Arc::new(testing::committee(size));
    let key = Arc::new(Blank(testing::signer(0).public_key()));
    let identity = |id| Identity {
        committee: Arc::clone(&committee),
        id: ValidatorId(id),
        signer: Signer::new(key.clone()),
    };
    let identities: Vec<_> = (0..size).map(identity).collect();
    let certify = |header: Header| {
        let signed = header.sign(&identities[0]);
        let votes = identities
            .iter()
            .map(|voter| (voter.id, kraken_types::Vote::sign(signed.digest(), voter)));
        Certificate::assemble(&signed, &votes.collect(), &committee).expect("everyone voted")
    };
    let mut rounds: Vec<Vec<Verified<Certificate>>> = Vec::new();
    for round in 1..=count {
        let parents: Vec<_> =
            rounds.last().into_iter().flatten().map(|parent| parent.digest()).collect();
        let header = |author| {
            let mut header = testing::child(author, round, &parents);
            header.batches = vec![testing::batch(round * u64::from(size) + u64::from(author))];
            header
        };
        rounds.push((0..size).map(|author| certify(header(author))).collect());
    }
    rounds
}

fn config(size: u16) -> Config {
    Config {
        identity: testing::identity(size, 0),
        gc_depth: GC_DEPTH,
        view_timeout: Duration::from_secs(1),
        view_timeout_max: Duration::from_secs(60),
    }
}

fn feed(bullshark: &mut Bullshark, rounds: &[Vec<Verified<Certificate>>]) {
    for certificate in rounds.iter().flatten() {
        let input = Input::Certificate(certificate.clone());
        black_box(bullshark.step(Timestamp::ZERO, input));
    }
}

/// A protocol that was fed these rounds.
fn after(size: u16, rounds: &[Vec<Verified<Certificate>>]) -> Bullshark {
    let mut bullshark = Bullshark::new(config(size));
    black_box(bullshark.step(Timestamp::ZERO, Input::Recovered(Vec::new())));
    feed(&mut bullshark, rounds);
    bullshark
}

/// Bullshark: what one more certificate costs, its share of the commits included; in committees of
/// several sizes, and after short and long runs.
fn bullshark(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("bullshark::certificate");
    group.sampling_mode(SamplingMode::Flat);
    let mut measure = |name: String, size: u16, before: u64| {
        let rounds = rounds(size, before + ROUNDS);
        let (before, then) = rounds.split_at(usize::try_from(before).expect("a small number"));
        group.throughput(Throughput::Elements(u64::from(size) * ROUNDS));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter_batched_ref(
                || {
                    let bullshark = after(size, before);
                    // However much was read before, what comes now is in the cache of the processor,
                    // as if it had just arrived.
                    black_box(codec::encode(&certificates(then)));
                    bullshark
                },
                |bullshark| feed(bullshark, then),
                BatchSize::PerIteration,
            );
        });
    };
    for size in [4, 10, 50] {
        measure(format!("n={size}"), size, 2 * GC_DEPTH);
    }
    for before in [100, 1_000, 10_000] {
        measure(format!("round={before}"), 4, before);
    }
    group.finish();
}

/// The certificates of some rounds.
fn certificates(rounds: &[Vec<Verified<Certificate>>]) -> Vec<Certificate> {
    rounds.iter().flatten().map(|certificate| Certificate::clone(certificate)).collect()
}

/// What ordering the history of one anchor costs: two rounds, as in a DAG where nobody is late.
fn linearizer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("linearizer::order");
    for size in [4, 10, 50] {
        let rounds = rounds(size, 2);
        let mut dag = Dag::new();
        for certificate in rounds.iter().flatten() {
            dag.insert(certificate.clone());
        }
        let anchor = &rounds[1][0];
        let committee = Arc::new(testing::committee(size));
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::from_parameter(format!("n={size}")), |bencher| {
            let fresh = || Linearizer::new(Arc::clone(&committee), GC_DEPTH, Clock::Median);
            bencher.iter_batched_ref(
                fresh,
                |linearizer| black_box(linearizer.order(&dag, anchor)),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

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

/// Two views of HotStuff, as the last validator sees them: with real signatures, and a quorum of
/// them in each certificate.
struct Views {
    all: Vec<Identity>,
    proposals: [Proposal; 2],
    votes: Vec<Vote>,
}

impl Views {
    fn new(size: u16) -> Self {
        let all = identities(size);
        let committee = &all[0].committee;
        let quorum = usize::try_from(committee.quorum()).expect("a small committee");
        let cut = |round| {
            let header = match round {
                1 => testing::header(0, 1),
                _ => testing::child(0, round, &[testing::header(0, 1).digest()]),
            };
            let signed = header.sign(&all[0]);
            let vote =
                |voter: &Identity| (voter.id, kraken_types::Vote::sign(signed.digest(), voter));
            let votes = all.iter().take(quorum).map(vote).collect();
            let cut = Certificate::assemble(&signed, &votes, committee);
            cut.expect("a quorum voted").into_inner()
        };
        let propose = |view: u16, qc: Qc| {
            // A turn is two views long.
            let leader = &all[usize::from(view.div_ceil(2))];
            let cut = Some(cut(u64::from(view)));
            let view = View(u64::from(view));
            let block = Block { author: leader.id, view, parent: qc.block, cut };
            Proposal::sign(block, qc, None, leader).into_inner()
        };
        let votes =
            |block| all.iter().take(quorum).map(move |id| Vote::sign(block, id).into_inner());
        let first = propose(1, Qc::genesis(committee).into_inner());
        let block = first.block.reference(committee);
        let qc = Qc {
            block,
            signers: all.iter().take(quorum).map(|voter| voter.id).collect(),
            signatures: votes(block).map(|vote| vote.signature).collect(),
        };
        let second = propose(2, qc);
        let votes = votes(second.block.reference(committee)).collect();
        Self { proposals: [first, second], votes, all }
    }

    /// The last validator, which has heard so many of the proposals.
    fn ready(&self, heard: usize) -> HotStuff {
        let own = self.all.last().expect("a committee has members").clone();
        let size = u16::try_from(self.all.len()).expect("a small committee");
        let mut machine = HotStuff::new(Config { identity: own, ..config(size) });
        black_box(machine.step(Timestamp::ZERO, Input::Recovered(Vec::new())));
        let arrivals: Vec<_> = self.proposals.iter().take(heard).map(proposal).collect();
        black_box(hear(&mut machine, &arrivals));
        machine
    }
}

fn proposal(proposal: &Proposal) -> (ValidatorId, Vec<u8>) {
    arrival(proposal.block.author, hotstuff::Message::Proposal(Box::new(proposal.clone())))
}

fn arrival(from: ValidatorId, message: hotstuff::Message) -> (ValidatorId, Vec<u8>) {
    (from, codec::encode(&Message::HotStuff(message)))
}

/// Reads each message, and takes a step with it.
fn hear(machine: &mut HotStuff, arrivals: &[(ValidatorId, Vec<u8>)]) -> Vec<Effect> {
    let step = |(from, bytes): &(ValidatorId, Vec<u8>)| {
        let message = Message::decode(bytes).expect("an honest message");
        machine.step(Timestamp::ZERO, Input::Message { from: *from, message })
    };
    arrivals.iter().flat_map(step).collect()
}

/// HotStuff: reading, checking and voting for a proposal, whose anchor and parent have a quorum of
/// signatures each; and counting the votes that others need to certify it.
fn hotstuff(criterion: &mut Criterion) {
    for size in [4, 10, 50] {
        let views = Views::new(size);
        let proposals = vec![proposal(&views.proposals[1])];
        let votes = views.votes.iter();
        let votes = votes.map(|vote| arrival(vote.voter, hotstuff::Message::Vote(vote.clone())));
        let votes: Vec<_> = votes.take(views.votes.len() - 1).collect();
        let has_voted = |effects: &[Effect]| {
            effects.iter().any(|effect| {
                matches!(effect, Effect::Broadcast(Message::HotStuff(hotstuff::Message::Vote(_))))
            })
        };
        assert!(has_voted(&hear(&mut views.ready(1), &proposals)), "it votes");
        for (operation, heard, arrivals) in [("proposal", 1, proposals), ("vote", 2, votes)] {
            let mut group = criterion.benchmark_group(format!("hotstuff::{operation}"));
            group.throughput(Throughput::Elements(arrivals.len() as u64));
            let id = BenchmarkId::from_parameter(format!("n={size}"));
            group.bench_function(id, |bencher| {
                bencher.iter_batched_ref(
                    || views.ready(heard),
                    |machine| black_box(hear(machine, &arrivals)),
                    BatchSize::PerIteration,
                );
            });
            group.finish();
        }
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bullshark(&mut criterion);
    linearizer(&mut criterion);
    hotstuff(&mut criterion);
    criterion.final_summary();
}
