//! `starknet_getStorageAt`.

use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    block::BlockNumber,
    core::{ContractAddress, PatriciaKey},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::{block_id::BlockId, flag::StorageFlag},
    error::Error,
    method::state_at,
    schema,
};

/// Contracts without a class: the protocol itself writes their storage.
const SYSTEM_CONTRACTS: [ContractAddress; 2] =
    [ContractAddress(PatriciaKey::ONE), ContractAddress(PatriciaKey::TWO)];

/// A value, alone or as STORAGE_RESULT.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Stored {
    /// As it was without flags.
    Value(#[schemars(with = "schema::Felt")] Felt),
    /// With the flag INCLUDE_LAST_UPDATE_BLOCK.
    #[schemars(transform = schema::since_v0_10)]
    Dated {
        /// Zero where nothing was written.
        #[schemars(with = "schema::Felt")]
        value: Felt,
        /// The block that wrote the value; 0 if none did.
        last_update_block: u64,
    },
}

/// Answers `starknet_getStorageAt`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`].
pub(crate) fn answer(call: &Call<'_>) -> Result<Stored, Error> {
    let contract: ContractAddress = call.params.required("contract_address")?;
    let key: StorageKey = call.params.required("key")?;
    let block_id: BlockId = call.params.required("block_id")?;
    let flags: Vec<StorageFlag> = call.params.optional("response_flags")?.unwrap_or_default();
    let state = state_at(&call.view, block_id)?;
    if !SYSTEM_CONTRACTS.contains(&contract) {
        state.class_hash_at(contract)?.ok_or(Error::ContractNotFound)?;
    }
    let value = state.storage_at(contract, key)?;
    if !flags.contains(&StorageFlag::IncludeLastUpdateBlock) {
        return Ok(Stored::Value(value));
    }
    let newest = call.view.last_update_block(block_id.number(&call.view)?, contract, key)?;
    let last_update_block = newest.map_or(0, |BlockNumber(number)| number);
    Ok(Stored::Dated { value, last_update_block })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_value_is_an_object() {
        let dated = Stored::Dated { value: Felt::from(10), last_update_block: 3 };
        assert_eq!(
            serde_json::to_string(&dated).expect("JSON"),
            r#"{"value":"0xa","last_update_block":3}"#
        );
        assert_eq!(serde_json::to_string(&Stored::Value(Felt::ZERO)).expect("JSON"), r#""0x0""#);
    }
}
