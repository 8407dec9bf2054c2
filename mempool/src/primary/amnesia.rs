//! After the loss of the disk: nothing is signed that could contradict what was signed before.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::{Certificate, Identity, Round, Stake, Timestamp, ValidatorId, Verify};

use super::{Message, Output, Primary, Record, retry::Retry};

/// What we signed before the loss can be this far above the highest certificate that a quorum of
/// others show; one round more than need be.
///
/// If we signed a header of round r, or a vote for one, we had accepted its parents of round r - 1.
/// Each of them has the votes of a quorum, and each voter had accepted certificates of round r - 2
/// before, durably. Any quorum of others shares an honest validator with those voters.
const REACH: u64 = 3;

/// Until when nothing is signed.
///
/// The others show a certificate instead of naming a round, because a made-up number could silence
/// us for ever. They make rounds until we may speak, also if there is no other reason: a silent
/// validator is as good as a faulty one.
#[derive(Debug, Default)]
pub(super) struct Amnesia {
    silent: Round,
    /// The highest round of each that answered; `None` once enough have.
    answers: Option<BTreeMap<ValidatorId, Round>>,
    /// When to ask again; `None` once we may speak.
    retry: Option<Retry>,
}

impl Amnesia {
    /// Nothing is signed up to this round.
    pub(super) fn silent(&self) -> Round {
        self.silent
    }

    /// Goes on as the newest record says.
    pub(super) fn resume(&mut self, now: Timestamp, silent: Round, retry_after: Duration) {
        self.silent = silent;
        self.answers = (silent == FOR_EVER).then(BTreeMap::new);
        self.retry = Some(Retry::at_once(now, retry_after));
    }

    /// When to ask again.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.retry.map(|retry| retry.at())
    }

    /// Whether an answer of this validator is missing.
    fn is_asking(&self, id: ValidatorId) -> bool {
        self.answers.as_ref().is_some_and(|answers| !answers.contains_key(&id))
    }

    /// Whom to ask now: those that did not answer, then everyone until they have made the rounds
    /// that we need.
    fn ask(&mut self, now: Timestamp, quorum: Round, identity: &Identity) -> Vec<ValidatorId> {
        self.retry = self.retry.filter(|_| quorum < self.silent);
        if !self.retry.as_mut().is_some_and(|retry| retry.is_due(now)) {
            return Vec::new();
        }
        identity.peers().filter(|peer| self.answers.is_none() || self.is_asking(*peer)).collect()
    }

    /// Counts an answer; the round up to which to be silent, once enough have answered.
    fn answer(&mut self, from: ValidatorId, reached: Round, identity: &Identity) -> Option<Round> {
        let answers = self.answers.as_mut()?;
        answers.insert(from, reached);
        let committee = &identity.committee;
        let heard: Stake = answers.keys().map(|id| committee.stake(*id)).sum();
        // In a committee of three or less no quorum is left without us: then everyone must answer.
        let others = committee.total() - committee.stake(identity.id);
        if heard < committee.quorum().min(others) {
            return None;
        }
        let highest = answers.values().copied().max().unwrap_or_default();
        self.silent = highest.ahead(REACH);
        self.answers = None;
        Some(self.silent)
    }
}

/// Stands in the record while the others have not answered.
const FOR_EVER: Round = Round(u64::MAX);

impl Primary {
    /// The disk was lost. Alone, nobody else knows what we signed: there is nothing to contradict.
    pub(super) fn forget(&mut self, now: Timestamp, records: Vec<Record>) {
        self.recover(now, records);
        if self.config.identity.is_alone() {
            return;
        }
        self.outputs.push(Output::Persist(Record::Silent(FOR_EVER)));
        self.amnesia.resume(now, FOR_EVER, self.config.retry_after);
        self.proposer.round = FOR_EVER;
    }

    /// Asks the others while we are silent.
    pub(super) fn remember(&mut self, now: Timestamp) {
        for to in self.amnesia.ask(now, self.dag.quorum(), &self.config.identity) {
            self.outputs.push(Output::Send { to, message: Message::Forgot });
        }
    }

    /// Another validator lost its disk. We answer unless we do not remember ourselves, and make the
    /// rounds that it must let pass.
    pub(super) fn hear_forgot(&mut self, now: Timestamp, from: ValidatorId) {
        let (silent, top) = (self.amnesia.silent(), self.dag.top());
        let remembers = silent == Round(0) || silent < top;
        if !remembers || !self.may_have_one(now, from) {
            return;
        }
        self.proposer.accompany(top.ahead(REACH));
        let highest = self.dag.round(top).next().map(|highest| Certificate::clone(highest));
        self.outputs.push(Output::Send { to: from, message: Message::Reached(highest) });
    }

    /// A validator shows how far it is.
    pub(super) fn hear_reached(&mut self, from: ValidatorId, highest: Option<Certificate>) {
        if !self.amnesia.is_asking(from) {
            return;
        }
        let identity = &self.config.identity;
        let round = match highest {
            None => Round(0),
            Some(highest) if highest.verify(&identity.committee).is_ok() => highest.header().round,
            Some(_) => return,
        };
        if let Some(silent) = self.amnesia.answer(from, round, identity) {
            self.outputs.push(Output::Persist(Record::Silent(silent)));
            self.proposer.round = silent;
            self.sync.lags_behind(from);
        }
    }
}
