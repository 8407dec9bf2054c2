//! First come, first served.
//!
//! The first validator of the committee numbers certificates in the order in which they reach it,
//! and the others follow. It makes progress while that validator lives, and survives crashes and
//! faults of the network; it tolerates no liar, and is the yardstick for the protocols that do.
//!
//! Rules:
//!
//! - F1 Each certificate that the first validator's mempool delivers is an anchor, unless it is
//!   ordered already. The [`linearizer`](crate::linearizer) makes a commit of it.
//! - F2 The time of a commit is that of its header, but never earlier than that of the commit
//!   before.
//! - F3 A commit is durable before it is announced, so a restart goes on behind it.
//! - F4 A follower takes announcements from the first validator only, and commits in the order of
//!   their numbers, each once the certificate was delivered. It compares the digest of its chain
//!   with the announced one. Should they differ, it stops for good rather than go another way: its
//!   own order is right up to there, and somebody has to look.
//! - F5 A follower that lacks something asks the first validator, at first after `view_timeout`,
//!   and after twice as long each time without progress, up to `view_timeout_max`: for
//!   announcements from the next on, or, if it has that, for the certificate. Its mempool keeps
//!   certificates long after they were ordered; nobody else may ever mention this one.
//! - F6 The wish to close a block is obeyed in a committee of one only: nobody else could object.
//!
//! The first validator remembers the last [`HISTORY_MAX`] announcements, and after a restart those
//! that its log still holds. A follower that is further behind stays behind.

mod follower;

use std::collections::VecDeque;

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    Certificate, ChainDigest, Commit, CommitIndex, HeaderDigest, Identity, Timestamp, ValidatorId,
    Verified,
};

use crate::{
    Config, Effect, Input, Protocol, Record,
    dag::Dag,
    last_committed, leader,
    linearizer::{Clock, Linearizer, Ordered},
};

use follower::Follower;

/// The announcements that the first validator remembers, and how far ahead of its order a follower
/// takes them; others are ignored, and asked for when their time has come.
pub const HISTORY_MAX: usize = 4_096;

/// The most announcements in one message.
pub const ORDERS_MAX: usize = 1_024;

/// Who numbers.
const FIRST: ValidatorId = ValidatorId(0);

/// Where the order ends, and what a validator needs to lead or to follow.
///
/// The DAG holds what the mempool delivered above the horizon of the [`Linearizer`].
#[derive(Debug)]
pub struct Fcfs {
    identity: Identity,
    dag: Dag,
    linearizer: Linearizer,
    /// What was announced, newest last; [`HISTORY_MAX`] at most, the oldest go first.
    history: VecDeque<Order>,
    follower: Follower,
}

/// What validators running FCFS say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// This is the order. From the first validator; [`ORDERS_MAX`] at most.
    Orders(Vec<Order>),
    /// Say what is the order from this index on. To the first validator.
    Want(CommitIndex),
}

/// A certificate has its place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Order {
    /// The place.
    pub index: CommitIndex,
    /// The certificate.
    pub anchor: HeaderDigest,
    /// Over the commit made of it and all before.
    pub chain: ChainDigest,
}

