//! Classes, by hash and by contract.

use kraken_storage::Class;
use starknet_api::core::{ClassHash, ContractAddress};

use crate::{
    dispatch::{Answer, Call, json},
    dto::{block_id::BlockId, class::DeprecatedClass},
    error::{Error, Internal},
    method::state_at,
};

/// Answers `starknet_getClass`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ClassHashNotFound`].
pub(crate) fn by_hash(call: &Call<'_>) -> Answer {
    let block_id: BlockId = call.params.required("block_id")?;
    let class_hash: ClassHash = call.params.required("class_hash")?;
    let class = state_at(&call.view, block_id)?.class(class_hash)?;
    show(class.as_deref().ok_or(Error::ClassHashNotFound)?)
}

/// Answers `starknet_getClassAt`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`].
pub(crate) fn at(call: &Call<'_>) -> Answer {
    let block_id: BlockId = call.params.required("block_id")?;
    let contract: ContractAddress = call.params.required("contract_address")?;
    let state = state_at(&call.view, block_id)?;
    let class_hash = state.class_hash_at(contract)?.ok_or(Error::ContractNotFound)?;
    let class = state.class(class_hash)?;
    show(class.as_deref().ok_or(Internal::Broken { what: "a deployed class is not declared" })?)
}

fn show(class: &Class) -> Answer {
    match class {
        // Its own form is that of CONTRACT_CLASS.
        Class::Sierra(class) => json(Ok(&class.sierra)),
        Class::Deprecated(class) => json(Ok(DeprecatedClass::new(class)?)),
    }
}
