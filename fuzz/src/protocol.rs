//! `Protocol::step`: three honest validators and a liar, in the hands of a script.
//!
//! The honest ones run the protocol; the DAG grows as the script likes it, and reaches them in
//! causal order. The script delivers, loses, repeats and spoils what they say to each other, lets
//! timers run out, stops them in the middle of what they do, and speaks for the liar.
//!
//! Held against them: no panic, memory and effects within limits, commits without gaps that are
//! durable before they are told, and one order for all, over all restarts.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use kraken_consensus::{
    self as consensus, Config, Effect, Input, Message, Protocol, Record, TimerId,
    fcfs::HISTORY_MAX, hotstuff::order::Order,
};
use kraken_types::{
    Certificate, Commit, CommitIndex, HeaderDigest, Round, Timestamp, ValidatorId, Verified,
    codec::{self, ATTACHMENT_BYTES_MAX},
    genesis,
    testing::Script,
};

use crate::{
    heap, hotstuff,
    world::{LIAR, Law, World},
};

/// How many rounds below an anchor a certificate may be ordered; few, so that scripts get there.
const GC_DEPTH: u64 = 8;

/// How many messages may be on their way; the oldest are lost first.
const ON_THEIR_WAY_MAX: usize = 256;

/// The most effects of one step besides a few for each entry: what waited in a protocol, and may
/// all become commits and their records at once.
const EFFECTS_MAX: usize = 64;

/// How many timers a protocol may have.
const TIMERS_MAX: usize = 8;

/// The most blocks of HotStuff that are decided, and others.
const DECIDED_MAX: usize = 2_048;
const OPEN_MAX: usize = 4_096;

/// How much memory one entry of the sizes may take.
const ENTRY_BYTES_MAX: usize = 4 << 10;

/// The honest validators, the liar, and what is between them.
struct Stage<'a> {
    script: Script<'a>,
    protocol: genesis::Protocol,
    world: World,
    nodes: Vec<Node>,
    now: Timestamp,
    /// From, to, what.
    network: VecDeque<(ValidatorId, ValidatorId, Message)>,
    /// What anyone said and the liar may repeat.
    said: Vec<Message>,
    /// Certificates that protocols brought, for the mempools of their validators: delivered once the
    /// effects of the step that brought them are carried out.
    brought: Vec<(usize, Verified<Certificate>)>,
    /// What the liar can make something of.
    heard: hotstuff::Heard,
    /// The liar has the keys of all. Then there need not be one order, but nobody falls.
    may_forge: bool,
    /// The order, as whoever was first found it.
    order: BTreeMap<CommitIndex, Commit>,
}

/// One honest validator.
struct Node {
    id: ValidatorId,
    machine: Box<dyn Protocol>,
    /// What is durable.
    log: Vec<Record>,
    timers: BTreeMap<TimerId, Timestamp>,
    /// Delivered since the last start.
    delivered: BTreeSet<HeaderDigest>,
    /// What the mempool has, and delivers again after a start.
    accepted: Vec<Verified<Certificate>>,
    /// The newest commit since ever.
    last: Option<Commit>,
}

/// Runs one input against a protocol, and says how many commits came of it.
pub fn run(protocol: genesis::Protocol, bytes: &[u8]) -> usize {
    let mut script = Script::new(bytes);
    let world = World::new(if script.seldom() { 1 } else { 4 }, Law::Kept);
    let may_forge = protocol == genesis::Protocol::HotStuff && script.seldom();
    let honest = world.committee.ids().filter(|id| *id != LIAR);
    let nodes = honest.map(|id| Node::new(&world, protocol, id)).collect();
    let mut stage = Stage {
        script,
        protocol,
        world,
        nodes,
        now: Timestamp::from_millis(1_000_000),
        network: VecDeque::new(),
        said: Vec::new(),
        brought: Vec::new(),
        heard: hotstuff::Heard::default(),
        may_forge,
        order: BTreeMap::new(),
    };
    for place in 0..stage.nodes.len() {
        stage.step(place, Input::Recovered(Vec::new()));
    }
    while !stage.script.is_over() {
        stage.event();
    }
    stage.nodes.into_iter().for_each(Node::stop);
    stage.order.len()
}

