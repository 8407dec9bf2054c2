//! Executes the transactions of one block.

mod chunk;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt, mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
    time::Duration,
};

use blockifier::blockifier::{
    config::TransactionExecutorConfig,
    transaction_executor::{
        TransactionExecutionOutput, TransactionExecutor, TransactionExecutorError,
        TransactionExecutorResult,
    },
};
use kraken_storage::{Class, ExecutedTransaction};
use starknet_api::{
    block::{BlockHash, BlockInfo},
    core::{ClassHash, ContractAddress},
    state::ThinStateDiff,
};

use self::chunk::{Chunk, Workers};
use crate::{
    Chain, Changes, Fault, Prepared, Rejection, State, Trace,
    chain::old_block,
    convert,
    state::{Faults, Reader},
    trace::{Effects, Kind},
};

/// How long [`OpenBlock::wait`] sleeps between two looks. Looking more often takes the workers'
/// time; less often delays whoever waits.
const POLL_INTERVAL: Duration = Duration::from_micros(300);

/// How many transactions one [`OpenBlock::poll`] executes when there are no threads to do it.
const SEQUENTIAL_STEP: usize = 8;

/// How transactions are executed. Results are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineKind {
    /// One after the other, on the caller's thread, a few with each [`OpenBlock::poll`].
    Sequential,
    /// Optimistically in parallel, on this many threads.
    Concurrent {
        /// Threads; at least one.
        workers: usize,
    },
}

/// Long-lived: owns the worker threads, which sleep while there is nothing to execute.
#[derive(Debug)]
pub struct Executor {
    chain: Chain,
    /// `None` executes on the caller's thread.
    workers: Option<Arc<Workers>>,
}

impl Executor {
    /// Starts the worker threads.
    pub fn new(kind: EngineKind, chain: Chain) -> Self {
        let workers = match kind {
            EngineKind::Sequential => None,
            EngineKind::Concurrent { workers } => Some(Arc::new(Workers::start(workers.max(1)))),
        };
        Self { chain, workers }
    }

    /// Opens a block on a state. `old_hash` is the hash of block N - 10, for N of 10 and above.
    ///
    /// One block at a time has the workers' attention: a second one waits until the first has no
    /// transactions left, or is closed or dropped.
    ///
    /// # Errors
    /// [`Fault`] if the state cannot be read, if `old_hash` is missing, or if a worker panicked in
    /// a block before.
    #[expect(clippy::needless_pass_by_value, reason = "the block is the only one to need it")]
    pub fn open(
        &self,
        state: State,
        info: BlockInfo,
        old_hash: Option<BlockHash>,
    ) -> Result<OpenBlock, Fault> {
        if self.workers.as_ref().is_some_and(|workers| workers.have_panicked()) {
            return Err(Fault::Engine { reason: "a worker panicked".to_owned() });
        }
        let faults = Faults::default();
        let executor = TransactionExecutor::pre_process_and_create(
            Reader::new(state.clone(), faults.clone()),
            self.chain.block_context(&info),
            old_block(info.block_number, old_hash),
            TransactionExecutorConfig::default(),
        );
        faults.check()?;
        Ok(OpenBlock {
            executor: executor.map_err(|error| Fault::Engine { reason: error.to_string() })?,
            chunk: None,
            workers: self.workers.clone(),
            faults,
            chain: self.chain.clone(),
            before: state,
            waiting: VecDeque::new(),
            declared: Vec::new(),
            deployed: BTreeSet::new(),
            is_full: false,
            has_failed: false,
        })
    }
}

/// A block that takes transactions. Dropping it throws its work away.
///
/// After a [`Fault`] it is of no more use: each call returns another fault.
pub struct OpenBlock {
    /// Has the block's state, except while `chunk` has it.
    executor: TransactionExecutor<Reader>,
    /// The transactions that the workers are executing.
    chunk: Option<Chunk>,
    workers: Option<Arc<Workers>>,
    faults: Faults,
    chain: Chain,
    /// The state that the block started from.
    before: State,
    /// Submitted, without an outcome.
    waiting: VecDeque<Prepared>,
    /// The classes that included transactions declare.
    declared: Vec<(ClassHash, Arc<Class>)>,
    /// The contracts that included transactions deploy.
    deployed: BTreeSet<ContractAddress>,
    is_full: bool,
    has_failed: bool,
}

/// What became of one transaction.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Succeeded or reverted; in the block.
    Included(Box<Included>),
    /// Not in the block, the same way everywhere.
    LeftOut(Rejection),
}

/// A transaction that is in the block.
#[derive(Clone, Debug)]
pub struct Included {
    /// With its receipt. The L2 gas it used is `transaction.receipt.gas.l2_gas`.
    pub transaction: Arc<ExecutedTransaction>,
    /// What happened, and what it changed.
    pub trace: Trace,
}

/// What a closed block comes to.
#[derive(Clone, Debug)]
pub struct ClosedBlock {
    /// Everything it changed, sorted, including what the protocol writes itself (0x1, 0x2).
    pub state_diff: ThinStateDiff,
    /// The same, to read through.
    pub changes: Changes,
}

impl OpenBlock {
    /// Hands over transactions; they start at once and in this order.
    pub fn submit(&mut self, transactions: &[Prepared]) {
        self.waiting.extend(transactions.iter().cloned());
        if self.is_full || self.has_failed || transactions.is_empty() {
            return;
        }
        let Some(workers) = &self.workers else { return };
        let (chunk, executor) = (&mut self.chunk, &mut self.executor);
        let started = catch_unwind(AssertUnwindSafe(|| {
            chunk.get_or_insert_with(|| Chunk::start(workers, executor)).add(transactions);
        }));
        self.has_failed = started.is_err();
    }

