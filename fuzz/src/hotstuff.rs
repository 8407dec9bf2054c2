//! What a liar may say in HotStuff, and what the honest must never have said.

use std::collections::BTreeMap;

use kraken_consensus::{
    self as consensus,
    hotstuff::{
        Message,
        block::{Block, BlockId, BlockRef},
        message::{Proposal, Status},
        quorum::{Qc, Tc, Timeout, Vote},
    },
};
use kraken_types::{Certificate, Digest, Signers, Timestamp, ValidatorId, View, testing::Script};

use crate::world::{LIAR, World};

/// How much of each kind the liar remembers; the oldest go first.
const REMEMBERED_MAX: usize = 32;

/// What the honest have said so far.
#[derive(Debug, Default)]
pub struct Heard {
    qcs: Vec<Qc>,
    tcs: Vec<Tc>,
    blocks: Vec<Block>,
    promises: BTreeMap<ValidatorId, Promises>,
}

/// What one of them has signed.
#[derive(Debug, Default)]
struct Promises {
    votes: BTreeMap<View, BlockRef>,
    proposals: BTreeMap<View, BlockId>,
    given_up: View,
}

impl Heard {
    /// An honest validator said something: it must not contradict what it said before.
    pub fn hear(&mut self, from: ValidatorId, message: &consensus::Message, world: &World) {
        let consensus::Message::HotStuff(message) = message else { return };
        let promises = self.promises.entry(from).or_default();
        match message {
            Message::Proposal(proposal) => {
                let block = proposal.block.reference(&world.committee);
                assert_eq!(proposal.block.author, from);
                let first = *promises.proposals.entry(block.view).or_insert(block.id);
                assert_eq!(first, block.id, "{from} proposes twice in view {}", block.view.0);
                self.qcs.push(proposal.qc.clone());
                self.tcs.extend(proposal.tc.clone());
                self.blocks.push(proposal.block.clone());
            }
            Message::Vote(vote) => {
                assert_eq!(vote.voter, from);
                let view = vote.block.view;
                let is_new = !promises.votes.contains_key(&view);
                assert!(!is_new || promises.given_up < view, "{from} votes in a view it gave up");
                let first = *promises.votes.entry(view).or_insert(vote.block);
                assert_eq!(first, vote.block, "{from} votes twice in view {}", view.0);
            }
            Message::Timeout(timeout) => {
                assert_eq!(timeout.sender, from);
                promises.given_up = promises.given_up.max(timeout.view);
                self.qcs.push(timeout.high_qc.clone());
                self.tcs.extend(timeout.tc.clone());
            }
            Message::Status(status) => {
                self.qcs.push(status.high_qc.clone());
                self.tcs.extend(status.high_tc.clone());
            }
            Message::Want { .. } | Message::Blocks(_) | Message::Forgot(_) => {}
        }
        newest(&mut self.qcs);
        newest(&mut self.tcs);
        newest(&mut self.blocks);
    }

    /// Something that a liar may say. If `may_forge`, it has the keys of all.
    pub fn lie(&self, script: &mut Script<'_>, world: &World, may_forge: bool) -> Message {
        let identity = world.identity(LIAR);
        let qc = self.qc(script, world, may_forge);
        let tc = if script.seldom() { self.tc(script, world, may_forge) } else { None };
        let top = self.blocks.last().map_or(View(0), |block| block.view);
        let view = match script.byte() {
            0..128 => qc.view().next(),
            128..192 => tc.as_ref().map_or(top, |tc| tc.view).next(),
            _ => View(script.near(top.0)),
        };
        match script.byte() % 8 {
            0 | 1 => {
                let cut = world.certificate(script).map(|known| Certificate::clone(known));
                let author = if may_forge { world.somebody(script) } else { LIAR };
                let block = Block { author, view, parent: qc.block, cut };
                let proposal = Proposal::sign(block, qc, tc, &world.identity(author));
                Message::Proposal(Box::new(proposal.into_inner()))
            }
            2 => {
                let block = script.recent(&self.blocks);
                let block = block.map_or(qc.block, |block| block.reference(&world.committee));
                Message::Vote(Vote::sign(block, &identity).into_inner())
            }
            3 => Message::Timeout(Box::new(Timeout::sign(view, qc, tc, &identity).into_inner())),
            4 => {
                let asked_at =
                    script.seldom().then(|| Timestamp::from_millis(script.near(1_000_000)));
                Message::Status(Box::new(Status { asked_at, high_qc: qc, high_tc: tc }))
            }
            5 => Message::Want { block: qc.block.id, above: View(script.near(top.0)) },
            6 => {
                let count = script.below(8);
                let blocks = (0..count).filter_map(|_| script.recent(&self.blocks).cloned());
                let mut blocks: Vec<_> = blocks.collect();
                if script.seldom() {
                    blocks = blocks.iter().filter_map(|block| script.spoil(block)).collect();
                }
                Message::Blocks(blocks)
            }
            _ => Message::Forgot(Timestamp::from_millis(script.near(1_000_000))),
        }
    }

    fn qc(&self, script: &mut Script<'_>, world: &World, may_forge: bool) -> Qc {
        if may_forge && script.seldom() {
            return forged_qc(self.block(script, world), world);
        }
        let known = script.recent(&self.qcs).cloned();
        known.unwrap_or_else(|| Qc::genesis(&world.committee).into_inner())
    }

    fn tc(&self, script: &mut Script<'_>, world: &World, may_forge: bool) -> Option<Tc> {
        if may_forge && script.seldom() {
            let high_qc = self.qc(script, world, false);
            return Some(forged_tc(View(script.near(high_qc.view().0)), high_qc, world));
        }
        script.recent(&self.tcs).cloned()
    }

    /// A block that may exist.
    fn block(&self, script: &mut Script<'_>, world: &World) -> BlockRef {
        match script.recent(&self.blocks) {
            Some(block) if !script.seldom() => block.reference(&world.committee),
            Some(_) | None => BlockRef {
                view: View(script.near(self.blocks.last().map_or(0, |block| block.view.0))),
                id: BlockId(Digest::from_bytes([script.byte(); 32])),
            },
        }
    }
}

/// A quorum of votes for a block that nobody asked them about.
fn forged_qc(block: BlockRef, world: &World) -> Qc {
    let signers: Signers = world.committee.ids().collect();
    let vote = |id| Vote::sign(block, &world.identity(id)).signature;
    Qc { block, signatures: signers.iter().map(vote).collect(), signers }
}

/// A quorum that never gave up.
fn forged_tc(view: View, high_qc: Qc, world: &World) -> Tc {
    let signers: Signers = world.committee.ids().collect();
    let high = high_qc.view();
    let timeout = |id| {
        let timeout = Timeout::sign(view, high_qc.clone(), None, &world.identity(id));
        (high, timeout.signature)
    };
    Tc { view, timeouts: signers.iter().map(timeout).collect(), signers, high_qc }
}

fn newest<T>(remembered: &mut Vec<T>) {
    let surplus = remembered.len().saturating_sub(REMEMBERED_MAX);
    remembered.drain(..surplus);
}
