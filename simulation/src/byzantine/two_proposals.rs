//! As a leader, signs two proposals of one view, shows each to some of the others, votes for both.
//!
//! Stopped by S2: an honest validator votes once in a view, so at most one of them is certified.

use std::collections::BTreeMap;

use bytes::Bytes;
use kraken_consensus::hotstuff::{
    block::Block,
    message::{Message, Proposal},
    quorum::Vote,
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
pub struct TwoProposals {
    /// The second proposal of each view, and who is shown it.
    second: BTreeMap<View, (Proposal, Vec<ValidatorId>)>,
    /// Anchors to propose.
    cuts: Memory<Certificate>,
}

impl Sin for TwoProposals {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let Some(Message::Proposal(first)) = mail::hotstuff(letter.lane, &letter.bytes) else {
            return vec![letter];
        };
        let (second, shown) = self.second.entry(first.block.view).or_insert_with(|| {
            let other = other(&first, &self.cuts, around);
            (other, mail::some(around.identity, around.random))
        });
        let (identity, to) = (around.identity, letter.to);
        let vote = Vote::sign(second.block.reference(&identity.committee), identity).into_inner();
        let vote = Content::from(Message::Vote(vote)).to(to);
        let second = Content::from(Message::Proposal(Box::new(second.clone()))).to(to);
        match (shown.contains(&to), around.random.gen_bool(0.1)) {
            (true, false) => vec![second, vote],
            (true, true) => vec![second, vote, letter],
            (false, false) => vec![letter, vote],
            (false, true) => vec![letter, second, vote],
        }
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
        Vec::new()
    }
}

/// Another block of that view with the same parent.
fn other(first: &Proposal, cuts: &Memory<Certificate>, around: &mut Surroundings<'_>) -> Proposal {
    let cut = cuts.any(around.random).filter(|_| around.random.gen_bool(0.7));
    let is_same = cut == first.block.cut;
    let block = Block { cut: cut.filter(|_| !is_same), ..first.block.clone() };
    Proposal::sign(block, first.qc.clone(), first.tc.clone(), around.identity).into_inner()
}
