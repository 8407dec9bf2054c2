//! What happened while a transaction was executed: the tree of its calls, and what they changed.
//!
//! A trace is what the engine itself reports, kept as it is; it is read through [`Invocation`], so
//! that nobody pays for a trace that nobody asks for.

mod replay;

use std::{collections::BTreeSet, fmt, mem, sync::Arc};

use blockifier::{
    blockifier_versioned_constants::VersionedConstants,
    context::BlockContext,
    execution::{
        call_info::{CallInfo, OrderedEvent, OrderedL2ToL1Message},
        entry_point::CallType as EngineCallType,
    },
    state::{
        cached_state::{CachedState, TransactionalState},
        state_api::{StateReader, StateResult},
    },
    transaction::{
        objects::{TransactionExecutionInfo, TransactionExecutionResult},
        transaction_execution::Transaction as EngineTransaction,
        transactions::ExecutableTransaction,
    },
};
use starknet_api::{
    contract_class::EntryPointType,
    core::{ClassHash, ContractAddress, EntryPointSelector, L1Address},
    executable_transaction::AccountTransaction as Executable,
    execution_resources::GasVector,
    transaction::{EventContent, fields::GasVectorComputationMode},
};
use starknet_types_core::felt::Felt;

pub use self::replay::{InitialReads, Replay, Replayed, replay};
use crate::{Chain, Changes, convert, state::Reader};

/// About how many bytes of memory a change of the state takes.
const BYTES_OF_CHANGE: usize = 100;

/// What happened while a transaction was executed. Cheap to clone.
#[derive(Clone)]
pub struct Trace(Arc<Parts>);

struct Parts {
    kind: Kind,
    info: TransactionExecutionInfo,
    effects: Effects,
    /// About how many bytes of memory all of it takes.
    weight: usize,
    chain: Chain,
}

/// The kind of the transaction, which decides what its calls are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Calls `__execute__`.
    Invoke,
    /// Declares a class, and calls nothing for it.
    Declare,
    /// Calls the constructor of the account.
    DeployAccount,
    /// Calls the handler of a message of L1.
    L1Handler,
}

/// What a transaction changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Effects {
    pub(crate) changes: Changes,
    /// Contracts that existed before, and were given another class.
    pub(crate) replaced: BTreeSet<ContractAddress>,
}

/// What came of the main call of a transaction.
#[derive(Clone, Debug)]
pub enum MainCall<'a> {
    /// It succeeded.
    Done(Invocation<'a>),
    /// It reverted, for the reason that the receipt gives.
    Reverted(String),
    /// A declare has none.
    None,
}

/// A call, with the calls that it made.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    info: &'a CallInfo,
    constants: &'a VersionedConstants,
}

/// How a call was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallType {
    /// On another contract's storage.
    Call,
    /// On the caller's own storage.
    LibraryCall,
}

impl Kind {
    /// The kind of a transaction.
    pub(crate) fn of(transaction: &EngineTransaction) -> Self {
        match transaction {
            EngineTransaction::L1Handler(_) => Self::L1Handler,
            EngineTransaction::Account(account) => Self::of_account(&account.tx),
        }
    }

    /// The kind of a transaction that an account sends.
    pub(crate) fn of_account(transaction: &Executable) -> Self {
        match transaction {
            Executable::Invoke(_) => Self::Invoke,
            Executable::Declare(_) => Self::Declare,
            Executable::DeployAccount(_) => Self::DeployAccount,
        }
    }
}

impl Trace {
    pub(crate) fn new(
        kind: Kind,
        info: TransactionExecutionInfo,
        effects: Effects,
        chain: &Chain,
    ) -> Self {
        let calls = info.non_optional_call_infos().flat_map(CallInfo::iter);
        let weight = mem::size_of::<Parts>()
            + calls.map(weight).sum::<usize>()
            + effects.changes.len() * BYTES_OF_CHANGE;
        Self(Arc::new(Parts { kind, info, effects, weight, chain: chain.clone() }))
    }

    /// The kind of the transaction.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The call in which the account agreed; `None` if nobody asked it.
    pub fn validation(&self) -> Option<Invocation<'_>> {
        self.0.info.validate_call_info.as_ref().map(|info| self.invocation(info))
    }

    /// What the transaction is for.
    pub fn main_call(&self) -> MainCall<'_> {
        match (&self.0.info.revert_error, &self.0.info.execute_call_info) {
            (Some(error), _) => MainCall::Reverted(error.to_string()),
            (None, Some(info)) => MainCall::Done(self.invocation(info)),
            (None, None) => MainCall::None,
        }
    }

    /// The call that paid the fee; `None` if there was none to pay.
    pub fn fee_transfer(&self) -> Option<Invocation<'_>> {
        self.0.info.fee_transfer_call_info.as_ref().map(|info| self.invocation(info))
    }

    /// The gas that was charged for, if anything was.
    pub fn gas(&self) -> GasVector {
        self.0.info.receipt.gas
    }

    /// What changed.
    pub fn changes(&self) -> &Changes {
        &self.0.effects.changes
    }

    /// Contracts that existed before and were given another class.
    pub fn replaced(&self) -> &BTreeSet<ContractAddress> {
        &self.0.effects.replaced
    }

    /// About how many bytes of memory it takes.
    pub fn weight(&self) -> usize {
        self.0.weight
    }

    fn invocation<'a>(&'a self, info: &'a CallInfo) -> Invocation<'a> {
        Invocation { info, constants: self.0.chain.constants() }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").field("kind", &self.0.kind).finish_non_exhaustive()
    }
}

