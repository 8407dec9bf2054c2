//! Transactions, as blocks hold them.

use kraken_storage::ExecutedTransaction;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    data_availability::DataAvailabilityMode,
    transaction::{
        DeclareTransaction, DeclareTransactionV0V1, DeclareTransactionV2, DeclareTransactionV3,
        DeployAccountTransaction, DeployAccountTransactionV1, DeployAccountTransactionV3,
        DeployTransaction, InvokeTransaction, InvokeTransactionV0, InvokeTransactionV1,
        InvokeTransactionV3, L1HandlerTransaction, Transaction as Stored, TransactionHash,
        fields::{ResourceBounds as Bounds, ValidResourceBounds},
    },
};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{felt::Hex, flag::TransactionFlag},
    schema::{self, transaction as historic},
};

/// TXN.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "TXN")]
pub(crate) enum Transaction<'a> {
    /// INVOKE_TXN_V3.
    InvokeV3(InvokeV3<'a>),
    /// DECLARE_TXN_V3.
    DeclareV3(DeclareV3<'a>),
    /// DEPLOY_ACCOUNT_TXN_V3.
    DeployAccountV3(DeployAccountV3<'a>),
    /// INVOKE_TXN_V1.
    InvokeV1(#[schemars(with = "historic::InvokeV1")] Historic<'a, InvokeTransactionV1>),
    /// INVOKE_TXN_V0.
    InvokeV0(#[schemars(with = "historic::InvokeV0")] Historic<'a, InvokeTransactionV0>),
    /// DECLARE_TXN_V2.
    DeclareV2(#[schemars(with = "historic::DeclareV2")] Historic<'a, DeclareTransactionV2>),
    /// DECLARE_TXN_V0 and DECLARE_TXN_V1.
    DeclareV0V1(#[schemars(with = "historic::DeclareV0V1")] Historic<'a, DeclareTransactionV0V1>),
    /// DEPLOY_ACCOUNT_TXN_V1.
    DeployAccountV1(
        #[schemars(with = "historic::DeployAccountV1")] Historic<'a, DeployAccountTransactionV1>,
    ),
    /// DEPLOY_TXN.
    Deploy(#[schemars(with = "historic::Deploy")] Historic<'a, DeployTransaction>),
    /// L1_HANDLER_TXN.
    L1Handler(#[schemars(with = "historic::L1Handler")] Historic<'a, L1HandlerTransaction>),
}

/// TXN_WITH_HASH.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_WITH_HASH")]
pub(crate) struct TransactionWithHash<'a> {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
    #[serde(flatten)]
    transaction: Transaction<'a>,
}

/// INVOKE_TXN_V3.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "INVOKE_TXN_V3")]
pub(crate) struct InvokeV3<'a> {
    #[schemars(extend("const" = "INVOKE"))]
    r#type: &'static str,
    #[schemars(extend("const" = "0x3"))]
    version: &'static str,
    #[schemars(with = "schema::Address")]
    sender_address: Felt,
    #[schemars(with = "Vec<schema::Felt>")]
    calldata: &'a [Felt],
    #[schemars(with = "Vec<schema::Felt>")]
    account_deployment_data: &'a [Felt],
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<schema::Felt>", transform = schema::since_v0_10)]
    proof_facts: Option<&'a [Felt]>,
    #[serde(flatten)]
    common: CommonV3<'a>,
}

/// DECLARE_TXN_V3.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DECLARE_TXN_V3")]
pub(crate) struct DeclareV3<'a> {
    #[schemars(extend("const" = "DECLARE"))]
    r#type: &'static str,
    #[schemars(extend("const" = "0x3"))]
    version: &'static str,
    #[schemars(with = "schema::Address")]
    sender_address: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    #[schemars(with = "schema::Felt")]
    compiled_class_hash: Felt,
    #[schemars(with = "Vec<schema::Felt>")]
    account_deployment_data: &'a [Felt],
    #[serde(flatten)]
    common: CommonV3<'a>,
}

/// DEPLOY_ACCOUNT_TXN_V3.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DEPLOY_ACCOUNT_TXN_V3")]
pub(crate) struct DeployAccountV3<'a> {
    #[schemars(extend("const" = "DEPLOY_ACCOUNT"))]
    r#type: &'static str,
    #[schemars(extend("const" = "0x3"))]
    version: &'static str,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    #[schemars(with = "schema::Felt")]
    contract_address_salt: Felt,
    #[schemars(with = "Vec<schema::Felt>")]
    constructor_calldata: &'a [Felt],
    #[serde(flatten)]
    common: CommonV3<'a>,
}

/// What all transactions of version 3 have.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CommonV3<'a> {
    #[schemars(with = "Vec<schema::Felt>")]
    signature: &'a [Felt],
    #[schemars(with = "schema::Felt")]
    nonce: Felt,
    resource_bounds: ResourceBoundsMapping,
    tip: Hex<u64>,
    #[schemars(with = "Vec<schema::Felt>")]
    paymaster_data: &'a [Felt],
    #[schemars(with = "schema::transaction::DaMode")]
    nonce_data_availability_mode: DataAvailabilityMode,
    #[schemars(with = "schema::transaction::DaMode")]
    fee_data_availability_mode: DataAvailabilityMode,
}

/// A transaction of a version that cannot be sent any more: its fields have the names of the
/// specification already.
#[derive(Debug, Serialize)]
pub(crate) struct Historic<'a, T> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    #[serde(flatten)]
    fields: &'a T,
}

/// RESOURCE_BOUNDS_MAPPING.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RESOURCE_BOUNDS_MAPPING")]
pub(crate) struct ResourceBoundsMapping {
    l1_gas: ResourceBounds,
    l1_data_gas: ResourceBounds,
    l2_gas: ResourceBounds,
}

/// RESOURCE_BOUNDS.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RESOURCE_BOUNDS")]
struct ResourceBounds {
    max_amount: Hex<u64>,
    max_price_per_unit: Hex<u128>,
}

/// TXN_WITH_HASH, and how far the transaction has come.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_WITH_HASH_AND_STATUS")]
pub(crate) struct TransactionWithStatus<'a> {
    /// The transaction.
    #[serde(flatten)]
    pub(crate) transaction: TransactionWithHash<'a>,
    /// TXN_STATUS.
    #[schemars(extend("enum" = ["RECEIVED", "CANDIDATE", "PRE_CONFIRMED", "ACCEPTED_ON_L2"]))]
    pub(crate) finality_status: &'static str,
}

impl<'a> TransactionWithHash<'a> {
    /// With its hash; proof facts are shown on demand.
    pub(crate) fn new(executed: &'a ExecutedTransaction, flags: &[TransactionFlag]) -> Self {
        Self::of(executed.hash, &executed.transaction, flags)
    }

    /// One that may not be executed yet.
    pub(crate) fn of(
        hash: TransactionHash,
        transaction: &'a Stored,
        flags: &[TransactionFlag],
    ) -> Self {
        Self { transaction_hash: hash.0, transaction: Transaction::new(transaction, flags) }
    }
}

impl<'a> Transaction<'a> {
    /// Without its hash; proof facts are shown on demand.
    pub(crate) fn new(stored: &'a Stored, flags: &[TransactionFlag]) -> Self {
        match stored {
            Stored::Invoke(InvokeTransaction::V3(invoke)) => {
                Self::InvokeV3(InvokeV3::new(invoke, flags))
            }
            Stored::Invoke(InvokeTransaction::V1(invoke)) => {
                Self::InvokeV1(Historic::new("INVOKE", Some("0x1"), invoke))
            }
            Stored::Invoke(InvokeTransaction::V0(invoke)) => {
                Self::InvokeV0(Historic::new("INVOKE", Some("0x0"), invoke))
            }
            Stored::Declare(DeclareTransaction::V3(declare)) => {
                Self::DeclareV3(DeclareV3::new(declare))
            }
            Stored::Declare(DeclareTransaction::V2(declare)) => {
                Self::DeclareV2(Historic::new("DECLARE", Some("0x2"), declare))
            }
            Stored::Declare(DeclareTransaction::V1(declare)) => {
                Self::DeclareV0V1(Historic::new("DECLARE", Some("0x1"), declare))
            }
            Stored::Declare(DeclareTransaction::V0(declare)) => {
                Self::DeclareV0V1(Historic::new("DECLARE", Some("0x0"), declare))
            }
            Stored::DeployAccount(DeployAccountTransaction::V3(deploy)) => {
                Self::DeployAccountV3(DeployAccountV3::new(deploy))
            }
            Stored::DeployAccount(DeployAccountTransaction::V1(deploy)) => {
                Self::DeployAccountV1(Historic::new("DEPLOY_ACCOUNT", Some("0x1"), deploy))
            }
            Stored::Deploy(deploy) => Self::Deploy(Historic::new("DEPLOY", None, deploy)),
            Stored::L1Handler(handler) => {
                Self::L1Handler(Historic::new("L1_HANDLER", None, handler))
            }
        }
    }
}

/// TXN_TYPE.
pub(crate) const fn kind(stored: &Stored) -> &'static str {
    match stored {
        Stored::Invoke(_) => "INVOKE",
        Stored::Declare(_) => "DECLARE",
        Stored::DeployAccount(_) => "DEPLOY_ACCOUNT",
        Stored::Deploy(_) => "DEPLOY",
        Stored::L1Handler(_) => "L1_HANDLER",
    }
}

