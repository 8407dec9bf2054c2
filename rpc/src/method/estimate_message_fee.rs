//! `starknet_estimateMessageFee`.

use kraken_execution::{L1Message, estimate_message};

use crate::{
    dispatch::Call,
    dto::{block_id::BlockId, fee::FeeEstimate},
    error::Error,
    method::state_at,
};

/// Answers `starknet_estimateMessageFee`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`], [`Error::Contract`].
pub(crate) fn answer(call: &Call<'_>) -> Result<FeeEstimate, Error> {
    let message: L1Message = call.params.required("message")?;
    let block_id: BlockId = call.params.required("block_id")?;
    let block = block_id.block(&call.view)?;
    let state = state_at(&call.view, block_id)?;
    let chain = call.context.sequencer.chain();
    Ok(FeeEstimate::in_wei(estimate_message(state, block.info(), chain, &message)?))
}
