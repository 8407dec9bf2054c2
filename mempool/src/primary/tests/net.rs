//! A committee of primaries in one thread: messages are late, lost and overtaken, validators crash
//! and come back with what was durable. Whoever watches checks what must always hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use kraken_types::{
    BatchDigest, BatchRef, Certificate, ChainDigest, Claim, Commit, CommitIndex, Committee,
    HeaderDigest, Identity, Round, Scheme, Timestamp, ValidatorId, Verified,
    testing::{batch, identity},
};

use super::super::{Config, Input, Message, Output, Primary, Record};

/// How deep commits reach here.
pub(super) const GC_DEPTH: u64 = 10;

/// A primary's settings in a committee of this size.
pub(super) fn config(size: u16, id: u16) -> Config {
    // Nobody forges here, and signatures would take most of the time.
    let identity = identity(size, id);
    let committee = Committee::clone(&identity.committee).with_scheme(Arc::new(Trust));
    Config {
        identity: Identity { committee: Arc::new(committee), ..identity },
        header_batches: 3,
        header_delay_max: Duration::from_millis(50),
        round_delay_max: Duration::from_millis(300),
        retry_after: Duration::from_millis(100),
        drift_max: Duration::from_millis(500),
        gc_depth: GC_DEPTH,
        serve_depth: 200,
    }
}

/// Believes every signature.
#[derive(Debug)]
struct Trust;

impl Scheme for Trust {
    fn verify(&self, _: &[Claim]) -> Result<(), usize> {
        Ok(())
    }
}

/// The committee and what is between its members.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) now: Timestamp,
    pub(super) nodes: Vec<Node>,
    /// The shared order: the first that sees an anchor decides, as a protocol would.
    pub(super) commits: Vec<Commit>,
    /// Of a thousand messages, so many are lost.
    pub(super) lost: u64,
    /// The longest a message takes.
    pub(super) latency_max: u64,
    events: BTreeMap<(Timestamp, u64), Event>,
    random: u64,
    next_event: u64,
    batches: BTreeMap<BatchDigest, (ValidatorId, BatchRef)>,
    ordered: BTreeSet<HeaderDigest>,
    /// What was signed, by all incarnations.
    headers: BTreeMap<(ValidatorId, Round), HeaderDigest>,
    places: BTreeMap<HeaderDigest, (ValidatorId, Round)>,
    votes: BTreeMap<(ValidatorId, ValidatorId, Round), HeaderDigest>,
}

#[derive(Debug)]
enum Event {
    Input(usize, Input),
    Wake(usize),
}

/// One validator.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) primary: Primary,
    /// `false` while it is down.
    pub(super) is_up: bool,
    /// What is durable.
    pub(super) log: Vec<Record>,
    /// Certificates delivered since the last start, in order.
    pub(super) delivered: Vec<Verified<Certificate>>,
    pub(super) has: BTreeSet<HeaderDigest>,
    /// How many commits it knows of.
    pub(super) committed: usize,
    /// Which batches its workers hold.
    stored: BTreeMap<BatchDigest, (ValidatorId, BatchRef)>,
    wake_at: Option<Timestamp>,
    horizon: Round,
}

impl Net {
    /// A committee at the start of its chain.
    pub(super) fn new(size: u16, seed: u64) -> Self {
        let node = |id| Node {
            primary: Primary::new(config(size, id)),
            is_up: true,
            log: Vec::new(),
            delivered: Vec::new(),
            has: BTreeSet::new(),
            committed: 0,
            stored: BTreeMap::new(),
            wake_at: None,
            horizon: Round(0),
        };
        let mut net = Self {
            now: Timestamp::from_millis(1_000),
            nodes: (0..size).map(node).collect(),
            commits: Vec::new(),
            lost: 0,
            latency_max: 20,
            events: BTreeMap::new(),
            random: seed,
            next_event: 0,
            batches: BTreeMap::new(),
            ordered: BTreeSet::new(),
            headers: BTreeMap::new(),
            places: BTreeMap::new(),
            votes: BTreeMap::new(),
        };
        (0..net.nodes.len()).for_each(|node| net.input(node, Input::Recovered(Vec::new())));
        net
    }

