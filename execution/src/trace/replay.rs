//! Transactions of a block, executed once more.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use blockifier::{
    blockifier::block::pre_process_block,
    context::BlockContext,
    state::cached_state::{CachedState, StateMaps},
    transaction::transaction_execution::Transaction as EngineTransaction,
};
use kraken_storage::{Class, ExecutedTransaction};
use starknet_api::{
    block::{BlockHash, BlockInfo},
    core::{ClassHash, ContractAddress, Nonce},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use super::{Kind, Trace, execute};
use crate::{
    Chain, Fault, State,
    chain::old_block,
    convert,
    state::{Faults, Reader},
    transaction::{Validation, again},
};

/// What to execute once more.
#[derive(Debug)]
pub struct Replay<'a> {
    /// The state that the block started from.
    pub before: State,
    /// Of the block.
    pub info: &'a BlockInfo,
    /// The hash of block N - 10, for N of 10 and above.
    pub old_hash: Option<BlockHash>,
    /// The first transactions of the block, or all of them.
    pub transactions: &'a [Arc<ExecutedTransaction>],
    /// The classes that they declare.
    pub classes: BTreeMap<ClassHash, Arc<Class>>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Replayed {
    /// In the order of the transactions.
    pub traces: Vec<Trace>,
    /// What was read of the state before.
    pub reads: InitialReads,
}

/// What transactions read of the state they started from, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitialReads {
    /// Storage cells.
    pub storage: BTreeMap<(ContractAddress, StorageKey), Felt>,
    /// Nonces.
    pub nonces: BTreeMap<ContractAddress, Nonce>,
    /// Classes of contracts, zero where there was none.
    pub class_hashes: BTreeMap<ContractAddress, ClassHash>,
    /// Whether classes were declared.
    pub declared: BTreeMap<ClassHash, bool>,
}

/// Executes transactions of a block once more, one after the other.
///
/// Each must come to the receipt that the block holds. One that does not as it was signed is tried
/// without a look at its signature: so a developer may have had it executed, and blocks do not say.
///
/// # Errors
/// [`Fault`] if the state cannot be read, or if a transaction comes to something else.
pub fn replay(chain: &Chain, replay: Replay<'_>) -> Result<Replayed, Fault> {
    let faults = Faults::default();
    let replayed = catch_unwind(AssertUnwindSafe(|| replay_on(chain, replay, &faults)));
    faults.check()?;
    replayed.unwrap_or_else(|_| Err(Fault::Engine { reason: "it panicked".to_owned() }))
}

fn replay_on(chain: &Chain, replay: Replay<'_>, faults: &Faults) -> Result<Replayed, Fault> {
    let context = chain.query_context(replay.info);
    let mut state = CachedState::new(Reader::new(replay.before, faults.clone()));
    let number = replay.info.block_number;
    let constants = &context.versioned_constants().os_constants;
    pre_process_block(&mut state, old_block(number, replay.old_hash), number, constants)
        .map_err(|error| Fault::Engine { reason: error.to_string() })?;

    let mut traces = Vec::with_capacity(replay.transactions.len());
    for executed in replay.transactions {
        let signed = again(executed, &replay.classes, Validation::Asked)?;
        let trace = match same(chain, &context, &mut state, executed, &signed) {
            Some(trace) => Some(trace),
            None => {
                let exempt = again(executed, &replay.classes, Validation::Skipped)?;
                same(chain, &context, &mut state, executed, &exempt)
            }
        };
        traces.push(trace.ok_or_else(|| Fault::Engine {
            reason: format!("transaction {:#x} comes to something else", executed.hash.0),
        })?);
    }
    let reads = state.get_initial_reads();
    let reads = reads.map_err(|error| Fault::Engine { reason: error.to_string() })?;
    Ok(Replayed { traces, reads: reads.into() })
}

/// Executes a transaction, if that comes to what the block holds.
fn same(
    chain: &Chain,
    context: &BlockContext,
    state: &mut CachedState<Reader>,
    executed: &ExecutedTransaction,
    transaction: &EngineTransaction,
) -> Option<Trace> {
    let mut is_same = false;
    let (info, effects) = execute(state, context, transaction, |info| {
        is_same = convert::receipt(info) == executed.receipt;
        is_same
    })
    .ok()?;
    is_same.then(|| Trace::new(Kind::of(transaction), info, effects, chain))
}

impl From<StateMaps> for InitialReads {
    fn from(maps: StateMaps) -> Self {
        Self {
            storage: maps.storage.into_iter().collect(),
            nonces: maps.nonces.into_iter().collect(),
            class_hashes: maps.class_hashes.into_iter().collect(),
            declared: maps.declared_contracts.into_iter().collect(),
        }
    }
}