impl Node {
    fn new(world: &World, protocol: genesis::Protocol, id: ValidatorId) -> Self {
        Self {
            id,
            machine: consensus::build(protocol, config(world, id)),
            log: Vec::new(),
            timers: BTreeMap::new(),
            delivered: BTreeSet::new(),
            accepted: Vec::new(),
            last: None,
        }
    }

    /// Nothing at or below this round can be ordered any more.
    fn horizon(&self) -> Round {
        self.last.as_ref().map_or(Round(0), |last| last.round.back(GC_DEPTH))
    }

    /// What the protocol held is given back; it must have said how much that is.
    fn stop(self) {
        let size = self.machine.size();
        let freed = heap::freed_by(self.machine);
        assert!(freed <= (size + 16) * ENTRY_BYTES_MAX, "{size} entries took {freed} bytes");
    }
}

/// How the protocol of a validator is set up.
pub fn config(world: &World, id: ValidatorId) -> Config {
    Config {
        identity: world.identity(id),
        gc_depth: GC_DEPTH,
        view_timeout: Duration::from_millis(1_000),
        view_timeout_max: Duration::from_millis(16_000),
    }
}

impl Stage<'_> {
    fn event(&mut self) {
        let place = self.script.below(self.nodes.len());
        match self.script.byte() % 32 {
            0..10 => self.advance(),
            10..18 => {
                for _ in 0..=self.script.below(16) {
                    if let Some((from, to, message)) = self.network.pop_front() {
                        self.receive(from, to, message);
                    }
                }
            }
            18 => {
                let lost = self.script.below(self.network.len());
                self.network.remove(lost);
            }
            19 => {
                let again = self.script.below(self.network.len());
                let again = self.network.get(again).cloned();
                self.network.extend(again);
            }
            20..23 => {
                let heard = self.script.recent(&self.said).cloned();
                let message = match (self.script.byte(), heard) {
                    (0..128, _) if self.protocol == genesis::Protocol::HotStuff => {
                        let lie = self.heard.lie(&mut self.script, &self.world, self.may_forge);
                        Some(Message::HotStuff(lie))
                    }
                    (..224, Some(heard)) => self.script.spoil(&heard),
                    (_, None) => Message::decode(self.script.bytes(255)).ok(),
                    (_, heard) => heard,
                };
                let to = self.nodes[place].id;
                let from = if self.may_forge { self.sender(to) } else { LIAR };
                message.into_iter().for_each(|message| self.receive(from, to, message));
            }
            23..26 => self.ring(place),
            26..28 => {
                let grown = self.world.grow(&mut self.script, self.now);
                let grown = grown.and_then(|certificate| self.world.keep(certificate));
                grown.into_iter().for_each(|certificate| self.deliver(place, &certificate));
            }
            28 => {
                let timer = TimerId(self.script.byte() % 4);
                self.step(place, Input::Timer(timer));
            }
            29 => self.restart(place),
            30 => self.crash_while(place),
            _ if self.script.seldom() => self.lose_disk(place),
            _ => {
                let certificate = self.world.certificate(&mut self.script).cloned();
                certificate.into_iter().for_each(|known| self.deliver(place, &known));
            }
        }
    }

    /// Whoever brings a forgery.
    fn sender(&mut self, to: ValidatorId) -> ValidatorId {
        let peers: Vec<_> = self.world.identity(to).peers().collect();
        self.script.pick(&peers).copied().unwrap_or(LIAR)
    }

    /// One more round of the DAG, which not all hear of at once.
    fn advance(&mut self) {
        self.now = self.now + Duration::from_millis(u64::from(self.script.byte()));
        let absent = self.script.byte();
        let made = self.world.advance(self.now, |id| absent & (1 << id.0) == 0 || absent < 64);
        let kept_back = self.script.byte();
        for place in 0..self.nodes.len() {
            if kept_back & (1 << place) == 0 || kept_back < 128 {
                made.iter().for_each(|certificate| self.deliver(place, certificate));
            }
        }
    }

    /// Gives a certificate to a validator, after its ancestors.
    fn deliver(&mut self, place: usize, certificate: &Verified<Certificate>) {
        let mut open = vec![certificate.clone()];
        while let Some(next) = open.last().cloned() {
            let node = &self.nodes[place];
            let header = next.header();
            if header.round <= node.horizon() || node.delivered.contains(&next.digest()) {
                open.pop();
                continue;
            }
            let below = header.round.back(1);
            let is_lacked = |known: &&Verified<Certificate>| {
                header.parents.contains(&known.digest())
                    && node.horizon() < below
                    && !node.delivered.contains(&known.digest())
            };
            let lacked: Vec<_> =
                self.world.of_round(below).iter().filter(is_lacked).cloned().collect();
            if lacked.is_empty() {
                open.pop();
                let node = &mut self.nodes[place];
                node.delivered.insert(next.digest());
                node.accepted.push(next.clone());
                self.step(place, Input::Certificate(next));
            } else {
                open.extend(lacked);
            }
        }
    }

    fn receive(&mut self, from: ValidatorId, to: ValidatorId, message: Message) {
        let place = self.nodes.iter().position(|node| node.id == to);
        place.into_iter().for_each(|place| {
            self.step(place, Input::Message { from, message: message.clone() });
        });
    }

    /// The next timer of a validator runs out.
    fn ring(&mut self, place: usize) {
        let timers = &mut self.nodes[place].timers;
        let next = timers.iter().min_by_key(|(_, at)| **at).map(|(timer, at)| (*timer, *at));
        if let Some((timer, at)) = next {
            timers.remove(&timer);
            self.now = self.now.max(at);
            self.step(place, Input::Timer(timer));
        }
    }

    /// A validator starts again with what is durable, and its mempool delivers again.
    fn restart(&mut self, place: usize) {
        let id = self.nodes[place].id;
        let fresh = Node::new(&self.world, self.protocol, id);
        let old = std::mem::replace(&mut self.nodes[place], fresh);
        let mut log = old.log.clone();
        if self.script.seldom() {
            log = newest(&log);
        }
        let node = &mut self.nodes[place];
        let committed = old.log.iter().rev().find_map(committed);
        (node.log, node.last) = (log.clone(), committed.cloned());
        let accepted = old.accepted.clone();
        old.stop();
        self.step(place, Input::Recovered(log));
        accepted.iter().for_each(|certificate| self.deliver(place, certificate));
    }

    /// A validator loses its disk, and begins anew with the help of the others. The first one of
    /// FCFS must not: it alone knows the order.
    fn lose_disk(&mut self, place: usize) {
        if self.protocol == genesis::Protocol::Fcfs || self.world.committee.len() == 1 {
            return;
        }
        let id = self.nodes[place].id;
        let fresh = Node::new(&self.world, self.protocol, id);
        std::mem::replace(&mut self.nodes[place], fresh).stop();
        self.step(place, Input::Forgotten(Vec::new()));
    }

    /// The power goes while the effects of a step are carried out.
    fn crash_while(&mut self, place: usize) {
        let carried_out = self.script.below(8);
        let id = self.nodes[place].id;
        let at = self.network.iter().position(|(_, to, _)| *to == id);
        let input = match at.and_then(|at| self.network.remove(at)) {
            Some((from, _, message)) => Input::Message { from, message },
            None => Input::Timer(TimerId(self.script.byte() % 4)),
        };
        let effects = self.nodes[place].machine.step(self.now, input);
        effects.into_iter().take(carried_out).for_each(|effect| self.carry_out(place, effect));
        // They were not durable.
        self.brought.clear();
        self.restart(place);
    }

    fn step(&mut self, place: usize, input: Input) {
        let machine = &mut self.nodes[place].machine;
        let waiting = machine.size();
        let effects = machine.step(self.now, input);
        let effects_max = EFFECTS_MAX + 4 * waiting;
        assert!(effects.len() <= effects_max, "{} effects of {waiting} entries", effects.len());
        effects.into_iter().for_each(|effect| self.carry_out(place, effect));
        for (place, certificate) in std::mem::take(&mut self.brought) {
            self.deliver(place, &certificate);
        }
        let (size, size_max) = (self.nodes[place].machine.size(), self.size_max(place));
        assert!(size <= size_max, "{size} entries, of {size_max}");
    }

    /// One certificate for each author and round above the horizon, and some for each validator.
    fn size_max(&self, place: usize) -> usize {
        let members = self.world.committee.len();
        // Nothing but commits moves the horizon, and a script may have none.
        let committed = self.nodes[place].last.as_ref().map_or(Round(0), |last| last.round);
        let rounds = self.world.top().0.saturating_sub(committed.0) + 2 * GC_DEPTH;
        let dag = members * usize::try_from(rounds).expect("a script makes few rounds");
        dag + match self.protocol {
            genesis::Protocol::Bullshark => 0,
            // What was announced, and what is.
            genesis::Protocol::Fcfs => 2 * HISTORY_MAX,
            // Decided blocks and others, those that wait for the DAG, votes for six views, and
            // time-outs for one.
            genesis::Protocol::HotStuff => {
                DECIDED_MAX + OPEN_MAX + Order::WAITING_MAX + 7 * members
            }
        }
    }

    fn carry_out(&mut self, place: usize, effect: Effect) {
        let id = self.nodes[place].id;
        match effect {
            Effect::Persist(record) => self.nodes[place].log.push(record),
            Effect::Send { to, message } => {
                assert_ne!(to, id, "talks to itself");
                assert!(self.world.committee.get(to).is_some(), "talks to a stranger");
                self.say(id, &[to], &message);
            }
            Effect::Broadcast(message) => {
                let peers: Vec<_> = self.world.identity(id).peers().collect();
                self.say(id, &peers, &message);
            }
            Effect::SetTimer { timer, after } => {
                let timers = &mut self.nodes[place].timers;
                timers.insert(timer, self.now + after);
                assert!(timers.len() <= TIMERS_MAX, "{} timers", timers.len());
            }
            Effect::Hold { round: _, until: _ } => {}
            Effect::Attach(bytes) => assert!(bytes.len() <= ATTACHMENT_BYTES_MAX),
            Effect::Certificate(certificate) => self.brought.push((place, certificate)),
            Effect::Want { certificate: _, from } => {
                assert!(self.world.committee.get(from).is_some(), "asks a stranger");
            }
            Effect::Equivocated { whom, .. } => assert_ne!(whom, id, "accuses itself"),
            Effect::Commit(commit) => self.commit(place, commit),
        }
    }

    fn say(&mut self, from: ValidatorId, to: &[ValidatorId], message: &Message) {
        let read = Message::decode(&codec::encode(message));
        assert_eq!(read.ok().as_ref(), Some(message), "others cannot read what is said");
        self.heard.hear(from, message, &self.world);
        if self.said.len() < ON_THEIR_WAY_MAX {
            self.said.push(message.clone());
        }
        self.network.extend(to.iter().map(|to| (from, *to, message.clone())));
        while ON_THEIR_WAY_MAX < self.network.len() {
            self.network.pop_front();
        }
    }

    fn commit(&mut self, place: usize, commit: Commit) {
        let node = &mut self.nodes[place];
        let next = node.last.as_ref().map_or(CommitIndex(0), |last| last.index.next());
        assert_eq!(commit.index, next, "a gap in the order");
        let durable = node.log.iter().rev().find_map(committed);
        assert_eq!(durable, Some(&commit), "a commit that is not durable");
        node.last = Some(commit.clone());
        let first = self.order.entry(commit.index).or_insert_with(|| commit.clone());
        assert!(*first == commit || self.may_forge, "two orders: {first:?} and {commit:?}");
    }
}

/// What a record says was committed.
pub fn committed(record: &Record) -> Option<&Commit> {
    match record {
        Record::Committed { commit, .. } => Some(commit),
        Record::HotStuff(_) => None,
    }
}

/// The records that none of the newer ones makes superfluous.
fn newest(log: &[Record]) -> Vec<Record> {
    let is_newest = |(place, record): &(usize, &Record)| {
        !log[place + 1..].iter().any(|newer| newer.supersedes(record))
    };
    log.iter().enumerate().filter(is_newest).map(|(_, record)| record.clone()).collect()
}
