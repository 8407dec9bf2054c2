//! Traces of closed blocks that somebody may ask for again.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kraken_execution::Trace;
use starknet_api::block::BlockNumber;

/// How many bytes of memory they may take.
const BYTES_MAX: usize = 64 << 20;

/// Traces of closed blocks: those that were made last, by executing a block for the first time or
/// once more.
#[derive(Debug, Default)]
pub(crate) struct Traces(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    blocks: HashMap<BlockNumber, Arc<[Trace]>>,
    /// With what they take, oldest first.
    order: VecDeque<(BlockNumber, usize)>,
    bytes: usize,
}

impl Traces {
    /// Those of a block, if they are here.
    pub(crate) fn of(&self, number: BlockNumber) -> Option<Arc<[Trace]>> {
        self.lock().blocks.get(&number).cloned()
    }

    /// Keeps those of a block, for as long as there is room.
    pub(crate) fn keep(&self, number: BlockNumber, traces: Arc<[Trace]>) {
        let bytes = traces.iter().map(Trace::weight).sum();
        if BYTES_MAX < bytes {
            return;
        }
        let mut kept = self.lock();
        if kept.blocks.insert(number, traces).is_some() {
            return;
        }
        kept.order.push_back((number, bytes));
        kept.bytes += bytes;
        while BYTES_MAX < kept.bytes {
            let Some((oldest, bytes)) = kept.order.pop_front() else { return };
            kept.blocks.remove(&oldest);
            kept.bytes -= bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
