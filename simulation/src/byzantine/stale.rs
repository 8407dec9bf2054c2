//! Proposes anchors that were decided long ago, and hides the highest certificate that it knows.
//!
//! Stopped by the order, which takes an anchor once, and by S3: a quorum that gave up on a view
//! holds somebody who names what may have been decided.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kraken_consensus::hotstuff::{
    block::Block,
    message::{Message, Proposal, Status},
    quorum::{Qc, Timeout, Vote},
};
use kraken_mempool::primary;
use kraken_types::{Certificate, ValidatorId, View};
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
    /// The newest certificates of blocks, newest first.
    qcs: VecDeque<Qc>,
    /// What it proposes in each of its views; nothing in some, so that the next one opens with
    /// proof of that.
    proposed: BTreeMap<View, Option<Proposal>>,
}

/// It remembers so many certificates of blocks.
const QCS_MAX: usize = 6;

impl Sin for Stale {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let message = mail::hotstuff(letter.lane, &letter.bytes);
        let old = if let Some(Message::Proposal(proposal)) = message {
            let view = proposal.block.view;
            let old = self.proposed.get(&view).cloned().unwrap_or_else(|| {
                let passes = proposal.tc.is_none() && around.random.gen_bool(0.7);
                (!passes).then(|| self.proposal(around, *proposal))
            });
            self.proposed.insert(view, old.clone());
            let Some(old) = old else { return Vec::new() };
            let block = old.block.reference(&around.identity.committee);
            let vote = Message::Vote(Vote::sign(block, around.identity).into_inner());
            let old = Message::Proposal(Box::new(old));
            return [old, vote].map(|message| Content::from(message).to(letter.to)).into();
        } else if let Some(Message::Timeout(timeout)) = message {
            Message::Timeout(Box::new(self.timeout(around, *timeout)))
        } else if let Some(Message::Status(status)) = message {
            let high_qc = self.old_qc(around).unwrap_or(status.high_qc);
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
            self.qcs.push_front(proposal.qc);
            self.qcs.truncate(QCS_MAX);
        }
        Vec::new()
    }
}

impl Stale {
    fn old_qc(&self, around: &mut Surroundings<'_>) -> Option<Qc> {
        let place = around.random.gen_range(0..QCS_MAX);
        self.qcs.get(place).cloned()
    }

    fn proposal(&self, around: &mut Surroundings<'_>, honest: Proposal) -> Proposal {
        let Proposal { mut block, mut qc, tc, signature: _ } = honest;
        block.cut = self.cuts.any(around.random).or(block.cut);
        if let Some(old) = self.old_qc(around).filter(|_| around.random.gen_bool(0.8)) {
            block = Block { parent: old.block, ..block };
            qc = old;
        }
        Proposal::sign(block, qc, tc, around.identity).into_inner()
    }

    fn timeout(&self, around: &mut Surroundings<'_>, honest: Timeout) -> Timeout {
        let high_qc = self.old_qc(around).unwrap_or(honest.high_qc);
        Timeout::sign(honest.view, high_qc, honest.tc, around.identity).into_inner()
    }
}
