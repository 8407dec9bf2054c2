//! `Ordering::step`: primaries and protocols joined, on three honest validators beside a liar.
//!
//! The honest ones really talk to each other; the script delivers, loses, repeats and spoils what
//! they say, lets time pass, stops them in the middle of what they do, and speaks for the liar.
//!
//! Held against them: what is held against each part alone, and one order for all, over all
//! restarts.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use kraken_consensus::{self as consensus, TimerId};
use kraken_mempool::primary::{self, Primary};
use kraken_ordering::{Effect, Entry, Input, Message, Ordering};
use kraken_types::{
    Certificate, Commit, CommitIndex, HeaderDigest, SignedHeader, Timestamp, ValidatorId, Verified,
    Verify, Vote, codec, genesis,
    testing::{self, Script},
};

use crate::{
    primary::Promises,
    protocol,
    world::{LIAR, Law, World},
};

/// How many messages may be on their way; the oldest are lost first.
const ON_THEIR_WAY_MAX: usize = 256;

/// How many messages are remembered for the liar to repeat.
const HEARD_MAX: usize = 64;

const PROTOCOLS: [genesis::Protocol; 3] =
    [genesis::Protocol::Bullshark, genesis::Protocol::HotStuff, genesis::Protocol::Fcfs];

/// The honest validators, the liar, and what is between them.
struct Stage<'a> {
    script: Script<'a>,
    protocol: genesis::Protocol,
    /// For the liar: what it knows of the DAG.
    world: World,
    nodes: Vec<Node>,
    now: Timestamp,
    /// From, to, what.
    network: VecDeque<(ValidatorId, ValidatorId, Message)>,
    heard: Vec<Message>,
    /// A header that the liar may vote for.
    newest: Option<HeaderDigest>,
    /// Headers of the liar, and who voted for them.
    asked: BTreeMap<HeaderDigest, Asked>,
    /// Numbers the batches.
    batches: u64,
    /// The order, as whoever was first found it.
    order: BTreeMap<CommitIndex, Commit>,
}

/// A header of the liar.
struct Asked {
    header: Verified<SignedHeader>,
    votes: BTreeMap<ValidatorId, Verified<Vote>>,
}

/// One honest validator.
struct Node {
    id: ValidatorId,
    machine: Ordering,
    /// What is durable.
    log: Vec<Entry>,
    wake_at: Option<Timestamp>,
    timers: BTreeMap<TimerId, Timestamp>,
    promises: Promises,
    /// The newest commit since ever.
    last: Option<Commit>,
}

/// Runs one input, and says how many commits came of it.
pub fn run(bytes: &[u8]) -> usize {
    let mut script = Script::new(bytes);
    let world = World::new(if script.seldom() { 1 } else { 4 }, Law::Real);
    let protocol = PROTOCOLS[script.below(PROTOCOLS.len())];
    let honest = world.committee.ids().filter(|id| *id != LIAR);
    let nodes = honest.map(|id| Node::new(&world, protocol, id)).collect();
    let mut stage = Stage {
        script,
        protocol,
        world,
        nodes,
        now: Timestamp::from_millis(1_000_000),
        network: VecDeque::new(),
        heard: Vec::new(),
        newest: None,
        asked: BTreeMap::new(),
        batches: 0,
        order: BTreeMap::new(),
    };
    for place in 0..stage.nodes.len() {
        stage.step(place, Input::Recovered(Vec::new()));
    }
    while !stage.script.is_over() {
        stage.event();
    }
    stage.order.len()
}

impl Node {
    fn new(world: &World, protocol: genesis::Protocol, id: ValidatorId) -> Self {
        Self {
            id,
            machine: machine(world, protocol, id),
            log: Vec::new(),
            wake_at: None,
            timers: BTreeMap::new(),
            promises: Promises::new(id),
            last: None,
        }
    }
}

fn machine(world: &World, protocol: genesis::Protocol, id: ValidatorId) -> Ordering {
    let primary = Primary::new(crate::primary::config(world, id));
    Ordering::new(primary, consensus::build(protocol, protocol::config(world, id)))
}

