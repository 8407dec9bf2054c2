//! Messages from L1, which contracts handle.

use blockifier::{
    state::cached_state::CachedState, transaction::errors::TransactionExecutionError,
};
use starknet_api::{
    StarknetApiError,
    block::{BlockInfo, FeeType},
    core::{ContractAddress, EntryPointSelector, EthAddress, Nonce},
    executable_transaction,
    transaction::{
        L1HandlerTransaction, TransactionVersion,
        fields::{Calldata, Fee},
    },
};
use starknet_types_core::felt::Felt;

use crate::{
    CallError, Chain, Fault, FeeEstimate, RevertError, State,
    state::{Faults, Reader},
    trace::execute,
};

/// A message from L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct L1Message {
    /// The contract of L1 that sent it.
    pub from: EthAddress,
    /// The contract that is to handle it.
    pub to: ContractAddress,
    /// The function that handles it.
    pub selector: EntryPointSelector,
    /// Its arguments, behind the sender.
    pub payload: Vec<Felt>,
}

impl L1Message {
    /// The transaction that has it handled. `nonce` is that of L1.
    pub fn transaction(&self, nonce: Nonce) -> L1HandlerTransaction {
        let sender = Felt::from(self.from);
        let calldata: Vec<Felt> =
            [sender].into_iter().chain(self.payload.iter().copied()).collect();
        L1HandlerTransaction {
            version: TransactionVersion::ZERO,
            nonce,
            contract_address: self.to,
            entry_point_selector: self.selector,
            calldata: Calldata::from(calldata),
        }
    }
}

/// What was paid for a message on L1. The engine asks only that it was something.
pub(crate) const PAID_ON_L1: Fee = Fee(1);

/// Hashes the transaction that has a message handled.
pub(crate) fn executable(
    transaction: L1HandlerTransaction,
    chain: &Chain,
) -> Result<executable_transaction::L1HandlerTransaction, StarknetApiError> {
    executable_transaction::L1HandlerTransaction::create(transaction, chain.id(), PAID_ON_L1)
}

/// What it will cost to have a message handled on `state`, in wei.
///
/// # Errors
/// [`CallError`]; a handler that is not there reverts.
pub fn estimate_message(
    state: State,
    info: &BlockInfo,
    chain: &Chain,
    message: &L1Message,
) -> Result<FeeEstimate, CallError> {
    let class_hash = state.class_hash_at(message.to).map_err(Fault::Storage)?;
    class_hash.ok_or(CallError::ContractNotFound)?;
    let transaction = executable(message.transaction(Nonce::default()), chain)
        .map_err(|error| Fault::Engine { reason: error.to_string() })?;

    let faults = Faults::default();
    let context = chain.query_context(info);
    let mut state = CachedState::new(Reader::new(state, faults.clone()));
    let executed = execute(&mut state, &context, &transaction, |_| false);
    faults.check()?;
    let reverted =
        |error: TransactionExecutionError| CallError::Reverted(RevertError::from_execution(&error));
    let (executed, _) = executed.map_err(reverted)?;
    match &executed.revert_error {
        Some(error) => Err(CallError::Reverted(RevertError::from_revert(error))),
        None => Ok(FeeEstimate::new(&context, executed.receipt.gas, FeeType::Eth)),
    }
}
