//! `starknet_getClassHashAt`.

use starknet_api::core::{ClassHash, ContractAddress};

use crate::{dispatch::Call, dto::block_id::BlockId, error::Error, method::state_at};

/// Answers `starknet_getClassHashAt`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`].
pub(crate) fn answer(call: &Call<'_>) -> Result<ClassHash, Error> {
    let block_id: BlockId = call.params.required("block_id")?;
    let contract: ContractAddress = call.params.required("contract_address")?;
    state_at(&call.view, block_id)?.class_hash_at(contract)?.ok_or(Error::ContractNotFound)
}
