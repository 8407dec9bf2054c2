//! What happened in transactions.

use kraken_execution::{CallType, Invocation, Kind, MainCall, Simulation, Trace};
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeSeq};
use starknet_api::{contract_class::EntryPointType, execution_resources::GasVector};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{
        fee::FeeEstimate,
        receipt::Resources,
        state_update::{Context, StateDiff},
    },
    schema,
    version::Version,
};

/// TRANSACTION_TRACE.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TRANSACTION_TRACE")]
pub(crate) struct TransactionTrace<'a> {
    #[schemars(extend("enum" = ["INVOKE", "DECLARE", "DEPLOY_ACCOUNT", "L1_HANDLER"]))]
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "FunctionInvocation<'a>")]
    validate_invocation: Option<FunctionInvocation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Revertible<'a>")]
    execute_invocation: Option<Revertible<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Revertible<'a>")]
    constructor_invocation: Option<Revertible<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Revertible<'a>")]
    function_invocation: Option<Revertible<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "FunctionInvocation<'a>")]
    fee_transfer_invocation: Option<FunctionInvocation<'a>>,
    state_diff: StateDiff,
    execution_resources: Resources,
}

/// A trace of a block, with the hash of its transaction.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_HASH_WITH_TRACE")]
pub(crate) struct TracedTransaction<'a> {
    #[schemars(with = "schema::TxHash")]
    pub(crate) transaction_hash: Felt,
    pub(crate) trace_root: TransactionTrace<'a>,
}

/// What a transaction would do and cost.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SIMULATED_TXN")]
pub(crate) struct SimulatedTransaction<'a> {
    transaction_trace: TransactionTrace<'a>,
    fee_estimation: FeeEstimate,
}

/// FUNCTION_INVOCATION.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FUNCTION_INVOCATION")]
struct FunctionInvocation<'a> {
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
    #[schemars(with = "schema::Felt")]
    entry_point_selector: Felt,
    #[schemars(with = "Vec<schema::Felt>")]
    calldata: &'a [Felt],
    #[schemars(with = "schema::Address")]
    caller_address: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    #[schemars(extend("enum" = ["EXTERNAL", "L1_HANDLER", "CONSTRUCTOR"]))]
    entry_point_type: &'static str,
    #[schemars(extend("enum" = ["CALL", "LIBRARY_CALL"]))]
    call_type: &'static str,
    #[schemars(with = "Vec<schema::Felt>")]
    result: &'a [Felt],
    #[schemars(with = "Vec<Self>")]
    calls: Calls<'a>,
    events: Vec<OrderedEvent<'a>>,
    messages: Vec<OrderedMessage<'a>>,
    execution_resources: InnerResources,
    is_reverted: bool,
}

/// REVERTIBLE_FUNCTION_INVOCATION.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "REVERTIBLE_FUNCTION_INVOCATION")]
enum Revertible<'a> {
    Done(Box<FunctionInvocation<'a>>),
    Reverted { revert_reason: String },
}

/// The calls that a call made, written one by one.
#[derive(Clone, Copy, Debug)]
struct Calls<'a>(Invocation<'a>);

/// ORDERED_EVENT.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ORDERED_EVENT")]
struct OrderedEvent<'a> {
    order: usize,
    #[schemars(with = "Vec<schema::Felt>")]
    keys: &'a [starknet_api::transaction::EventKey],
    #[schemars(with = "Vec<schema::Felt>")]
    data: &'a [Felt],
}

/// ORDERED_MESSAGE.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ORDERED_MESSAGE")]
struct OrderedMessage<'a> {
    order: usize,
    #[schemars(with = "schema::Address")]
    from_address: Felt,
    #[schemars(with = "schema::Felt")]
    to_address: Felt,
    #[schemars(with = "Vec<schema::Felt>")]
    payload: &'a [Felt],
}

/// INNER_CALL_EXECUTION_RESOURCES.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "INNER_CALL_EXECUTION_RESOURCES")]
struct InnerResources {
    l1_gas: u64,
    l2_gas: u64,
}

impl<'a> TransactionTrace<'a> {
    /// All that a trace shows.
    pub(crate) fn new(trace: &'a Trace, version: Version) -> Self {
        let main = || match trace.main_call() {
            MainCall::Done(invocation) => {
                Some(Revertible::Done(Box::new(FunctionInvocation::new(invocation))))
            }
            MainCall::Reverted(revert_reason) => Some(Revertible::Reverted { revert_reason }),
            MainCall::None => None,
        };
        let of = |kind| (trace.kind() == kind).then(main).flatten();
        Self {
            r#type: match trace.kind() {
                Kind::Invoke => "INVOKE",
                Kind::Declare => "DECLARE",
                Kind::DeployAccount => "DEPLOY_ACCOUNT",
                Kind::L1Handler => "L1_HANDLER",
            },
            validate_invocation: trace.validation().map(FunctionInvocation::new),
            execute_invocation: of(Kind::Invoke),
            constructor_invocation: of(Kind::DeployAccount),
            function_invocation: of(Kind::L1Handler),
            fee_transfer_invocation: trace.fee_transfer().map(FunctionInvocation::new),
            state_diff: state_diff(trace, version),
            execution_resources: Resources::new(trace.gas()),
        }
    }
}

fn state_diff(trace: &Trace, version: Version) -> StateDiff {
    let diff = trace.changes().sorted();
    let context = Context {
        replaced: trace.replaced().clone(),
        declared: diff.class_hash_to_compiled_class_hash.keys().copied().collect(),
        version,
        shown: None,
    };
    StateDiff::new(&diff, &context)
}

impl<'a> SimulatedTransaction<'a> {
    /// What a transaction would do and cost.
    pub(crate) fn new(simulation: &'a Simulation, version: Version) -> Self {
        let Simulation { trace, fee } = simulation;
        Self {
            transaction_trace: TransactionTrace::new(trace, version),
            fee_estimation: FeeEstimate::in_fri(*fee),
        }
    }
}

impl<'a> FunctionInvocation<'a> {
    fn new(invocation: Invocation<'a>) -> Self {
        let from_address = invocation.contract_address().into();
        let GasVector { l1_gas, l2_gas, .. } = invocation.gas();
        Self {
            contract_address: from_address,
            entry_point_selector: invocation.selector().0,
            calldata: invocation.calldata(),
            caller_address: invocation.caller().into(),
            class_hash: invocation.class_hash().0,
            entry_point_type: match invocation.entry_point_type() {
                EntryPointType::Constructor => "CONSTRUCTOR",
                EntryPointType::External => "EXTERNAL",
                EntryPointType::L1Handler => "L1_HANDLER",
            },
            call_type: match invocation.call_type() {
                CallType::Call => "CALL",
                CallType::LibraryCall => "LIBRARY_CALL",
            },
            result: invocation.result(),
            calls: Calls(invocation),
            events: invocation
                .events()
                .map(|(order, event)| OrderedEvent {
                    order,
                    keys: &event.keys,
                    data: &event.data.0,
                })
                .collect(),
            messages: invocation
                .messages()
                .map(|(order, to, payload)| OrderedMessage {
                    order,
                    from_address,
                    to_address: to.0,
                    payload,
                })
                .collect(),
            execution_resources: InnerResources { l1_gas: l1_gas.0, l2_gas: l2_gas.0 },
            is_reverted: invocation.is_reverted(),
        }
    }
}

impl Serialize for Calls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let calls = self.0.calls();
        let mut list = serializer.serialize_seq(Some(calls.len()))?;
        for call in calls {
            list.serialize_element(&FunctionInvocation::new(call))?;
        }
        list.end()
    }
}
