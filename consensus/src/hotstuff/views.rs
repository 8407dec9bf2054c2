//! Leaving views that bring nothing, and telling others how far we are.

use kraken_types::{Timestamp, ValidatorId, Verified};

use super::{
    HotStuff,
    message::{Message, Status},
    quorum::Timeout,
    tally::Support,
};

impl HotStuff {
    /// Learns from a time-out, and joins in if enough others gave up.
    pub(super) fn on_timeout(&mut self, now: Timestamp, from: ValidatorId, timeout: &Timeout) {
        if timeout.sender != from || self.timeouts.contains(timeout) {
            return;
        }
        if timeout.view < self.safety.view() {
            if self.pacemaker.may_tell(from, now) {
                self.send(from, Message::Status(Box::new(self.status(None))));
            }
            return;
        }
        let Ok(checked) = self.checker().timeout(timeout) else { return };
        self.observe_qc(&checked.high_qc);
        if let Some(tc) = &checked.tc {
            self.observe_tc(tc);
        }
        self.count_timeout(&checked.timeout);
    }

    /// Counts a time-out, of the current view or an earlier one.
    pub(super) fn count_timeout(&mut self, timeout: &Verified<Timeout>) {
        if timeout.view != self.safety.view() {
            return;
        }
        match self.timeouts.add(timeout, &self.config.identity.committee) {
            Support::Little => {}
            Support::Validity => {
                if self.pacemaker.timeout().is_none() {
                    self.give_up();
                }
            }
            Support::Quorum(tc) => {
                self.observe_tc(&tc);
                let status = self.status(None);
                self.broadcast(Message::Status(Box::new(status)));
            }
        }
    }

    /// Gives up on the current view, or says again that we did.
    pub(super) fn give_up(&mut self) {
        if let Some(timeout) = self.pacemaker.timeout() {
            let timeout = Box::new(Timeout::clone(timeout));
            self.broadcast(Message::Timeout(timeout));
            return;
        }
        let Some(timeout) = self.safety.give_up(&self.config.identity) else { return };
        self.pacemaker.give_up(timeout.clone());
        self.persist_safety();
        self.broadcast(Message::Timeout(Box::new(Timeout::clone(&timeout))));
        self.count_timeout(&timeout);
    }

    /// How far we are.
    pub(super) fn status(&self, asked_at: Option<Timestamp>) -> Status {
        let high_tc = self.safety.high_tc().map(Verified::into_inner);
        Status { asked_at, high_qc: self.safety.high_qc().into_inner(), high_tc }
    }

    /// Learns how far another validator is.
    pub(super) fn on_status(&mut self, from: ValidatorId, status: &Status) {
        let view = self.safety.view();
        if view <= status.high_qc.view() {
            let Ok(qc) = self.checker().qc(&status.high_qc) else { return };
            self.observe_qc(&qc);
        }
        if let Some(tc) = status.high_tc.as_ref().filter(|tc| view <= tc.view) {
            let Ok(tc) = self.checker().tc(tc) else { return };
            self.observe_tc(&tc);
        }
        self.answered(from, status.asked_at);
    }
}
