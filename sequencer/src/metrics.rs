//! What the tasks of this room count.

use kraken_types::{Equivocation, ValidatorId};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// What the tasks of this room count. Cheap to clone; clones count into the same series.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) network: kraken_network::Metrics,
    pub(crate) round: Gauge,
    pub(crate) commits: Counter,
    pub(crate) commit_index: Gauge,
    pub(crate) batches: Family<Origin, Counter>,
    pub(crate) batch_bytes: Family<Origin, Counter>,
    pub(crate) malformed: Family<Room, Counter>,
    pub(crate) contradictions: Family<Contradiction, Counter>,
    pub(crate) transactions: Family<Outcome, Counter>,
    pub(crate) pool: Gauge,
    pub(crate) pool_bytes: Gauge,
    pub(crate) pool_window: Gauge,
    pub(crate) handed_on: Family<Outcome, Counter>,
    pub(crate) executed_block: Gauge,
    pub(crate) durable_block: Gauge,
    pub(crate) accepted_block: Gauge,
    pub(crate) equivocations: Counter,
    pub(crate) missing_batches: Gauge,
    pub(crate) seal_seconds: Histogram,
    pub(crate) write_seconds: Histogram,
    pub(crate) synced_blocks: Counter,
    pub(crate) checkpoints: Counter,
}

/// Who made a batch.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Origin {
    origin: &'static str,
}

/// Where a message was refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Room {
    room: &'static str,
}

/// Who said two things of what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Contradiction {
    peer: u16,
    what: &'static str,
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: &'static str,
}

impl Default for Metrics {
    /// Counts for nobody.
    fn default() -> Self {
        let seconds = || Histogram::new(exponential_buckets(0.000_5, 2.0, 14));
        Self {
            network: kraken_network::Metrics::register(&mut Registry::default()),
            round: Gauge::default(),
            commits: Counter::default(),
            commit_index: Gauge::default(),
            batches: Family::default(),
            batch_bytes: Family::default(),
            malformed: Family::default(),
            contradictions: Family::default(),
            transactions: Family::default(),
            pool: Gauge::default(),
            pool_bytes: Gauge::default(),
            pool_window: Gauge::default(),
            handed_on: Family::default(),
            executed_block: Gauge::default(),
            durable_block: Gauge::default(),
            accepted_block: Gauge::default(),
            equivocations: Counter::default(),
            missing_batches: Gauge::default(),
            seal_seconds: seconds(),
            write_seconds: seconds(),
            synced_blocks: Counter::default(),
            checkpoints: Counter::default(),
        }
    }
}

impl Metrics {
    /// Counts into a registry.
    pub fn new(registry: &mut Registry) -> Self {
        let network = kraken_network::Metrics::register(registry);
        let metrics = Self { network, ..Self::default() };
        metrics.register_order(registry.sub_registry_with_prefix("kraken_order"));
        metrics.register_blocks(registry.sub_registry_with_prefix("kraken_blocks"));
        metrics
    }

    fn register_order(&self, to: &mut Registry) {
        to.register("round", "Newest round of the DAG with an own header", self.round.clone());
        to.register("commits", "Commits ordered since the start", self.commits.clone());
        to.register("commit_index", "Index of the newest commit", self.commit_index.clone());
        to.register("batches", "Batches stored, by who made them", self.batches.clone());
        to.register_with_unit(
            "batch",
            "Size of stored batches, by who made them",
            Unit::Bytes,
            self.batch_bytes.clone(),
        );
        to.register("malformed", "Messages that could not be read", self.malformed.clone());
        to.register(
            "equivocations",
            "Second headers of a round, and proposals and votes of a view, by who signed them",
            self.contradictions.clone(),
        );
        to.register(
            "pool_transactions",
            "Transactions that wait or are under way",
            self.pool.clone(),
        );
        to.register_with_unit(
            "pool",
            "Encoded size of the transactions that wait or are under way",
            Unit::Bytes,
            self.pool_bytes.clone(),
        );
        to.register(
            "pool_window",
            "How many transactions may be under way at the speed of execution",
            self.pool_window.clone(),
        );
        to.register(
            "handed_on",
            "Transactions that a full node handed to validators, by what they said",
            self.handed_on.clone(),
        );
        to.register(
            "missing_batches",
            "1 while execution waits for an ordered batch that is not here",
            self.missing_batches.clone(),
        );
        to.register("checkpoints", "Checkpoints of others adopted", self.checkpoints.clone());
    }

    fn register_blocks(&self, to: &mut Registry) {
        to.register(
            "transactions",
            "Ordered transactions executed, by what became of them",
            self.transactions.clone(),
        );
        to.register("executed", "Number of the newest executed block", self.executed_block.clone());
        to.register("durable", "Number of the newest durable block", self.durable_block.clone());
        to.register(
            "accepted",
            "Number of the newest block that a quorum attested",
            self.accepted_block.clone(),
        );
        to.register(
            "equivocations",
            "Validators that attested two blocks of one number",
            self.equivocations.clone(),
        );
        to.register_with_unit(
            "seal",
            "Time to compute commitments, state root and hash of a block",
            Unit::Seconds,
            self.seal_seconds.clone(),
        );
        to.register_with_unit(
            "write",
            "Time to make a block durable",
            Unit::Seconds,
            self.write_seconds.clone(),
        );
        to.register(
            "synced",
            "Blocks taken over from other validators",
            self.synced_blocks.clone(),
        );
    }

    /// What an earlier run left.
    pub(crate) fn start(&self, durable: u64, accepted: u64) {
        self.executed_block.set(gauge(durable));
        self.durable_block.set(gauge(durable));
        self.accepted_block.set(gauge(accepted));
    }

    /// A batch is stored.
    pub(crate) fn batch(&self, is_ours: bool, bytes: usize) {
        let origin = Origin { origin: if is_ours { "own" } else { "peer" } };
        self.batches.get_or_create(&origin).inc();
        self.batch_bytes.get_or_create(&origin).inc_by(bytes as u64);
    }

    /// A message could not be read.
    pub(crate) fn malformed(&self, room: &'static str) {
        self.malformed.get_or_create(&Room { room }).inc();
    }

    /// A validator contradicts itself; says whether it is the first time that it does so in this.
    pub(crate) fn equivocated(&self, whom: ValidatorId, what: Equivocation) -> bool {
        let label = Contradiction { peer: whom.0, what: what.name() };
        self.contradictions.get_or_create(&label).inc() == 0
    }

    /// A validator was asked to take a transaction.
    pub(crate) fn handed_on(&self, outcome: &'static str) {
        self.handed_on.get_or_create(&Outcome { outcome }).inc();
    }

    /// An ordered transaction is executed.
    pub(crate) fn executed(&self, outcome: &'static str) {
        self.transactions.get_or_create(&Outcome { outcome }).inc();
    }
}

/// A number as gauges want it.
pub(crate) fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
