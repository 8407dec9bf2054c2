//! What happens when: network, clocks, disks and the scheduler at once.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kraken_consensus::TimerId;
use kraken_types::{Timestamp, ValidatorId};

use crate::{NodeId, sin::Lane};

/// Events that are to come, soonest first, and the time.
#[derive(Debug)]
pub(crate) struct Agenda {
    now: Timestamp,
    /// How many events were ever planned; keeps those of one millisecond in one fixed order.
    planned: u64,
    events: BTreeMap<(Timestamp, u64), Event>,
}

/// Something that happens.
#[derive(Debug)]
pub(crate) enum Event {
    /// A message arrives.
    Arrival { to: NodeId, from: ValidatorId, lane: Lane, bytes: Bytes },
    /// Something inside a node; void if the node died meanwhile.
    Inside { node: NodeId, life: u64, what: Inside },
    /// A client has a transaction for this node.
    Submit(NodeId),
    /// Something breaks.
    Fault,
    /// A node that crashed starts again.
    Restart(NodeId),
    /// A frozen node goes on.
    Thaw(NodeId),
    /// A partition ends.
    Mend(u64),
    /// Others reach others: a slice of the plan begins.
    Slice(usize),
    /// Everything that can heal has healed.
    Calm,
    /// Look whether everything is done.
    Look,
    /// The deadline of the run.
    Deadline,
}

/// Something inside a node.
#[derive(Debug)]
pub(crate) enum Inside {
    /// The time has come that this part asked for, if it asked for no other since.
    Wake { lane: Lane, asked: u64 },
    /// A timer of the protocol ran out, if it was not set again since.
    Timer { timer: TimerId, asked: u64 },
    /// The disk wrote what it was given before the write began.
    Synced(Lane),
    /// The executor made the state of a stretch of the order durable.
    Executed,
    /// A block waits for its end.
    Propose,
}

impl Agenda {
    /// Nothing is planned.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self { now, planned: 0, events: BTreeMap::new() }
    }

    /// The time of the world.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Plans something.
    pub(crate) fn after(&mut self, delay: Duration, event: Event) {
        self.at(self.now + delay, event);
    }

    /// Plans something for a time that is not past.
    pub(crate) fn at(&mut self, at: Timestamp, event: Event) {
        self.planned += 1;
        self.events.insert((at.max(self.now), self.planned), event);
    }

    /// What is next, and the time jumps there.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let ((at, _), event) = self.events.pop_first()?;
        self.now = at;
        Some(event)
    }
}