    /// A number below `end`; splitmix64.
    pub(super) fn random(&mut self, end: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    /// A quorum got a batch of a validator; some of its peers hear later.
    pub(super) fn seal(&mut self, author: u16, sequence: u64) {
        let (id, batch) = (ValidatorId(author), batch(sequence));
        self.batches.insert(batch.digest, (id, batch));
        for node in 0..self.nodes.len() {
            self.nodes[node].stored.insert(batch.digest, (id, batch));
            let input = self.report(node, id, batch);
            self.later(node, input);
        }
    }

    fn report(&self, node: usize, author: ValidatorId, batch: BatchRef) -> Input {
        let is_own = usize::from(author.0) == node;
        if is_own { Input::Sealed(batch) } else { Input::Stored { author, batch } }
    }

    fn later(&mut self, node: usize, input: Input) {
        let delay = 1 + self.random(self.latency_max);
        self.at(self.now + Duration::from_millis(delay), Event::Input(node, input));
    }

    fn at(&mut self, at: Timestamp, event: Event) {
        self.events.insert((at, self.next_event), event);
        self.next_event += 1;
    }

    /// Lets this much time pass.
    pub(super) fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            match event {
                Event::Input(node, input) => self.input(node, input),
                Event::Wake(node) if self.nodes[node].wake_at == Some(at) => {
                    self.nodes[node].wake_at = None;
                    self.input(node, Input::Tick);
                }
                Event::Wake(_) => {}
            }
        }
        self.now = end;
    }

    /// Feeds a validator, if it is up, and carries out what it says.
    pub(super) fn input(&mut self, node: usize, input: Input) {
        if self.nodes[node].is_up {
            let outputs = self.nodes[node].primary.step(self.now, input);
            outputs.into_iter().for_each(|output| self.carry_out(node, output));
            self.follow(node);
            let size = self.nodes[node].primary.size();
            assert!(size < self.size_max(), "{size} things are remembered");
        }
    }

    /// Certificates, votes and what waits for each round that is kept; and all batches.
    fn size_max(&self) -> usize {
        self.nodes.len() * 3 * 300 + self.batches.len()
    }

    /// Feeds a validator that crashes while it carries out what it says: of that, only the first
    /// part happens.
    pub(super) fn input_and_crash(&mut self, node: usize, input: Input) {
        let outputs = self.nodes[node].primary.step(self.now, input);
        let done = self.random(u64::try_from(outputs.len()).expect("few") + 1);
        let done = usize::try_from(done).expect("few");
        outputs.into_iter().take(done).for_each(|output| self.carry_out(node, output));
        self.nodes[node].is_up = false;
    }

    /// A validator comes back with its log, or without.
    pub(super) fn restart(&mut self, node: usize) {
        let id = u16::try_from(node).expect("few");
        let size = u16::try_from(self.nodes.len()).expect("few");
        let this = &mut self.nodes[node];
        this.primary = Primary::new(config(size, id));
        (this.is_up, this.wake_at) = (true, None);
        (this.delivered, this.has) = (Vec::new(), BTreeSet::new());
        let pruned = this.log.iter().rev().find_map(|record| match record {
            Record::Pruned { horizon, .. } => Some(*horizon),
            Record::Proposed(_)
            | Record::Voted { .. }
            | Record::Accepted(_)
            | Record::Silent(_) => None,
        });
        this.horizon = pruned.unwrap_or_default();
        let log = this.log.clone();
        self.input(node, Input::Recovered(log));
        let commits = &self.commits[..self.nodes[node].committed];
        let ordered = commits.iter().flat_map(|commit| &commit.batches);
        let ordered: BTreeSet<_> = ordered.map(|(_, batch)| batch.digest).collect();
        for (digest, (author, batch)) in self.nodes[node].stored.clone() {
            if !ordered.contains(&digest) {
                let input = self.report(node, author, batch);
                self.input(node, input);
            }
        }
    }

    /// A validator comes back with nothing.
    pub(super) fn restart_without_disk(&mut self, node: usize) {
        let id = u16::try_from(node).expect("few");
        let size = u16::try_from(self.nodes.len()).expect("few");
        let this = &mut self.nodes[node];
        this.primary = Primary::new(config(size, id));
        this.log.clear();
        this.stored.clear();
        (this.is_up, this.wake_at, this.horizon, this.committed) = (true, None, Round(0), 0);
        (this.delivered, this.has) = (Vec::new(), BTreeSet::new());
        self.input(node, Input::Forgotten(Vec::new()));
    }

    fn carry_out(&mut self, node: usize, output: Output) {
        match output {
            Output::Persist(record) => self.nodes[node].log.push(record),
            Output::Send { to, message } => self.send(node, usize::from(to.0), message),
            Output::Broadcast(message) => {
                for to in (0..self.nodes.len()).filter(|to| *to != node) {
                    self.send(node, to, message.clone());
                }
            }
            Output::Certified(certificate) => self.deliver(node, &certificate),
            Output::Fetch { author, batch, .. } => {
                assert_eq!(self.batches.get(&batch.digest), Some(&(author, batch)));
                self.nodes[node].stored.insert(batch.digest, (author, batch));
                self.later(node, Input::Stored { author, batch });
            }
            Output::Pruned(round) => {
                let log = &mut self.nodes[node].log;
                let newest = log.iter().rposition(|record| record.round().is_none());
                let mut place = 0;
                log.retain(|record| {
                    place += 1;
                    record.round().map_or(Some(place - 1) == newest, |about| round < about)
                        || matches!(record, Record::Silent(_))
                });
            }
            Output::Equivocated { whom, what } => panic!("{whom} showed two of its {what}s"),
            Output::WakeAt(at) => {
                assert!(self.now < at, "a wish for the past would never end");
                self.nodes[node].wake_at = Some(at);
                self.at(at, Event::Wake(node));
            }
        }
    }

    fn send(&mut self, node: usize, to: usize, message: Message) {
        assert_ne!(node, to);
        let from = ValidatorId(u16::try_from(node).expect("few"));
        self.watch(from, &message);
        if self.lost <= self.random(1_000) {
            self.later(to, Input::Message { from, message });
        }
    }

    /// Nobody ever signs two headers of a round, or votes for two.
    fn watch(&mut self, from: ValidatorId, message: &Message) {
        match message {
            Message::Header(signed) => {
                let place = (signed.header().author, signed.header().round);
                self.places.insert(signed.digest(), place);
                let first = *self.headers.entry(place).or_insert(signed.digest());
                assert_eq!(first, signed.digest(), "two headers of {place:?}");
            }
            Message::Vote(vote) => {
                let (author, round) = self.places[&vote.header];
                let first = *self.votes.entry((from, author, round)).or_insert(vote.header);
                assert_eq!(first, vote.header, "{from} votes twice in {round:?} of {author}");
            }
            Message::Certificate(_)
            | Message::Want(_)
            | Message::Behind(_)
            | Message::Certificates(_)
            | Message::Forgot
            | Message::Reached(_) => {}
        }
    }

    /// Certificates come once, and after their ancestors.
    fn deliver(&mut self, node: usize, certificate: &Verified<Certificate>) {
        let this = &mut self.nodes[node];
        let header = certificate.header();
        if this.horizon.next() < header.round {
            let known = header.parents.iter().filter(|parent| this.has.contains(parent));
            assert_eq!(known.count(), header.parents.len(), "{node} {:?}", header.round);
        }
        assert!(this.has.insert(certificate.digest()), "twice");
        this.delivered.push(certificate.clone());
        self.decide(node, certificate);
    }

    /// Every other round has an anchor: a grandparent of the first certificate two rounds up.
    fn decide(&mut self, node: usize, newest: &Certificate) {
        let last = self.commits.last().map_or(Round(0), |commit| commit.round);
        if newest.header().round < last.ahead(4) {
            return;
        }
        let find = |digest: &HeaderDigest| {
            let found = self.nodes[node].delivered.iter();
            found.rev().find(|found| found.digest() == *digest)
        };
        let parent = newest.header().parents.first().and_then(find);
        let anchor = parent.and_then(|parent| parent.header().parents.last()).and_then(find);
        let Some(anchor) = anchor.filter(|anchor| last < anchor.header().round) else { return };
        let (anchor, round) = (anchor.digest(), anchor.header().round);
        let (mut stack, mut members) = (vec![anchor], Vec::new());
        while let Some(digest) = stack.pop() {
            let Some(found) = find(&digest) else { continue };
            if round.back(GC_DEPTH) < found.header().round && self.ordered.insert(digest) {
                members.push((found.header().round, found.header().author, digest));
                stack.extend(&found.header().parents);
            }
        }
        members.sort();
        let taken = self.commits.iter().flat_map(|commit| &commit.batches);
        let taken: BTreeSet<_> = taken.map(|(_, batch)| batch.digest).collect();
        let batches = members.iter().filter_map(|(_, _, digest)| find(digest)).flat_map(|found| {
            found.header().batches.iter().map(|batch| (found.header().author, *batch))
        });
        let batches = batches.filter(|(_, batch)| !taken.contains(&batch.digest)).collect();
        self.commits.push(Commit {
            index: CommitIndex(u64::try_from(self.commits.len()).expect("few")),
            anchor,
            round,
            timestamp: Timestamp::ZERO,
            batches,
            close_block: false,
            chain: ChainDigest::default(),
        });
    }

    /// Commits what a validator can.
    fn follow(&mut self, node: usize) {
        while let Some(commit) = self.commits.get(self.nodes[node].committed) {
            if !self.nodes[node].has.contains(&commit.anchor) {
                return;
            }
            let commit = commit.clone();
            let this = &mut self.nodes[node];
            this.committed += 1;
            this.horizon = this.horizon.max(commit.round.back(GC_DEPTH));
            let outputs = this.primary.step(self.now, Input::Committed(commit));
            outputs.into_iter().for_each(|output| self.carry_out(node, output));
        }
    }

    /// How many different batches are ordered.
    pub(super) fn ordered(&self) -> usize {
        let batches = self.commits.iter().flat_map(|commit| &commit.batches);
        batches.map(|(_, batch)| batch.digest).collect::<BTreeSet<_>>().len()
    }

    /// The highest round of which a header was made.
    pub(super) fn top(&self) -> Round {
        self.headers.keys().map(|(_, round)| *round).max().unwrap_or_default()
    }

    /// How many headers were made.
    pub(super) fn headers(&self) -> usize {
        self.headers.len()
    }
}