impl Fcfs {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        let Config { identity, gc_depth, view_timeout, view_timeout_max } = config;
        let committee = identity.committee.clone();
        Self {
            identity,
            dag: Dag::new(),
            linearizer: Linearizer::new(committee, gc_depth, Clock::Anchor),
            history: VecDeque::new(),
            follower: Follower::new(view_timeout, view_timeout_max),
        }
    }

    fn recover(&mut self, records: Vec<Record>) {
        for record in &records {
            match record {
                Record::Committed { commit, .. } => self.remember(Order::of(commit)),
                Record::HotStuff(_) => {}
            }
        }
        if let Some((order, _)) = last_committed(records) {
            self.linearizer.restore(order);
            self.dag.prune(self.linearizer.horizon());
        }
    }

    fn take(&mut self, certificate: &Verified<Certificate>) -> Vec<Effect> {
        if !self.dag.insert(certificate.clone()) {
            return Vec::new();
        }
        if self.identity.id == FIRST { self.number(certificate) } else { self.follow() }
    }

    /// Rules F1 and F3.
    fn number(&mut self, certificate: &Certificate) -> Vec<Effect> {
        let Some(ordered) = self.linearizer.order(&self.dag, certificate) else {
            return Vec::new();
        };
        self.dag.prune(self.linearizer.horizon());
        let order = Order::of(&ordered.commit);
        let [persist, commit] = self.committed(ordered);
        if self.identity.is_alone() {
            return vec![persist, commit];
        }
        self.remember(order);
        let announcement = crate::Message::Fcfs(Message::Orders(vec![order]));
        vec![persist, Effect::Broadcast(announcement), commit]
    }

    fn remember(&mut self, order: Order) {
        self.history.push_back(order);
        if HISTORY_MAX < self.history.len() {
            self.history.pop_front();
        }
    }

    /// Rule F4: commits what was announced and delivered.
    fn follow(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        while let Some((order, anchor)) = self.follower.next(&self.linearizer, &self.dag) {
            let ordered = self.linearizer.order(&self.dag, &anchor);
            let Some(ordered) = ordered.filter(|ordered| ordered.commit.chain == order.chain)
            else {
                self.follower.stop();
                return effects;
            };
            effects.extend(self.committed(ordered));
            self.dag.prune(self.linearizer.horizon());
            self.follower.progressed();
        }
        effects.extend(self.follower.watch(&self.linearizer, &self.dag));
        effects
    }

    fn committed(&self, ordered: Ordered) -> [Effect; 2] {
        let record = Record::Committed {
            commit: ordered.commit.clone(),
            order: self.linearizer.state().clone(),
            schedule: leader::State::default(),
        };
        [Effect::Persist(record), Effect::Commit(ordered.commit)]
    }

    /// What a follower is told.
    fn hear(&mut self, message: Message) -> Vec<Effect> {
        match message {
            Message::Orders(orders) => {
                self.follower.hear(orders, self.linearizer.state().next);
                self.follow()
            }
            // A question to the first validator.
            Message::Want(_) => Vec::new(),
        }
    }

    /// What the first validator is asked.
    fn answer(&self, from: ValidatorId, message: &Message) -> Vec<Effect> {
        let answer = match message {
            Message::Want(first) => {
                let place = self.history.partition_point(|order| order.index < *first);
                let orders: Vec<_> =
                    self.history.range(place..).take(ORDERS_MAX).copied().collect();
                // Without the first of them the others are of no use.
                let is_known = orders.first().is_some_and(|order| order.index == *first);
                is_known.then_some(Message::Orders(orders))
            }
            // Only the first validator itself says this.
            Message::Orders(_) => None,
        };
        let send = |message| Effect::Send { to: from, message: crate::Message::Fcfs(message) };
        answer.map(send).into_iter().collect()
    }
}

impl Order {
    /// The place of a commit.
    fn of(commit: &Commit) -> Self {
        Self { index: commit.index, anchor: commit.anchor, chain: commit.chain }
    }
}

impl Protocol for Fcfs {
    fn step(&mut self, _now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            // Votes there are none. A first validator without its disk cannot go on in any case: it
            // would number anew, and the others, whose digests differ, would stop (rule F4).
            Input::Recovered(records) | Input::Forgotten(records) => {
                self.recover(records);
                Vec::new()
            }
            Input::Certificate(certificate) => self.take(&certificate),
            Input::Message { from, message: crate::Message::Fcfs(message) } => {
                match (self.identity.id == FIRST, from == FIRST) {
                    (true, _) => self.answer(from, &message),
                    (false, true) => self.hear(message),
                    (false, false) => Vec::new(),
                }
            }
            Input::Message { message: crate::Message::HotStuff(_), .. } => Vec::new(),
            Input::Timer(_) => self.follower.ask(&self.linearizer, &self.dag),
        }
    }

    fn size(&self) -> usize {
        self.dag.len() + self.history.len() + self.follower.len()
    }
}

#[cfg(test)]
mod tests;
