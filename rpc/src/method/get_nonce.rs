//! `starknet_getNonce`.

use starknet_api::core::{ContractAddress, Nonce};

use crate::{dispatch::Call, dto::block_id::BlockId, error::Error, method::state_at};

/// Answers `starknet_getNonce`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`].
pub(crate) fn answer(call: &Call<'_>) -> Result<Nonce, Error> {
    let block_id: BlockId = call.params.required("block_id")?;
    let contract: ContractAddress = call.params.required("contract_address")?;
    let state = state_at(&call.view, block_id)?;
    state.class_hash_at(contract)?.ok_or(Error::ContractNotFound)?;
    Ok(state.nonce(contract)?)
}
