//! One consistent look at the chain: stored blocks, executed ones, and the open one.

mod traces;

use std::sync::Arc;

use kraken_execution::{BLOCK_HASH_LAG, Changes, State, Trace};
use kraken_storage::{Block, Error, EventPattern, ExecutedTransaction, Proof, Storage, Wanted};
use starknet_api::{
    block::{BlockHash, BlockInfo, BlockNumber},
    core::ContractAddress,
    state::{StorageKey, ThinStateDiff},
    transaction::TransactionHash,
};

use crate::{Reverts, traces::Traces};

/// One consistent look at the chain. Cheap to clone; never changes, whatever the chain does.
#[derive(Clone, Debug)]
pub struct View {
    storage: Storage,
    parts: Arc<Parts>,
    traces: Arc<Traces>,
}

/// What moves as the chain grows.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    /// The newest durable block.
    pub(crate) durable: BlockNumber,
    /// The newest accepted block, at most the newest durable one.
    pub(crate) latest: BlockNumber,
    /// The newest block that is accepted on L1.
    pub(crate) accepted_on_l1: Option<BlockNumber>,
    /// Executed blocks above the accepted ones, oldest first.
    pub(crate) executed: Vec<Arc<UnsealedBlock>>,
    /// The open block above all of them.
    pub(crate) open: Arc<UnsealedBlock>,
    /// How often the end of the chain was taken back before.
    pub(crate) reverts: Arc<Reverts>,
}

/// A block whose hash nobody is told yet: executed but not accepted, or still open.
#[derive(Clone, Debug)]
pub struct UnsealedBlock {
    /// Number, time, prices, sequencer.
    pub info: BlockInfo,
    /// Executed so far, in order.
    pub transactions: Vec<Arc<ExecutedTransaction>>,
    /// What they changed, oldest first.
    pub changes: Vec<Arc<Changes>>,
    /// What happened in them, where it was kept; empty if they were executed elsewhere.
    pub traces: Vec<Option<Trace>>,
}

impl UnsealedBlock {
    /// A durable block that nobody is told the hash of, because it is not accepted.
    pub(crate) fn of(block: &Block) -> Self {
        let changes = Changes::new(&block.state_diff, &block.classes);
        Self {
            info: block.header.info.clone(),
            transactions: block.transactions.clone(),
            changes: vec![Arc::new(changes)],
            traces: Vec::new(),
        }
    }

    /// What happened in all transactions, if all of it was kept.
    pub(crate) fn all_traces(&self) -> Option<Arc<[Trace]>> {
        let kept: Option<Arc<[Trace]>> = self.traces.iter().cloned().collect();
        kept.filter(|kept| kept.len() == self.transactions.len())
    }

    /// A block without transactions.
    pub(crate) fn empty(info: BlockInfo) -> Self {
        Self { info, transactions: Vec::new(), changes: Vec::new(), traces: Vec::new() }
    }
}

/// A block, closed or not.
#[derive(Clone, Debug)]
pub enum BlockAt {
    /// Durable, with its hash.
    Closed(Arc<Block>),
    /// Executed, without a hash.
    Unsealed(Arc<UnsealedBlock>),
}

impl BlockAt {
    /// Number, time, prices, sequencer.
    pub fn info(&self) -> &BlockInfo {
        match self {
            Self::Closed(block) => &block.header.info,
            Self::Unsealed(block) => &block.info,
        }
    }

    /// In the order of execution.
    pub fn transactions(&self) -> &[Arc<ExecutedTransaction>] {
        match self {
            Self::Closed(block) => &block.transactions,
            Self::Unsealed(block) => &block.transactions,
        }
    }
}

impl View {
    pub(crate) fn new(storage: Storage, parts: Arc<Parts>, traces: Arc<Traces>) -> Self {
        Self { storage, parts, traces }
    }

    /// The newest closed block.
    pub fn latest(&self) -> BlockNumber {
        self.parts.latest
    }

    /// The newest block that is accepted on L1, if any is.
    pub fn accepted_on_l1(&self) -> Option<BlockNumber> {
        self.parts.accepted_on_l1
    }

    /// How often the end of the chain was taken back before this look.
    pub fn reverts(&self) -> &Arc<Reverts> {
        &self.parts.reverts
    }

    /// The open block; it always exists, and may be empty.
    pub fn pre_confirmed(&self) -> &Arc<UnsealedBlock> {
        &self.parts.open
    }

    /// A block by number: up to the open one, `None` beyond.
    ///
    /// # Errors
    /// If storage fails.
    pub fn block(&self, number: BlockNumber) -> Result<Option<BlockAt>, Error> {
        if number <= self.parts.latest {
            return Ok(self.storage.block(number)?.map(BlockAt::Closed));
        }
        Ok(self
            .unsealed()
            .find(|block| block.info.block_number == number)
            .map(|block| BlockAt::Unsealed(Arc::clone(block))))
    }

