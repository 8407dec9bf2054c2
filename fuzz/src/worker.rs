//! `Worker::step`, with everything that other workers, the gateway, the primary and the disk may do.
//!
//! Held against it: no panic, memory and outputs within limits, nothing acknowledged or reported
//! before it is durable, no report of a quorum without one, budgets of peers, and over all restarts
//! one batch for each place of our own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use bytes::Bytes;
use kraken_mempool::worker::{Config, Held, Input, Message, Output, Worker, packer};
use kraken_types::{
    Batch, BatchDigest, BatchRef, Digest, Epoch, Signers, Timestamp, ValidatorId, WorkerId, codec,
    testing::Script,
};

use crate::{
    heap,
    world::{Law, OURS, World},
};

/// How many messages are remembered, to be sent again.
const REPLAYS_MAX: usize = 32;

/// Own batches that are not released.
const OWN_BYTES_MAX: usize = 8 << 10;

/// Batches of one peer that are not released.
const PEER_BYTES_MAX: usize = 16 << 10;

/// What a batch costs besides its bytes, as the configuration says.
const OVERHEAD: usize = 256;

/// How many released batches of an author are remembered.
const RELEASED_MAX: usize = 1_024;

/// How many batches of an author may be wanted that nobody else vouches for.
const UNVOUCHED_MAX: usize = 2 * codec::HEADER_BATCHES_MAX;

/// How much memory one entry of the sizes may take: a batch on its way, with its bytes.
const ENTRY_BYTES_MAX: usize = 8 << 10;

/// A worker in the hands of a script.
struct Stage<'a> {
    script: Script<'a>,
    world: World,
    worker: Worker,
    now: Timestamp,
    wake_at: Option<Timestamp>,
    /// What is durable, oldest first.
    disk: Vec<(Held, Bytes)>,
    /// Own places that are taken, ever.
    places: BTreeMap<u64, BatchDigest>,
    /// Who acknowledged what, ever.
    acknowledged: BTreeSet<(BatchDigest, ValidatorId)>,
    /// Batches that others vouch for, which are taken whatever they cost.
    vouched: BTreeSet<BatchDigest>,
    /// Reads that were asked for.
    reads: Vec<(BatchDigest, ValidatorId)>,
    /// What the worker was told to forget.
    released: BTreeSet<BatchDigest>,
    /// Whether transactions must wait.
    is_full: bool,
    replays: Vec<Message>,
}

/// Runs one input, and says how many batches were stored.
pub fn run(bytes: &[u8]) -> usize {
    let mut script = Script::new(bytes);
    let world = World::new(if script.seldom() { 1 } else { 4 }, Law::Kept);
    let worker = Worker::new(config(&world));
    let mut stage = Stage {
        script,
        world,
        worker,
        now: Timestamp::from_millis(1_000_000),
        wake_at: None,
        disk: Vec::new(),
        places: BTreeMap::new(),
        acknowledged: BTreeSet::new(),
        vouched: BTreeSet::new(),
        reads: Vec::new(),
        released: BTreeSet::new(),
        is_full: false,
        replays: Vec::new(),
    };
    stage.step(Input::Recovered(Vec::new()));
    while !stage.script.is_over() {
        stage.event();
    }
    stage.stop();
    stage.disk.len() + stage.released.len()
}

fn config(world: &World) -> Config {
    Config {
        identity: world.identity(OURS),
        worker: WorkerId(0),
        packer: packer::Config { batch_bytes_max: 512, batch_age_max: Duration::from_millis(100) },
        retry_after: Duration::from_millis(200),
        own_bytes_max: OWN_BYTES_MAX,
        peer_bytes_max: PEER_BYTES_MAX,
        requests_per_peer_max: 4,
    }
}

