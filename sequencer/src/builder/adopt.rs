//! Blocks that others executed, where executing the order ourselves does not help: we were away, and
//! its batches are not to be had any more.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use kraken_storage::{Block, ExecutedTransaction};
use kraken_types::{Acceptance, Timestamp, Verified};
use tokio::sync::oneshot;

use super::{Before, Builder, Work, line::Step};
use crate::{committer::Executed, supervisor::Ended};

/// A block that a quorum attested, checked against what they attested.
#[derive(Debug)]
pub(crate) struct Adopt {
    pub(crate) block: Block,
    pub(crate) acceptance: Verified<Acceptance>,
    /// Told what became of it: `false` if it does not follow on what is executed here.
    pub(crate) done: oneshot::Sender<bool>,
}

impl Builder {
    /// Takes over all blocks that are offered.
    pub(super) fn adopt_all(&mut self, work: &mut Work) -> Result<(), Ended> {
        while let Ok(adopt) = self.adopted.try_recv() {
            self.adopt(work, adopt)?;
        }
        Ok(())
    }

    /// Takes over a block, if it is the next one. What the open block has executed is the beginning
    /// of it: blocks begin and end at the same places everywhere.
    pub(super) fn adopt(&mut self, work: &mut Work, adopt: Adopt) -> Result<(), Ended> {
        let Adopt { block, acceptance, done } = adopt;
        let is_next = block.header.number() == self.parent.number.unchecked_next();
        if is_next {
            if let Some(mut open) = work.open.take() {
                // Our block may have been full, and what did not fit belongs to the next one.
                work.line.give_back(open.give_back());
            }
            let place = block.executed_up_to;
            let skipped = work.line.skip_to(place);
            work.next = work.next.max(place.commit);
            work.checkpoints = work.checkpoints.split_off(&place.commit);
            let before = Before { digest: block.checkpoint, checkpoint: None };
            let before = work.checkpoints.entry(place.commit).or_insert(before).clone();
            self.from = place;
            let transactions = block.transactions.clone();
            self.hand_over(Executed::elsewhere(block, before, acceptance))?;
            self.tell_pool(&transactions, &skipped);
            self.metrics.synced_blocks.inc();
            if self.rules.empty_blocks {
                let seconds = Timestamp::from_seconds(self.parent.timestamp);
                self.wanted.send_replace(Some(seconds + Duration::from_millis(1)));
            }
        }
        // The one who offered it may have gone.
        let _ = done.send(is_next);
        Ok(())
    }

    /// What was skipped and is not in the block was left out; nobody here knows why.
    fn tell_pool(&self, transactions: &[Arc<ExecutedTransaction>], skipped: &VecDeque<Step>) {
        {
            let now = self.pool.now();
            let mut pool = self.pool.lock();
            for executed in transactions {
                pool.executed_elsewhere(executed, now);
            }
            for transaction in skipped.iter().filter_map(|step| step.transaction.as_ref()) {
                pool.forget(transaction, now);
            }
        }
        self.arrived.notify_one();
    }
}
