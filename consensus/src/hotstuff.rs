//! HotStuff with two phases, over the Narwhal DAG.
//!
//! The rules are those of Jolteon (Gelashvili et al., arXiv:2106.10362), also known as DiemBFT v4,
//! whose steady state, pacemaker and view change this follows. In each view one leader proposes a block that extends the highest certified
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
//! - H7 Leaders follow from what is ordered ([`leader`](crate::leader)), eight views later. A turn
//!   is two views long, so that a leader can decide by itself: while nothing is decided nobody
//!   learns who is dead, and the dead may have every second turn.
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
//! serve the last 2,048 views, also after a restart. Whoever is further behind than that cannot
//! catch up by blocks: it votes, but commits nothing.
//!
//! Digests are signed in the domains `kraken hotstuff proposal v1`, `kraken hotstuff vote v1` and
//! `kraken hotstuff timeout v1`; blocks are identified in `kraken hotstuff block v1`, and the first
//! one in `kraken hotstuff genesis v1`.

pub mod block;
pub mod message;
pub mod order;
pub mod quorum;
pub mod safety;

mod chain;
mod check;
mod fetch;
mod pacemaker;
mod recovery;
mod tally;
mod tree;
mod views;

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    Committee, Equivocation, HeaderDigest, Signers, Timestamp, ValidatorId, Verified, Verify, View,
};

use crate::{Config, Effect, Input, Protocol, TimerId};

use block::{Block, BlockRef};
use check::{Checked, Checker};
use fetch::Fetch;
use message::Proposal;
use order::{Mark, Order};
use pacemaker::Pacemaker;
use quorum::{Qc, Tc, Vote};
use safety::Safety;
use tally::{Timeouts, Votes};
use tree::{Branch, Tree, cut_round};

pub use message::Message;

/// The view takes too long.
const VIEW: TimerId = TimerId(0);
/// A missed block did not come.
const FETCH: TimerId = TimerId(1);
/// The mempool does not deliver an anchor.
const REMIND: TimerId = TimerId(3);
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
    /// The anchor that was waited for when the timer of that was set.
    awaited: Option<HeaderDigest>,
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
            | (Self::Block(_), Self::Safety(_) | Self::Block(_) | Self::Settled(_))
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
            entered: View(0),
            awaited: None,
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

    fn equivocated(&mut self, whom: ValidatorId, what: Equivocation) {
        self.effects.push(Effect::Equivocated { whom, what });
    }

    fn receive(&mut self, now: Timestamp, from: ValidatorId, message: Message) {
        match message {
            Message::Proposal(proposal) => self.on_proposal(from, &proposal),
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
    fn on_proposal(&mut self, from: ValidatorId, proposal: &Proposal) {
        let block = proposal.block.reference(self.committee());
        if block.view < self.safety.view() {
            if self.fetch.missed() == Some(block) {
                self.admit(block, &proposal.block);
            }
            return;
        }
        if let Some(vote) = self.safety.vote().filter(|vote| vote.block == block) {
            // Whoever proposes again has not heard our vote.
            self.send(from, Message::Vote(vote.into_inner()));
            return;
        }
        if proposal.block.author != from {
            return;
        }
        if self.is_second(block) {
            if self.tree.contradicts(block, from) {
                self.equivocated(from, Equivocation::Proposal);
            }
            return;
        }
        let Ok(checked) = self.checker().proposal(proposal) else { return };
        self.observe_qc(&checked.qc);
        if let Some(tc) = &checked.tc {
            self.observe_tc(tc);
        }
        if self.order.leader(block.view) == from && self.admit(block, &proposal.block) {
            self.vote(&checked, &proposal.block);
        }
    }

    fn vote(&mut self, checked: &Checked, block: &Block) {
        let Checked { block: reference, qc, tc } = checked;
        let vote = self.safety.cast(*reference, qc, tc.as_ref(), &self.config.identity);
        let Some(vote) = vote else { return };
        self.persist(Record::Block(block.clone()));
        self.persist_safety();
        self.broadcast(Message::Vote(Vote::clone(&vote)));
        self.count(vote);
    }

    fn on_vote(&mut self, from: ValidatorId, vote: Vote) {
        if vote.voter == from && self.votes.contradict(&vote) {
            self.equivocated(from, Equivocation::Vote);
            return;
        }
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
        self.timeouts.enter(view);
        self.pacemaker.enter();
        self.tree.enter(view, self.safety.high_block());
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
        self.wait();
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
                    self.give_up();
                }
            }
            FETCH => self.ask(),
            REMIND => self.remind(),
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
            Input::Forgotten(records) => self.forget(now, records),
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
