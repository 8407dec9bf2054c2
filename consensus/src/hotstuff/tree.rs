//! Blocks: the undecided ones, and a stretch of the decided chain for those who are behind.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kraken_types::{Round, ValidatorId, View};

use super::block::{Block, BlockId, BlockRef};

/// The blocks we hold. Bounded: those of the last [`Tree::HISTORY_MAX`] decided views, of which the
/// oldest go first, and [`Tree::OPEN_MAX`] undecided ones. Of the undecided ones, whoever feeds the
/// tree lets in one per view, and those that a certified one descends from. A block for which there
/// is no room is refused, and can be had from others later.
#[derive(Debug)]
pub(super) struct Tree {
    blocks: BTreeMap<BlockId, Arc<Block>>,
    views: BTreeSet<BlockRef>,
    /// The last decided block. What is below it is decided, what is above it is not.
    decided: BlockRef,
}

/// The undecided blocks from one down to the decided chain.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Branch {
    /// All of them, the newest first. Empty for the last decided block itself.
    Whole(Vec<Arc<Block>>),
    /// One of them is not here.
    Missing {
        /// That one.
        block: BlockRef,
        /// Those above it, the newest first.
        above: Vec<Arc<Block>>,
    },
    /// It does not extend what was decided: more validators lie than any protocol could bear.
    Conflict,
}

impl Tree {
    /// How many decided views are kept for others. A validator that is further behind cannot catch up
    /// by blocks.
    pub(super) const HISTORY_MAX: u64 = 2_048;

    /// The most undecided blocks.
    pub(super) const OPEN_MAX: usize = 4_096;

    /// How many views an undecided block that nobody refers to is kept.
    const IDLE_VIEWS: u64 = 64;

    /// Starts behind a decided block.
    pub(super) fn new(decided: BlockRef) -> Self {
        Self { blocks: BTreeMap::new(), views: BTreeSet::new(), decided }
    }

    /// The last decided block.
    pub(super) fn decided(&self) -> BlockRef {
        self.decided
    }

    /// A block.
    pub(super) fn get(&self, id: &BlockId) -> Option<&Arc<Block>> {
        self.blocks.get(id)
    }

    /// Whether any block of this view is here.
    pub(super) fn has_view(&self, view: View) -> bool {
        self.views.range(first_of(view)..).next().is_some_and(|block| block.view == view)
    }

    /// Whether this author made another block of that view, which is here.
    pub(super) fn contradicts(&self, block: BlockRef, author: ValidatorId) -> bool {
        let of_view = self.views.range(first_of(block.view)..);
        let mut others = of_view.take_while(|other| other.view == block.view);
        others.any(|other| {
            let other = self.blocks.get(&other.id).filter(|_| *other != block);
            other.is_some_and(|other| other.author == author)
        })
    }

    /// Takes in a block; `false` if there is no room.
    pub(super) fn insert(&mut self, reference: BlockRef, block: Block) -> bool {
        let open = if self.decided.view < reference.view { self.open().count() } else { 0 };
        if Self::OPEN_MAX <= open {
            return false;
        }
        self.blocks.insert(reference.id, Arc::new(block));
        self.views.insert(reference);
        true
    }

    /// The undecided blocks from this one, which is certified, down to the decided chain.
    pub(super) fn branch(&self, from: BlockRef) -> Branch {
        let mut above = Vec::new();
        let mut at = from;
        while self.decided.view < at.view {
            let Some(block) = self.blocks.get(&at.id) else {
                return Branch::Missing { block: at, above };
            };
            above.push(Arc::clone(block));
            at = block.parent;
        }
        if at == self.decided { Branch::Whole(above) } else { Branch::Conflict }
    }

    /// The highest block that is not here of those that this certified one extends, itself included.
    pub(super) fn missing(&self, from: BlockRef) -> Option<BlockRef> {
        match self.branch(from) {
            Branch::Missing { block, above: _ } => Some(block),
            Branch::Whole(_) | Branch::Conflict => None,
        }
    }

    /// Decides on a block: drops the branches that it closes, and the oldest of the history.
    pub(super) fn decide(&mut self, branch: &[BlockRef]) {
        let Some(last) = branch.iter().max() else { return };
        let is_closed = |block: &BlockRef| block.view <= last.view && !branch.contains(block);
        let closed: Vec<_> = self.open().filter(is_closed).collect();
        self.decided = *last;
        let old = self.decided.view.0.saturating_sub(Self::HISTORY_MAX);
        let old: Vec<_> = self.views.range(..first_of(View(old))).copied().collect();
        self.remove(closed.into_iter().chain(old));
    }

    /// Drops undecided blocks of long past views that the highest certified block does not extend,
    /// as soon as that is known.
    pub(super) fn enter(&mut self, current: View, high: BlockRef) {
        let idle = View(current.0.saturating_sub(Self::IDLE_VIEWS));
        if self.open().next().is_none_or(|block| idle <= block.view) {
            return;
        }
        let Branch::Whole(kept) = self.branch(high) else { return };
        let views: BTreeSet<_> = kept.iter().map(|block| block.view).collect();
        let is_idle = |block: &BlockRef| block.view < idle && !views.contains(&block.view);
        let idle: Vec<_> = self.open().filter(is_idle).collect();
        self.remove(idle.into_iter());
    }

    /// A block and its ancestors, the newest first, without those of `above` and earlier views.
    pub(super) fn descent(&self, from: BlockId, above: View) -> impl Iterator<Item = &Arc<Block>> {
        let first = self.blocks.get(&from);
        let blocks = std::iter::successors(first, |block| self.blocks.get(&block.parent.id));
        blocks.take_while(move |block| above < block.view)
    }

    /// The highest round of an anchor in an undecided block; round 0 if there is none.
    pub(super) fn highest_cut(&self) -> Round {
        let open = self.open().filter_map(|block| self.blocks.get(&block.id));
        open.map(|block| cut_round(block)).max().unwrap_or_default()
    }

    /// How many blocks there are.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    fn open(&self) -> impl Iterator<Item = BlockRef> {
        self.views.range(first_of(self.decided.view.next())..).copied()
    }

    fn remove(&mut self, blocks: impl Iterator<Item = BlockRef>) {
        for block in blocks {
            self.blocks.remove(&block.id);
            self.views.remove(&block);
        }
    }
}

/// The round of a block's anchor; round 0, which has no certificates, if it has none.
pub(super) fn cut_round(block: &Block) -> Round {
    block.cut.as_ref().map_or(Round(0), |cut| cut.header().round)
}

/// The least name of a block of this view.
fn first_of(view: View) -> BlockRef {
    BlockRef { view, id: BlockId(kraken_types::Digest::default()) }
}
