//! Proposes anchors that were decided long ago, and hides the highest certificate that it knows.
//!
//! Stopped by the order, which takes an anchor once, and by S3: a quorum that gave up on a view
//! holds somebody who names what may have been decided.

use bytes::Bytes;
use kraken_consensus::hotstuff::{
    block::Block,
    message::{Message, Proposal, Status},
    quorum::{Qc, Timeout},
};
use kraken_mempool::primary;
use kraken_types::{Certificate, ValidatorId};
use rand::Rng;

use super::{
    mail::{self, Content},
    memory::Memory,
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Stale {
    cuts: Memory<Certificate>,
    qcs: Memory<Qc>,
}

impl Sin for Stale {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let message = mail::hotstuff(letter.lane, &letter.bytes);
        let old = if let Some(Message::Proposal(proposal)) = message {
            Message::Proposal(Box::new(self.proposal(around, *proposal)))
        } else if let Some(Message::Timeout(timeout)) = message {
            Message::Timeout(Box::new(self.timeout(around, *timeout)))
        } else if let Some(Message::Status(status)) = message {
            let high_qc = self.qcs.any(around.random).unwrap_or(status.high_qc);
            Message::Status(Box::new(Status { high_qc, ..*status }))
        } else {
            return vec![letter];
        };
        vec![Content::from(old).to(letter.to)]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        if let Some(primary::Message::Certificate(certificate)) = mail::primary(lane, bytes) {
            self.cuts.keep(around.random, certificate);
        }
        if let Some(Message::Proposal(proposal)) = mail::hotstuff(lane, bytes) {
            self.qcs.keep(around.random, proposal.qc);
        }
        Vec::new()
    }
}

impl Stale {
    /// The same for all, unless chance gives them different old anchors.
    fn proposal(&self, around: &mut Surroundings<'_>, honest: Proposal) -> Proposal {
        let Proposal { mut block, mut qc, tc, signature: _ } = honest;
        block.cut = self.cuts.any(around.random).or(block.cut);
        if let Some(old) = self.qcs.any(around.random).filter(|_| around.random.gen_bool(0.3)) {
            block = Block { parent: old.block, ..block };
            qc = old;
        }
        Proposal::sign(block, qc, tc, around.identity).into_inner()
    }

    fn timeout(&self, around: &mut Surroundings<'_>, honest: Timeout) -> Timeout {
        let high_qc = self.qcs.any(around.random).unwrap_or(honest.high_qc);
        Timeout::sign(honest.view, high_qc, honest.tc, around.identity).into_inner()
    }
}
