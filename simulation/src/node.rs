//! One simulated validator: the machines that ship, two disks, and a stub that executes.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, mem,
    time::Duration,
};

use bytes::Bytes;
use kraken_consensus::{self as consensus, TimerId};
use kraken_mempool::{
    primary::{self, Primary},
    worker::{self, Worker, packer},
};
use kraken_ordering::{self as ordering, Ordering};
use kraken_types::{BatchDigest, Commit, Identity, Round, Timestamp, WorkerId};

use crate::{
    NodeId,
    agenda::Event,
    disk::Disk,
    plan::{Plan, Settings},
    sin::{Lane, Sin},
};

/// One simulated validator.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) identity: Identity,
    /// Honest nodes are held to the invariants.
    pub(crate) is_honest: bool,
    pub(crate) sin: Option<Box<dyn Sin>>,
    pub(crate) state: State,
    /// Counts starts.
    pub(crate) life: u64,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) skew: i64,
    pub(crate) worker: Worker,
    pub(crate) ordering: Ordering,
    pub(crate) votes: Disk,
    pub(crate) batches: Disk,
    /// Disks are slow until then.
    pub(crate) stalled_until: Timestamp,
    /// What the machines want done, behind the records it rests on.
    pub(crate) of_ordering: Gate<ordering::Effect>,
    pub(crate) of_worker: Gate<worker::Output>,
    /// What the machines have not seen yet.
    pub(crate) inbox: VecDeque<Input>,
    /// What arrived while it was frozen.
    pub(crate) backlog: Vec<Event>,
    pub(crate) alarms: Alarms,
    pub(crate) held: BTreeMap<BatchDigest, Batch>,
    pub(crate) executor: Executor,
    /// The machines need no records of this round and below; survives a crash, as the absence of
    /// the records does.
    pub(crate) pruned: Round,
    /// Transactions must wait.
    pub(crate) is_full: bool,
    /// The disk was lost before this start.
    pub(crate) has_forgotten: bool,
}

/// Whether a node runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs.
    Up,
    /// It stands still and everything waits.
    Frozen,
    /// It crashed and will start again.
    Down,
    /// It crashed and will not.
    Dead,
}

/// What a machine is to see.
#[derive(Debug)]
pub(crate) enum Input {
    /// The worker.
    Worker(worker::Input),
    /// Primary and protocol.
    Ordering(ordering::Input),
}

/// A batch on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Bytes,
    /// Durable once the disk has this many durable records.
    pub(crate) record: u64,
    pub(crate) is_released: bool,
}

/// What was asked for last.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    pub(crate) wakes: BTreeMap<Lane, u64>,
    pub(crate) timers: BTreeMap<TimerId, u64>,
    pub(crate) asked: u64,
}

/// Effects in order, each behind as many durable records as were written before it.
#[derive(Debug)]
pub(crate) struct Gate<E> {
    waiting: VecDeque<(u64, E)>,
}

/// Executes commits in order once it has their batches.
#[derive(Debug, Default)]
pub(crate) struct Executor {
    /// How many commits are durably executed.
    pub(crate) executed: u64,
    /// How many will be, once what is going on is durable.
    pub(crate) executing: Option<u64>,
    /// Commits that are not durably executed.
    pub(crate) commits: BTreeMap<u64, Commit>,
}

impl Node {
    /// A validator with empty disks, not started yet.
    pub(crate) fn new(id: NodeId, identity: Identity, plan: &Plan) -> Self {
        Self {
            id,
            worker: worker_of(&plan.settings, &identity),
            ordering: ordering_of(plan, &identity),
            identity,
            is_honest: true,
            sin: None,
            state: State::Down,
            life: 0,
            skew: 0,
            votes: Disk::default(),
            batches: Disk::default(),
            stalled_until: Timestamp::ZERO,
            of_ordering: Gate::default(),
            of_worker: Gate::default(),
            inbox: VecDeque::new(),
            backlog: Vec::new(),
            alarms: Alarms::default(),
            held: BTreeMap::new(),
            executor: Executor::default(),
            pruned: Round(0),
            is_full: false,
            has_forgotten: false,
        }
    }