impl<'a> InvokeV3<'a> {
    fn new(invoke: &'a InvokeTransactionV3, flags: &[TransactionFlag]) -> Self {
        let with_proof_facts = flags.contains(&TransactionFlag::IncludeProofFacts);
        Self {
            r#type: "INVOKE",
            version: "0x3",
            sender_address: invoke.sender_address.into(),
            calldata: &invoke.calldata.0,
            account_deployment_data: &invoke.account_deployment_data.0,
            proof_facts: with_proof_facts.then_some(invoke.proof_facts.0.as_slice()),
            common: CommonV3 {
                signature: &invoke.signature.0,
                nonce: invoke.nonce.0,
                resource_bounds: (&invoke.resource_bounds).into(),
                tip: Hex(invoke.tip.0),
                paymaster_data: &invoke.paymaster_data.0,
                nonce_data_availability_mode: invoke.nonce_data_availability_mode,
                fee_data_availability_mode: invoke.fee_data_availability_mode,
            },
        }
    }
}

impl<'a> DeclareV3<'a> {
    fn new(declare: &'a DeclareTransactionV3) -> Self {
        Self {
            r#type: "DECLARE",
            version: "0x3",
            sender_address: declare.sender_address.into(),
            class_hash: declare.class_hash.0,
            compiled_class_hash: declare.compiled_class_hash.0,
            account_deployment_data: &declare.account_deployment_data.0,
            common: CommonV3 {
                signature: &declare.signature.0,
                nonce: declare.nonce.0,
                resource_bounds: (&declare.resource_bounds).into(),
                tip: Hex(declare.tip.0),
                paymaster_data: &declare.paymaster_data.0,
                nonce_data_availability_mode: declare.nonce_data_availability_mode,
                fee_data_availability_mode: declare.fee_data_availability_mode,
            },
        }
    }
}