impl Stage<'_> {
    fn event(&mut self) {
        match self.script.byte() % 32 {
            0..4 => self.tick(),
            4..10 => {
                let fill = self.script.byte();
                let bytes = 4 * usize::from(self.script.byte());
                if !self.is_full {
                    self.step(Input::Transaction(Bytes::from(vec![fill; bytes])));
                }
            }
            10..18 => {
                let message = self.message();
                self.receive(message);
            }
            18 => {
                let sent = self.script.recent(&self.replays).cloned();
                sent.into_iter().for_each(|message| self.receive(message));
            }
            19 => {
                let sent = self.script.recent(&self.replays);
                let sent = sent.cloned().and_then(|message| self.script.spoil(&message));
                sent.into_iter().for_each(|message| self.receive(message));
            }
            20 => {
                let bytes = self.script.bytes(255);
                Message::decode(bytes).into_iter().for_each(|message| self.receive(message));
            }
            21..24 => self.fetch(),
            24..26 => self.read(),
            26 => {
                let ordered = self.some_batches();
                self.step(Input::Ordered(ordered));
            }
            27..29 => self.release(),
            29 => self.restart(),
            _ => self.crash_while(),
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

    /// A batch that somebody may have made; the same choices make the same one.
    fn batch(&mut self) -> (ValidatorId, BatchRef, Bytes) {
        let author = self.world.somebody(&mut self.script);
        let worker = WorkerId(u8::from(self.script.seldom()));
        let sequence = self.script.near(64);
        let sizes = self.script.bytes(4);
        let transactions = sizes.iter().map(|size| vec![*size; 4 * usize::from(*size)].into());
        let epoch = Epoch(u64::from(self.script.byte() == u8::MAX));
        let batch = Batch { epoch, author, worker, sequence, transactions: transactions.collect() };
        let (digest, bytes) = batch.encode();
        (author, BatchRef { digest, worker, sequence }, bytes)
    }

    /// The digest of a batch on disk, of one that somebody may have made, or of none.
    fn digest(&mut self) -> BatchDigest {
        match self.script.byte() {
            0..192 if !self.disk.is_empty() => {
                let held = self.script.recent(&self.disk);
                held.map_or(BatchDigest(Digest::default()), |(held, _)| held.batch.digest)
            }
            0..240 => self.batch().1.digest,
            _ => BatchDigest(Digest::from_bytes([self.script.byte(); 32])),
        }
    }

    fn message(&mut self) -> Message {
        match self.script.byte() % 8 {
            0..4 => Message::Batch(self.batch().2),
            4..6 => Message::Stored(self.digest()),
            _ => {
                let count = self.script.below(100);
                Message::Want((0..count).map(|_| self.digest()).collect())
            }
        }
    }

    fn receive(&mut self, message: Message) {
        let input = self.arrival(message);
        self.step(input);
    }

    fn arrival(&mut self, message: Message) -> Input {
        let from = match &message {
            // Mostly brought by its author.
            Message::Batch(bytes) if !self.script.seldom() => {
                Batch::decode(bytes).map_or(OURS, |batch| batch.author)
            }
            Message::Batch(_) | Message::Stored(_) | Message::Want(_) => {
                self.world.somebody(&mut self.script)
            }
        };
        if let Message::Stored(digest) = &message {
            self.acknowledged.insert((*digest, from));
        }
        if self.replays.len() < REPLAYS_MAX {
            self.replays.push(message.clone());
        }
        Input::Message { from, message }
    }

    /// The primary misses a batch.
    fn fetch(&mut self) {
        let (author, batch, _) = self.batch();
        // Our own headers name what we stored, and the disk is never lost here.
        if author == OURS {
            return;
        }
        let bits = if self.script.seldom() { self.script.byte() } else { 0 };
        let holders: Signers = (0..8).filter(|id| bits & (1 << id) != 0).map(ValidatorId).collect();
        if !holders.is_empty() {
            self.vouched.insert(batch.digest);
        }
        self.step(Input::Fetch { author, batch, holders });
    }

    /// A batch was read from disk.
    fn read(&mut self) {
        let Some((digest, to)) = self.reads.pop() else { return };
        let bytes = self.disk.iter().find(|(held, _)| held.batch.digest == digest);
        self.step(Input::Read { digest, to, bytes: bytes.map(|(_, bytes)| bytes.clone()) });
    }

    fn some_batches(&mut self) -> Vec<(ValidatorId, BatchRef)> {
        let count = self.script.below(8);
        (0..count)
            .map(|_| {
                let held = self.script.pick(&self.disk).map(|(held, _)| (held.author, held.batch));
                held.unwrap_or_else(|| {
                    let (author, batch, _) = self.batch();
                    (author, batch)
                })
            })
            .collect()
    }

    /// Batches were executed, or never will be.
    fn release(&mut self) {
        let digests: Vec<_> = self.some_batches().iter().map(|(_, batch)| batch.digest).collect();
        // The newest own batch stays on disk, where the next start looks for it.
        let newest = self.places.last_key_value().map(|(_, digest)| *digest);
        let is_kept = |held: &Held| {
            !digests.contains(&held.batch.digest) || Some(held.batch.digest) == newest
        };
        self.disk.retain(|(held, _)| is_kept(held));
        self.released.extend(&digests);
        self.step(Input::Release(digests));
    }

    fn restart(&mut self) {
        self.stop();
        (self.wake_at, self.is_full) = (None, false);
        self.reads.clear();
        let held = self.disk.iter().map(|(held, _)| *held).collect();
        self.step(Input::Recovered(held));
    }

    /// What the worker held is given back; it must have said how much that is.
    fn stop(&mut self) {
        let size = self.worker.size();
        let worker = std::mem::replace(&mut self.worker, Worker::new(config(&self.world)));
        let freed = heap::freed_by(worker);
        let freed_max = (size + 16) * ENTRY_BYTES_MAX;
        assert!(freed <= freed_max, "{size} entries took {freed} bytes");
    }

    /// The power goes while the outputs of a step are carried out.
    fn crash_while(&mut self) {
        let carried_out = self.script.below(4);
        let input = match self.script.byte() % 4 {
            0 if !self.is_full => Input::Transaction(Bytes::from(vec![1; 400])),
            0 | 1 => Input::Tick,
            _ => {
                let message = self.message();
                self.arrival(message)
            }
        };
        let outputs = self.worker.step(self.now, input);
        outputs.into_iter().take(carried_out).for_each(|output| self.carry_out(output));
        self.restart();
    }

    fn step(&mut self, input: Input) {
        let outputs = self.worker.step(self.now, input);
        let outputs_max = 64 + 8 * (self.disk.len() + self.vouched.len());
        assert!(outputs.len() <= outputs_max, "{} outputs", outputs.len());
        outputs.into_iter().for_each(|output| self.carry_out(output));
        let (size, size_max) = (self.worker.size(), self.size_max());
        assert!(size <= size_max, "{size} entries, of {size_max}");
    }

    /// Budgets, memories of what was released, wishes, and allowances of two kinds.
    fn size_max(&self) -> usize {
        let members = self.world.committee.len();
        let budgets = (OWN_BYTES_MAX + members * PEER_BYTES_MAX) / OVERHEAD;
        budgets + members * (RELEASED_MAX + UNVOUCHED_MAX + 2) + 2 * self.vouched.len()
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Store { held, bytes } => self.store(held, bytes),
            Output::Send { to, message } => {
                assert_ne!(to, OURS, "talks to itself");
                assert!(self.world.committee.get(to).is_some(), "talks to a stranger");
                let read = Message::decode(&codec::encode(&message));
                assert_eq!(read.ok().as_ref(), Some(&message), "others cannot read what is said");
                if let Message::Stored(digest) = message {
                    let was_stored = self.is_on_disk(digest) || self.released.contains(&digest);
                    assert!(was_stored, "acknowledges what is not durable");
                }
            }
            Output::Read { digest, to } => {
                self.reads.truncate(REPLAYS_MAX);
                self.reads.push((digest, to));
            }
            Output::Sealed(batch) => {
                assert!(self.is_on_disk(batch.digest), "reports what is not durable");
                let acknowledged = |id: &ValidatorId| {
                    *id == OURS || self.acknowledged.contains(&(batch.digest, *id))
                };
                let ids = self.world.committee.ids();
                let stake = ids.filter(acknowledged).map(|id| self.world.committee.stake(id)).sum();
                assert!(self.world.committee.quorum() <= stake, "{stake} are no quorum");
            }
            Output::Stored { author: _, batch } => {
                assert!(self.is_on_disk(batch.digest), "reports what is not durable");
            }
            Output::Full(is_full) => self.is_full = is_full,
            Output::WakeAt(at) => self.wake_at = Some(at),
        }
    }

    fn is_on_disk(&self, digest: BatchDigest) -> bool {
        self.disk.iter().any(|(held, _)| held.batch.digest == digest)
    }

    fn store(&mut self, held: Held, bytes: Bytes) {
        let batch = Batch::decode(&bytes).expect("only batches are stored");
        assert_eq!(held.bytes, bytes.len());
        assert_eq!(held.batch.digest, Batch::digest_of(&bytes));
        let is_said = (batch.author, batch.worker, batch.sequence);
        assert_eq!((held.author, held.batch.worker, held.batch.sequence), is_said);
        if held.author == OURS {
            let before = self.places.insert(batch.sequence, held.batch.digest);
            let is_same = before.is_none_or(|before| before == held.batch.digest);
            assert!(is_same, "two batches in the place {}", batch.sequence);
        }
        self.disk.push((held, bytes));
        let of_author = self.disk.iter().filter(|(other, _)| other.author == held.author);
        let paid = of_author.filter(|(other, _)| !self.vouched.contains(&other.batch.digest));
        let used: usize = paid.map(|(other, _)| other.bytes + OVERHEAD).sum();
        assert!(held.author == OURS || used <= PEER_BYTES_MAX, "a peer takes {used} bytes");
    }
}
