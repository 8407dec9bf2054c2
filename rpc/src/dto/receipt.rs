//! Receipts.

use kraken_sequencer::BlockAt;
use kraken_storage::ExecutedTransaction;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    block::BlockNumber,
    core::ContractAddress,
    execution_resources::GasVector,
    transaction::{
        CalculateContractAddress, DeployAccountTransaction, L1HandlerTransaction, MessageToL1,
        Transaction, TransactionExecutionStatus, TransactionVersion,
    },
};
use starknet_rust_core::types::{EthAddress, MsgToL2};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{event::Event, felt::Hex, transaction, written},
    schema,
};

/// TXN_RECEIPT.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_RECEIPT")]
pub(crate) struct Receipt<'a> {
    #[schemars(extend("enum" = ["INVOKE", "DECLARE", "DEPLOY_ACCOUNT", "DEPLOY", "L1_HANDLER"]))]
    r#type: &'static str,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
    actual_fee: FeePayment,
    finality_status: Finality,
    #[serde(flatten)]
    execution: Execution<'a>,
    messages_sent: Vec<Message<'a>>,
    events: Vec<Event<'a>>,
    execution_resources: Resources,
    /// Of a deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schema::Address")]
    contract_address: Option<Felt>,
    /// Of a message from L1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "schema::Number")]
    message_hash: Option<String>,
}

/// TXN_RECEIPT_WITH_BLOCK_INFO.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_RECEIPT_WITH_BLOCK_INFO")]
pub(crate) struct ReceiptWithBlock<'a> {
    #[serde(flatten)]
    receipt: Receipt<'a>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "written::option")]
    #[schemars(with = "schema::BlockHash")]
    block_hash: Option<Felt>,
    block_number: u64,
}

/// TXN_FINALITY_STATUS, and the status of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "TXN_FINALITY_STATUS")]
pub(crate) enum Finality {
    /// Executed, not yet durable.
    PreConfirmed,
    /// In a closed block.
    #[serde(rename = "ACCEPTED_ON_L2")]
    AcceptedOnL2,
    /// In a closed block that L1 knows.
    #[serde(rename = "ACCEPTED_ON_L1")]
    AcceptedOnL1,
}

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
pub(crate) struct Execution<'a> {
    #[schemars(extend("enum" = ["SUCCEEDED", "REVERTED"]))]
    execution_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    revert_reason: Option<&'a str>,
}

/// FEE_PAYMENT.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "FEE_PAYMENT")]
struct FeePayment {
    amount: Hex<u128>,
    #[schemars(extend("enum" = ["FRI", "WEI"]))]
    unit: &'static str,
}

/// MSG_TO_L1.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MSG_TO_L1")]
struct Message<'a> {
    #[schemars(with = "schema::Address")]
    from_address: Felt,
    #[schemars(with = "schema::Felt")]
    to_address: Felt,
    #[schemars(with = "Vec<schema::Felt>")]
    payload: &'a [Felt],
}

/// EXECUTION_RESOURCES.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EXECUTION_RESOURCES")]
pub(crate) struct Resources {
    l1_gas: u64,
    l1_data_gas: u64,
    l2_gas: u64,
}

impl Resources {
    /// All gas that is charged for.
    pub(crate) fn new(gas: GasVector) -> Self {
        Self { l1_gas: gas.l1_gas.0, l1_data_gas: gas.l1_data_gas.0, l2_gas: gas.l2_gas.0 }
    }
}

impl Finality {
    /// How far a block and its transactions have come, where L1 knows the blocks up to one.
    pub(crate) fn of(block: &BlockAt, accepted_on_l1: Option<BlockNumber>) -> Self {
        match block {
            BlockAt::Closed(block) if Some(block.header.number()) <= accepted_on_l1 => {
                Self::AcceptedOnL1
            }
            BlockAt::Closed(_) => Self::AcceptedOnL2,
            BlockAt::Unsealed(_) => Self::PreConfirmed,
        }
    }
}

