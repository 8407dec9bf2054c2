//! `starknet_call`.

use starknet_types_core::felt::Felt;

use crate::{dispatch::Call, dto::block_id::BlockId, error::Error, method::state_at};

/// Answers `starknet_call`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`], [`Error::EntryPointNotFound`],
/// [`Error::Contract`].
pub(crate) fn answer(call: &Call<'_>) -> Result<Vec<Felt>, Error> {
    let request = call.params.required("request")?;
    let block_id: BlockId = call.params.required("block_id")?;
    let block = block_id.block(&call.view)?;
    let state = state_at(&call.view, block_id)?;
    let chain = call.context.sequencer.chain();
    Ok(kraken_execution::call(state, block.info(), chain, &request)?)
}
