//! What happened in the transactions of a block.

use std::{collections::BTreeMap, sync::Arc};

use kraken_execution::{Chain, Fault, Replay, Replayed, Trace, replay};
use kraken_storage::Class;
use starknet_api::core::ClassHash;

use super::{BlockAt, View};

impl View {
    /// What happened in the transactions of a block, in their order: kept from when the block was
    /// executed here, or found by executing it once more. The latter takes as long as the block did.
    ///
    /// # Errors
    /// If storage fails, or the block does not come to what it holds.
    pub fn traces(&self, chain: &Chain, block: &BlockAt) -> Result<Arc<[Trace]>, Fault> {
        let number = block.info().block_number;
        let kept = match block {
            BlockAt::Unsealed(unsealed) => unsealed.all_traces(),
            BlockAt::Closed(_) => self.traces.of(number),
        };
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let traces: Arc<[Trace]> = self.replay(chain, block)?.traces.into();
        if matches!(block, BlockAt::Closed(_)) {
            self.traces.keep(number, Arc::clone(&traces));
        }
        Ok(traces)
    }

    /// What happened in one transaction of a block.
    ///
    /// # Errors
    /// As [`View::traces`].
    ///
    /// # Panics
    /// If the block has fewer transactions.
    pub fn trace(&self, chain: &Chain, block: &BlockAt, index: usize) -> Result<Trace, Fault> {
        if let BlockAt::Unsealed(unsealed) = block
            && let Some(Some(trace)) = unsealed.traces.get(index)
        {
            return Ok(trace.clone());
        }
        Ok(self.traces(chain, block)?[index].clone())
    }

    /// Executes a block once more.
    ///
    /// # Errors
    /// As [`View::traces`].
    pub fn replay(&self, chain: &Chain, block: &BlockAt) -> Result<Replayed, Fault> {
        let number = block.info().block_number;
        let before = number.prev().map(|parent| self.state_at(parent)).transpose()?.flatten();
        let Some(before) = before else {
            // Block 0 holds no transactions, and follows nothing.
            return Ok(Replayed::default());
        };
        let old_hash = self.old_hash(number)?;
        replay(
            chain,
            Replay {
                before,
                info: block.info(),
                old_hash,
                transactions: block.transactions(),
                classes: classes_of(block),
            },
        )
    }
}

/// The classes that a block declares.
fn classes_of(block: &BlockAt) -> BTreeMap<ClassHash, Arc<Class>> {
    match block {
        BlockAt::Closed(block) => block.classes.iter().cloned().collect(),
        BlockAt::Unsealed(block) => {
            let classes = block.changes.iter().flat_map(|changes| &changes.classes);
            classes.map(|(class_hash, class)| (*class_hash, Arc::clone(class))).collect()
        }
    }
}