impl<'a> Execution<'a> {
    /// Succeeded, or reverted and why.
    pub(crate) fn new(status: &'a TransactionExecutionStatus) -> Self {
        match status {
            TransactionExecutionStatus::Succeeded => {
                Self { execution_status: "SUCCEEDED", revert_reason: None }
            }
            TransactionExecutionStatus::Reverted(reverted) => {
                Self { execution_status: "REVERTED", revert_reason: Some(&reverted.revert_reason) }
            }
        }
    }

    /// TXN_EXECUTION_STATUS.
    pub(crate) const fn status(&self) -> &'static str {
        self.execution_status
    }

    /// Why it reverted.
    pub(crate) const fn reason(&self) -> Option<&'a str> {
        self.revert_reason
    }
}

impl<'a> Receipt<'a> {
    /// The receipt of a transaction that came this far.
    pub(crate) fn new(executed: &'a ExecutedTransaction, finality: Finality) -> Self {
        let receipt = &executed.receipt;
        let in_fri = executed.transaction.version() == TransactionVersion::THREE;
        Self {
            r#type: transaction::kind(&executed.transaction),
            transaction_hash: executed.hash.0,
            actual_fee: FeePayment {
                amount: Hex(receipt.actual_fee.0),
                unit: if in_fri { "FRI" } else { "WEI" },
            },
            finality_status: finality,
            execution: Execution::new(&receipt.execution_status),
            messages_sent: receipt.messages_sent.iter().map(Message::new).collect(),
            events: receipt.events.iter().map(Event::new).collect(),
            execution_resources: Resources::new(receipt.gas),
            contract_address: deployed(&executed.transaction).map(Felt::from),
            message_hash: handled(&executed.transaction),
        }
    }
}

impl<'a> ReceiptWithBlock<'a> {
    /// The receipt of a transaction of this block.
    pub(crate) fn new(
        executed: &'a ExecutedTransaction,
        block: &BlockAt,
        finality: Finality,
    ) -> Self {
        let block_hash = match block {
            BlockAt::Closed(block) => Some(block.header.hash.0),
            BlockAt::Unsealed(_) => None,
        };
        Self::of(executed, (block.info().block_number.0, block_hash), finality)
    }

    /// The receipt of a transaction of the block with this number, and this hash if it has one yet.
    pub(crate) fn of(
        executed: &'a ExecutedTransaction,
        (block_number, block_hash): (u64, Option<Felt>),
        finality: Finality,
    ) -> Self {
        Self { receipt: Receipt::new(executed, finality), block_hash, block_number }
    }
}

impl<'a> Message<'a> {
    fn new(message: &'a MessageToL1) -> Self {
        Self {
            from_address: message.from_address.into(),
            to_address: message.to_address.into(),
            payload: &message.payload.0,
        }
    }
}

/// The contract that a transaction deploys by itself.
pub(crate) fn deployed(transaction: &Transaction) -> Option<ContractAddress> {
    let address = match transaction {
        Transaction::DeployAccount(DeployAccountTransaction::V3(deploy)) => {
            deploy.calculate_contract_address()
        }
        Transaction::DeployAccount(DeployAccountTransaction::V1(deploy)) => {
            deploy.calculate_contract_address()
        }
        Transaction::Deploy(deploy) => deploy.calculate_contract_address(),
        Transaction::Invoke(_) | Transaction::Declare(_) | Transaction::L1Handler(_) => {
            return None;
        }
    };
    Some(address.expect("an executed deployment has an address"))
}

/// The hash of the message from L1 that a transaction handles.
fn handled(transaction: &Transaction) -> Option<String> {
    let Transaction::L1Handler(L1HandlerTransaction {
        nonce,
        contract_address,
        entry_point_selector,
        calldata,
        ..
    }) = transaction
    else {
        return None;
    };
    let (from, payload) = calldata.0.split_first()?;
    let message = MsgToL2 {
        from_address: EthAddress::from_felt(from).ok()?,
        to_address: (*contract_address).into(),
        selector: entry_point_selector.0,
        payload: payload.to_vec(),
        nonce: u64::try_from(nonce.0).ok()?,
    };
    Some(message.hash().to_string())
}
