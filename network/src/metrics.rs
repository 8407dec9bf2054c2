//! What swarms report.
//!
//! Labels are bounded: swarms, peers and lanes are those of the settings, reasons those of this
//! room. Nothing that a stranger says becomes a label.

use std::time::Duration;

use kraken_types::ValidatorId;
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

use crate::reason::{Broken, Drop, Outcome, Refusal};

/// The series of all swarms of a process. Cheap to clone; clones share the same series.
#[derive(Clone, Debug)]
pub struct Metrics {
    peers_connected: Family<SwarmLabels, Gauge>,
    strangers_connected: Family<SwarmLabels, Gauge>,
    connections: Family<PeerLabels, Counter>,
    dials_failed: Family<PeerLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    broken: Family<ReasonLabels, Counter>,
    frames_sent: Family<LaneLabels, Counter>,
    frames_received: Family<LaneLabels, Counter>,
    bytes_sent: Family<LaneLabels, Counter>,
    bytes_received: Family<LaneLabels, Counter>,
    frames_dropped: Family<DropLabels, Counter>,
    queue: Family<LaneLabels, Gauge>,
    requests: Family<OutcomeLabels, Counter>,
    served: Family<OutcomeLabels, Counter>,
    request_time: Family<SwarmLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SwarmLabels {
    swarm: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PeerLabels {
    swarm: String,
    peer: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LaneLabels {
    swarm: String,
    peer: u16,
    lane: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    swarm: String,
    peer: u16,
    lane: &'static str,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    swarm: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    swarm: String,
    outcome: &'static str,
}

/// From a millisecond to half a minute.
fn request_times() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Metrics {
    /// Registers the series, each named `kraken_network_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::unregistered();
        let registry = registry.sub_registry_with_prefix("kraken_network");
        metrics.register_connections(registry);
        metrics.register_lanes(registry);
        metrics.register_requests(registry);
        metrics
    }

    fn unregistered() -> Self {
        Self {
            peers_connected: Family::default(),
            strangers_connected: Family::default(),
            connections: Family::default(),
            dials_failed: Family::default(),
            refused: Family::default(),
            broken: Family::default(),
            frames_sent: Family::default(),
            frames_received: Family::default(),
            bytes_sent: Family::default(),
            bytes_received: Family::default(),
            frames_dropped: Family::default(),
            queue: Family::default(),
            requests: Family::default(),
            served: Family::default(),
            request_time: Family::new_with_constructor(request_times),
        }
    }

    fn register_connections(&self, registry: &mut Registry) {
        registry.register(
            "peers_connected",
            "Validators whose handshake succeeded and whose connection lasts",
            self.peers_connected.clone(),
        );
        registry.register(
            "strangers_connected",
            "Connections of others than validators",
            self.strangers_connected.clone(),
        );
        registry.register(
            "connections",
            "Connections to a validator whose handshake succeeded",
            self.connections.clone(),
        );
        registry.register(
            "dials_failed",
            "Attempts to reach a validator that made no connection",
            self.dials_failed.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections that ended before or in their handshake, by reason",
            self.refused.clone(),
        );
        registry.register(
            "connections_broken",
            "Connections that ended after their handshake, by reason",
            self.broken.clone(),
        );
    }

    fn register_lanes(&self, registry: &mut Registry) {
        registry.register(
            "frames_sent",
            "Frames handed to the connection",
            self.frames_sent.clone(),
        );
        registry.register(
            "frames_received",
            "Frames handed to the reader of the lane",
            self.frames_received.clone(),
        );
        registry.register_with_unit(
            "sent",
            "Lengths of the frames sent",
            Unit::Bytes,
            self.bytes_sent.clone(),
        );
        registry.register_with_unit(
            "received",
            "Lengths of the frames received",
            Unit::Bytes,
            self.bytes_received.clone(),
        );
        registry.register(
            "frames_dropped",
            "Frames that were not sent, by reason",
            self.frames_dropped.clone(),
        );
        registry.register_with_unit(
            "queue",
            "What waits for a validator, each frame counted as its length and 64 bytes",
            Unit::Bytes,
            self.queue.clone(),
        );
    }

    fn register_requests(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests we made of validators, by outcome",
            self.requests.clone(),
        );
        registry.register(
            "requests_served",
            "Requests that others made of us, by outcome",
            self.served.clone(),
        );
        registry.register_with_unit(
            "request",
            "Time from a request of ours to its answer",
            Unit::Seconds,
            self.request_time.clone(),
        );
    }

    /// The series of one swarm.
    pub(crate) fn of_swarm(&self, swarm: &str) -> SwarmMetrics {
        SwarmMetrics { all: self.clone(), swarm: swarm.to_owned() }
    }
}

/// The series of one swarm.
#[derive(Clone, Debug)]
pub(crate) struct SwarmMetrics {
    all: Metrics,
    swarm: String,
}

impl SwarmMetrics {
    fn labels(&self) -> SwarmLabels {
        SwarmLabels { swarm: self.swarm.clone() }
    }

