//! What callers send. `FromInput` reads these shapes, and says in words what it expects.

#![expect(dead_code, reason = "shapes")]

use schemars::JsonSchema;
use serde_json::{Number as JsonNumber, Value};

use super::{
    Address, BlockHash, Felt, StorageKey, class::SierraEntryPoints, since_v0_10,
    transaction::DaMode,
};
use crate::dto::{felt::Hex, transaction::ResourceBoundsMapping};

/// A block by hash, by number, or by what it is.
#[derive(JsonSchema)]
#[schemars(rename = "BLOCK_ID", untagged, deny_unknown_fields)]
pub(crate) enum BlockId {
    Hash { block_hash: BlockHash },
    Number { block_number: u64 },
    Tag(BlockTag),
}

/// A block, but not the open one.
#[derive(JsonSchema)]
#[schemars(rename = "CONFIRMED_BLOCK_ID", untagged, deny_unknown_fields)]
pub(crate) enum ConfirmedBlockId {
    Hash { block_hash: BlockHash },
    Number { block_number: u64 },
    Tag(ConfirmedBlockTag),
}

/// A block that a subscription can begin with.
#[derive(JsonSchema)]
#[schemars(rename = "SUBSCRIPTION_BLOCK_ID", untagged, deny_unknown_fields)]
pub(crate) enum SubscriptionBlockId {
    Hash { block_hash: BlockHash },
    Number { block_number: u64 },
    Tag(SubscriptionTag),
}

/// The newest closed block, the open one, or the newest that is accepted on L1.
#[derive(JsonSchema)]
#[schemars(rename = "BLOCK_TAG", rename_all = "snake_case")]
pub(crate) enum BlockTag {
    Latest,
    PreConfirmed,
    L1Accepted,
}

/// The newest closed block, or the newest that is accepted on L1.
#[derive(JsonSchema)]
#[schemars(rename = "CONFIRMED_BLOCK_TAG", rename_all = "snake_case")]
pub(crate) enum ConfirmedBlockTag {
    Latest,
    L1Accepted,
}

/// The next block.
#[derive(JsonSchema)]
#[schemars(rename = "SUBSCRIPTION_BLOCK_TAG", rename_all = "snake_case")]
pub(crate) enum SubscriptionTag {
    Latest,
}

/// A call of a function.
#[derive(JsonSchema)]
#[schemars(rename = "FUNCTION_CALL", deny_unknown_fields)]
pub(crate) struct FunctionCall {
    contract_address: Address,
    entry_point_selector: Felt,
    calldata: Vec<Felt>,
}

/// A message of L1, as its handler gets it.
#[derive(JsonSchema)]
#[schemars(rename = "MSG_FROM_L1", deny_unknown_fields)]
pub(crate) struct MessageFromL1 {
    from_address: EthAddress,
    to_address: Address,
    entry_point_selector: Felt,
    payload: Vec<Felt>,
}

