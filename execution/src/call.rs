//! Calls: view functions, run and thrown away.

use std::sync::Arc;

use blockifier::{
    context::{BlockContext, TransactionContext},
    execution::{
        call_info::CallInfo,
        entry_point::{
            CallEntryPoint, CallType, EntryPointExecutionContext, SierraGasRevertTracker,
        },
        stack_trace::{Cairo1RevertHeader, extract_trailing_cairo1_revert_trace},
        syscalls::hint_processor::ENTRYPOINT_NOT_FOUND_ERROR_FELT,
    },
    state::cached_state::CachedState,
    transaction::{
        errors::TransactionExecutionError,
        objects::{DeprecatedTransactionInfo, TransactionInfo},
    },
};
use starknet_api::{
    block::BlockInfo,
    contract_class::EntryPointType,
    core::{ClassHash, ContractAddress, EntryPointSelector},
    transaction::fields::Calldata,
};
use starknet_types_core::felt::Felt;

use crate::{
    Chain, Fault, RevertError, State,
    state::{Faults, Reader},
};

/// What to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The contract.
    pub contract_address: ContractAddress,
    /// The function.
    pub selector: EntryPointSelector,
    /// Its arguments.
    pub calldata: Vec<Felt>,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No contract there (code 20).
    #[error("contract not found")]
    ContractNotFound,
    /// No such function (code 21).
    #[error("entry point not found")]
    EntryPointNotFound,
    /// It reverted (code 40).
    #[error("the call reverted")]
    Reverted(RevertError),
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Runs a function and throws its changes away.
///
/// It may use as much gas as a transaction, and as many steps; it is nobody's transaction: no
/// account, no fee, version 0.
///
/// # Errors
/// [`CallError`].
pub fn call(
    state: State,
    info: &BlockInfo,
    chain: &Chain,
    call: &Call,
) -> Result<Vec<Felt>, CallError> {
    let class_hash = state.class_hash_at(call.contract_address).map_err(Fault::Storage)?;
    let class_hash = class_hash.ok_or(CallError::ContractNotFound)?;

    let faults = Faults::default();
    let mut state = CachedState::new(Reader::new(state, faults.clone()));
    let result = execute(&mut state, chain.query_context(info), class_hash, call);
    faults.check()?;
    let outcome =
        result.map_err(|error| CallError::Reverted(RevertError::from_execution(&error)))?;
    if !outcome.execution.failed {
        return Ok(outcome.execution.retdata.0);
    }
    if has_no_entry_point(&outcome) {
        return Err(CallError::EntryPointNotFound);
    }
    let summary = extract_trailing_cairo1_revert_trace(&outcome, Cairo1RevertHeader::Execution);
    Err(CallError::Reverted(RevertError::from_summary(&summary)))
}

fn execute(
    state: &mut CachedState<Reader>,
    context: BlockContext,
    class_hash: ClassHash,
    call: &Call,
) -> Result<CallInfo, TransactionExecutionError> {
    let initial_gas = context.versioned_constants().os_constants.execute_max_sierra_gas;
    let entry_point = CallEntryPoint {
        entry_point_type: EntryPointType::External,
        entry_point_selector: call.selector,
        calldata: Calldata(Arc::new(call.calldata.clone())),
        storage_address: call.contract_address,
        call_type: CallType::Call,
        initial_gas: initial_gas.0,
        ..CallEntryPoint::default()
    };
    let transaction = TransactionContext {
        block_context: Arc::new(context),
        tx_info: TransactionInfo::Deprecated(DeprecatedTransactionInfo::default()),
    };
    let mut context = EntryPointExecutionContext::new_invoke(
        Arc::new(transaction),
        false,
        SierraGasRevertTracker::new(initial_gas),
    );
    let mut remaining_gas = initial_gas.0;
    entry_point.execute(state, &mut context, &mut remaining_gas).map_err(|error| {
        TransactionExecutionError::ExecutionError {
            error: Box::new(error),
            class_hash,
            storage_address: call.contract_address,
            selector: call.selector,
        }
    })
}

/// The engine reports a missing function as a panic with this text. A contract that panics with the
/// same text has run to do so.
fn has_no_entry_point(outcome: &CallInfo) -> bool {
    outcome.execution.retdata.0 == [ENTRYPOINT_NOT_FOUND_ERROR_FELT]
        && outcome.execution.gas_consumed == 0
        && outcome.resources.vm_resources.n_steps == 0
}

#[cfg(test)]
mod tests;
