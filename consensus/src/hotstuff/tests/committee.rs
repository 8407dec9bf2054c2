//! Whole committees in one thread on one seed: loss, reordering, duplication, crashes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kraken_types::{
    Certificate, Claim, Commit, HeaderDigest, Identity, Round, Scheme, ValidatorId, Verified, View,
    testing::{certify, child, committee, identity},
};
use proptest::prelude::*;

use super::{BASE, at};
use crate::{
    Config, Effect, Input, Message, Protocol as _, Record, TimerId,
    hotstuff::{
        self, HotStuff,
        block::{BlockId, BlockRef},
    },
};

/// Believes every signature: nobody lies here, and so there is time for more runs.
#[derive(Debug)]
struct Trust;

impl Scheme for Trust {
    fn verify(&self, _: &[Claim]) -> Result<(), usize> {
        Ok(())
    }
}

fn trusting(id: usize) -> HotStuff {
    let id = u16::try_from(id).expect("small");
    let trusting = Arc::new(committee(4).with_scheme(Arc::new(Trust)));
    HotStuff::new(Config {
        identity: Identity { committee: trusting, ..identity(4, id) },
        gc_depth: 20,
        view_timeout: BASE,
        view_timeout_max: Duration::from_secs(2),
    })
}

/// Chance, the same for each run of a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[derive(Debug)]
enum Event {
    Deliver { from: ValidatorId, message: Box<Message> },
    Timer { timer: TimerId, incarnation: u32, number: u64 },
    Certificate(HeaderDigest),
    Restart,
}

/// A validator and its disk.
struct Node {
    core: Option<HotStuff>,
    incarnation: u32,
    log: Vec<Record>,
    commits: Vec<Commit>,
    delivered: BTreeSet<HeaderDigest>,
    /// In the order of delivery.
    certificates: Vec<Verified<Certificate>>,
    timers: BTreeMap<TimerId, u64>,
}

struct Net {
    chance: Chance,
    now: u64,
    /// By time, then by a number.
    events: BTreeMap<(u64, u64), (usize, Event)>,
    scheduled: u64,
    nodes: Vec<Node>,
    dag: BTreeMap<HeaderDigest, Verified<Certificate>>,
    /// Until this time one message in so many is lost; later none.
    lossy_until: u64,
    lost_in: u64,
    signed: Signed,
}

/// What honest validators signed, over all their lives.
#[derive(Default)]
struct Signed {
    votes: BTreeMap<(ValidatorId, View), BlockRef>,
    proposals: BTreeMap<(ValidatorId, View), BlockId>,
    timeouts: BTreeSet<(ValidatorId, View)>,
}

impl Signed {
    /// Checks a message against everything that the sender said before.
    fn check(&mut self, message: &hotstuff::Message) {
        match message {
            hotstuff::Message::Vote(vote) => {
                let place = (vote.voter, vote.block.view);
                let first = *self.votes.entry(place).or_insert_with(|| {
                    assert!(!self.timeouts.contains(&place), "{place:?} voted after giving up");
                    vote.block
                });
                assert_eq!(first, vote.block, "{place:?} voted twice");
            }
            hotstuff::Message::Timeout(timeout) => {
                self.timeouts.insert((timeout.sender, timeout.view));
            }
            hotstuff::Message::Proposal(proposal) => {
                let block = &proposal.block;
                let id = block.id(&committee(4));
                let first = *self.proposals.entry((block.author, block.view)).or_insert(id);
                assert_eq!(first, id, "{} proposed twice in {:?}", block.author, block.view);
            }
            hotstuff::Message::Status(_)
            | hotstuff::Message::Want { .. }
            | hotstuff::Message::Blocks(_)
            | hotstuff::Message::Forgot(_) => {}
        }
    }
}

impl Net {
    fn new(seed: u64, lossy_until: u64, lost_in: u64) -> Self {
        let node = |_| Node {
            core: None,
            incarnation: 0,
            log: Vec::new(),
            commits: Vec::new(),
            delivered: BTreeSet::new(),
            certificates: Vec::new(),
            timers: BTreeMap::new(),
        };
        let mut net = Self {
            chance: Chance(seed | 1 << 40),
            now: 0,
            events: BTreeMap::new(),
            scheduled: 0,
            nodes: (0..4).map(node).collect(),
            dag: BTreeMap::new(),
            lossy_until,
            lost_in,
            signed: Signed::default(),
        };
        (0..4).for_each(|id| net.start(id));
        net
    }

