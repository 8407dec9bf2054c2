//! Bullshark, its partially synchronous version (arXiv:2209.05633).
//!
//! Validators running it say nothing to each other: the DAG, which they all have in common, is read
//! as votes. Rules:
//!
//! - B1 Each even round from 2 on has one *anchor*: the certificate of the leader of that round
//!   ([`leader`](crate::leader), turn `round / 2`).
//! - B2 An anchor is *decided* once certificates of the next round cite it with the weight of
//!   validity, one honest validator at least. (The paper: f + 1 votes in the round after.)
//! - B3 From a decided anchor one walks back: an earlier anchor, not yet ordered, is ordered too if
//!   there is a path to it from the anchor that was found last. (The paper: the stack of anchors.)
//! - B4 The anchors found are ordered oldest first, each with its history, by the
//!   [`linearizer`](crate::linearizer). (The paper leaves garbage collection out; see there.)
//! - B5 After each ordered anchor the schedule learns. If turns change hands, what else was found is
//!   dropped, and rounds above that anchor are looked at anew under the new schedule, as in Shoal
//!   (arXiv:2306.03058). The paper goes round the validators for ever.
//! - B6 The mempool is asked to wait, in an even round, for the anchor of that round, and in an odd
//!   one for a verdict on the anchor before. These waits are the timeouts of the paper, without
//!   which nothing is decided when an anchor is slower than a quorum of others; the deadline of a
//!   round is the mempool's.
//!
//! Why all agree: those who cite a decided anchor intersect every quorum of parents one round
//! later, so each certificate from there on has a path to it, and each later anchor finds it on its
//! walk. What a walk finds depends on the history of the anchor it begins at, which is the same
//! everywhere. So under one schedule the first anchor ordered after another is the same on all
//! validators; and the schedule after it is a function of the order up to it. By induction both are
//! the same everywhere.
//!
//! One record is written for each ordered anchor. It is an optimisation only (nothing was said that
//! could be contradicted) but for one thing: the order before what the mempool still delivers.

use std::sync::Arc;

use kraken_types::{
    Awaited, Certificate, Committee, Round, Signers, Timestamp, ValidatorId, Verified,
};

use crate::{
    Config, Effect, Input, Protocol, Record,
    dag::{Dag, Node},
    last_committed,
    leader::{Outcome, Schedule},
    linearizer::{Clock, Linearizer},
};

/// The DAG above the last ordered anchors, and where the order ends in it.
///
/// Holds what the mempool delivered above the horizon of the [`Linearizer`], and nothing else.
#[derive(Debug)]
pub struct Bullshark {
    committee: Arc<Committee>,
    dag: Dag,
    linearizer: Linearizer,
    schedule: Schedule,
    /// The mempool was told what to wait for in rounds up to this one.
    hinted: Round,
}