impl<'a> DeployAccountV3<'a> {
    fn new(deploy: &'a DeployAccountTransactionV3) -> Self {
        Self {
            r#type: "DEPLOY_ACCOUNT",
            version: "0x3",
            class_hash: deploy.class_hash.0,
            contract_address_salt: deploy.contract_address_salt.0,
            constructor_calldata: &deploy.constructor_calldata.0,
            common: CommonV3 {
                signature: &deploy.signature.0,
                nonce: deploy.nonce.0,
                resource_bounds: (&deploy.resource_bounds).into(),
                tip: Hex(deploy.tip.0),
                paymaster_data: &deploy.paymaster_data.0,
                nonce_data_availability_mode: deploy.nonce_data_availability_mode,
                fee_data_availability_mode: deploy.fee_data_availability_mode,
            },
        }
    }
}

impl<'a, T> Historic<'a, T> {
    const fn new(r#type: &'static str, version: Option<&'static str>, fields: &'a T) -> Self {
        Self { r#type, version, fields }
    }
}

impl From<&ValidResourceBounds> for ResourceBoundsMapping {
    fn from(bounds: &ValidResourceBounds) -> Self {
        match bounds {
            ValidResourceBounds::L1Gas(l1_gas) => Self {
                l1_gas: l1_gas.into(),
                l1_data_gas: (&Bounds::default()).into(),
                l2_gas: (&Bounds::default()).into(),
            },
            ValidResourceBounds::AllResources(all) => Self {
                l1_gas: (&all.l1_gas).into(),
                l1_data_gas: (&all.l1_data_gas).into(),
                l2_gas: (&all.l2_gas).into(),
            },
        }
    }
}

impl From<&Bounds> for ResourceBounds {
    fn from(bounds: &Bounds) -> Self {
        Self {
            max_amount: Hex(bounds.max_amount.0),
            max_price_per_unit: Hex(bounds.max_price_per_unit.0),
        }
    }
}