/// An address of L1; leading zeros may be missing.
#[derive(JsonSchema)]
#[schemars(rename = "ETH_ADDRESS")]
pub(crate) struct EthAddress(#[schemars(regex(pattern = "^0x[0-9a-fA-F]{1,40}$"))] String);

/// A transaction of an account, to be executed or tried out.
#[derive(JsonSchema)]
#[schemars(rename = "BROADCASTED_TXN", untagged)]
pub(crate) enum Broadcasted {
    Invoke(Invoke),
    Declare(Declare),
    DeployAccount(DeployAccount),
}

/// An invocation.
#[derive(JsonSchema)]
#[schemars(rename = "BROADCASTED_INVOKE_TXN", deny_unknown_fields)]
pub(crate) struct Invoke {
    #[schemars(extend("const" = "INVOKE"))]
    r#type: String,
    sender_address: Address,
    calldata: Vec<Felt>,
    account_deployment_data: Vec<Felt>,
    /// Of what is tried out.
    #[schemars(transform = since_v0_10)]
    proof_facts: Option<Vec<Felt>>,
    /// In base 64; of what is tried out.
    #[schemars(transform = since_v0_10)]
    proof: Option<String>,
    #[schemars(flatten)]
    common: Common,
}

/// A declaration of a class.
#[derive(JsonSchema)]
#[schemars(rename = "BROADCASTED_DECLARE_TXN", deny_unknown_fields)]
pub(crate) struct Declare {
    #[schemars(extend("const" = "DECLARE"))]
    r#type: String,
    sender_address: Address,
    compiled_class_hash: Felt,
    contract_class: DeclaredClass,
    account_deployment_data: Vec<Felt>,
    #[schemars(flatten)]
    common: Common,
}

/// A deployment of an account.
#[derive(JsonSchema)]
#[schemars(rename = "BROADCASTED_DEPLOY_ACCOUNT_TXN", deny_unknown_fields)]
pub(crate) struct DeployAccount {
    #[schemars(extend("const" = "DEPLOY_ACCOUNT"))]
    r#type: String,
    class_hash: Felt,
    contract_address_salt: Felt,
    constructor_calldata: Vec<Felt>,
    /// Has no meaning here; some clients send it.
    #[schemars(length(max = 0))]
    account_deployment_data: Option<Vec<Felt>>,
    #[schemars(flatten)]
    common: Common,
}

/// What all transactions have.
#[derive(JsonSchema)]
struct Common {
    /// The larger one is signed to be tried out, and is not executed.
    #[schemars(extend("enum" = ["0x3", "0x100000000000000000000000000000003"]))]
    version: String,
    signature: Vec<Felt>,
    nonce: Felt,
    resource_bounds: ResourceBoundsMapping,
    tip: Hex<u64>,
    paymaster_data: Vec<Felt>,
    nonce_data_availability_mode: DaMode,
    fee_data_availability_mode: DaMode,
}

/// A class of Sierra, to be declared.
#[derive(JsonSchema)]
#[schemars(rename = "DECLARED_CONTRACT_CLASS", deny_unknown_fields)]
pub(crate) struct DeclaredClass {
    sierra_program: Vec<Felt>,
    contract_class_version: String,
    entry_points_by_type: SierraEntryPoints,
    /// JSON, as the hash of the class holds it.
    abi: Option<String>,
    /// Has no meaning here; some clients leave it in.
    sierra_program_debug_info: Option<Value>,
}

/// Which events, and how many at once.
#[derive(JsonSchema)]
#[schemars(rename = "EVENTS_REQUEST", deny_unknown_fields)]
pub(crate) struct EventsRequest {
    /// Block 0 if it is missing.
    from_block: Option<BlockId>,
    /// The open block if it is missing.
    to_block: Option<BlockId>,
    address: Option<Addresses>,
    keys: Option<Keys>,
    #[schemars(range(min = 1))]
    chunk_size: u64,
    /// Of the page before.
    continuation_token: Option<String>,
}

/// A contract or several.
#[derive(JsonSchema)]
#[schemars(rename = "ADDRESSES", untagged)]
pub(crate) enum Addresses {
    One(Address),
    #[schemars(transform = since_v0_10)]
    Many(Vec<Address>),
}

/// For each place, the keys that fit there; none for all.
#[derive(JsonSchema)]
#[schemars(rename = "EVENT_KEYS")]
pub(crate) struct Keys(Vec<Vec<Felt>>);

/// Cells of a contract that are to be proven.
#[derive(JsonSchema)]
#[schemars(rename = "CONTRACT_STORAGE_KEYS", deny_unknown_fields)]
pub(crate) struct StorageKeys {
    contract_address: Address,
    storage_keys: Vec<StorageKey>,
}

/// Show the proof facts of invocations.
#[derive(JsonSchema)]
#[schemars(rename = "TXN_RESPONSE_FLAG", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TransactionFlag {
    IncludeProofFacts,
}

