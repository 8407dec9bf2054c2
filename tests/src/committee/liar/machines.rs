//! The machines of a validator, and a driver that has no disk: everything is durable at once.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::Bytes;
use kraken_consensus::{self as consensus, TimerId};
use kraken_mempool::{
    primary::{self, Primary},
    worker::{self, Worker, packer},
};
use kraken_ordering::{self as ordering, Ordering};
use kraken_simulation::sin::{Lane, Letter};
use kraken_types::{
    BatchDigest, Genesis, Identity, Timestamp, ValidatorId, WorkerId,
    codec::{self, BATCH_BYTES_MAX},
};

/// When neither machine wants to be woken.
const SELDOM: Duration = Duration::from_secs(1);

/// How long to wait until something is said again.
const RETRY_AFTER: Duration = Duration::from_millis(200);

/// Bytes of batches that no block holds.
const OWN_BYTES_MAX: usize = 64 << 20;

/// What a machine is to see.
enum Input {
    Worker(worker::Input),
    Ordering(ordering::Input),
}

/// A worker and an ordering part.
#[derive(Debug)]
pub(super) struct Machines {
    identity: Identity,
    worker: Worker,
    ordering: Ordering,
    /// The batches that it has.
    held: BTreeMap<BatchDigest, Bytes>,
    /// When the machines want to be woken.
    worker_wakes: Option<Timestamp>,
    ordering_wakes: Option<Timestamp>,
    timers: BTreeMap<TimerId, Timestamp>,
    commits: u64,
    /// What is to be said.
    letters: Vec<Letter>,
    /// When they were last asked.
    now: Timestamp,
}

impl Machines {
    /// Those of a validator that has neither said nor heard anything.
    pub(super) fn start(identity: Identity, genesis: &Genesis, now: Timestamp) -> Self {
        let mut machines = Self {
            worker: worker_of(&identity),
            ordering: ordering_of(&identity, genesis),
            identity,
            held: BTreeMap::new(),
            worker_wakes: None,
            ordering_wakes: None,
            timers: BTreeMap::new(),
            commits: 0,
            letters: Vec::new(),
            now,
        };
        machines.give(Input::Worker(worker::Input::Recovered(Vec::new())));
        machines.give(Input::Ordering(ordering::Input::Recovered(Vec::new())));
        machines
    }

    /// How many commits there were.
    pub(super) fn commits(&self) -> u64 {
        self.commits
    }

    /// When [`Machines::tick`] is due.
    pub(super) fn wake_at(&self) -> Timestamp {
        let wakes = [self.worker_wakes, self.ordering_wakes].into_iter().flatten();
        let first = wakes.chain(self.timers.values().copied()).min();
        first.unwrap_or(self.now + SELDOM)
    }

    /// Takes in a message and returns what is said then.
    pub(super) fn hear(
        &mut self,
        now: Timestamp,
        from: ValidatorId,
        lane: Lane,
        bytes: &[u8],
    ) -> Vec<Letter> {
        self.now = now;
        match lane {
            Lane::Worker => {
                if let Ok(message) = worker::Message::decode(bytes) {
                    self.give(Input::Worker(worker::Input::Message { from, message }));
                }
            }
            Lane::Ordering => {
                if let Ok(message) = ordering::Message::decode(bytes) {
                    self.give(Input::Ordering(ordering::Input::Message { from, message }));
                }
            }
        }
        std::mem::take(&mut self.letters)
    }

    /// Takes in a transaction of its own.
    pub(super) fn offer(&mut self, now: Timestamp, transaction: Bytes) -> Vec<Letter> {
        self.now = now;
        self.give(Input::Worker(worker::Input::Transaction(transaction)));
        std::mem::take(&mut self.letters)
    }

    /// Wakes whoever wants to be woken by now.
    pub(super) fn tick(&mut self, now: Timestamp) -> Vec<Letter> {
        self.now = now;
        if self.worker_wakes.take_if(|at| *at <= now).is_some() {
            self.give(Input::Worker(worker::Input::Tick));
        }
        if self.ordering_wakes.take_if(|at| *at <= now).is_some() {
            self.give(Input::Ordering(ordering::Input::Tick));
        }
        let due: Vec<_> = self.timers.extract_if(.., |_, at| *at <= now).collect();
        for (timer, _) in due {
            self.give(Input::Ordering(ordering::Input::Timer(timer)));
        }
        std::mem::take(&mut self.letters)
    }

