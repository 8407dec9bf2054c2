//! Messages between L1 and L2. No L1 is connected: what a developer says that L1 has sent is handled,
//! and everything that would need a chain there is refused.

use kraken_execution::L1Message;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::core::Nonce;
use starknet_types_core::felt::Felt;

use super::{Done, control, execution::executed};
use crate::{dispatch::Call, dto::felt::Hex, error::Error, schema};

/// The answer to `devnet_postmanSendMessageToL2`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SENT_MESSAGE")]
pub(crate) struct Sent {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
}

/// Answers `devnet_postmanSendMessageToL2`, once the message is executed.
///
/// # Errors
/// [`Error::Devnet`] if nothing was paid on L1, or the message is left out;
/// [`Error::DuplicateTransaction`] if it was sent before.
pub(crate) async fn send_message_to_l2(call: &Call<'_>) -> Result<Sent, Error> {
    let message = L1Message {
        from: call.params.required("l1_contract_address")?,
        to: call.params.required("l2_contract_address")?,
        selector: call.params.required("entry_point_selector")?,
        payload: call.params.required("payload")?,
    };
    let nonce: Nonce = call.params.required("nonce")?;
    let Hex::<u128>(paid) = call.params.required("paid_fee_on_l1")?;
    if paid == 0 {
        let reason = "paid_fee_on_l1: nothing was paid, and L1 sends no message for that";
        return Err(Error::Devnet { reason: reason.to_owned() });
    }
    let limit = call.context.sequencer.chain().genesis().limits.calldata_felts_max;
    if usize::try_from(limit).is_ok_and(|limit| limit <= message.payload.len()) {
        let reason = format!("payload: of {} felts, which is over {limit}", message.payload.len());
        return Err(Error::Devnet { reason });
    }
    let sender = call.params.optional("l1_transaction_hash")?;
    let sender = sender.map(|Hex::<[u8; 32]>(hash)| hash);
    let events = call.context.sequencer.subscribe();
    let hash = control(call)?.send_message(&message, nonce, sender).await?;
    // One that reverts is in a block like any other.
    executed(call, hash, events).await?;
    Ok(Sent { transaction_hash: hash.0 })
}

/// Answers the other `devnet_postman…` methods.
///
/// # Errors
/// Always [`Error::Devnet`].
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn refuse(_: &Call<'_>) -> Result<Done, Error> {
    let reason = "no L1 is connected: this node carries no messages between L1 and L2";
    Err(Error::Devnet { reason: reason.to_owned() })
}
