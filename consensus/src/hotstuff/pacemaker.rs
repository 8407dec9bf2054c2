//! How long a view may take.
//!
//! Time is only kept while there is something to decide on, so an idle committee is quiet. The
//! patience doubles with each view that brings no decision: after the network has become timely,
//! views soon last long enough for one.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::{Timestamp, ValidatorId, Verified, View};

use super::quorum::Timeout;

/// The clock of the current view.
#[derive(Debug)]
pub(super) struct Pacemaker {
    /// The first patience.
    base: Duration,
    /// The last patience.
    max: Duration,
    /// Whether the timer runs for the current view.
    is_armed: bool,
    /// Our time-out of the current view, to be sent again: messages get lost.
    timeout: Option<Verified<Timeout>>,
    /// When we last told a validator how far we are. One entry per validator.
    told: BTreeMap<ValidatorId, Timestamp>,
}

impl Pacemaker {
    /// So many views after a decided one are as they should be: the next one certifies it, and one
    /// more runs when that is known.
    const USUAL: u64 = 3;

    /// Starts with a stopped clock.
    pub(super) fn new(base: Duration, max: Duration) -> Self {
        Self { base, max, is_armed: false, timeout: None, told: BTreeMap::new() }
    }

    /// Another view is current.
    pub(super) fn enter(&mut self) {
        self.is_armed = false;
        self.timeout = None;
    }

    /// How long the view may take if the timer does not run yet, which it then does.
    pub(super) fn arm(&mut self, current: View, decided: View) -> Option<Duration> {
        let starts = !self.is_armed;
        self.is_armed = true;
        starts.then(|| self.patience(current, decided))
    }

    /// The timer ran out: `true` if it was that of the current view.
    pub(super) fn ring(&mut self) -> bool {
        std::mem::take(&mut self.is_armed)
    }

    /// Our time-out of the current view, if we gave up on it.
    pub(super) fn timeout(&self) -> Option<&Verified<Timeout>> {
        self.timeout.as_ref()
    }

    /// We gave up on the current view.
    pub(super) fn give_up(&mut self, timeout: Verified<Timeout>) {
        self.timeout = Some(timeout);
    }

    /// Whether a validator that seems to be behind may be told so: at most twice in the time that a
    /// view takes at least, however often it sends.
    pub(super) fn may_tell(&mut self, peer: ValidatorId, now: Timestamp) -> bool {
        let last = self.told.get(&peer);
        let may_tell = last.is_none_or(|last| self.base / 2 <= now.since(*last));
        if may_tell {
            self.told.insert(peer, now);
        }
        may_tell
    }

    /// How long a view may take.
    fn patience(&self, current: View, decided: View) -> Duration {
        let late = current.0.saturating_sub(decided.0).saturating_sub(Self::USUAL);
        let factor = 1_u32 << late.min(20);
        self.base.saturating_mul(factor).min(self.max)
    }
}
