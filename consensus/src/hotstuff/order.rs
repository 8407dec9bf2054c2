//! From decided blocks to commits, and who leads by what was learned from them.

use std::{collections::VecDeque, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{
    Certificate, Commit, Committee, HeaderDigest, Round, ValidatorId, Verified, View,
};

use super::{
    block::{Block, BlockRef},
    tree::cut_round,
};
use crate::{
    dag::Dag,
    leader::{self, Outcome, Schedule},
    linearizer::{self, Clock, Linearizer},
};

/// Everything about the order: what is decided and waits for the DAG, and what is ordered.
#[derive(Debug)]
pub struct Order {
    dag: Dag,
    linearizer: Linearizer,
    leaders: Leaders,
    /// Decided blocks whose anchors wait until the mempool delivers them. At most
    /// [`Order::WAITING_MAX`].
    waiting: VecDeque<(BlockRef, Arc<Block>)>,
    /// The highest round of a decided anchor.
    decided: Round,
    /// The last ordered anchor.
    anchor: Option<HeaderDigest>,
    /// Leaders of views between decided blocks, since the last ordered anchor.
    skipped: Vec<ValidatorId>,
}

/// What is ordered with a block.
#[derive(Debug)]
pub struct Settled {
    /// The stretch of the order.
    pub commit: Commit,
    /// Up to where all is ordered.
    pub mark: Mark,
}

/// Up to where decided blocks are ordered, and who leads until what that taught is in force.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Mark {
    /// The block with the last ordered anchor.
    pub block: BlockRef,
    /// Until this view leaders follow from this state.
    former: Option<(View, leader::State)>,
}

/// Who leads a view. What a decided block teaches is in force only [`Leaders::DELAY`] views later,
/// so that validators that decide a moment apart agree about the views in between.
#[derive(Debug)]
struct Leaders {
    committee: Arc<Committee>,
    latest: Schedule,
    former: Option<(View, Schedule)>,
}

impl Order {
    /// The most decided blocks that wait for the mempool. With more, deciding waits as well.
    pub const WAITING_MAX: usize = 4_096;

    /// The most leaders that one commit counts as skipped; the first ones.
    const SKIPPED_MAX: usize = 1_024;

    /// Starts with an empty order.
    pub fn new(committee: &Arc<Committee>, gc_depth: u64) -> Self {
        Self {
            dag: Dag::new(),
            linearizer: Linearizer::new(Arc::clone(committee), gc_depth, Clock::Median),
            leaders: Leaders {
                committee: Arc::clone(committee),
                latest: Schedule::new(Arc::clone(committee)),
                former: None,
            },
            waiting: VecDeque::new(),
            decided: Round(0),
            anchor: None,
            skipped: Vec::new(),
        }
    }

    /// Goes on behind the last commit before a restart.
    pub fn restore(&mut self, last: &Commit, order: linearizer::State, schedule: leader::State) {
        self.linearizer.restore(order);
        self.dag.prune(self.linearizer.horizon());
        self.leaders.latest.restore(schedule);
        self.decided = self.linearizer.state().window.anchor;
        self.anchor = Some(last.anchor);
    }

    /// Goes on with the leaders before a restart.
    pub fn restore_mark(&mut self, mark: Mark) {
        self.leaders.former = mark.former.map(|(until, state)| (until, self.leaders.fixed(state)));
    }

    /// Takes in a certificate that the mempool delivered.
    pub fn insert(&mut self, certificate: Verified<Certificate>) {
        self.dag.insert(certificate);
    }

    /// What the mempool delivered.
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// The highest round of a decided anchor.
    pub fn decided(&self) -> Round {
        self.decided
    }

    /// Who leads a view.
    pub fn leader(&self, view: View) -> ValidatorId {
        self.leaders.of(view)
    }

    /// A certificate of the highest round, if that is above `floor`: ours if it has one of ours.
    pub fn newest(&self, floor: Round, own: ValidatorId) -> Option<&Verified<Certificate>> {
        let top = self.dag.top();
        let node =
            self.dag.node(top, own).or_else(|| self.dag.round(top).next().map(|(_, node)| node));
        node.filter(|_| floor < top).map(|node| node.certificate())
    }

