//! Blocks: taking them in, getting those that are missed, deciding on them.

use std::sync::Arc;

use kraken_types::{Certificate, ValidatorId, Verified};

use super::{
    FETCH, HotStuff, REMIND, Record,
    block::{Block, BlockRef},
    message::{self, Message},
    tree::Branch,
};
use crate::Effect;

impl HotStuff {
    /// Takes in a block, if it is the first of its view or the one that is missed, and its anchor is
    /// a certificate of the DAG. `true` if it may be voted for: it is here, or there is no room.
    pub(super) fn admit(&mut self, reference: BlockRef, block: &Block) -> bool {
        if self.tree.get(&reference.id).is_some() {
            return true;
        }
        let is_missed = self.fetch.missed() == Some(reference);
        if self.is_second(reference) && !is_missed || block.view <= block.parent.view {
            return false;
        }
        let Ok(cut) = block.cut.as_ref().map(|cut| self.checker().cut(cut)).transpose() else {
            return false;
        };
        self.tree.insert(reference, block.clone());
        let is_news = |cut: &Verified<Certificate>| {
            self.order.decided() < cut.header().round
                && self.order.dag().get(&cut.digest()).is_none()
        };
        self.effects.extend(cut.filter(is_news).map(Effect::Certificate));
        true
    }

    /// Whether there is another block of that view already: its leader lies.
    pub(super) fn is_second(&self, block: BlockRef) -> bool {
        self.tree.has_view(block.view) && self.tree.get(&block.id).is_none()
    }

    /// Takes in what we missed, and asks for what is missed below it.
    pub(super) fn on_blocks(&mut self, from: ValidatorId, blocks: Vec<Block>) {
        let mut is_useful = false;
        for block in blocks.into_iter().take(message::BLOCKS_MAX) {
            let (reference, parent) = (block.reference(self.committee()), block.parent);
            if self.fetch.missed() != Some(reference) || !self.admit(reference, &block) {
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
    pub(super) fn miss(&mut self, from: Option<ValidatorId>) {
        let missed = self.tree.missing(self.safety.high_block());
        if self.fetch.miss(missed, from) {
            let after = self.config.view_timeout / 8;
            self.effects.push(Effect::SetTimer { timer: FETCH, after });
        }
    }

    /// Asks the next validator for what is missed.
    pub(super) fn ask(&mut self) {
        if let Some((to, block)) = self.fetch.ask() {
            self.send(to, Message::Want { block, above: self.tree.decided().view });
            let after = self.config.view_timeout;
            self.effects.push(Effect::SetTimer { timer: FETCH, after });
        }
    }

    /// Takes note of the anchor that is waited for.
    pub(super) fn wait(&mut self) {
        if self.awaited.is_none() {
            self.awaited = self.order.awaited().map(Certificate::digest);
            if self.awaited.is_some() {
                let after = self.config.view_timeout;
                self.effects.push(Effect::SetTimer { timer: REMIND, after });
            }
        }
    }

    /// Gives the mempool the anchor again if it is still waited for. It may have dropped what was
    /// far ahead of it.
    pub(super) fn remind(&mut self) {
        let awaited = self.awaited.take();
        let anchor = self.order.awaited().filter(|anchor| Some(anchor.digest()) == awaited);
        let anchor = anchor.cloned().map(Verified::made_here);
        self.effects.extend(anchor.map(Effect::Certificate));
    }

    /// Rule H3, for a certified block.
    pub(super) fn decide(&mut self, certified: BlockRef) {
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
    pub(super) fn settle(&mut self) {
        while let Some(settled) = self.order.settle() {
            let (order, schedule) = self.order.state();
            let commit = settled.commit.clone();
            let record = crate::Record::Committed { commit, order, schedule };
            self.effects.push(Effect::Persist(record));
            self.persist(Record::Settled(settled.mark));
            self.effects.push(Effect::Commit(settled.commit));
        }
    }
}
