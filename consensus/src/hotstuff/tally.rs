//! Counts votes and time-outs until they make a certificate.

use std::collections::BTreeMap;

use kraken_types::{Committee, Signature, Signers, Stake, ValidatorId, Verified, View};

use super::quorum::{Qc, Tc, Timeout, Vote};

/// Votes by view. Bounded: views from the one before the current to [`Votes::AHEAD`] behind it, and
/// in each one vote per validator, the first.
#[derive(Debug, Default)]
pub(super) struct Votes {
    views: BTreeMap<View, BTreeMap<ValidatorId, Verified<Vote>>>,
}

impl Votes {
    /// How many views votes may be ahead of us, when they overtake what brings us there.
    pub(super) const AHEAD: u64 = 4;

    /// Whether a vote could matter: it is near the current view, and the first of that voter.
    pub(super) fn has_room_for(&self, vote: &Vote, current: View) -> bool {
        let (first, last) = (current.0.saturating_sub(1), current.0.saturating_add(Self::AHEAD));
        let voted = self.views.get(&vote.block.view);
        (first..=last).contains(&vote.block.view.0)
            && !voted.is_some_and(|voted| voted.contains_key(&vote.voter))
    }

    /// Whether its voter has voted for another block of that view.
    pub(super) fn contradict(&self, vote: &Vote) -> bool {
        let voted = self.views.get(&vote.block.view).and_then(|voted| voted.get(&vote.voter));
        voted.is_some_and(|first| first.block != vote.block)
    }

    /// Counts a vote for which there is room; returns the certificate once there is a quorum.
    pub(super) fn add(
        &mut self,
        vote: Verified<Vote>,
        committee: &Committee,
    ) -> Option<Verified<Qc>> {
        let block = vote.block;
        let votes = self.views.entry(block.view).or_default();
        votes.entry(vote.voter).or_insert(vote);
        let same = votes.values().filter(|vote| vote.block == block);
        let (signers, signatures): (Vec<_>, Vec<_>) =
            same.map(|vote| (vote.voter, vote.signature)).unzip();
        let signers: Signers = signers.into_iter().collect();
        (committee.quorum() <= committee.stake_of(&signers))
            .then(|| Verified::made_here(Qc { block, signers, signatures }))
    }

    /// Forgets all that cannot matter any more.
    pub(super) fn enter(&mut self, current: View) {
        self.views = self.views.split_off(&View(current.0.saturating_sub(1)));
    }

    /// How many votes there are.
    pub(super) fn len(&self) -> usize {
        self.views.values().map(BTreeMap::len).sum()
    }
}

/// Time-outs of the current view, one per validator, the first.
#[derive(Debug, Default)]
pub(super) struct Timeouts {
    /// The current view.
    view: View,
    votes: BTreeMap<ValidatorId, (View, Signature)>,
    /// The highest certificate among them.
    high_qc: Option<Qc>,
}

/// How much weight gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// Perhaps nobody honest.
    Little,
    /// Somebody honest: we give up as well, so that everyone does.
    Validity,
    /// A quorum: the view is over.
    Quorum(Verified<Tc>),
}

impl Timeouts {
    /// Whether this one was counted before; it is sent again and again.
    pub(super) fn contains(&self, timeout: &Timeout) -> bool {
        let counted = (timeout.high_qc.view(), timeout.signature);
        self.view == timeout.view && self.votes.get(&timeout.sender) == Some(&counted)
    }

    /// Counts a time-out of the current view.
    pub(super) fn add(&mut self, timeout: &Verified<Timeout>, committee: &Committee) -> Support {
        let high_qc = timeout.high_qc.view();
        self.votes.entry(timeout.sender).or_insert((high_qc, timeout.signature));
        if self.high_qc.as_ref().is_none_or(|highest| highest.view() < high_qc) {
            self.high_qc = Some(timeout.high_qc.clone());
        }
        let signers: Signers = self.votes.keys().copied().collect();
        let stake: Stake = committee.stake_of(&signers);
        match &self.high_qc {
            Some(high_qc) if committee.quorum() <= stake => {
                let timeouts = self.votes.values().copied().collect();
                let tc = Tc { view: timeout.view, high_qc: high_qc.clone(), signers, timeouts };
                Support::Quorum(Verified::made_here(tc))
            }
            _ if committee.validity() <= stake => Support::Validity,
            _ => Support::Little,
        }
    }

    /// Forgets all: another view is current.
    pub(super) fn enter(&mut self, view: View) {
        *self = Self { view, ..Self::default() };
    }

    /// How many time-outs there are.
    pub(super) fn len(&self) -> usize {
        self.votes.len()
    }
}