    /// Machines and memory as after a start.
    pub(crate) fn reset(&mut self, plan: &Plan) {
        self.life += 1;
        self.worker = worker_of(&plan.settings, &self.identity);
        self.ordering = ordering_of(plan, &self.identity);
        self.of_ordering = Gate::default();
        self.of_worker = Gate::default();
        self.inbox.clear();
        self.backlog.clear();
        self.alarms = Alarms::default();
        self.held.clear();
        self.executor.executing = None;
        self.executor.commits.clear();
        self.is_full = false;
    }

    /// Its clock when the world's shows `now`.
    pub(crate) fn clock(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_millis(now.millis().saturating_add_signed(self.skew))
    }

    /// One of its disks.
    pub(crate) fn disk(&mut self, lane: Lane) -> &mut Disk {
        match lane {
            Lane::Worker => &mut self.batches,
            Lane::Ordering => &mut self.votes,
        }
    }

    /// Whether a batch would survive a crash now.
    pub(crate) fn holds(&self, digest: &BatchDigest) -> bool {
        self.held.get(digest).is_some_and(|batch| batch.record <= self.batches.durable())
    }

    /// How many commits can be executed after those that are.
    pub(crate) fn executable(&self) -> u64 {
        const AT_ONCE: u64 = 64;
        let start = self.executor.executed;
        let ready = (start..start + AT_ONCE).take_while(|index| {
            let commit = self.executor.commits.get(index);
            commit.is_some_and(|commit| commit.batches.iter().all(|(_, it)| self.holds(&it.digest)))
        });
        ready.count() as u64
    }
}

impl Alarms {
    /// Forgets what was asked for before and gives this request a number.
    pub(crate) fn wake(&mut self, lane: Lane) -> u64 {
        self.asked += 1;
        self.wakes.insert(lane, self.asked);
        self.asked
    }

    /// The same for a timer.
    pub(crate) fn timer(&mut self, timer: TimerId) -> u64 {
        self.asked += 1;
        self.timers.insert(timer, self.asked);
        self.asked
    }
}

impl<E> Default for Gate<E> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

impl<E: fmt::Debug> Gate<E> {
    /// An effect that rests on this many records.
    pub(crate) fn push(&mut self, records: u64, effect: E) {
        self.waiting.push_back((records, effect));
    }

    /// What may be carried out now.
    pub(crate) fn release(&mut self, durable: u64) -> Vec<E> {
        let open = self.waiting.iter().take_while(|(records, _)| *records <= durable).count();
        let rest = self.waiting.split_off(open);
        mem::replace(&mut self.waiting, rest).into_iter().map(|(_, effect)| effect).collect()
    }
}

fn worker_of(settings: &Settings, identity: &Identity) -> Worker {
    Worker::new(worker::Config {
        identity: identity.clone(),
        worker: WorkerId(0),
        packer: packer::Config {
            batch_bytes_max: settings.batch_bytes_max,
            batch_age_max: settings.batch_age_max,
        },
        retry_after: settings.retry_after,
        own_bytes_max: settings.own_bytes_max,
        peer_bytes_max: 2 * settings.own_bytes_max + (64 << 10),
        requests_per_peer_max: 64,
    })
}

fn ordering_of(plan: &Plan, identity: &Identity) -> Ordering {
    let settings = &plan.settings;
    let primary = Primary::new(primary::Config {
        identity: identity.clone(),
        header_batches: settings.header_batches,
        header_delay_max: settings.header_delay_max,
        round_delay_max: settings.round_delay_max,
        retry_after: settings.retry_after,
        drift_max: Duration::from_secs(1),
        gc_depth: settings.gc_depth,
        serve_depth: settings.serve_depth,
    });
    let config = consensus::Config {
        identity: identity.clone(),
        gc_depth: settings.gc_depth,
        view_timeout: settings.view_timeout,
        view_timeout_max: settings.view_timeout_max,
    };
    Ordering::new(primary, consensus::build(plan.protocol, config))
}
