//! `starknet_getMessagesStatus`.
//!
//! The question is for the L1 handler transactions that a transaction of L1 caused. No L1 is
//! connected, so the only ones are those that a developer had sent with `devnet_postmanSendMessageToL2`
//! since the node started. Of these the answer has those that are executed; the specification has no
//! status for others.

use schemars::JsonSchema;
use serde::Serialize;
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::{Answer, Call, json},
    dto::{
        felt::Hex,
        receipt::{Execution, Finality},
    },
    error::Error,
    schema,
};

/// How far a transaction has come that handles a message of L1.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MESSAGE_STATUS")]
pub(crate) struct Status {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
    finality_status: Finality,
    #[schemars(extend("enum" = ["SUCCEEDED", "REVERTED"]))]
    execution_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    failure_reason: Option<String>,
}

/// Answers `starknet_getMessagesStatus`.
///
/// # Errors
/// [`Error::TransactionHashNotFound`] for a transaction that is not known to have sent anything.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let Hex::<[u8; 32]>(sender) = call.params.required("transaction_hash")?;
    let dev = call.context.sequencer.dev();
    let sent = dev.map(|dev| dev.messages_of(sender)).unwrap_or_default();
    if sent.is_empty() {
        return Err(Error::TransactionHashNotFound);
    }
    let mut statuses = Vec::with_capacity(sent.len());
    for hash in sent {
        let Some((block, index)) = call.view.find_transaction(hash)? else { continue };
        let execution = Execution::new(&block.transactions()[index].receipt.execution_status);
        statuses.push(Status {
            transaction_hash: hash.0,
            finality_status: Finality::of(&block, call.view.accepted_on_l1()),
            execution_status: execution.status(),
            failure_reason: execution.reason().map(ToOwned::to_owned),
        });
    }
    json(Ok(statuses))
}
