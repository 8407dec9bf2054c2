//! Where the builder and the committer put up what the chain looks like now.

use std::sync::{Arc, PoisonError, RwLock};

use kraken_storage::Storage;
use starknet_api::block::{BlockInfo, BlockNumber, BlockTimestamp};
use tokio::sync::broadcast;

use crate::{
    Event, UnsealedBlock, View, clock::Clock, events::Events, recovery::ChainsEnd, traces::Traces,
    view::Parts,
};

/// The newest [`View`], and the events that announce a newer one.
#[derive(Debug)]
pub(crate) struct Board {
    storage: Storage,
    parts: RwLock<Arc<Parts>>,
    /// Of closed blocks.
    traces: Arc<Traces>,
    events: Events,
}

impl Board {
    /// Starts at the end of a chain; `next` is the block that may open first.
    pub(crate) fn new(storage: Storage, end: &ChainsEnd, next: BlockInfo, events: Events) -> Self {
        let unaccepted = end.unaccepted.iter();
        let executed = unaccepted.map(|block| Arc::new(UnsealedBlock::of(block))).collect();
        let parts = Parts {
            durable: end.tip.header.number(),
            latest: end.accepted,
            accepted_on_l1: end.accepted_on_l1,
            executed,
            open: Arc::new(UnsealedBlock::empty(next)),
            reverts: events.reverts(),
        };
        Self { storage, parts: RwLock::new(Arc::new(parts)), traces: Arc::default(), events }
    }

    /// The chain as it is now. A block that is not open yet would open at the time of `clock`.
    pub(crate) fn view(&self, clock: &Clock) -> View {
        let parts = Arc::clone(&self.parts.read().unwrap_or_else(PoisonError::into_inner));
        let now = BlockTimestamp(clock.now().seconds());
        if !parts.open.transactions.is_empty() || now <= parts.open.info.block_timestamp {
            return self.view_of(parts);
        }
        let info = BlockInfo { block_timestamp: now, ..parts.open.info.clone() };
        let open = Arc::new(UnsealedBlock::empty(info));
        self.view_of(Arc::new(Parts { open, ..Parts::clone(&parts) }))
    }

    fn view_of(&self, parts: Arc<Parts>) -> View {
        View::new(self.storage.clone(), parts, Arc::clone(&self.traces))
    }

    /// What happens from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The open block as it is now.
    pub(crate) fn open(&self, open: UnsealedBlock) {
        self.change(|parts| parts.open = Arc::new(open), Event::PreConfirmed);
    }

    /// The open block is executed to its end; `next` may open behind it.
    pub(crate) fn executed(&self, closed: UnsealedBlock, next: BlockInfo) {
        let change = |parts: &mut Parts| {
            parts.executed.push(Arc::new(closed));
            parts.open = Arc::new(UnsealedBlock::empty(next));
        };
        self.change(change, Event::PreConfirmed);
    }

    /// The oldest executed block that was not is durable.
    pub(crate) fn durable(&self, number: BlockNumber) {
        self.change(|parts| parts.durable = number, Event::PreConfirmed);
    }

    /// A quorum attested the oldest block that was not accepted. It is durable.
    pub(crate) fn accepted(&self, number: BlockNumber) {
        let change = |parts: &mut Parts| {
            parts.latest = number;
            for block in parts.executed.iter().filter(|block| block.info.block_number <= number) {
                if let Some(kept) = block.all_traces().filter(|traces| !traces.is_empty()) {
                    self.traces.keep(block.info.block_number, kept);
                }
            }
            parts.executed.retain(|block| number < block.info.block_number);
        };
        self.change(change, Event::Block(number));
    }

    /// The blocks up to this one are accepted on L1.
    pub(crate) fn accepted_on_l1(&self, number: BlockNumber) {
        self.change(|parts| parts.accepted_on_l1 = Some(number), Event::PreConfirmed);
    }

    fn change(&self, change: impl FnOnce(&mut Parts), event: Event) {
        {
            let mut parts = self.parts.write().unwrap_or_else(PoisonError::into_inner);
            change(Arc::make_mut(&mut parts));
        }
        self.events.tell(event);
    }
}
