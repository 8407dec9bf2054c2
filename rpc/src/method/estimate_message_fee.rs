//! `starknet_estimateMessageFee`.

use kraken_execution::{CallError, L1Message, RevertError, estimate_message};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::{block_id::BlockId, fee::FeeEstimate},
    error::Error,
    method::state_at,
    version::Version,
};

/// Answers `starknet_estimateMessageFee`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`] (0.9 has no such error; that
/// call fails), [`Error::Contract`].
pub(crate) fn answer(call: &Call<'_>) -> Result<FeeEstimate, Error> {
    let message: L1Message = call.params.required("message")?;
    let block_id: BlockId = call.params.required("block_id")?;
    let block = block_id.block(&call.view)?;
    let state = state_at(&call.view, block_id)?;
    let chain = call.context.sequencer.chain();
    match estimate_message(state, block.info(), chain, &message) {
        Err(CallError::ContractNotFound) if call.version < Version::V0_10 => {
            let said = format!("no contract at {:#x}", Felt::from(message.to));
            Err(Error::Contract { revert: RevertError::Message(said) })
        }
        estimate => Ok(FeeEstimate::in_wei(estimate?)),
    }
}
