//! What a follower heard of the order, and what it lacks.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::{Certificate, CommitIndex, Verified};

use super::{FIRST, HISTORY_MAX, Message, Order};
use crate::{Effect, TimerId, dag::Dag, linearizer::Linearizer};

/// The one timer: the time to ask has come.
const ASK: TimerId = TimerId(0);

/// Announcements ahead of the order, and a timer to ask for what is missing.
#[derive(Debug)]
pub(super) struct Follower {
    /// By index, from the next commit on; less than [`HISTORY_MAX`] ahead of it.
    announced: BTreeMap<CommitIndex, Order>,
    /// What the first validator announced is not what follows here.
    is_stopped: bool,
    is_timer_set: bool,
    patience: Duration,
    patience_min: Duration,
    patience_max: Duration,
}

impl Follower {
    pub(super) fn new(patience_min: Duration, patience_max: Duration) -> Self {
        Self {
            announced: BTreeMap::new(),
            is_stopped: false,
            is_timer_set: false,
            patience: patience_min,
            patience_min,
            patience_max,
        }
    }

    /// Takes announcements; the first of an index stays.
    pub(super) fn hear(&mut self, orders: Vec<Order>, next: CommitIndex) {
        for order in orders {
            let ahead = order.index.0.checked_sub(next.0);
            if ahead.is_some_and(|ahead| ahead < HISTORY_MAX as u64) && !self.is_stopped {
                self.announced.entry(order.index).or_insert(order);
            }
        }
    }

    /// The next commit, if it was announced and its certificate delivered.
    pub(super) fn next(
        &self,
        linearizer: &Linearizer,
        dag: &Dag,
    ) -> Option<(Order, Verified<Certificate>)> {
        let order = self.announced.get(&linearizer.state().next)?;
        dag.get(&order.anchor).map(|certificate| (*order, certificate.clone()))
    }

    /// The order went on.
    pub(super) fn progressed(&mut self) {
        self.announced.pop_first();
        self.patience = self.patience_min;
    }

    /// The order ends here for good.
    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
        self.announced.clear();
    }

    /// Rule F5, before: sees to it that a timer runs while something is missing.
    pub(super) fn watch(&mut self, linearizer: &Linearizer, dag: &Dag) -> Option<Effect> {
        let starts = !self.is_timer_set && self.lacks(linearizer, dag);
        starts.then(|| self.set_timer())
    }

    /// Rule F5: asks for what is missing, and sets the timer again.
    pub(super) fn ask(&mut self, linearizer: &Linearizer, dag: &Dag) -> Vec<Effect> {
        self.is_timer_set = false;
        if !self.lacks(linearizer, dag) {
            return Vec::new();
        }
        let next = linearizer.state().next;
        let question = match self.announced.get(&next) {
            Some(order) => Effect::Want { certificate: order.anchor, from: FIRST },
            None => {
                let message = crate::Message::Fcfs(Message::Want(next));
                Effect::Send { to: FIRST, message }
            }
        };
        self.patience = self.patience.saturating_mul(2).min(self.patience_max);
        vec![question, self.set_timer()]
    }

    pub(super) fn len(&self) -> usize {
        self.announced.len()
    }

    fn set_timer(&mut self) -> Effect {
        self.is_timer_set = true;
        Effect::SetTimer { timer: ASK, after: self.patience }
    }

    /// Whether something was announced that is not ordered, or something was delivered that is not
    /// ordered, whose announcement may be lost.
    fn lacks(&self, linearizer: &Linearizer, dag: &Dag) -> bool {
        let waits = || {
            dag.nodes().any(|node| {
                let header = node.certificate().header();
                !linearizer.is_ordered(header.round, header.author)
            })
        };
        !self.is_stopped && (!self.announced.is_empty() || waits())
    }
}