impl Stage<'_> {
    fn event(&mut self) {
        let place = self.script.below(self.nodes.len());
        match self.script.byte() % 32 {
            0..8 => self.talk(),
            8..12 => {
                for _ in 0..=self.script.below(16) {
                    self.hear_next();
                }
            }
            12..16 => self.tick(place),
            16..18 => self.ring(place),
            18..20 => self.seal(place),
            20 => {
                let lost = self.script.below(self.network.len());
                self.network.remove(lost);
            }
            21 => {
                let again = self.script.below(self.network.len());
                let again = self.network.get(again).cloned();
                self.network.extend(again);
            }
            22..27 => self.lie(place),
            27..29 => self.restart(place),
            29 => self.crash_while(place),
            30 => {
                let close_block = self.world.committee.len() == 1;
                self.step(place, Input::Propose { close_block });
            }
            _ => {
                let timer = TimerId(self.script.byte() % 4);
                self.step(place, Input::Timer(timer));
            }
        }
    }

    /// A second or so of a good network.
    fn talk(&mut self) {
        for _ in 0..4 {
            for _ in 0..64 {
                self.hear_next();
            }
            self.now = self.now + Duration::from_millis(100);
            for place in 0..self.nodes.len() {
                if self.nodes[place].wake_at.is_some_and(|at| at <= self.now) {
                    self.wake(place);
                }
                let timers = &self.nodes[place].timers;
                if timers.values().any(|at| *at <= self.now) {
                    self.ring(place);
                }
            }
        }
    }

    fn hear_next(&mut self) {
        if let Some((from, to, message)) = self.network.pop_front() {
            self.receive(from, to, message);
        }
    }

    fn receive(&mut self, from: ValidatorId, to: ValidatorId, message: Message) {
        if let Some(place) = self.nodes.iter().position(|node| node.id == to) {
            self.step(place, Input::Message { from, message });
        }
    }

    fn tick(&mut self, place: usize) {
        self.now = match (self.script.byte(), self.nodes[place].wake_at) {
            (0..128, Some(at)) => self.now.max(at),
            (byte, _) => self.now + Duration::from_millis(1 << (byte % 16)),
        };
        self.wake(place);
    }

    fn wake(&mut self, place: usize) {
        // What is due at once must come to an end.
        for _ in 0..100 {
            self.nodes[place].wake_at = None;
            self.step(place, Input::Tick);
            match self.nodes[place].wake_at {
                Some(at) if at <= self.now => {}
                Some(_) | None => return,
            }
        }
        panic!("asks to be woken again and again at {}", self.now);
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

    /// A validator makes a batch, and the others store it or not.
    fn seal(&mut self, place: usize) {
        let (author, batch) = (self.nodes[place].id, testing::batch(self.batches));
        self.batches += 1;
        let missing = self.script.byte();
        for other in 0..self.nodes.len() {
            if other == place {
                self.step(place, Input::Sealed(batch));
            } else if missing < 128 || missing & (1 << other) == 0 {
                self.step(other, Input::Stored { author, batch });
            }
        }
    }

    /// The liar says something.
    fn lie(&mut self, place: usize) {
        let to = self.nodes[place].id;
        let heard = self.script.recent(&self.heard).cloned();
        let message = match self.script.byte() % 8 {
            0 => Message::decode(self.script.bytes(255)).ok(),
            1 => heard,
            2..4 => heard.and_then(|heard| self.script.spoil(&heard)),
            _ => {
                let script = &mut self.script;
                crate::primary::message(script, &mut self.world, self.now, self.newest)
                    .map(Message::Primary)
            }
        };
        let Some(message) = message else { return };
        if let Message::Primary(primary::Message::Header(signed)) = &message
            && let Ok(signed) = signed.clone().verified(&self.world.committee)
        {
            let own = (LIAR, self.world.vote(LIAR, signed.digest()));
            let votes = BTreeMap::from([own]);
            self.asked.entry(signed.digest()).or_insert(Asked { header: signed, votes });
            // All are asked, or it never gets a quorum.
            for id in self.nodes.iter().map(|node| node.id).collect::<Vec<_>>() {
                self.receive(LIAR, id, message.clone());
            }
        } else {
            self.receive(LIAR, to, message);
        }
    }

    /// Somebody voted, perhaps for the liar.
    fn voted(&mut self, vote: &Vote) {
        let Some(Asked { header, votes }) = self.asked.get_mut(&vote.header) else { return };
        if let Ok(vote) = vote.clone().verified(&self.world.committee) {
            votes.insert(vote.voter, vote);
        }
        let certificate = Certificate::assemble(header, votes, &self.world.committee);
        if let Some(certificate) = certificate {
            self.world.keep(certificate.into_inner());
        }
    }

    /// A validator starts again with what is durable.
    fn restart(&mut self, place: usize) {
        let node = &mut self.nodes[place];
        node.machine = machine(&self.world, self.protocol, node.id);
        (node.wake_at, node.timers) = (None, BTreeMap::new());
        node.last = node.log.iter().rev().find_map(committed).cloned();
        let log = node.log.clone();
        self.step(place, Input::Recovered(log));
    }

    /// The power goes while the effects of a step are carried out.
    fn crash_while(&mut self, place: usize) {
        let carried_out = self.script.below(16);
        let id = self.nodes[place].id;
        let at = self.network.iter().position(|(_, to, _)| *to == id);
        let input = match at.and_then(|at| self.network.remove(at)) {
            Some((from, _, message)) => Input::Message { from, message },
            None => Input::Tick,
        };
        let effects = self.nodes[place].machine.step(self.now, input);
        effects.into_iter().take(carried_out).for_each(|effect| self.carry_out(place, effect));
        self.restart(place);
    }

    fn step(&mut self, place: usize, input: Input) {
        let effects = self.nodes[place].machine.step(self.now, input);
        let effects_max = 4_096 + 8 * self.nodes[place].log.len();
        assert!(effects.len() <= effects_max, "{} effects", effects.len());
        effects.into_iter().for_each(|effect| self.carry_out(place, effect));
    }

    fn carry_out(&mut self, place: usize, effect: Effect) {
        let id = self.nodes[place].id;
        match effect {
            Effect::Persist(entry) => {
                let node = &mut self.nodes[place];
                if let Entry::Primary(record) = &entry {
                    node.promises.record(record);
                }
                node.log.push(entry);
            }
            Effect::Send { to, message } => {
                assert_ne!(to, id, "talks to itself");
                assert!(self.world.committee.get(to).is_some(), "talks to a stranger");
                self.say(place, &[to], &message);
            }
            Effect::Broadcast(message) => {
                let peers: Vec<_> = self.world.identity(id).peers().collect();
                self.say(place, &peers, &message);
            }
            Effect::Fetch { author, batch, holders: _ } => {
                if !self.script.seldom() {
                    self.step(place, Input::Stored { author, batch });
                }
            }
            Effect::WakeAt(at) => self.nodes[place].wake_at = Some(at),
            Effect::SetTimer { timer, after } => {
                self.nodes[place].timers.insert(timer, self.now + after);
            }
            Effect::Pruned(round) => {
                let node = &mut self.nodes[place];
                node.log.retain(|entry| match entry {
                    Entry::Primary(record) => record.round().is_none_or(|about| round < about),
                    Entry::Protocol(_) => true,
                });
            }
            Effect::Equivocated { whom, .. } => assert_ne!(whom, id, "accuses itself"),
            Effect::Commit(commit) => self.commit(place, commit),
        }
    }

    fn say(&mut self, place: usize, to: &[ValidatorId], message: &Message) {
        let read = Message::decode(&codec::encode(message));
        assert_eq!(read.ok().as_ref(), Some(message), "others cannot read what is said");
        if let Message::Primary(message) = message {
            self.nodes[place].promises.said(message);
            self.listen(message);
        }
        if self.heard.len() < HEARD_MAX {
            self.heard.push(message.clone());
        }
        let from = self.nodes[place].id;
        self.network.extend(to.iter().map(|to| (from, *to, message.clone())));
        while ON_THEIR_WAY_MAX < self.network.len() {
            self.network.pop_front();
        }
    }

    /// What the liar learns.
    fn listen(&mut self, message: &primary::Message) {
        match message {
            primary::Message::Header(signed) => self.newest = Some(signed.digest()),
            primary::Message::Certificate(certificate) => {
                let kept = self.world.keep(certificate.clone());
                assert!(kept.is_some(), "sends an impossible certificate");
            }
            primary::Message::Vote(vote) => self.voted(vote),
            primary::Message::Want(_)
            | primary::Message::Behind(_)
            | primary::Message::Certificates(_)
            | primary::Message::Forgot
            | primary::Message::Reached(_) => {}
        }
    }

    fn commit(&mut self, place: usize, commit: Commit) {
        let node = &mut self.nodes[place];
        let next = node.last.as_ref().map_or(CommitIndex(0), |last| last.index.next());
        assert_eq!(commit.index, next, "a gap in the order");
        let durable = node.log.iter().rev().find_map(committed);
        assert_eq!(durable.map(|durable| durable.index), Some(commit.index), "not durable");
        node.last = Some(commit.clone());
        let first = self.order.entry(commit.index).or_insert_with(|| commit.clone());
        assert_eq!(*first, commit, "two orders");
    }
}

fn committed(entry: &Entry) -> Option<&Commit> {
    match entry {
        Entry::Protocol(record) => protocol::committed(record),
        Entry::Primary(_) => None,
    }
}
