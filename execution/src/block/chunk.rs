//! A stretch of transactions on the worker threads.
//!
//! Blockifier's workers look for work every microsecond while they have a block, so they get one
//! only as long as there are transactions to execute: the block's state goes to them with the first
//! transaction and comes back after the last. The bouncer stays with the block, so where one chunk
//! ends and the next begins cannot be seen in the results.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    slice,
    sync::Arc,
};

use blockifier::{
    blockifier::{
        config::WorkerPoolConfig,
        transaction_executor::{
            DEFAULT_STACK_SIZE, TransactionExecutionOutput, TransactionExecutor,
            TransactionExecutorResult,
        },
    },
    concurrency::{worker_logic::WorkerExecutor, worker_pool::WorkerPool},
    state::cached_state::CachedState,
};

use crate::{Prepared, state::Reader};

/// The worker threads.
#[derive(Debug)]
pub(super) struct Workers {
    /// Taken only by `drop`.
    pool: Option<WorkerPool<CachedState<Reader>>>,
}

/// A stretch of transactions on the worker threads.
pub(super) struct Chunk {
    executor: Arc<WorkerExecutor<CachedState<Reader>>>,
    /// How many results were taken.
    taken: usize,
}

impl Workers {
    /// Starts this many threads.
    pub(super) fn start(count: usize) -> Self {
        let config = WorkerPoolConfig { n_workers: count, stack_size: DEFAULT_STACK_SIZE };
        Self { pool: Some(WorkerPool::start(&config)) }
    }

    /// Whether they are lost; a panic in one ends them all.
    pub(super) fn have_panicked(&self) -> bool {
        // Blockifier tells by panicking here as well.
        catch_unwind(AssertUnwindSafe(|| self.pool().check_panic())).is_err()
    }

    fn pool(&self) -> &WorkerPool<CachedState<Reader>> {
        self.pool.as_ref().expect("only `drop` takes it")
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let have_panicked = self.have_panicked();
        let Some(pool) = self.pool.take() else { return };
        if have_panicked {
            // The threads that are left would panic as well, for nothing.
            mem::forget(pool);
        } else {
            pool.join();
        }
    }
}

impl Chunk {
    /// Gives the block's state to the workers.
    pub(super) fn start(workers: &Workers, executor: &mut TransactionExecutor<Reader>) -> Self {
        let state = executor.block_state.take().expect("no chunk has it");
        let executor = Arc::new(WorkerExecutor::initialize(
            state,
            Vec::new(),
            Arc::clone(&executor.block_context),
            Arc::clone(&executor.bouncer),
            None,
        ));
        workers.pool().run(Arc::clone(&executor));
        Self { executor, taken: 0 }
    }

    /// Appends transactions.
    pub(super) fn add(&self, transactions: &[Prepared]) {
        for transaction in transactions {
            self.executor.add_txs(slice::from_ref(transaction.engine()));
        }
    }

    /// Results not taken before, in order, and whether they are the last ones: the block is full.
    pub(super) fn results(
        &mut self,
    ) -> (Vec<TransactionExecutorResult<TransactionExecutionOutput>>, bool) {
        // Asked first: once the workers have halted nothing is committed any more, so what is read
        // below is all there will ever be.
        let is_over = self.executor.scheduler.done();
        let results = self.executor.extract_execution_outputs(self.taken);
        self.taken += results.len();
        (results, is_over)
    }

    /// Lets the workers go; results that were not taken are lost.
    pub(super) fn halt(&self) {
        self.executor.scheduler.halt();
    }

    /// Takes the block's state back, as it is after the results that were taken.
    pub(super) fn end(self) -> CachedState<Reader> {
        self.halt();
        // No commit is in progress once this lock was free.
        let _ = self.executor.scheduler.get_n_committed_txs();
        self.executor.commit_chunk_and_recover_block_state(self.taken)
    }
}
