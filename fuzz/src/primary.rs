//! `Primary::step`, with everything that others, workers, the protocol and the disk may do.
//!
//! Held against it: no panic, memory and outputs within limits, causal delivery, nothing said before
//! it is durable, and over all restarts one header for each round and one vote for each author and
//! round.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use kraken_mempool::primary::{Config, Input, Message, Output, Primary, Record};
use kraken_types::{
    Awaited, Certificate, ChainDigest, Commit, CommitIndex, HeaderDigest, Round, Timestamp,
    ValidatorId, Verified, codec,
    testing::{self, Script},
};

use crate::{
    heap,
    world::{DRIFT_MAX, LIAR, Law, OURS, World},
};

/// How many rounds below an anchor a certificate may be ordered; few, so that scripts get there.
pub const GC_DEPTH: u64 = 8;

/// How many rounds longer certificates are kept.
const SERVE_DEPTH: u64 = 8;

/// How many messages are remembered, to be sent again.
const REPLAYS_MAX: usize = 32;

/// How many rounds above the highest accepted one a primary looks at.
const AHEAD_MAX: usize = 50;

/// How many batches of each validator there are.
const BATCHES: usize = 256;

/// How much memory one entry of the sizes may take.
const ENTRY_BYTES_MAX: usize = 4 << 10;

/// A primary in the hands of a script.
struct Stage<'a> {
    script: Script<'a>,
    world: World,
    primary: Primary,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    /// What is durable.
    log: Vec<Record>,
    promises: Promises,
    /// Delivered since the last start.
    delivered: BTreeMap<HeaderDigest, Verified<Certificate>>,
    committed: Vec<Commit>,
    ordered: BTreeSet<HeaderDigest>,
    horizon: Round,
    /// Our newest header.
    own: Option<HeaderDigest>,
    replays: Vec<Message>,
}

/// What a validator signed, ever.
#[derive(Debug)]
pub struct Promises {
    own: ValidatorId,
    headers: BTreeMap<Round, HeaderDigest>,
    votes: BTreeMap<(ValidatorId, Round), HeaderDigest>,
    /// Both, by what was signed.
    signed: BTreeSet<HeaderDigest>,
}

/// Runs one input, and says how many headers the primary voted for and how many it made.
pub fn run(bytes: &[u8]) -> (usize, usize) {
    let mut script = Script::new(bytes);
    let size = if script.seldom() { 1 } else { 4 };
    let world = World::new(size, if script.seldom() { Law::None } else { Law::Kept });
    let primary = Primary::new(config(&world, OURS));
    let mut stage = Stage {
        script,
        world,
        primary,
        now: Timestamp::from_millis(1_000_000),
        wake_at: None,
        log: Vec::new(),
        promises: Promises::new(OURS),
        delivered: BTreeMap::new(),
        committed: Vec::new(),
        ordered: BTreeSet::new(),
        horizon: Round(0),
        own: None,
        replays: Vec::new(),
    };
    stage.step(Input::Recovered(Vec::new()));
    while !stage.script.is_over() {
        stage.event();
    }
    stage.stop();
    (stage.promises.votes.len(), stage.promises.headers.len())
}

/// How the primary of a validator is set up.
pub fn config(world: &World, id: ValidatorId) -> Config {
    Config {
        identity: world.identity(id),
        header_batches: 4,
        header_delay_max: Duration::from_millis(100),
        round_delay_max: Duration::from_millis(1_000),
        retry_after: Duration::from_millis(200),
        drift_max: DRIFT_MAX,
        gc_depth: GC_DEPTH,
        serve_depth: SERVE_DEPTH,
    }
}