    /// Layers of the DAG, one each 30 ms, with a certificate of each of these authors.
    fn layers(&mut self, count: u64, authors: &[u16]) {
        let mut parents: Vec<HeaderDigest> = Vec::new();
        for round in 1..=count {
            let layer: Vec<_> =
                authors.iter().map(|&id| certify(child(id, round, &parents), 4)).collect();
            parents = layer.iter().map(|certificate| certificate.digest()).collect();
            for certificate in layer {
                for node in 0..4 {
                    let time = round * 30 + self.chance.below(60);
                    self.schedule(time, node, Event::Certificate(certificate.digest()));
                }
                self.dag.insert(certificate.digest(), certificate);
            }
        }
    }

    fn schedule(&mut self, time: u64, node: usize, event: Event) {
        self.scheduled += 1;
        self.events.insert((time, self.scheduled), (node, event));
    }

    /// Starts a validator with what is on its disk, of which it needs no more than the rules say.
    fn start(&mut self, id: usize) {
        let node = &mut self.nodes[id];
        let mut kept: Vec<Record> = Vec::new();
        for record in node.log.drain(..) {
            // A commit that is durable is carried out at last after a restart.
            if let Record::Committed { commit, .. } = &record
                && commit.index.0 == node.commits.len() as u64
            {
                node.commits.push(commit.clone());
            }
            kept.retain(|older| !record.supersedes(older));
            kept.push(record);
        }
        node.log.clone_from(&kept);
        node.incarnation += 1;
        node.timers.clear();
        node.core = Some(trusting(id));
        let again = node.certificates.clone();
        self.step(id, Input::Recovered(kept));
        for certificate in again {
            self.step(id, Input::Certificate(certificate));
        }
        let missed: Vec<_> = self.dag.keys().copied().collect();
        for digest in missed {
            let round = self.dag[&digest].header().round.0;
            if round * 30 < self.now {
                self.schedule(self.now + self.chance.0 % 50, id, Event::Certificate(digest));
            }
        }
    }

    fn crash(&mut self, id: usize, for_millis: u64) {
        self.nodes[id].core = None;
        self.schedule(self.now + for_millis, id, Event::Restart);
    }

    /// Steps a validator; a few steps end in the middle, before everything is done.
    fn step(&mut self, id: usize, input: Input) {
        let now = at(self.now);
        let Some(core) = &mut self.nodes[id].core else { return };
        let effects = core.step(now, input);
        let breaks = self.now < self.lossy_until && self.chance.below(60) == 0;
        let whole = effects.len();
        let done = if breaks {
            usize::try_from(self.chance.below(whole as u64 + 1)).expect("small")
        } else {
            whole
        };
        for effect in effects.into_iter().take(done) {
            self.carry_out(id, effect);
        }
        if breaks {
            let pause = 1 + self.chance.below(150);
            self.crash(id, pause);
        }
    }

    fn carry_out(&mut self, id: usize, effect: Effect) {
        match effect {
            Effect::Persist(record) => self.nodes[id].log.push(record),
            Effect::Send { to, message } => self.send(id, usize::from(to.0), &message),
            Effect::Broadcast(message) => {
                for to in (0..4).filter(|to| *to != id) {
                    self.send(id, to, &message);
                }
            }
            Effect::SetTimer { timer, after } => {
                let time = self.now + u64::try_from(after.as_millis()).expect("small");
                let node = &mut self.nodes[id];
                node.timers.insert(timer, self.scheduled + 1);
                let (incarnation, number) = (node.incarnation, self.scheduled + 1);
                self.schedule(time, id, Event::Timer { timer, incarnation, number });
            }
            Effect::Certificate(certificate) => {
                let time = self.now + 1 + self.chance.below(40);
                self.schedule(time, id, Event::Certificate(certificate.digest()));
            }
            Effect::Commit(commit) => self.commit(id, commit),
            Effect::Equivocated { whom, what } => panic!("{whom} showed two of its {what}s"),
            Effect::Hold { .. } | Effect::Attach(_) | Effect::Want { .. } => {
                panic!("HotStuff asks nothing of a round")
            }
        }
    }

