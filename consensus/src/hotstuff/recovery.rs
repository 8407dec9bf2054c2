//! Starting again, with what is durable or without anything.

use kraken_types::{Signers, Stake, Timestamp, ValidatorId, Verified};

use super::{
    FORGOT, Forgot, HotStuff, Record,
    block::Block,
    message::Message,
    order::Mark,
    quorum::Vote,
    safety::Safety,
    tree::{Tree, cut_round},
};
use crate::Effect;

impl HotStuff {
    /// Goes on where the records end. What was decided but not ordered is decided again.
    pub(super) fn recover(&mut self, now: Timestamp, records: Vec<crate::Record>) {
        let (mut blocks, mut safety, mut mark) = (Vec::new(), None, None);
        let mut committed = None;
        for record in records {
            match record {
                crate::Record::Committed { commit, order, schedule } => {
                    committed = Some((commit, order, schedule));
                }
                crate::Record::HotStuff(Record::Safety(newer)) => safety = Some(*newer),
                crate::Record::HotStuff(Record::Settled(newer)) => mark = Some(newer),
                crate::Record::HotStuff(Record::Block(block)) => blocks.push(block),
            }
        }
        if let Some((commit, order, schedule)) = committed {
            self.order.restore(&commit, order, schedule);
        }
        self.recover_blocks(mark, blocks);
        if let Some(safety) = safety {
            self.safety = safety;
        }
        self.enter();
        if self.safety.is_silent() {
            self.ask_how_far(now);
        }
        self.vote_again();
    }

    fn recover_blocks(&mut self, mark: Option<Mark>, blocks: Vec<Block>) {
        if let Some(mark) = mark {
            self.tree = Tree::new(mark.block);
            self.order.restore_mark(mark);
        }
        for block in blocks {
            let reference = block.reference(self.committee());
            // It was checked before it became durable. The mempool may have forgotten it, though.
            let cut = block.cut.clone().filter(|_| self.order.decided() < cut_round(&block));
            if self.tree.insert(reference, block) {
                let cut = cut.map(Verified::made_here);
                self.effects.extend(cut.map(Effect::Certificate));
            }
        }
    }

    /// The last vote may not have been sent.
    fn vote_again(&mut self) {
        let view = self.safety.view();
        if let Some(vote) = self.safety.vote().filter(|vote| vote.block.view == view) {
            self.broadcast(Message::Vote(Vote::clone(&vote)));
            self.count(vote);
        }
    }

    /// Starts without a disk, where others say that all is ordered up to. The record keeps us silent should we stop before we know enough. Alone
    /// there is nobody whom we could have told something else.
    pub(super) fn forget(&mut self, now: Timestamp, records: Vec<crate::Record>) {
        if !self.config.identity.is_alone() {
            self.safety = Safety::forgotten(self.committee());
            self.persist_safety();
        }
        // Others do not know what we signed.
        let is_shared =
            |record: &crate::Record| !matches!(record, crate::Record::HotStuff(Record::Safety(_)));
        self.recover(now, records.into_iter().filter(is_shared).collect());
    }

    /// Asks everyone how far they are, again if not enough answered.
    pub(super) fn ask_how_far(&mut self, now: Timestamp) {
        if !self.safety.is_silent() {
            return;
        }
        let answered = Signers::default();
        let forgot = self.forgot.get_or_insert(Forgot { asked_at: now, answered });
        let asked_at = forgot.asked_at;
        self.broadcast(Message::Forgot(asked_at));
        let after = self.config.view_timeout;
        self.effects.push(Effect::SetTimer { timer: FORGOT, after });
        self.remember_if_known();
    }

    /// Tells a validator that lost its disk how far we are, unless we lost ours.
    pub(super) fn on_forgot(&mut self, from: ValidatorId, asked_at: Timestamp) {
        if !self.safety.is_silent() {
            let status = self.status(Some(asked_at));
            self.send(from, Message::Status(Box::new(status)));
        }
    }

    /// Counts an answer to our question; those to an earlier one may be too old.
    pub(super) fn answered(&mut self, from: ValidatorId, asked_at: Option<Timestamp>) {
        let Some(forgot) = &mut self.forgot else { return };
        if asked_at == Some(forgot.asked_at) {
            forgot.answered.insert(from);
            self.remember_if_known();
        }
    }

    /// Rule H9. A quorum of others answered, or all others where they are none: among them is an
    /// honest one that signed the certificate on which the last thing we signed rests.
    fn remember_if_known(&mut self) {
        let Some(forgot) = &self.forgot else { return };
        let identity = &self.config.identity;
        let others: Stake = identity.peers().map(|id| identity.committee.stake(id)).sum();
        let needed = identity.committee.quorum().min(others);
        if needed <= identity.committee.stake_of(&forgot.answered) {
            self.safety.remember();
            self.forgot = None;
            self.persist_safety();
        }
    }
}