/// Say which block wrote the value.
#[derive(JsonSchema)]
#[schemars(rename = "STORAGE_RESPONSE_FLAG", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum StorageFlag {
    IncludeLastUpdateBlock,
}

/// Do not ask the account.
#[derive(JsonSchema)]
#[schemars(rename = "SIMULATION_FLAG_FOR_ESTIMATE_FEE", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum EstimateFlag {
    SkipValidate,
}

/// What a simulation leaves out, or says more.
#[derive(JsonSchema)]
#[schemars(rename = "SIMULATION_FLAG", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SimulationFlag {
    SkipValidate,
    SkipFeeCharge,
    #[schemars(transform = since_v0_10)]
    ReturnInitialReads,
}

/// Say what was read of the state.
#[derive(JsonSchema)]
#[schemars(rename = "TRACE_FLAG", rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum TraceFlag {
    ReturnInitialReads,
}

/// How far a transaction in a block has come, for subscribers.
#[derive(JsonSchema)]
#[schemars(rename = "TXN_FINALITY_STATUS_WITHOUT_L1")]
pub(crate) struct Finality(
    #[schemars(extend("enum" = ["PRE_CONFIRMED", "ACCEPTED_ON_L2"]))] String,
);

/// How far a transaction has come, for subscribers.
#[derive(JsonSchema)]
#[schemars(rename = "TXN_STATUS_WITHOUT_L1")]
pub(crate) struct Status(
    #[schemars(extend("enum" = ["RECEIVED", "CANDIDATE", "PRE_CONFIRMED", "ACCEPTED_ON_L2"]))]
    String,
);

/// A number of 128 bits; fractions are cut off.
#[derive(JsonSchema)]
#[schemars(rename = "AMOUNT")]
pub(crate) struct Amount(#[schemars(with = "f64", range(min = 0))] JsonNumber);

/// A price of a unit of gas.
#[derive(JsonSchema)]
#[schemars(rename = "PRICE")]
pub(crate) struct Price(#[schemars(range(min = 1))] u64);

/// The id of a snapshot, in hexadecimal or decimal.
#[derive(JsonSchema)]
#[schemars(rename = "SNAPSHOT_ID")]
pub(crate) struct SnapshotId(#[schemars(regex(pattern = "^(0x[0-9a-fA-F]+|[0-9]+)$"))] String);

/// Changes of the state, of which every part may be missing.
#[derive(JsonSchema)]
#[schemars(rename = "STATE_CHANGES", deny_unknown_fields)]
pub(crate) struct StateChanges {
    storage_diffs: Option<Vec<StorageChanges>>,
    nonces: Option<Vec<NonceChange>>,
    deployed_contracts: Option<Vec<Deployment>>,
    replaced_classes: Option<Vec<Replacement>>,
    declared_classes: Option<Vec<Declaration>>,
    deprecated_declared_classes: Option<Vec<Felt>>,
    #[schemars(length(max = 0))]
    migrated_compiled_classes: Option<Vec<Declaration>>,
}

/// Cells of a contract, and what is written to them.
#[derive(JsonSchema)]
#[schemars(rename = "STORAGE_CHANGES", deny_unknown_fields)]
struct StorageChanges {
    address: Address,
    storage_entries: Vec<CellChange>,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct CellChange {
    key: StorageKey,
    value: Felt,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct NonceChange {
    contract_address: Address,
    nonce: Felt,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct Deployment {
    address: Address,
    class_hash: Felt,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct Replacement {
    contract_address: Address,
    class_hash: Felt,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
struct Declaration {
    class_hash: Felt,
    compiled_class_hash: Felt,
}

/// A class to declare, with hashes that it is held against.
#[derive(JsonSchema)]
#[schemars(rename = "GIVEN_CLASS", deny_unknown_fields)]
pub(crate) struct GivenClass {
    contract_class: DeclaredClass,
    class_hash: Option<Felt>,
    compiled_class_hash: Option<Felt>,
}