    fn give(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            match input {
                Input::Worker(input) => {
                    for output in self.worker.step(self.now, input) {
                        inputs.extend(self.carry_out_worker(output));
                    }
                }
                Input::Ordering(input) => {
                    for effect in self.ordering.step(self.now, input) {
                        inputs.extend(self.carry_out_ordering(effect));
                    }
                }
            }
        }
    }

    fn carry_out_worker(&mut self, output: worker::Output) -> Option<Input> {
        match output {
            worker::Output::Store { held, bytes } => {
                self.held.insert(held.batch.digest, bytes);
            }
            worker::Output::Send { to, message } => {
                let bytes = codec::encode(&message).into();
                self.letters.push(Letter { to, lane: Lane::Worker, bytes });
            }
            worker::Output::Read { digest, to } => {
                let bytes = self.held.get(&digest).cloned();
                return Some(Input::Worker(worker::Input::Read { digest, to, bytes }));
            }
            worker::Output::Sealed(batch) => {
                return Some(Input::Ordering(ordering::Input::Sealed(batch)));
            }
            worker::Output::Stored { author, batch } => {
                return Some(Input::Ordering(ordering::Input::Stored { author, batch }));
            }
            // It offers little, and a liar need not care.
            worker::Output::Full(_) => {}
            worker::Output::WakeAt(at) => self.worker_wakes = Some(at),
        }
        None
    }

    fn carry_out_ordering(&mut self, effect: ordering::Effect) -> Option<Input> {
        match effect {
            ordering::Effect::Send { to, message } => self.say(&[to], &message),
            ordering::Effect::Broadcast(message) => {
                self.say(&self.identity.peers().collect::<Vec<_>>(), &message);
            }
            ordering::Effect::Fetch { author, batch, holders } => {
                return Some(Input::Worker(worker::Input::Fetch { author, batch, holders }));
            }
            ordering::Effect::WakeAt(at) => self.ordering_wakes = Some(at),
            ordering::Effect::SetTimer { timer, after } => {
                self.timers.insert(timer, self.now + after);
            }
            ordering::Effect::Commit(commit) => {
                self.commits += 1;
                return Some(Input::Worker(worker::Input::Ordered(commit.batches)));
            }
            // There is no log to write to or to shorten, and nobody to tell.
            ordering::Effect::Persist(_)
            | ordering::Effect::Pruned(_)
            | ordering::Effect::Equivocated { .. } => {}
        }
        None
    }

    fn say(&mut self, to: &[ValidatorId], message: &ordering::Message) {
        let bytes = Bytes::from(codec::encode(message));
        let letter =
            |to: &ValidatorId| Letter { to: *to, lane: Lane::Ordering, bytes: bytes.clone() };
        self.letters.extend(to.iter().map(letter));
    }
}

fn worker_of(identity: &Identity) -> Worker {
    Worker::new(worker::Config {
        identity: identity.clone(),
        worker: WorkerId(0),
        packer: packer::Config {
            batch_bytes_max: BATCH_BYTES_MAX / 2,
            batch_age_max: Duration::from_millis(10),
        },
        retry_after: RETRY_AFTER,
        own_bytes_max: OWN_BYTES_MAX,
        peer_bytes_max: 8 * OWN_BYTES_MAX,
        requests_per_peer_max: 64,
    })
}

fn ordering_of(identity: &Identity, genesis: &Genesis) -> Ordering {
    let gc_depth = genesis.mempool.gc_depth;
    let primary = Primary::new(primary::Config {
        identity: identity.clone(),
        header_batches: 32,
        header_delay_max: Duration::from_millis(40),
        round_delay_max: Duration::from_millis(500),
        retry_after: RETRY_AFTER,
        drift_max: Duration::from_secs(1),
        gc_depth,
        serve_depth: 200,
    });
    let config = consensus::Config {
        identity: identity.clone(),
        gc_depth,
        view_timeout: Duration::from_secs(1),
        view_timeout_max: Duration::from_secs(60),
    };
    Ordering::new(primary, consensus::build(genesis.protocol, config))
}
