//! The raw loop: validation and execution, and nothing around them.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kraken_execution::{Chain, EngineKind, Executor, Outcome, Prepared, State, validate};
use kraken_storage::{ExecutedTransaction, Storage};
use starknet_api::{
    block::{BlockHash, BlockInfo, BlockNumber},
    block_hash::block_hash_calculator::{
        TransactionHashingData, TransactionOutputForHash, calculate_block_commitments,
    },
    data_availability::L1DataAvailabilityMode,
    state::ThinStateDiff,
    transaction::{TransactionExecutionStatus, fields::TransactionSignature},
};

use crate::{command::bench::transfers, failure::Failure, wiring};

/// Transactions of a block.
const BLOCK_TRANSACTIONS: usize = 500;

/// What the loop did.
#[derive(Debug)]
pub(super) struct Run {
    /// How long it took, from the first validation to the last block.
    pub(super) elapsed: Duration,
    blocks: Vec<RawBlock>,
}

#[derive(Debug)]
struct RawBlock {
    transactions: Vec<(Arc<ExecutedTransaction>, TransactionSignature)>,
    state_diff: ThinStateDiff,
}

/// Validates and executes `transfers` in blocks, on top of block 0 and on `workers` threads. Nothing
/// is stored.
///
/// # Errors
/// If a transfer does not succeed, or block 0 cannot be read.
pub(super) fn run(
    chain: &Chain,
    storage: &Storage,
    transfers: &[Prepared],
    workers: usize,
) -> Result<Run, Failure> {
    let kind = match workers {
        1 => EngineKind::Sequential,
        workers => EngineKind::Concurrent { workers },
    };
    let executor = Executor::new(kind, chain.clone());
    let block_0 = storage.block(BlockNumber(0)).map_err(|error| wiring::storage_failure(&error))?;
    let block_0 = block_0.expect("block 0 was made before");
    let mut state = State::new(storage.snapshot(BlockNumber(0)).expect("block 0 was made before"));
    let mut info = block_0.header.info.clone();
    let mut blocks = Vec::new();
    let mut rest = transfers;

    let began = Instant::now();
    while !rest.is_empty() {
        info.block_number = BlockNumber(info.block_number.0 + 1);
        info.block_timestamp.0 += 1;
        let block = &rest[..rest.len().min(BLOCK_TRANSACTIONS)];
        validate_all(chain, &state, &info, block, workers)?;

        // No block has a hash here; the cell that holds an old one costs the same with any.
        let old_hash = (10 <= info.block_number.0).then(|| block_0.header.hash);
        let (executed, next) = execute(&executor, &state, &info, old_hash, block)?;
        rest = &rest[executed.transactions.len()..];
        blocks.push(executed);
        state = next;
    }
    Ok(Run { elapsed: began.elapsed(), blocks })
}

impl Run {
    /// How long tries and commitments of these blocks take.
    ///
    /// # Errors
    /// If storage fails.
    pub(super) async fn commit(
        &self,
        storage: &Storage,
        chain: &Chain,
    ) -> Result<Duration, Failure> {
        let began = Instant::now();
        for block in &self.blocks {
            let tries = storage.update_tries(&block.state_diff);
            tries.map_err(|error| wiring::storage_failure(&error))?;
            let data: Vec<_> = block.transactions.iter().map(hashing_data).collect();
            let version = chain.starknet_version();
            let mode = L1DataAvailabilityMode::Blob;
            calculate_block_commitments(&data, block.state_diff.clone(), mode, &version).await;
        }
        Ok(began.elapsed())
    }
}

fn hashing_data(
    (transaction, signature): &(Arc<ExecutedTransaction>, TransactionSignature),
) -> TransactionHashingData {
    let receipt = &transaction.receipt;
    TransactionHashingData {
        transaction_signature: signature.clone(),
        transaction_output: TransactionOutputForHash {
            actual_fee: receipt.actual_fee,
            events: receipt.events.clone(),
            execution_status: receipt.execution_status.clone(),
            gas_consumed: receipt.gas,
            messages_sent: receipt.messages_sent.clone(),
        },
        transaction_hash: transaction.hash,
    }
}

/// Asks every account, as a gateway does.
fn validate_all(
    chain: &Chain,
    state: &State,
    info: &BlockInfo,
    transfers: &[Prepared],
    workers: usize,
) -> Result<(), Failure> {
    let validate_some = |transfers: &[Prepared]| {
        for transfer in transfers {
            match validate(state.clone(), info, chain, transfer, false) {
                Ok(Ok(())) => {}
                Ok(Err(rejection)) => return Err(refused(&rejection.to_string())),
                Err(fault) => return Err(refused(&fault.to_string())),
            }
        }
        Ok(())
    };
    let chunk = transfers.len().div_ceil(workers).max(1);
    thread::scope(|scope| {
        let spawn = |chunk| scope.spawn(move || validate_some(chunk));
        let threads: Vec<_> = transfers.chunks(chunk).map(spawn).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join();
        threads.into_iter().try_for_each(|thread| join(thread).expect("validation does not panic"))
    })
}

/// Executes one block; it may hold fewer transactions than were given.
fn execute(
    executor: &Executor,
    state: &State,
    info: &BlockInfo,
    old_hash: Option<BlockHash>,
    transfers: &[Prepared],
) -> Result<(RawBlock, State), Failure> {
    let fault = |fault: kraken_execution::Fault| refused(&fault.to_string());
    let mut open = executor.open(state.clone(), info.clone(), old_hash).map_err(fault)?;
    open.submit(transfers);
    let mut transactions = Vec::with_capacity(transfers.len());
    for (outcome, transfer) in open.wait().map_err(fault)?.into_iter().zip(transfers) {
        let included = match outcome {
            Outcome::Included(included) => included,
            Outcome::LeftOut(rejection) => return Err(refused(&rejection.to_string())),
        };
        match &included.transaction.receipt.execution_status {
            TransactionExecutionStatus::Succeeded => {}
            TransactionExecutionStatus::Reverted(reason) => {
                return Err(refused(&reason.revert_reason));
            }
        }
        let signature = transfers::invoke(transfer).signature.clone();
        transactions.push((included.transaction, signature));
    }
    if transactions.is_empty() {
        return Err(refused("a block takes no transfer"));
    }
    let closed = open.close().map_err(fault)?;
    let next = state.clone().with(Arc::new(closed.changes));
    Ok((RawBlock { transactions, state_diff: closed.state_diff }, next))
}

fn refused(reason: &str) -> Failure {
    Failure::new(format!("a transfer failed: {reason}"), "this is a bug; please report it")
}
