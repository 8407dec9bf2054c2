//! `starknet_getStorageAt`.

use kraken_sequencer::View;
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
    error::{Error, Internal},
    method::state_at,
};

/// Contracts without a class: the protocol itself writes their storage.
const SYSTEM_CONTRACTS: [ContractAddress; 2] =
    [ContractAddress(PatriciaKey::ONE), ContractAddress(PatriciaKey::TWO)];

/// A value, alone or as STORAGE_RESULT.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Stored {
    /// As it was without flags.
    Value(Felt),
    /// With the flag INCLUDE_LAST_UPDATE_BLOCK.
    Dated {
        /// Zero where nothing was written.
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
    let BlockNumber(number) = block_id.number(&call.view)?;
    let read = |number| value_at(&call.view, number, contract, key);
    Ok(Stored::Dated { value, last_update_block: last_update(number, value, read)? })
}

fn value_at(
    view: &View,
    number: u64,
    contract: ContractAddress,
    key: StorageKey,
) -> Result<Felt, Error> {
    let state = view.state_at(BlockNumber(number))?;
    let state = state.ok_or(Internal::Broken { what: "a block has no state" })?;
    Ok(state.storage_at(contract, key)?)
}

/// The first block of the stretch that ends with block `number` and holds `value` throughout.
///
/// A state diff leaves out what does not change a value, so that block wrote it. Reads one state
/// after the other, backwards.
fn last_update(
    number: u64,
    value: Felt,
    read: impl Fn(u64) -> Result<Felt, Error>,
) -> Result<u64, Error> {
    for before in (0..number).rev() {
        if read(before)? != value {
            return Ok(before + 1);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_update_is_where_the_value_begins() {
        let history = [0, 0, 5, 5, 0, 5, 5].map(Felt::from);
        let last = |number: usize| {
            last_update(number as u64, history[number], |before| {
                Ok(history[usize::try_from(before).expect("small")])
            })
            .expect("no error")
        };
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(last), [0, 0, 2, 2, 4, 5, 5]);
    }

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
