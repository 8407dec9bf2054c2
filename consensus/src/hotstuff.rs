//! HotStuff with two phases, over the Narwhal DAG.
//!
//! The rules are those of Jolteon, also known as DiemBFT v4 (Gelashvili et al., arXiv:2106.10362,
//! figures 1 to 4). In each view one leader proposes a block that extends the highest certified
//! block it knows. A validator votes by the rules of [`safety`]; a quorum of votes certifies the
//! block and opens the next view. A quorum that gives up on a view opens the next one as well.
//!
//! - H1 The value of a block is an anchor: a certificate of the DAG, of a higher round than those
//!   in the chain below it. Checking the certificate is the check that its history can be had; no
//!   vote waits for payload (arXiv:2105.11827, section 5, "Narwhal-HotStuff").
//! - H2 A leader with nothing newer proposes a block without an anchor if that helps to decide on
//!   one below, and otherwise waits until something newer comes.
//! - H3 A certified block decides on its parent, with all undecided ancestors, the oldest first, if
//!   the parent is of the view before.
//! - H4 Anchors become commits in the order of their blocks, each as soon as the mempool delivered
//!   it. One of a round not above that of the last commits nothing.
//! - H5 With validity time-outs for its view a validator gives up as well.
//! - H6 Time is kept only while something is undecided. Without decisions views last longer.
//! - H7 Leaders follow from what is ordered ([`leader`](crate::leader)), eight views later.
//! - H8 Whatever rests on our signature is durable before it is sent: the whole state of safety,
//!   and the block that was voted for.
//! - H9 A validator that lost its disk asks how far the others are. Whatever it may have signed lies
//!   at most one view behind the highest answer of a quorum, and it signs nothing up to there.
//!
//! Deviations: votes go to all, so that losing the next leader loses no vote. A time-out brings
//! along proof that its view was reached, so whoever hears of a view can enter it. A validator votes
//! without having all ancestors: that they are certified is enough. There is no fallback to an
//! asynchronous protocol.
//!
//! Blocks that are missed are fetched by their digest, down to the last one that is settled. Others
//! serve the last [`Tree::HISTORY_MAX`] views. Whoever is further behind than that cannot catch up
//! by blocks.
//!
//! Digests are signed in the domains `kraken hotstuff proposal v1`, `kraken hotstuff vote v1` and
//! `kraken hotstuff timeout v1`; blocks are identified in `kraken hotstuff block v1`, and the first
//! one in `kraken hotstuff genesis v1`.

pub mod block;
pub mod message;
pub mod order;
pub mod quorum;
pub mod safety;

mod check;
mod fetch;
mod pacemaker;
mod recovery;
mod tally;
mod tree;

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Committee, Round, Signers, Timestamp, ValidatorId, Verified, Verify, View};

use crate::{Config, Effect, Input, Protocol, TimerId};

use block::{Block, BlockRef};
use check::{Checked, Checker};
use fetch::Fetch;
use message::{Proposal, Status};
use order::{Mark, Order};
use pacemaker::Pacemaker;
use quorum::{Qc, Tc, Timeout, Vote};
use safety::Safety;
use tally::{Support, Timeouts, Votes};
use tree::{Branch, Tree, cut_round};

pub use message::Message;

/// The view takes too long.
const VIEW: TimerId = TimerId(0);
/// A missed block did not come.
const FETCH: TimerId = TimerId(1);
/// Not enough validators said how far they are.
const FORGOT: TimerId = TimerId(2);

/// HotStuff, one validator's part.
#[derive(Debug)]
pub struct HotStuff {
    config: Config,
    safety: Safety,
    tree: Tree,
    votes: Votes,
    timeouts: Timeouts,
    pacemaker: Pacemaker,
    order: Order,
    fetch: Fetch,
    /// The view that everything above is set up for.
    entered: View,
    /// Who answered since we lost our disk.
    forgot: Option<Forgot>,
    /// What this step wants done.
    effects: Vec<Effect>,
}

/// A question how far the others are.
#[derive(Debug)]
struct Forgot {
    asked_at: Timestamp,
    answered: Signers,
}

/// What must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// What we signed. The newest holds all that counts.
    Safety(Box<Safety>),
    /// A block that we voted for or proposed: its quorum keeps it for those who need it.
    Block(Block),
    /// Up to where all is ordered.
    Settled(Mark),
}