    /// What is finished since the last call, in the order of submission. Never waits; without
    /// threads it executes the next few transactions.
    ///
    /// # Errors
    /// [`Fault`] if the state cannot be read or the engine panicked.
    pub fn poll(&mut self) -> Result<Vec<Outcome>, Fault> {
        self.guard(Self::step)
    }

    /// Waits for all that was submitted, or until the block is full.
    ///
    /// # Errors
    /// As [`OpenBlock::poll`].
    pub fn wait(&mut self) -> Result<Vec<Outcome>, Fault> {
        let mut outcomes = self.poll()?;
        while !self.waiting.is_empty() && !self.is_full {
            if self.workers.is_some() {
                thread::sleep(POLL_INTERVAL);
            }
            outcomes.extend(self.poll()?);
        }
        Ok(outcomes)
    }

    /// No more transactions fit; those submitted without an outcome belong to the next block.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// Ends the block after the outcomes that were returned so far.
    ///
    /// # Errors
    /// As [`OpenBlock::poll`].
    pub fn close(mut self) -> Result<ClosedBlock, Fault> {
        self.guard(|block| {
            block.end_chunk();
            let summary = block.executor.finalize().map_err(|error| engine_fault(&error))?;
            let state_diff = convert::state_diff(summary.state_diff);
            let changes = Changes::new(&state_diff, &mem::take(&mut block.declared));
            Ok(ClosedBlock { state_diff, changes })
        })
    }

    /// Does a piece of work after which the block is either right or given up.
    fn guard<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.has_failed {
            return Err(Fault::Engine { reason: "the block was given up".to_owned() });
        }
        let result = catch_unwind(AssertUnwindSafe(|| work(self)));
        // What storage failed at comes first: the engine's own words follow from it.
        let result = self.faults.check().and_then(|()| {
            result.unwrap_or_else(|_| Err(Fault::Engine { reason: "it panicked".to_owned() }))
        });
        if result.is_err() {
            self.has_failed = true;
            self.halt();
        }
        result
    }

    fn step(&mut self) -> Result<Vec<Outcome>, Fault> {
        let results = match (&mut self.chunk, &self.workers) {
            (Some(chunk), Some(workers)) => {
                let (results, is_over) = chunk.results();
                if workers.have_panicked() {
                    return Err(Fault::Engine { reason: "a worker panicked".to_owned() });
                }
                self.is_full = is_over;
                results
            }
            (_, Some(_)) => Vec::new(),
            (_, None) => self.execute_some(),
        };
        let outcomes = results.into_iter().map(|result| self.outcome(result)).collect();
        if self.is_full || self.waiting.is_empty() {
            self.end_chunk();
        }
        outcomes
    }

    fn execute_some(&mut self) -> Vec<TransactionExecutorResult<TransactionExecutionOutput>> {
        let mut results = Vec::new();
        if self.is_full {
            return results;
        }
        for transaction in self.waiting.iter().take(SEQUENTIAL_STEP) {
            match self.executor.execute(transaction.engine()) {
                Err(TransactionExecutorError::BlockFull) => {
                    self.is_full = true;
                    break;
                }
                result => results.push(result),
            }
        }
        results
    }

    fn outcome(
        &mut self,
        result: TransactionExecutorResult<TransactionExecutionOutput>,
    ) -> Result<Outcome, Fault> {
        let transaction = self.waiting.pop_front().expect("what was executed was submitted");
        let (info, maps) = match result {
            Ok(output) => output,
            Err(error) => return Rejection::from_executor(&error).map(Outcome::LeftOut),
        };
        let mut changes = convert::changes(maps);
        if let Some((class_hash, class)) = transaction.class() {
            changes.classes.insert(class_hash, Arc::clone(&class));
            self.declared.push((class_hash, class));
        }
        let executed = Arc::new(ExecutedTransaction {
            hash: transaction.hash(),
            transaction: transaction.stored(),
            receipt: convert::receipt(&info),
        });
        let effects = Effects { replaced: self.replaced(&changes)?, changes };
        let trace = Trace::new(Kind::of(transaction.engine()), info, effects, &self.chain);
        Ok(Outcome::Included(Box::new(Included { transaction: executed, trace })))
    }

    /// Which contracts got another class; the others that got one are deployed now.
    fn replaced(&mut self, changes: &Changes) -> Result<BTreeSet<ContractAddress>, Fault> {
        let given: BTreeSet<_> = changes.class_hashes.keys().copied().collect();
        let mut replaced = BTreeSet::new();
        for contract in given {
            if self.deployed.contains(&contract) || self.before.class_hash_at(contract)?.is_some() {
                replaced.insert(contract);
            } else {
                self.deployed.insert(contract);
            }
        }
        Ok(replaced)
    }

    /// Takes the state back from the workers, who then sleep; what they have not returned is lost.
    fn end_chunk(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            self.executor.block_state = Some(chunk.end());
        }
    }

    fn halt(&self) {
        if let Some(chunk) = &self.chunk {
            chunk.halt();
        }
    }
}

impl Drop for OpenBlock {
    fn drop(&mut self) {
        // Or the workers would wait for more transactions for ever.
        self.halt();
    }
}

impl fmt::Debug for OpenBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBlock")
            .field("number", &self.executor.block_context.block_info().block_number)
            .field("waiting", &self.waiting.len())
            .field("is_full", &self.is_full)
            .field("has_failed", &self.has_failed)
            .finish_non_exhaustive()
    }
}

fn engine_fault(error: &TransactionExecutorError) -> Fault {
    Fault::Engine { reason: error.to_string() }
}

#[cfg(test)]
mod tests;