impl<'a> Invocation<'a> {
    /// On whose storage it ran.
    pub fn contract_address(&self) -> ContractAddress {
        self.info.call.storage_address
    }

    /// The function.
    pub fn selector(&self) -> EntryPointSelector {
        self.info.call.entry_point_selector
    }

    /// Its arguments.
    pub fn calldata(&self) -> &'a [Felt] {
        &self.info.call.calldata.0
    }

    /// Who called; zero at the root.
    pub fn caller(&self) -> ContractAddress {
        self.info.call.caller_address
    }

    /// Whose code ran. Zero if the call failed before there was any.
    pub fn class_hash(&self) -> ClassHash {
        self.info.call.class_hash.unwrap_or_default()
    }

    /// What kind of function it is.
    pub fn entry_point_type(&self) -> EntryPointType {
        self.info.call.entry_point_type
    }

    /// How it was called.
    pub fn call_type(&self) -> CallType {
        match self.info.call.call_type {
            EngineCallType::Call => CallType::Call,
            EngineCallType::Delegate => CallType::LibraryCall,
        }
    }

    /// What it returned, or panicked with.
    pub fn result(&self) -> &'a [Felt] {
        &self.info.execution.retdata.0
    }

    /// The calls that it made, in order.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = Self> + use<'a> {
        let constants = self.constants;
        self.info.inner_calls.iter().map(move |info| Invocation { info, constants })
    }

    /// The events that it emitted itself, each with its place in the transaction.
    pub fn events(&self) -> impl ExactSizeIterator<Item = (usize, &'a EventContent)> + use<'a> {
        self.info.execution.events.iter().map(|OrderedEvent { order, event }| (*order, event))
    }

    /// The messages that it sent itself, each with its place in the transaction: receiver, payload.
    pub fn messages(
        &self,
    ) -> impl ExactSizeIterator<Item = (usize, L1Address, &'a [Felt])> + use<'a> {
        let messages = self.info.execution.l2_to_l1_messages.iter();
        messages.map(|OrderedL2ToL1Message { order, message }| {
            (*order, message.to_address, message.payload.0.as_slice())
        })
    }

    /// What it and its calls used, without what is counted for the transaction as a whole.
    pub fn gas(&self) -> GasVector {
        let mode = GasVectorComputationMode::All;
        self.info.summarize(self.constants).to_partial_gas_vector(self.constants, &mode)
    }

    /// Whether it panicked.
    pub fn is_reverted(&self) -> bool {
        self.info.execution.failed
    }
}

impl fmt::Debug for Invocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("contract_address", &self.contract_address())
            .field("selector", &self.selector())
            .finish_non_exhaustive()
    }
}

/// Executes a transaction on top of `state`; what it did stays there if `keep` says so. One that is
/// rejected leaves nothing there.
pub(crate) fn execute(
    state: &mut CachedState<Reader>,
    context: &BlockContext,
    transaction: &impl ExecutableTransaction<CachedState<Reader>>,
    keep: impl FnOnce(&TransactionExecutionInfo) -> bool,
) -> TransactionExecutionResult<(TransactionExecutionInfo, Effects)> {
    let mut scratch = TransactionalState::create_transactional(state);
    let info = transaction.execute_raw(&mut scratch, context, false)?;
    let effects = effects(&mut scratch)?;
    if keep(&info) {
        scratch.commit();
    }
    Ok((info, effects))
}

fn effects(scratch: &mut TransactionalState<'_, CachedState<Reader>>) -> StateResult<Effects> {
    let changes = convert::changes(scratch.to_state_diff()?.state_maps);
    let given: BTreeSet<_> = changes.class_hashes.keys().copied().collect();
    let mut replaced = BTreeSet::new();
    for contract in given {
        if scratch.state.get_class_hash_at(contract)? != ClassHash::default() {
            replaced.insert(contract);
        }
    }
    Ok(Effects { changes, replaced })
}

fn weight(info: &CallInfo) -> usize {
    let execution = &info.execution;
    let events = execution.events.iter().map(|event| {
        mem::size_of::<OrderedEvent>() + 32 * (event.event.keys.len() + event.event.data.0.len())
    });
    let messages = execution.l2_to_l1_messages.iter().map(|message| {
        mem::size_of::<OrderedL2ToL1Message>() + 32 * message.message.payload.0.len()
    });
    let accessed = &info.storage_access_tracker;
    let felts = info.call.calldata.0.len()
        + execution.retdata.0.len()
        + accessed.storage_read_values.len()
        + 2 * accessed.accessed_storage_keys.len();
    mem::size_of::<CallInfo>() + 32 * felts + events.sum::<usize>() + messages.sum::<usize>()
}

#[cfg(test)]
pub(crate) mod tests;