impl Stage<'_> {
    fn event(&mut self) {
        match self.script.byte() % 32 {
            0..4 => self.tick(),
            4..10 => self.advance(),
            10..13 => self.everybody_votes(),
            13..20 => {
                let message = self.message();
                message.into_iter().for_each(|message| self.receive(message));
            }
            20 => {
                let sent = self.script.recent(&self.replays).cloned();
                sent.into_iter().for_each(|message| self.receive(message));
            }
            21 => {
                let sent = self.script.recent(&self.replays);
                let sent = sent.cloned().and_then(|message| self.script.spoil(&message));
                sent.into_iter().for_each(|message| self.receive(message));
            }
            22 => {
                let bytes = self.script.bytes(255);
                Message::decode(bytes).into_iter().for_each(|message| self.receive(message));
            }
            23..26 => self.commit(),
            26..29 => self.tell(),
            29 => self.restart(),
            30 => self.crash_while(),
            _ => match self.script.byte() {
                0..192 => self.honest_reach(),
                _ => self.lose_disk(),
            },
        }
    }

    /// Some time passes.
    fn tick(&mut self) {
        self.now = match (self.script.byte(), self.wake_at) {
            (0..128, Some(at)) => self.now.max(at),
            (byte, _) => self.now + Duration::from_millis(1 << (byte % 24)),
        };
        // What is due at once must come to an end.
        for _ in 0..100 {
            self.wake_at = None;
            self.step(Input::Tick);
            match self.wake_at {
                Some(at) if at <= self.now => {}
                Some(_) | None => return,
            }
        }
        panic!("asks to be woken again and again at {}", self.now);
    }

    /// The others make a round of certificates, and tell us about some of them.
    fn advance(&mut self) {
        let told = self.script.byte();
        let made = self.world.advance(self.now, |id| id != OURS);
        for (place, certificate) in made.into_iter().enumerate() {
            if told & (1 << (place % 8)) == 0 {
                self.receive(Message::Certificate(certificate.into_inner()));
            }
        }
    }

    /// The others vote for our newest header.
    fn everybody_votes(&mut self) {
        let Some(digest) = self.own else { return };
        for id in self.world.committee.ids().filter(|id| *id != OURS).collect::<Vec<_>>() {
            let vote = self.world.vote(id, digest).into_inner();
            self.step(Input::Message { from: id, message: Message::Vote(vote) });
        }
    }

    fn message(&mut self) -> Option<Message> {
        message(&mut self.script, &mut self.world, self.now, self.own)
    }

    fn receive(&mut self, message: Message) {
        let from = match &message {
            Message::Header(signed) if !self.script.seldom() => signed.header().author,
            Message::Vote(vote) if !self.script.seldom() => vote.voter,
            Message::Header(_)
            | Message::Vote(_)
            | Message::Certificate(_)
            | Message::Want(_)
            | Message::Behind(_)
            | Message::Certificates(_)
            | Message::Forgot => self.world.somebody(&mut self.script),
            // An honest one tells the truth: see `lose_disk`.
            Message::Reached(_) if self.world.law == Law::Kept => LIAR,
            Message::Reached(_) => self.world.somebody(&mut self.script),
        };
        if self.replays.len() < REPLAYS_MAX {
            self.replays.push(message.clone());
        }
        self.step(Input::Message { from, message });
    }

    /// The protocol commits something that was delivered, with everything below it.
    fn commit(&mut self) {
        let floor = self.committed.last().map_or(Round(0), |commit| commit.round);
        let above: Vec<_> =
            self.delivered.values().filter(|known| floor < known.header().round).cloned().collect();
        let Some(anchor) = self.script.pick(&above) else { return };
        let last = self.committed.last();
        let commit = commit(anchor, &self.delivered, &mut self.ordered, last);
        self.horizon = self.horizon.max(commit.round.back(GC_DEPTH));
        self.committed.push(commit.clone());
        self.step(Input::Committed(commit));
    }

    /// Our workers or our protocol have something to say.
    fn tell(&mut self) {
        let batch = testing::batch(u64::from(self.script.byte()));
        let input = match self.script.byte() % 8 {
            0..2 => Input::Sealed(batch),
            2..4 => Input::Stored { author: self.world.somebody(&mut self.script), batch },
            4 => Input::Propose { close_block: self.world.committee.len() == 1 },
            5 => Input::Attach(Bytes::copy_from_slice(self.script.bytes(255))),
            6 => Input::Hold {
                round: Round(self.script.near(self.world.top().0)),
                until: match self.world.certificate(&mut self.script) {
                    None => Awaited::Nothing,
                    Some(known) if self.script.seldom() => Awaited::Verdict(known.digest()),
                    Some(known) => Awaited::Certificate(known.header().author),
                },
            },
            _ => {
                let grown = self.world.grow(&mut self.script, self.now);
                let Some(grown) = grown.and_then(|grown| self.world.keep(grown)) else { return };
                Input::Certificate(grown)
            }
        };
        self.step(input);
    }

    fn restart(&mut self) {
        self.stop();
        self.step(Input::Recovered(self.log.clone()));
    }

    /// What the primary held is given back; it must have said how much that is.
    fn stop(&mut self) {
        let size = self.primary.size();
        let fresh = Primary::new(config(&self.world, OURS));
        let freed = heap::freed_by(std::mem::replace(&mut self.primary, fresh));
        assert!(freed <= (size + 16) * ENTRY_BYTES_MAX, "{size} entries took {freed} bytes");
        self.delivered.clear();
        self.wake_at = None;
    }

    /// The power goes while the outputs of a step are carried out.
    fn crash_while(&mut self) {
        let carried_out = self.script.below(8);
        let Some(message) = self.message() else { return };
        let from = self.world.somebody(&mut self.script);
        let outputs = self.primary.step(self.now, Input::Message { from, message });
        outputs.into_iter().take(carried_out).for_each(|output| self.carry_out(output));
        self.restart();
    }

    /// The disk is lost. In a lawful committee the honest ones say how far they are, and nothing
    /// that was promised may be broken; in another there is no help.
    fn lose_disk(&mut self) {
        self.stop();
        self.log.clear();
        self.own = None;
        self.committed.clear();
        self.ordered.clear();
        self.horizon = Round(0);
        self.step(Input::Forgotten(Vec::new()));
        // Alone, nobody else knows what was signed.
        if self.world.law == Law::None || self.world.committee.len() == 1 {
            self.promises = Promises::new(OURS);
        }
    }

    /// The honest ones say how far they are.
    fn honest_reach(&mut self) {
        let highest = self.world.of_round(self.world.top()).first();
        let highest = highest.map(|highest| Certificate::clone(highest));
        for from in [1, 2].map(ValidatorId) {
            self.step(Input::Message { from, message: Message::Reached(highest.clone()) });
        }
    }

    fn step(&mut self, input: Input) {
        let outputs = self.primary.step(self.now, input);
        let outputs_max = outputs_max(&self.world, self.log.len());
        assert!(outputs.len() <= outputs_max, "{} outputs", outputs.len());
        for output in outputs {
            self.carry_out(output);
        }
        let (size, size_max) = (self.primary.size(), size_max(&self.world, self.horizon));
        assert!(size <= size_max, "{size} entries, of {size_max}");
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist(record) => {
                self.promises.record(&record);
                if let Record::Pruned { horizon, .. } = &record {
                    self.horizon = self.horizon.max(*horizon);
                }
                self.log.push(record);
            }
            Output::Send { to, message } => {
                assert_ne!(to, OURS, "talks to itself");
                assert!(self.world.committee.get(to).is_some(), "talks to a stranger");
                self.said(message);
            }
            Output::Broadcast(message) => self.said(message),
            Output::Certified(certificate) => self.deliver(certificate),
            Output::Fetch { author, batch, holders: _ } => {
                if self.script.seldom() {
                    self.step(Input::Stored { author, batch });
                }
            }
            Output::Pruned(round) => {
                self.log.retain(|record| record.round().is_none_or(|about| round < about));
            }
            Output::Equivocated { whom, .. } => assert_ne!(whom, OURS, "accuses itself"),
            Output::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    fn said(&mut self, message: Message) {
        let bytes = codec::encode(&message);
        let read = Message::decode(&bytes);
        assert_eq!(read.ok().as_ref(), Some(&message), "others cannot read what is said");
        self.promises.said(&message);
        match message {
            Message::Header(own) => self.own = Some(own.digest()),
            Message::Certificate(certificate) => {
                let kept = self.world.keep(certificate);
                assert!(kept.is_some(), "sends an impossible certificate");
            }
            Message::Vote(_)
            | Message::Want(_)
            | Message::Behind(_)
            | Message::Certificates(_)
            | Message::Forgot
            | Message::Reached(_) => {}
        }
    }

    fn deliver(&mut self, certificate: Verified<Certificate>) {
        let header = certificate.header();
        let above = self.horizon.next();
        for parent in &header.parents {
            let is_there = self.delivered.contains_key(parent);
            assert!(is_there || header.round <= above, "a parent of {header:?} is missing");
        }
        let before = self.delivered.insert(certificate.digest(), certificate);
        assert!(before.is_none(), "delivered twice: {before:?}");
    }
}

