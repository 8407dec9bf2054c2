//! After the loss of the disk: nothing is signed that could contradict what was signed before.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::{Certificate, Identity, Round, Stake, Timestamp, ValidatorId, Verify};

use super::{AHEAD_MAX, Message, Output, Primary, Record, retry::Retry};

/// Until when nothing is signed.
///
/// Whatever we signed before the loss was in a round whose parents a quorum had voted for, and of
/// any quorum of others one at least is honest and was among those voters; it accepted a
/// certificate at most two rounds below. So nothing of ours can be further than three rounds above
/// the highest certificate that a quorum of others show. They show the certificate itself, because
/// a made-up number could silence us for ever.
#[derive(Debug, Default)]
pub(super) struct Amnesia {
    silent: Round,
    asking: Option<Asking>,
}

#[derive(Debug)]
struct Asking {
    /// The highest round of each that answered.
    answers: BTreeMap<ValidatorId, Round>,
    retry: Retry,
}

impl Amnesia {
    /// Nothing is signed up to this round.
    pub(super) fn silent(&self) -> Round {
        if self.asking.is_some() { FOR_EVER } else { self.silent }
    }

    /// Goes on as the newest record says.
    pub(super) fn resume(&mut self, now: Timestamp, silent: Round, retry_after: Duration) {
        if silent == FOR_EVER {
            let retry = Retry::at_once(now, retry_after);
            self.asking = Some(Asking { answers: BTreeMap::new(), retry });
        } else {
            self.silent = silent;
            self.asking = None;
        }
    }

    /// When to ask again.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.asking.as_ref().map(|asking| asking.retry.at())
    }

    /// Whether an answer of this validator is missing.
    fn is_asking(&self, id: ValidatorId) -> bool {
        self.asking.as_ref().is_some_and(|asking| !asking.answers.contains_key(&id))
    }

    /// Whom to ask now.
    fn ask(&mut self, now: Timestamp, identity: &Identity) -> Vec<ValidatorId> {
        let Some(asking) = &mut self.asking else { return Vec::new() };
        if !asking.retry.is_due(now) {
            return Vec::new();
        }
        identity.peers().filter(|peer| !asking.answers.contains_key(peer)).collect()
    }

    /// Counts an answer; the round up to which to be silent, once enough have answered.
    fn answer(&mut self, from: ValidatorId, reached: Round, identity: &Identity) -> Option<Round> {
        let asking = self.asking.as_mut()?;
        asking.answers.insert(from, reached);
        let committee = &identity.committee;
        let heard: Stake = asking.answers.keys().map(|id| committee.stake(*id)).sum();
        // In a committee of three or less no quorum is left without us: then everyone must answer.
        let others = committee.total() - committee.stake(identity.id);
        if heard < committee.quorum().min(others) {
            return None;
        }
        let highest = asking.answers.values().copied().max().unwrap_or_default();
        self.silent = highest.ahead(3 + AHEAD_MAX);
        self.asking = None;
        Some(self.silent)
    }
}

/// Stands in the record while the others have not answered.
const FOR_EVER: Round = Round(u64::MAX);

impl Primary {
    /// The disk was lost. Alone, nobody else knows what we signed: there is nothing to contradict.
    pub(super) fn forget(&mut self, now: Timestamp) {
        self.sync.start(now);
        if self.config.identity.is_alone() {
            return;
        }
        self.outputs.push(Output::Persist(Record::Silent(FOR_EVER)));
        self.amnesia.resume(now, FOR_EVER, self.config.retry_after);
        self.proposer.round = FOR_EVER;
    }

    /// Asks those that have not answered.
    pub(super) fn remember(&mut self, now: Timestamp) {
        for to in self.amnesia.ask(now, &self.config.identity) {
            self.outputs.push(Output::Send { to, message: Message::Forgot });
        }
    }

    /// Another validator lost its disk. We answer unless we do not remember ourselves.
    pub(super) fn hear_forgot(&mut self, now: Timestamp, from: ValidatorId) {
        let (silent, top) = (self.amnesia.silent(), self.dag.top());
        let remembers = silent == Round(0) || silent < top;
        if !remembers || !self.may_have_one(now, from) {
            return;
        }
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
