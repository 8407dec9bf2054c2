//! Transactions of versions that cannot be sent any more, and parts of transactions.

#![expect(dead_code, reason = "shapes")]

use schemars::JsonSchema;

use super::{Address, Felt};
use crate::dto::felt::Hex;

/// Where data is kept.
#[derive(JsonSchema)]
#[schemars(rename = "DA_MODE")]
pub(crate) enum DaMode {
    L1,
    L2,
}

/// An invocation of version 1.
#[derive(JsonSchema)]
#[schemars(rename = "INVOKE_TXN_V1")]
pub(crate) struct InvokeV1 {
    #[schemars(extend("const" = "INVOKE"))]
    r#type: String,
    #[schemars(extend("const" = "0x1"))]
    version: String,
    max_fee: Hex<u128>,
    signature: Vec<Felt>,
    nonce: Felt,
    sender_address: Address,
    calldata: Vec<Felt>,
}

/// An invocation of version 0.
#[derive(JsonSchema)]
#[schemars(rename = "INVOKE_TXN_V0")]
pub(crate) struct InvokeV0 {
    #[schemars(extend("const" = "INVOKE"))]
    r#type: String,
    #[schemars(extend("const" = "0x0"))]
    version: String,
    max_fee: Hex<u128>,
    signature: Vec<Felt>,
    contract_address: Address,
    entry_point_selector: Felt,
    calldata: Vec<Felt>,
}

/// A declaration of version 2.
#[derive(JsonSchema)]
#[schemars(rename = "DECLARE_TXN_V2")]
pub(crate) struct DeclareV2 {
    #[schemars(extend("const" = "DECLARE"))]
    r#type: String,
    #[schemars(extend("const" = "0x2"))]
    version: String,
    max_fee: Hex<u128>,
    signature: Vec<Felt>,
    nonce: Felt,
    class_hash: Felt,
    compiled_class_hash: Felt,
    sender_address: Address,
}

/// A declaration of version 0 or 1.
#[derive(JsonSchema)]
#[schemars(rename = "DECLARE_TXN_V0_V1")]
pub(crate) struct DeclareV0V1 {
    #[schemars(extend("const" = "DECLARE"))]
    r#type: String,
    #[schemars(extend("enum" = ["0x0", "0x1"]))]
    version: String,
    max_fee: Hex<u128>,
    signature: Vec<Felt>,
    nonce: Felt,
    class_hash: Felt,
    sender_address: Address,
}

/// A deployment of an account, of version 1.
#[derive(JsonSchema)]
#[schemars(rename = "DEPLOY_ACCOUNT_TXN_V1")]
pub(crate) struct DeployAccountV1 {
    #[schemars(extend("const" = "DEPLOY_ACCOUNT"))]
    r#type: String,
    #[schemars(extend("const" = "0x1"))]
    version: String,
    max_fee: Hex<u128>,
    signature: Vec<Felt>,
    nonce: Felt,
    class_hash: Felt,
    contract_address_salt: Felt,
    constructor_calldata: Vec<Felt>,
}

/// A deployment of a contract that is no account.
#[derive(JsonSchema)]
#[schemars(rename = "DEPLOY_TXN")]
pub(crate) struct Deploy {
    #[schemars(extend("const" = "DEPLOY"))]
    r#type: String,
    version: Felt,
    class_hash: Felt,
    contract_address_salt: Felt,
    constructor_calldata: Vec<Felt>,
}

/// A message of L1 that is handled.
#[derive(JsonSchema)]
#[schemars(rename = "L1_HANDLER_TXN")]
pub(crate) struct L1Handler {
    #[schemars(extend("const" = "L1_HANDLER"))]
    r#type: String,
    version: Felt,
    nonce: Felt,
    contract_address: Address,
    entry_point_selector: Felt,
    calldata: Vec<Felt>,
}