impl Promises {
    /// Nothing yet.
    pub fn new(own: ValidatorId) -> Self {
        Self { own, headers: BTreeMap::new(), votes: BTreeMap::new(), signed: BTreeSet::new() }
    }

    /// A record became durable.
    pub fn record(&mut self, record: &Record) {
        let (before, digest) = match record {
            Record::Proposed(header) => {
                assert_eq!(header.author, self.own, "proposes in the name of another");
                let digest = header.digest();
                (self.headers.insert(header.round, digest), digest)
            }
            Record::Voted { author, round, header } => {
                (self.votes.insert((*author, *round), *header), *header)
            }
            Record::Accepted(_) | Record::Pruned { .. } | Record::Silent(_) => return,
        };
        assert!(before.is_none_or(|before| before == digest), "contradicts itself: {record:?}");
        self.signed.insert(digest);
    }

    /// A message leaves.
    pub fn said(&self, message: &Message) {
        match message {
            Message::Header(own) => {
                let durable = self.headers.get(&own.header().round);
                assert_eq!(durable, Some(&own.digest()), "a header that is not durable");
            }
            Message::Vote(vote) => {
                assert_eq!(vote.voter, self.own, "votes in the name of another");
                assert!(self.signed.contains(&vote.header), "a vote that is not durable");
            }
            Message::Certificate(_)
            | Message::Want(_)
            | Message::Behind(_)
            | Message::Certificates(_)
            | Message::Forgot
            | Message::Reached(_) => {}
        }
    }
}