impl Record {
    /// Whether this record makes an older one superfluous.
    pub fn supersedes(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Safety(_), Self::Safety(_)) | (Self::Settled(_), Self::Settled(_)) => true,
            (Self::Settled(mark), Self::Block(block)) => {
                block.view.0.saturating_add(Tree::HISTORY_MAX) < mark.block.view.0
            }
            (Self::Safety(_), Self::Block(_) | Self::Settled(_))
            | (Self::Block(_), _)
            | (Self::Settled(_), Self::Safety(_)) => false,
        }
    }
}

impl HotStuff {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        let committee = &config.identity.committee;
        let safety = Safety::new(committee);
        Self {
            tree: Tree::new(BlockRef::genesis(committee)),
            votes: Votes::default(),
            timeouts: Timeouts::default(),
            pacemaker: Pacemaker::new(config.view_timeout, config.view_timeout_max),
            order: Order::new(committee, config.gc_depth),
            fetch: Fetch::new(config.identity.clone()),
            entered: safety.view(),
            forgot: None,
            effects: Vec::new(),
            safety,
            config,
        }
    }

    fn committee(&self) -> &Arc<Committee> {
        &self.config.identity.committee
    }

    fn checker(&self) -> Checker<'_> {
        let (safety, dag) = (&self.safety, self.order.dag());
        Checker { committee: self.committee(), safety, dag }
    }

    fn persist(&mut self, record: Record) {
        self.effects.push(Effect::Persist(crate::Record::HotStuff(record)));
    }

    fn persist_safety(&mut self) {
        self.persist(Record::Safety(Box::new(self.safety.clone())));
    }

    fn broadcast(&mut self, message: Message) {
        self.effects.push(Effect::Broadcast(crate::Message::HotStuff(message)));
    }

    fn send(&mut self, to: ValidatorId, message: Message) {
        self.effects.push(Effect::Send { to, message: crate::Message::HotStuff(message) });
    }

    fn receive(&mut self, now: Timestamp, from: ValidatorId, message: Message) {
        match message {
            Message::Proposal(proposal) => self.on_proposal(from, *proposal),
            Message::Vote(vote) => self.on_vote(from, vote),
            Message::Timeout(timeout) => self.on_timeout(now, from, &timeout),
            Message::Status(status) => self.on_status(from, &status),
            Message::Want { block, above } => {
                if let Some(blocks) = self.fetch.serve(from, block, above, &self.tree, now) {
                    self.send(from, Message::Blocks(blocks));
                }
            }
            Message::Blocks(blocks) => self.on_blocks(from, blocks),
            Message::Forgot(asked_at) => self.on_forgot(from, asked_at),
        }
    }

    /// Learns from a proposal, and votes for it if the rules allow.
    fn on_proposal(&mut self, from: ValidatorId, proposal: Proposal) {
        if proposal.block.view < self.safety.view() {
            let late = proposal.block.reference(self.committee());
            if self.fetch.missed() == Some(late) {
                self.keep(late, proposal.block);
            }
            return;
        }
        if proposal.block.author != from {
            return;
        }
        let Ok(checked) = self.checker().proposal(&proposal) else { return };
        self.observe_qc(&checked.qc);
        if let Some(tc) = &checked.tc {
            self.observe_tc(tc);
        }
        if self.order.leader(checked.block.view) != from {
            return;
        }
        // Whoever proposes again has not heard our vote.
        match self.safety.vote().filter(|vote| vote.block == checked.block) {
            Some(vote) => self.send(from, Message::Vote(vote.into_inner())),
            None if self.keep(checked.block, proposal.block) => self.vote(&checked),
            None => {}
        }
    }

    /// Takes in a block, if it is the first of its view or the one that is missed, and its anchor is
    /// a certificate of the DAG. `true` if it is here then.
    fn keep(&mut self, reference: BlockRef, block: Block) -> bool {
        if self.tree.get(&reference.id).is_some() {
            return true;
        }
        let is_missed = self.fetch.missed() == Some(reference);
        let is_first = !self.tree.has_view(reference.view);
        if !(is_missed || is_first) || block.view <= block.parent.view {
            return false;
        }
        let Ok(cut) = block.cut.as_ref().map(|cut| self.checker().cut(cut)).transpose() else {
            return false;
        };
        if !self.tree.insert(reference, block) {
            return false;
        }
        if let Some(cut) = cut.filter(|cut| self.is_news(cut.header().round, cut)) {
            self.effects.push(Effect::Certificate(cut));
        }
        true
    }

    /// Whether the mempool did not deliver a certificate that is still to be ordered.
    fn is_news(&self, round: Round, cut: &kraken_types::Certificate) -> bool {
        self.order.decided() < round && self.order.dag().get(&cut.digest()).is_none()
    }

    fn vote(&mut self, checked: &Checked) {
        let Checked { block, qc, tc } = checked;
        let vote = self.safety.cast(*block, qc, tc.as_ref(), &self.config.identity);
        let (Some(vote), Some(block)) = (vote, self.tree.get(&block.id)) else { return };
        let block = Block::clone(block);
        self.persist(Record::Block(block));
        self.persist_safety();
        self.broadcast(Message::Vote(Vote::clone(&vote)));
        self.count(vote);
    }

    fn on_vote(&mut self, from: ValidatorId, vote: Vote) {
        let is_late = vote.block.view <= self.safety.high_block().view;
        if is_late || vote.voter != from || !self.votes.has_room_for(&vote, self.safety.view()) {
            return;
        }
        if let Ok(vote) = vote.verified(self.committee()) {
            self.count(vote);
        }
    }

    fn count(&mut self, vote: Verified<Vote>) {
        if let Some(qc) = self.votes.add(vote, &self.config.identity.committee) {
            self.observe_qc(&qc);
        }
    }

    fn on_timeout(&mut self, now: Timestamp, from: ValidatorId, timeout: &Timeout) {
        if timeout.sender != from {
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
    fn count_timeout(&mut self, timeout: &Verified<Timeout>) {
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
    fn give_up(&mut self) {
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
    fn status(&self, asked_at: Option<Timestamp>) -> Status {
        let high_tc = self.safety.high_tc().map(Verified::into_inner);
        Status { asked_at, high_qc: self.safety.high_qc().into_inner(), high_tc }
    }

    fn on_status(&mut self, from: ValidatorId, status: &Status) {
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

    /// Takes in what we missed, and asks for what is missed below it.
    fn on_blocks(&mut self, from: ValidatorId, blocks: Vec<Block>) {
        let mut is_useful = false;
        for block in blocks.into_iter().take(message::BLOCKS_MAX) {
            let (reference, parent) = (block.reference(self.committee()), block.parent);
            if self.fetch.missed() != Some(reference) || !self.keep(reference, block) {
                break;
            }
            is_useful = true;
            self.fetch.miss(self.tree.missing(parent), Some(from));
        }
        if is_useful {
            self.ask();
        }
    }

    /// Takes note of what is missed. What is new may still come by itself, so nobody is asked yet.
    fn miss(&mut self, from: Option<ValidatorId>) {
        let missed = self.tree.missing(self.safety.high_block());
        if self.fetch.miss(missed, from) {
            let after = self.config.view_timeout / 8;
            self.effects.push(Effect::SetTimer { timer: FETCH, after });
        }
    }

    /// Asks the next validator for what is missed.
    fn ask(&mut self) {
        if let Some((to, block)) = self.fetch.ask() {
            self.send(to, Message::Want { block, above: self.tree.decided().view });
            let after = self.config.view_timeout;
            self.effects.push(Effect::SetTimer { timer: FETCH, after });
        }
    }

    /// The mempool may have dropped a certificate that was far ahead of it.
    fn remind(&mut self) {
        let awaited = self.order.awaited().cloned().map(Verified::made_here);
        self.effects.extend(awaited.map(Effect::Certificate));
    }

    fn observe_qc(&mut self, qc: &Verified<Qc>) {
        self.safety.observe_qc(qc);
        self.enter();
        self.decide(qc.block);
    }

    fn observe_tc(&mut self, tc: &Verified<Tc>) {
        self.safety.observe_tc(tc);
        self.enter();
    }

    /// Sets everything up for the current view, if it changed.
    fn enter(&mut self) {
        let view = self.safety.view();
        if self.entered == view {
            return;
        }
        self.entered = view;
        self.votes.enter(view);
        self.timeouts.clear();
        self.pacemaker.enter();
        self.tree.enter(view, self.safety.high_block());
    }

    /// Rule H3, for a certified block.
    fn decide(&mut self, certified: BlockRef) {
        let Branch::Whole(branch) = self.tree.branch(certified) else { return };
        let follows = |block: &Arc<Block>| block.parent.view.next() == block.view;
        let Some(place) = branch.iter().position(follows) else { return };
        let decided = branch[place + 1..].to_vec();
        if decided.is_empty() || !self.order.has_room_for(decided.len()) {
            return;
        }
        // The name of each is what its child calls it.
        let names: Vec<_> = branch[place..].iter().map(|child| child.parent).collect();
        self.tree.decide(&names[..decided.len()]);
        for (name, block) in names.into_iter().zip(decided).rev() {
            self.order.decide(name, block);
        }
    }

    /// Rule H4.
    fn settle(&mut self) {
        while let Some(settled) = self.order.settle() {
            let (order, schedule) = self.order.state();
            let commit = settled.commit.clone();
            let record = crate::Record::Committed { commit, order, schedule };
            self.effects.push(Effect::Persist(record));
            self.persist(Record::Settled(settled.mark));
            self.effects.push(Effect::Commit(settled.commit));
        }
    }

    /// Proposes, if it is our turn and there is a reason; `true` if so.
    fn propose(&mut self) -> bool {
        let (own, view) = (self.config.identity.id, self.safety.view());
        if !self.safety.may_propose() || self.order.leader(view) != own {
            return false;
        }
        let parent = self.safety.high_block();
        let (Branch::Whole(branch) | Branch::Missing { above: branch, .. }) =
            self.tree.branch(parent)
        else {
            return false;
        };
        let decided = self.order.decided();
        let highest = branch.iter().map(|block| cut_round(block)).max().unwrap_or_default();
        let cut = self.order.newest(decided.max(highest), own).cloned();
        if cut.is_none() && highest <= decided {
            return false;
        }
        let block = Block { author: own, view, parent, cut: cut.map(Verified::into_inner) };
        self.propose_block(block)
    }

    fn propose_block(&mut self, block: Block) -> bool {
        let reference = block.reference(self.committee());
        if !self.safety.propose() || !self.tree.insert(reference, block.clone()) {
            return false;
        }
        let (qc, tc) = (self.safety.high_qc(), self.safety.high_tc());
        let proposal = Proposal::sign(
            block.clone(),
            Qc::clone(&qc),
            tc.as_deref().cloned(),
            &self.config.identity,
        );
        let vote = self.safety.cast(reference, &qc, tc.as_ref(), &self.config.identity);
        self.persist(Record::Block(block));
        self.persist_safety();
        self.broadcast(Message::Proposal(Box::new(proposal.into_inner())));
        if let Some(vote) = vote {
            self.broadcast(Message::Vote(Vote::clone(&vote)));
            self.count(vote);
        }
        true
    }

    /// Whether something is undecided (rule H6).
    fn has_work(&self) -> bool {
        self.order.decided() < self.order.dag().top().max(self.tree.highest_cut())
    }

    /// Goes as far as what is known allows.
    fn advance(&mut self, from: Option<ValidatorId>) {
        loop {
            self.decide(self.safety.high_block());
            self.settle();
            if !self.propose() {
                break;
            }
        }
        self.miss(from);
        if self.has_work() {
            let (view, decided) = (self.safety.view(), self.tree.decided().view);
            if let Some(after) = self.pacemaker.arm(view, decided) {
                self.effects.push(Effect::SetTimer { timer: VIEW, after });
            }
        }
    }

    fn on_timer(&mut self, now: Timestamp, timer: TimerId) {
        match timer {
            VIEW => {
                if self.pacemaker.ring() && self.has_work() {
                    self.remind();
                    self.give_up();
                }
            }
            FETCH => self.ask(),
            FORGOT => self.ask_how_far(now),
            TimerId(_) => {}
        }
    }
}

impl Protocol for HotStuff {
    fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let mut sender = None;
        match input {
            Input::Recovered(records) => self.recover(now, records),
            Input::Forgotten => self.forget(now),
            Input::Certificate(certificate) => self.order.insert(certificate),
            Input::Message { from, message: crate::Message::HotStuff(message) } => {
                if from != self.config.identity.id && self.committee().get(from).is_some() {
                    sender = Some(from);
                    self.receive(now, from, message);
                }
            }
            Input::Message { from: _, message: crate::Message::Fcfs(_) } => {}
            Input::Timer(timer) => self.on_timer(now, timer),
        }
        self.advance(sender);
        std::mem::take(&mut self.effects)
    }

    fn size(&self) -> usize {
        self.tree.len() + self.votes.len() + self.timeouts.len() + self.order.size()
    }
}

#[cfg(test)]
mod tests;