    /// Whether so many more decided blocks may wait.
    pub fn has_room_for(&self, blocks: usize) -> bool {
        self.waiting.is_empty() || self.waiting.len() + blocks <= Self::WAITING_MAX
    }

    /// Takes in the next decided block.
    pub fn decide(&mut self, reference: BlockRef, block: Arc<Block>) {
        self.decided = self.decided.max(cut_round(&block));
        self.waiting.push_back((reference, block));
    }

    /// The anchor that is waited for.
    pub fn awaited(&self) -> Option<&Certificate> {
        self.waiting.front().and_then(|(_, block)| block.cut.as_ref())
    }

    /// Orders the next decided block with something to order, if the mempool delivered its anchor.
    pub fn settle(&mut self) -> Option<Settled> {
        loop {
            let (_, block) = self.waiting.front()?;
            let is_stale = cut_round(block) <= self.linearizer.state().window.anchor;
            let is_here = block.anchor().is_some_and(|anchor| self.dag.get(&anchor).is_some());
            if !is_stale && !is_here {
                return None;
            }
            let (reference, block) = self.waiting.pop_front()?;
            self.skip(&block);
            let settled = block.cut.as_ref().filter(|_| !is_stale);
            if let Some(settled) = settled.and_then(|cut| self.order(reference, &block, cut)) {
                return Some(settled);
            }
        }
    }

    /// What is ordered so far, for the record.
    pub fn state(&self) -> (linearizer::State, leader::State) {
        (self.linearizer.state().clone(), self.leaders.latest.state().clone())
    }

    /// How many blocks and certificates there are.
    pub fn size(&self) -> usize {
        self.dag.len() + self.waiting.len()
    }

    /// Counts the views between a block and its parent. Blocks may be decided again after a
    /// restart; those up to the last ordered anchor have been counted.
    fn skip(&mut self, block: &Block) {
        let views = (block.parent.view.0.saturating_add(1)..block.view.0).map(View);
        let room = Self::SKIPPED_MAX.saturating_sub(self.skipped.len());
        let leaders: Vec<_> = views.take(room).map(|view| self.leaders.of(view)).collect();
        self.skipped.extend(leaders);
        if self.anchor.is_some() && block.anchor() == self.anchor {
            self.skipped.clear();
        }
    }

    fn order(&mut self, reference: BlockRef, block: &Block, cut: &Certificate) -> Option<Settled> {
        let ordered = self.linearizer.order(&self.dag, cut)?;
        self.dag.prune(self.linearizer.horizon());
        self.anchor = Some(cut.digest());
        let present = ordered.certificates.iter().map(|certificate| certificate.header().author);
        let outcome = Outcome {
            led: block.author,
            skipped: std::mem::take(&mut self.skipped),
            present: present.collect(),
        };
        self.leaders.learn(&outcome, reference.view);
        let mark = Mark { block: reference, former: self.leaders.former() };
        Some(Settled { commit: ordered.commit, mark })
    }
}

/// The turn that a view belongs to. A turn is two views long, as an anchor is decided by two in a
/// row: so one honest leader suffices, whoever has the turns before and after.
const fn turn_of(view: View) -> u64 {
    view.0.div_ceil(2)
}

impl Leaders {
    /// How many views later the lesson of a block is in force.
    const DELAY: u64 = 8;

    fn of(&self, view: View) -> ValidatorId {
        match &self.former {
            Some((until, former)) if view < *until => former.leader(turn_of(view)),
            Some(_) | None => self.latest.leader(turn_of(view)),
        }
    }

    fn learn(&mut self, outcome: &Outcome, decided: View) {
        let before = self.latest.state().clone();
        if self.latest.learn(outcome) {
            let until = View(decided.0.saturating_add(Self::DELAY));
            self.former = Some((until, self.fixed(before)));
        }
    }

    fn former(&self) -> Option<(View, leader::State)> {
        self.former.as_ref().map(|(until, schedule)| (*until, schedule.state().clone()))
    }

    /// A schedule that will not learn.
    fn fixed(&self, state: leader::State) -> Schedule {
        let mut schedule = Schedule::new(Arc::clone(&self.committee));
        schedule.restore(state);
        schedule
    }
}