/// Something that another primary might say; `own` is our newest header.
pub fn message(
    script: &mut Script<'_>,
    world: &mut World,
    now: Timestamp,
    own: Option<HeaderDigest>,
) -> Option<Message> {
    Some(match script.byte() % 16 {
        0..4 => Message::Header(world.sign(world.header(script, now)).into_inner()),
        4..6 => {
            let about = own.filter(|_| !script.seldom());
            let about = about.or_else(|| world.digest(script))?;
            Message::Vote(world.vote(world.somebody(script), about).into_inner())
        }
        6..10 => Message::Certificate(match world.law {
            Law::None | Law::Kept => world.grow(script, now)?,
            Law::Real => Certificate::clone(world.certificate(script)?),
        }),
        10 => {
            let count = script.below(8);
            Message::Want((0..count).filter_map(|_| world.digest(script)).collect())
        }
        11 => {
            let count = if script.seldom() { script.below(256) } else { world.committee.len() };
            Message::Behind((0..count).map(|_| Round(script.near(world.top().0))).collect())
        }
        12..14 => {
            let count = script.below(16);
            let known = (0..count).filter_map(|_| world.certificate(script).cloned());
            Message::Certificates(known.map(Verified::into_inner).collect())
        }
        14 => Message::Forgot,
        _ => Message::Reached(world.certificate(script).map(|known| Certificate::clone(known))),
    })
}

/// What a protocol might make of an anchor: everything below it that was not ordered before.
pub fn commit(
    anchor: &Verified<Certificate>,
    delivered: &BTreeMap<HeaderDigest, Verified<Certificate>>,
    ordered: &mut BTreeSet<HeaderDigest>,
    last: Option<&Commit>,
) -> Commit {
    let limit = anchor.header().round.back(GC_DEPTH);
    let mut open = vec![anchor.digest()];
    let mut batches = Vec::new();
    while let Some(known) = open.pop().and_then(|digest| delivered.get(&digest)) {
        let header = known.header();
        if limit < header.round && ordered.insert(known.digest()) {
            batches.extend(header.batches.iter().map(|batch| (header.author, *batch)));
            open.extend(&header.parents);
        }
    }
    let commit = Commit {
        index: last.map_or_else(CommitIndex::default, |last| last.index.next()),
        anchor: anchor.digest(),
        round: anchor.header().round,
        timestamp: anchor.header().created_at,
        batches,
        close_block: anchor.header().close_block,
        chain: ChainDigest::default(),
    };
    commit.chained(last.map_or_else(ChainDigest::default, |last| last.chain))
}

/// The most outputs of one step: a few for each validator, and each record of a restart may bring
/// a few back.
fn outputs_max(world: &World, records: usize) -> usize {
    64 * world.committee.len() + 4 * records + 2 * Message::SYNC_MAX
}

/// The most entries that a primary may have: the DAG down to what it serves; what waits, votes and
/// wishes up to as far as it looks ahead; and the batches that there are in this world.
fn size_max(world: &World, horizon: Round) -> usize {
    let members = world.committee.len();
    let rounds = world.top().0.saturating_sub(horizon.0) + GC_DEPTH;
    let rounds = usize::try_from(rounds).expect("a script makes few rounds");
    let served = usize::try_from(SERVE_DEPTH).expect("a few rounds");
    let ahead = rounds + AHEAD_MAX + 2;
    members * (rounds + served + 2 * ahead + 2 * Message::SYNC_MAX + BATCHES)
}