    fn peer(&self, peer: ValidatorId) -> PeerLabels {
        PeerLabels { swarm: self.swarm.clone(), peer: peer.0 }
    }

    fn reason(&self, reason: &'static str) -> ReasonLabels {
        ReasonLabels { swarm: self.swarm.clone(), reason }
    }

    fn outcome(&self, outcome: Outcome) -> OutcomeLabels {
        OutcomeLabels { swarm: self.swarm.clone(), outcome: outcome.name() }
    }

    pub(crate) fn peers_connected(&self) -> Gauge {
        self.all.peers_connected.get_or_create_owned(&self.labels())
    }

    pub(crate) fn strangers_connected(&self) -> Gauge {
        self.all.strangers_connected.get_or_create_owned(&self.labels())
    }

    pub(crate) fn connected(&self, peer: ValidatorId) {
        self.all.connections.get_or_create(&self.peer(peer)).inc();
    }

    pub(crate) fn dial_failed(&self, peer: ValidatorId) {
        self.all.dials_failed.get_or_create(&self.peer(peer)).inc();
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.all.refused.get_or_create(&self.reason(refusal.name())).inc();
    }

    pub(crate) fn broken(&self, broken: Broken) {
        self.all.broken.get_or_create(&self.reason(broken.name())).inc();
    }

    pub(crate) fn requested(&self, outcome: Outcome, time: Duration) {
        self.all.requests.get_or_create(&self.outcome(outcome)).inc();
        if outcome == Outcome::Answered {
            self.all.request_time.get_or_create(&self.labels()).observe(time.as_secs_f64());
        }
    }

    pub(crate) fn served(&self, outcome: Outcome) {
        self.all.served.get_or_create(&self.outcome(outcome)).inc();
    }

    /// The series of one lane to one peer.
    pub(crate) fn lane(&self, peer: ValidatorId, lane: &'static str) -> LaneMetrics {
        let labels = LaneLabels { swarm: self.swarm.clone(), peer: peer.0, lane };
        let dropped = |reason: Drop| {
            self.all.frames_dropped.get_or_create_owned(&DropLabels {
                swarm: self.swarm.clone(),
                peer: peer.0,
                lane,
                reason: reason.name(),
            })
        };
        LaneMetrics {
            frames_sent: self.all.frames_sent.get_or_create_owned(&labels),
            frames_received: self.all.frames_received.get_or_create_owned(&labels),
            bytes_sent: self.all.bytes_sent.get_or_create_owned(&labels),
            bytes_received: self.all.bytes_received.get_or_create_owned(&labels),
            queue: self.all.queue.get_or_create_owned(&labels),
            away: dropped(Drop::Away),
            full: dropped(Drop::Full),
            lost: dropped(Drop::Lost),
            too_large: dropped(Drop::TooLarge),
        }
    }
}

/// The series of one lane to one peer. They exist from the start, so that a rate has its zero.
#[derive(Clone, Debug)]
pub(crate) struct LaneMetrics {
    frames_sent: Counter,
    frames_received: Counter,
    bytes_sent: Counter,
    bytes_received: Counter,
    /// Set by the queue alone.
    pub(crate) queue: Gauge,
    away: Counter,
    full: Counter,
    lost: Counter,
    too_large: Counter,
}

impl LaneMetrics {
    pub(crate) fn sent(&self, frames: usize, bytes: usize) {
        self.frames_sent.inc_by(frames as u64);
        self.bytes_sent.inc_by(bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.frames_received.inc();
        self.bytes_received.inc_by(bytes as u64);
    }

    pub(crate) fn dropped(&self, reason: Drop, frames: usize) {
        let counter = match reason {
            Drop::Away => &self.away,
            Drop::Full => &self.full,
            Drop::Lost => &self.lost,
            Drop::TooLarge => &self.too_large,
        };
        counter.inc_by(frames as u64);
    }
}