    /// The number of the closed block with this hash.
    ///
    /// # Errors
    /// If storage fails.
    pub fn number_of(&self, hash: BlockHash) -> Result<Option<BlockNumber>, Error> {
        Ok(self.storage.number_of(hash)?.filter(|number| *number <= self.parts.latest))
    }

    /// The block that holds a transaction, and the place in it.
    ///
    /// # Errors
    /// If storage fails.
    pub fn find_transaction(
        &self,
        hash: TransactionHash,
    ) -> Result<Option<(BlockAt, usize)>, Error> {
        for block in self.unsealed() {
            let place = block.transactions.iter().position(|executed| executed.hash == hash);
            if let Some(index) = place {
                return Ok(Some((BlockAt::Unsealed(Arc::clone(block)), index)));
            }
        }
        let Some((number, index)) = self.storage.position_of(hash)? else {
            return Ok(None);
        };
        // A block that became durable after this look is, here, still one without it.
        if self.parts.latest < number {
            return Ok(None);
        }
        let block = self.storage.block(number)?.map(BlockAt::Closed);
        Ok(block.map(|block| (block, usize::try_from(index).expect("32 bits fit a usize"))))
    }

    /// The hash that a block needs of the one [`BLOCK_HASH_LAG`] before it, which is durable; `None`
    /// where there is no such block.
    ///
    /// # Errors
    /// If storage fails.
    pub(crate) fn old_hash(&self, number: BlockNumber) -> Result<Option<BlockHash>, Error> {
        let Some(old) = number.0.checked_sub(BLOCK_HASH_LAG).map(BlockNumber) else {
            return Ok(None);
        };
        Ok(self.storage.block(old)?.map(|block| block.header.hash))
    }

    /// The state after a block, `None` beyond the open one.
    ///
    /// # Errors
    /// If storage fails.
    pub fn state_at(&self, number: BlockNumber) -> Result<Option<State>, Error> {
        if self.parts.open.info.block_number < number {
            return Ok(None);
        }
        let durable = self.parts.durable;
        let base = self.storage.snapshot(number.min(durable));
        Ok(base.map(|base| {
            let executed = self.unsealed().filter(|block| {
                durable < block.info.block_number && block.info.block_number <= number
            });
            let changes = executed.flat_map(|block| &block.changes);
            changes.fold(State::new(base), |state, changes| state.with(Arc::clone(changes)))
        }))
    }

    /// The newest block up to `number` that changed a storage cell, `None` where nothing was ever
    /// written.
    ///
    /// # Errors
    /// If storage fails.
    pub fn last_update_block(
        &self,
        number: BlockNumber,
        contract: ContractAddress,
        key: StorageKey,
    ) -> Result<Option<BlockNumber>, Error> {
        let Some(base) = self.storage.snapshot(number.min(self.parts.latest)) else {
            return Ok(None);
        };
        let mut newest = base.last_update_block(contract, key)?;
        let mut before = base.storage_at(contract, key)?;
        // These are few. One that wrote a value and took it back has changed nothing.
        for unsealed in self.unsealed().map(|block| block.info.block_number) {
            let state = if unsealed <= number { self.state_at(unsealed)? } else { None };
            let Some(state) = state else { break };
            let after = state.storage_at(contract, key)?;
            if after != before {
                newest = Some(unsealed);
            }
            before = after;
        }
        Ok(newest)
    }

    /// The ways to what is wanted in the tries after a closed block; `None` for other blocks, and for
    /// those that are too old, see [`Storage::proof`].
    ///
    /// # Errors
    /// As [`Storage::proof`].
    pub fn proof(&self, number: BlockNumber, wanted: &Wanted) -> Result<Option<Proof>, Error> {
        if self.parts.latest < number {
            return Ok(None);
        }
        self.storage.proof(number, wanted)
    }

    /// The blocks from one up to another that may hold events that fit, in order; all others up to
    /// the open one hold none. Of blocks that are not closed nothing is known, so all may.
    pub fn blocks_with_events(
        &self,
        from: BlockNumber,
        to: BlockNumber,
        pattern: &EventPattern,
    ) -> impl Iterator<Item = Result<BlockNumber, Error>> {
        let closed = self.storage.blocks_with_events(from, to.min(self.parts.latest), pattern);
        let unsealed = self.unsealed().map(|block| block.info.block_number);
        closed.chain(unsealed.filter(move |number| (from..=to).contains(number)).map(Ok))
    }

    /// What an unsealed block has changed so far.
    ///
    /// # Errors
    /// If storage fails.
    pub fn state_diff(&self, block: &UnsealedBlock) -> Result<ThinStateDiff, Error> {
        let mut all = Changes::default();
        for changes in &block.changes {
            all.merge(changes);
        }
        let before = block.info.block_number.prev().map(|number| self.state_at(number));
        match before.transpose()?.flatten() {
            Some(before) => all.to_state_diff(&before),
            None => Ok(ThinStateDiff::default()),
        }
    }

    /// Executed blocks and the open one, oldest first.
    fn unsealed(&self) -> impl Iterator<Item = &Arc<UnsealedBlock>> {
        self.parts.executed.iter().chain([&self.parts.open])
    }
}
