//! Checks what peers send, and each signature once: what is known already is not checked again.

use kraken_types::{Certificate, Committee, Verified, Verify};

use super::{
    block::BlockRef,
    message::Proposal,
    quorum::{Fault, Qc, Tc, Timeout},
    safety::Safety,
};
use crate::dag::Dag;

/// What is known already.
#[derive(Debug)]
pub(super) struct Checker<'a> {
    /// Whose signatures count.
    pub(super) committee: &'a Committee,
    /// The highest certificates.
    pub(super) safety: &'a Safety,
    /// Certificates of the DAG.
    pub(super) dag: &'a Dag,
}

/// A proposal whose every part was checked.
#[derive(Debug)]
pub(super) struct Checked {
    /// Which block.
    pub(super) block: BlockRef,
    /// Of its parent.
    pub(super) qc: Verified<Qc>,
    /// Proof that the view before was given up, unless `qc` is of the view before.
    pub(super) tc: Option<Verified<Tc>>,
}

impl Checker<'_> {
    /// Checks a certificate, or takes ours of the same block instead.
    ///
    /// # Errors
    /// [`Fault`] names what is wrong.
    pub(super) fn qc(&self, qc: &Qc) -> Result<Verified<Qc>, Fault> {
        if qc.block == self.safety.high_block() {
            return Ok(self.safety.high_qc());
        }
        qc.clone().verified(self.committee)
    }

    /// Checks that a view was given up.
    ///
    /// # Errors
    /// [`Fault`] names what is wrong.
    pub(super) fn tc(&self, tc: &Tc) -> Result<Verified<Tc>, Fault> {
        match self.safety.high_tc() {
            Some(known) if *known == *tc => Ok(known),
            Some(_) | None => tc.clone().verified(self.committee),
        }
    }

    /// Checks that an anchor is a certificate of the DAG.
    ///
    /// # Errors
    /// [`Fault::BadCut`] if it is none.
    pub(super) fn cut(&self, cut: &Certificate) -> Result<Verified<Certificate>, Fault> {
        match self.dag.get(&cut.digest()) {
            Some(known) => Ok(known.clone()),
            None => cut.clone().verified(self.committee).map_err(|_| Fault::BadCut),
        }
    }

    /// Checks a proposal, but for its anchor.
    ///
    /// # Errors
    /// [`Fault`] names what is wrong.
    pub(super) fn proposal(&self, proposal: &Proposal) -> Result<Checked, Fault> {
        let block = proposal.check(self.committee)?;
        let qc = self.qc(&proposal.qc)?;
        let needs_tc = qc.view().next() != block.view;
        let tc = proposal.tc.as_ref().filter(|_| needs_tc);
        Ok(Checked { block, qc, tc: tc.map(|tc| self.tc(tc)).transpose()? })
    }

    /// Checks a time-out, and the certificates with which it came.
    ///
    /// # Errors
    /// [`Fault`] names what is wrong.
    pub(super) fn timeout(&self, timeout: &Timeout) -> Result<CheckedTimeout, Fault> {
        timeout.check(self.committee)?;
        let high_qc = self.qc(&timeout.high_qc)?;
        let needs_tc = high_qc.view().next() != timeout.view && self.safety.view() < timeout.view;
        let tc = timeout.tc.as_ref().filter(|_| needs_tc).map(|tc| self.tc(tc)).transpose()?;
        let timeout = Timeout {
            sender: timeout.sender,
            view: timeout.view,
            high_qc: Qc::clone(&high_qc),
            tc: None,
            signature: timeout.signature,
        };
        Ok(CheckedTimeout { timeout: Verified::made_here(timeout), high_qc, tc })
    }
}

/// A time-out whose every part was checked.
#[derive(Debug)]
pub(super) struct CheckedTimeout {
    /// Without the proof that its view was reached.
    pub(super) timeout: Verified<Timeout>,
    /// The highest certificate of the sender.
    pub(super) high_qc: Verified<Qc>,
    /// Proof that the view before was given up, if we do not know that already.
    pub(super) tc: Option<Verified<Tc>>,
}