    fn send(&mut self, from: usize, to: usize, message: &Message) {
        let Message::HotStuff(inner) = message else { panic!("not ours") };
        self.signed.check(inner);
        let from = ValidatorId(u16::try_from(from).expect("small"));
        let is_rough = self.now < self.lossy_until;
        let copies = match is_rough.then(|| self.chance.below(self.lost_in)) {
            Some(0) => 0,
            Some(1) => 2,
            Some(_) | None => 1,
        };
        for _ in 0..copies {
            let time = self.now + 1 + self.chance.below(if is_rough { 80 } else { 20 });
            let message = Box::new(message.clone());
            self.schedule(time, to, Event::Deliver { from, message });
        }
    }

    /// A commit may come again after a crash that lost its record, but must be the same.
    fn commit(&mut self, id: usize, commit: Commit) {
        let known = self
            .nodes
            .iter()
            .find_map(|node| node.commits.iter().find(|known| known.index == commit.index));
        if let Some(known) = known {
            assert_eq!(*known, commit, "validator {id} disagrees");
        }
        let commits = &mut self.nodes[id].commits;
        assert_eq!(commits.len() as u64, commit.index.0, "validator {id} left a gap");
        commits.push(commit);
    }

    /// The mempool: delivers a certificate after its ancestors.
    fn certificate(&mut self, id: usize, digest: HeaderDigest) {
        if self.nodes[id].core.is_none() || self.nodes[id].delivered.contains(&digest) {
            return;
        }
        let certificate = self.dag[&digest].clone();
        for parent in &certificate.header().parents {
            self.certificate(id, *parent);
        }
        let node = &mut self.nodes[id];
        if node.core.is_some() && node.delivered.insert(digest) {
            node.certificates.push(certificate.clone());
            self.step(id, Input::Certificate(certificate));
        }
    }

    /// Runs until nobody wants anything any more, which must come to pass.
    fn run(&mut self, dead: &[usize]) {
        let mut count = 0;
        while let Some(((time, _), (id, event))) = self.events.pop_first() {
            self.now = self.now.max(time);
            count += 1;
            assert!(count < 200_000, "not quiet after {} ms", self.now);
            if dead.contains(&id) && self.lossy_until <= self.now {
                self.nodes[id].core = None;
                continue;
            }
            match event {
                Event::Deliver { from, message } => {
                    self.step(id, Input::Message { from, message: *message });
                }
                Event::Timer { timer, incarnation, number } => {
                    let node = &self.nodes[id];
                    let is_due = node.timers.get(&timer) == Some(&number);
                    if is_due && node.incarnation == incarnation {
                        self.step(id, Input::Timer(timer));
                    }
                }
                Event::Certificate(digest) => self.certificate(id, digest),
                Event::Restart => self.start(id),
            }
        }
    }

    /// Everyone but the dead ordered all rounds.
    fn assert_all_ordered(&self, last: u64, dead: &[usize]) {
        for (id, node) in self.nodes.iter().enumerate().filter(|(id, _)| !dead.contains(id)) {
            let round = node.commits.last().map(|commit| commit.round);
            assert_eq!(round, Some(Round(last)), "validator {id} after {} ms", self.now);
        }
    }
}

#[test]
fn an_undisturbed_committee_orders_everything_and_falls_quiet() {
    let mut net = Net::new(1, 0, 1);
    net.layers(20, &[0, 1, 2, 3]);
    net.run(&[]);
    net.assert_all_ordered(20, &[]);
    assert!(net.now < 1_000, "took {} ms", net.now);
}

#[test]
fn three_of_four_order_everything() {
    for dead in 0..4_u16 {
        let mut net = Net::new(2, 0, 1);
        let authors: Vec<_> = (0..4).filter(|id| *id != dead).collect();
        net.layers(40, &authors);
        net.run(&[usize::from(dead)]);
        net.assert_all_ordered(40, &[usize::from(dead)]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_networks_and_crashes_do_makes_validators_disagree_or_stop(
        seed in any::<u64>(), lost_in in 2_u64..12, dead in 0_usize..8,
    ) {
        let mut net = Net::new(seed, 1_500, lost_in);
        net.layers(60, &[0, 1, 2, 3]);
        let dead: Vec<_> = (dead < 4).then_some(dead).into_iter().collect();
        net.run(&dead);
        net.assert_all_ordered(60, &dead);
    }
}
