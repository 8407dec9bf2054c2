//! `starknet_getCompiledCasm`.

use kraken_storage::Class;
use starknet_api::core::ClassHash;

use crate::{
    dispatch::{Answer, Call, json},
    dto::{block_id::BlockId, casm::casm},
    error::{Error, Internal},
    method::state_at,
};

/// Answers `starknet_getCompiledCasm`, for classes up to the open block.
///
/// # Errors
/// [`Error::ClassHashNotFound`], and [`Error::Compilation`] for a class of Cairo 0.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let class_hash: ClassHash = call.params.required("class_hash")?;
    let class = state_at(&call.view, BlockId::PreConfirmed)?.class(class_hash)?;
    match class.as_deref() {
        None => Err(Error::ClassHashNotFound),
        Some(Class::Sierra(class)) => json(Ok(casm(&class.casm).map_err(Internal::Answer)?)),
        Some(Class::Deprecated(_)) => {
            let reason = "a class of Cairo 0 has no Sierra program to compile".to_owned();
            Err(Error::Compilation { reason })
        }
    }
}