impl Bullshark {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        let committee = config.identity.committee;
        Self {
            dag: Dag::new(),
            linearizer: Linearizer::new(Arc::clone(&committee), config.gc_depth, Clock::Median),
            schedule: Schedule::new(Arc::clone(&committee)),
            hinted: Round(0),
            committee,
        }
    }

    fn recover(&mut self, records: Vec<Record>) {
        if let Some((order, schedule)) = last_committed(records) {
            self.linearizer.restore(order);
            self.schedule.restore(schedule);
            self.dag.prune(self.linearizer.horizon());
        }
    }

    fn take(&mut self, certificate: Verified<Certificate>) -> Vec<Effect> {
        let (round, author) = (certificate.header().round, certificate.header().author);
        if !self.dag.insert(certificate) {
            return Vec::new();
        }
        // Hints go out one round ahead: the mempool may enter the next round at any time.
        let mut first = self.hinted.next().max(round);
        if self.leader(round) == Some(author) {
            // Now there is something to reach a verdict on.
            first = first.min(round.next());
        }
        let mut effects: Vec<_> =
            (first.0..=round.next().0).map(|at| self.hint(Round(at))).collect();
        self.hinted = self.hinted.max(round.next());
        // No anchor above the last ordered one was decided before, and the support of one only has
        // grown.
        effects.extend(self.commit(round.back(1)));
        effects
    }

    /// Orders whatever follows from the anchor of a round, if that is decided.
    fn commit(&mut self, cited: Round) -> Vec<Effect> {
        let mut effects = Vec::new();
        let mut decided = Some(cited).filter(|round| self.is_decided(*round));
        while let Some(round) = decided {
            for anchor in self.chain(round) {
                if self.order(&anchor, &mut effects) {
                    effects.extend(self.hints_anew());
                    break;
                }
            }
            // Under another schedule several anchors may be decided at once.
            decided = self.first_decided();
        }
        self.dag.prune(self.linearizer.horizon());
        effects
    }

    /// Rule B2, for anchors that are not ordered yet.
    fn is_decided(&self, round: Round) -> bool {
        let anchor =
            Some(round).filter(|round| self.last() < *round).and_then(|round| self.anchor(round));
        anchor.is_some_and(|anchor| {
            let support =
                self.dag.support(round, anchor.certificate().header().author, &self.committee);
            self.committee.validity() <= support
        })
    }

    /// The lowest decided round above the last ordered anchor.
    fn first_decided(&self) -> Option<Round> {
        (self.last().next().0..=self.dag.top().0).map(Round).find(|round| self.is_decided(*round))
    }

    /// Rule B3: the anchors to order, oldest first, given that that of `round` is decided.
    fn chain(&self, round: Round) -> Vec<Verified<Certificate>> {
        let mut chain = Vec::new();
        let mut found: Signers = self.leader(round).into_iter().collect();
        for round in (self.last().next().0..=round.0).rev().map(Round) {
            if let Some(anchor) = self.leader(round).filter(|leader| found.contains(*leader)) {
                chain.extend(self.dag.node(round, anchor).map(|node| node.certificate().clone()));
                found = Signers::from_iter([anchor]);
            }
            found = self.dag.parents_of(round, &found);
        }
        chain.reverse();
        chain
    }

    /// Rules B4 and B5: orders one anchor; `true` if turns changed hands.
    fn order(&mut self, anchor: &Certificate, effects: &mut Vec<Effect>) -> bool {
        let (last, led) = (self.last(), anchor.header());
        let between = (last.next().0..led.round.0).map(Round);
        let skipped = between.filter_map(|round| self.leader(round)).collect();
        let ordered = self.linearizer.order(&self.dag, anchor);
        let ordered = ordered.expect("an anchor above all ordered anchors is not ordered");
        let present = ordered.certificates.iter().map(|certificate| certificate.header().author);
        let outcome = Outcome { led: led.author, skipped, present: present.collect() };
        let is_changed = self.schedule.learn(&outcome);
        let commit = ordered.commit;
        effects.push(Effect::Persist(Record::Committed {
            commit: commit.clone(),
            order: self.linearizer.state().clone(),
            schedule: self.schedule.state().clone(),
        }));
        effects.push(Effect::Commit(commit));
        is_changed
    }

    /// Rule B6: what to wait for in a round.
    fn hint(&self, round: Round) -> Effect {
        let verdict = || self.anchor(round.back(1)).map(|node| node.certificate().digest());
        let until = match self.leader(round) {
            Some(leader) => Awaited::Certificate(leader),
            None => verdict().map_or(Awaited::Nothing, Awaited::Verdict),
        };
        Effect::Hold { round, until }
    }

    /// Hints for the rounds in which the mempool may be, because turns changed hands.
    fn hints_anew(&self) -> Vec<Effect> {
        let top = self.dag.top();
        (top.back(1).0..=self.hinted.0).map(|round| self.hint(Round(round))).collect()
    }

    /// The round of the last ordered anchor.
    fn last(&self) -> Round {
        self.linearizer.state().window.anchor
    }

    /// Rule B1: whose certificate is the anchor of a round; `None` in a round without one.
    fn leader(&self, round: Round) -> Option<ValidatorId> {
        let has_anchor = round != Round(0) && round.0.is_multiple_of(2);
        has_anchor.then(|| self.schedule.leader(round.0 / 2))
    }

    /// The anchor of a round, if it was delivered.
    fn anchor(&self, round: Round) -> Option<&Node> {
        self.dag.node(round, self.leader(round)?)
    }
}

impl Protocol for Bullshark {
    fn step(&mut self, _now: Timestamp, input: Input) -> Vec<Effect> {
        match input {
            // It signs nothing, so there is nothing that it could contradict.
            Input::Recovered(records) | Input::Forgotten(records) => {
                self.recover(records);
                Vec::new()
            }
            Input::Certificate(certificate) => self.take(certificate),
            // It says nothing and asks for no timer: these are another protocol's.
            Input::Message { .. } | Input::Timer(_) => Vec::new(),
        }
    }

    fn size(&self) -> usize {
        self.dag.len()
    }
}

#[cfg(test)]
mod tests;
