//! The voting rules, and nothing else: what a validator may sign.
//!
//! As long as less than a third of the stake breaks these rules, no two blocks are decided of which
//! neither extends the other (Jolteon, arXiv:2106.10362):
//!
//! - S1 A validator signs one proposal per view, in ascending order of views.
//! - S2 It votes in a view once, in ascending order of views, and not in a view that it gave up.
//! - S3 It votes for a block of view `v` that extends a block certified in `v - 1`; or, if `v - 1`
//!   was given up by a quorum, one certified no earlier than the highest certificate which any of
//!   that quorum knew.
//! - S4 It gives up a view only when it has reached it, names the highest certificate it has ever
//!   seen, and has voted in no later view.
//!
//! The current view follows from the certificates: it is the one after the highest.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Committee, Identity, Verified, View};

use super::{
    block::BlockRef,
    quorum::{Qc, Tc, Timeout, Vote},
};

/// The state of safety. What a validator signs is durable in it before it is sent.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Safety {
    /// The last view in which we voted or gave up.
    signed: View,
    /// The last view in which we proposed.
    proposed: View,
    /// Our last vote, to be sent again.
    vote: Option<Vote>,
    /// Of the highest view we know.
    high_qc: Qc,
    /// Proof that a view was given up that is not below that of `high_qc`; the last one.
    high_tc: Option<Tc>,
    /// We lost our disk and do not know yet what we signed: we sign nothing.
    is_silent: bool,
}

impl Safety {
    /// The state of a validator that never signed anything.
    pub fn new(committee: &Committee) -> Self {
        Self {
            signed: View(0),
            proposed: View(0),
            vote: None,
            high_qc: Qc::genesis(committee).into_inner(),
            high_tc: None,
            is_silent: false,
        }
    }

    /// The state of a validator that may have signed anything.
    pub fn forgotten(committee: &Committee) -> Self {
        Self { is_silent: true, ..Self::new(committee) }
    }

    /// The current view.
    pub fn view(&self) -> View {
        let given_up = self.high_tc.as_ref().map_or(View(0), |tc| tc.view);
        given_up.max(self.high_qc.view()).next()
    }

    /// Whether we sign nothing because we lost our disk.
    pub fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// The last view in which we voted or gave up.
    pub fn signed(&self) -> View {
        self.signed
    }

    /// The last view in which we proposed.
    pub fn proposed(&self) -> View {
        self.proposed
    }

    /// The certificate of the highest view we know.
    pub fn high_qc(&self) -> Verified<Qc> {
        Verified::made_here(self.high_qc.clone())
    }

    /// The block that this certifies.
    pub fn high_block(&self) -> BlockRef {
        self.high_qc.block
    }

    /// Proof that the view before the current was given up, unless it was certified.
    pub fn high_tc(&self) -> Option<Verified<Tc>> {
        self.high_tc.clone().map(Verified::made_here)
    }

    /// Our last vote.
    pub fn vote(&self) -> Option<Verified<Vote>> {
        self.vote.clone().map(Verified::made_here)
    }

    /// Learns that a block is certified.
    pub fn observe_qc(&mut self, qc: &Verified<Qc>) {
        if self.high_qc.view() < qc.view() {
            self.high_qc = Qc::clone(qc);
        }
        self.high_tc.take_if(|tc| tc.view <= qc.view());
    }

    /// Learns that a view was given up.
    pub fn observe_tc(&mut self, tc: &Verified<Tc>) {
        self.observe_qc(&Verified::made_here(tc.high_qc.clone()));
        if self.view() <= tc.view {
            self.high_tc = Some(Tc::clone(tc));
        }
    }

    /// Learns, after [`Safety::forgotten`], that nothing can have been signed behind the view after
    /// the current one.
    pub fn remember(&mut self) {
        self.is_silent = false;
        self.signed = self.view().next();
        self.proposed = self.signed;
    }

    /// Whether [`Safety::propose`] will let us propose in the current view (S1).
    pub fn may_propose(&self) -> bool {
        !self.is_silent && self.proposed < self.view()
    }

    /// Takes the one proposal of the current view; `false` if it was taken already.
    pub fn propose(&mut self) -> bool {
        let may_propose = self.may_propose();
        if may_propose {
            self.proposed = self.view();
        }
        may_propose
    }

    /// Votes for a block, or not (S2, S3). `qc` certifies its parent; `tc` came with the proposal.
    pub fn cast(
        &mut self,
        block: BlockRef,
        qc: &Verified<Qc>,
        tc: Option<&Verified<Tc>>,
        identity: &Identity,
    ) -> Option<Verified<Vote>> {
        let is_next = qc.view().next() == block.view;
        let is_highest =
            tc.is_some_and(|tc| tc.view.next() == block.view && tc.high_qc.view() <= qc.view());
        let is_new = self.signed < block.view && !self.is_silent;
        if !is_new || block.view != self.view() || !(is_next || is_highest) {
            return None;
        }
        self.signed = block.view;
        let vote = Vote::sign(block, identity);
        self.vote = Some(Vote::clone(&vote));
        Some(vote)
    }

    /// Gives up on the current view, or not (S4).
    pub fn give_up(&mut self, identity: &Identity) -> Option<Verified<Timeout>> {
        let view = self.view();
        if self.is_silent || view < self.signed {
            return None;
        }
        self.signed = view;
        Some(Timeout::sign(view, self.high_qc.clone(), self.high_tc.clone(), identity))
    }
}
