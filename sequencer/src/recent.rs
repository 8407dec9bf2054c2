//! The newest checkpoints, for those that were away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use kraken_ordering::Checkpoint;

/// How many are kept.
const KEPT_MAX: usize = 32;

/// The checkpoints of the newest blocks, by number. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recent(Arc<Mutex<BTreeMap<u64, Arc<Checkpoint>>>>);

impl Recent {
    /// Keeps what the order was before the end of a block, if that is known.
    pub(crate) fn insert(&self, block: u64, checkpoint: Option<Arc<Checkpoint>>) {
        if let Some(checkpoint) = checkpoint {
            let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.insert(block, checkpoint);
            while KEPT_MAX < kept.len() {
                kept.pop_first();
            }
        }
    }

    /// The checkpoint of a block.
    pub(crate) fn get(&self, block: u64) -> Option<Arc<Checkpoint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&block).cloned()
    }
}
