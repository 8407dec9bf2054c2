//! `starknet_getStorageProof`.

use kraken_sequencer::BlockAt;
use kraken_storage::Wanted;
use starknet_api::{
    core::{ClassHash, ContractAddress, PatriciaKey},
    state::StorageKey,
};

use crate::{
    dispatch::Call,
    dto::{block_id::SettledBlockId, proof::StorageProof},
    error::Error,
    params::{FromInput, Input, InvalidParams, Params},
};

/// A class hash that a trie can hold.
struct Class(PatriciaKey);

/// An item of `contracts_storage_keys`.
struct StorageKeys {
    contract: ContractAddress,
    keys: Vec<StorageKey>,
}

/// Answers `starknet_getStorageProof`.
///
/// # Errors
/// [`Error::BlockNotFound`], also for blocks that have no hash yet;
/// [`Error::StorageProofNotSupported`].
pub(crate) fn answer(call: &Call<'_>) -> Result<StorageProof, Error> {
    let SettledBlockId(block_id) = call.params.required("block_id")?;
    let wanted = wanted(&call.params, call.context.config.limits.proof_keys_max)?;
    let block = match block_id.block(&call.view)? {
        BlockAt::Closed(block) => block,
        BlockAt::Unsealed(_) => return Err(Error::BlockNotFound),
    };
    let proof = call.view.proof(block.header.number(), &wanted)?;
    let proof = proof.ok_or(Error::StorageProofNotSupported)?;
    Ok(StorageProof::new(proof, block.header.hash))
}

/// Reads what is to be proven: at most so many keys, of which a contract with storage keys is one
/// more.
fn wanted(params: &Params<'_>, keys_max: usize) -> Result<Wanted, InvalidParams> {
    let mut budget = Budget { keys_max, keys: 0 };
    let classes: Vec<Class> = params.optional("class_hashes")?.unwrap_or_default();
    budget.take("class_hashes", classes.len())?;
    let contracts: Vec<ContractAddress> =
        params.optional("contract_addresses")?.unwrap_or_default();
    budget.take("contract_addresses", contracts.len())?;
    let storage: Vec<StorageKeys> = params.optional("contracts_storage_keys")?.unwrap_or_default();
    let keys: usize = storage.iter().map(|item| 1 + item.keys.len()).sum();
    budget.take("contracts_storage_keys", keys)?;
    Ok(Wanted {
        classes: classes.into_iter().map(|Class(key)| ClassHash(*key.key())).collect(),
        contracts,
        storage: storage.into_iter().map(|item| (item.contract, item.keys)).collect(),
    })
}

/// How many keys a request may name, and how many it has.
struct Budget {
    keys_max: usize,
    keys: usize,
}

impl Budget {
    fn take(&mut self, field: &str, keys: usize) -> Result<(), InvalidParams> {
        self.keys += keys;
        if self.keys <= self.keys_max {
            return Ok(());
        }
        let Self { keys_max, keys } = self;
        let reason =
            format!("expected at most {keys_max} keys in a request, got {keys} with these");
        Err(InvalidParams { field: field.to_owned(), reason })
    }
}

impl FromInput for Class {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        PatriciaKey::from_input(input).map(Self)
    }
}

impl FromInput for StorageKeys {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let item = Self {
            contract: fields.required("contract_address")?,
            keys: fields.required("storage_keys")?,
        };
        fields.finish()?;
        Ok(item)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::RawValue};
    use starknet_types_core::felt::Felt;

    use super::*;
    use crate::{methods, version::Version};

    fn read(params: &Value, keys_max: usize) -> Result<Wanted, String> {
        let spec = methods::find("starknet_getStorageProof").expect("in the table").params;
        let raw: Box<RawValue> = serde_json::value::to_raw_value(params).expect("JSON");
        let params =
            Params::bind(spec, Some(&raw), Version::NEWEST).map_err(|error| error.to_string())?;
        params
            .required("block_id")
            .and_then(|SettledBlockId(_)| wanted(&params, keys_max))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn all_but_the_block_may_be_left_out() {
        assert_eq!(read(&json!(["latest"]), 0), Ok(Wanted::default()));
        let storage = json!([{ "contract_address": "0x3", "storage_keys": ["0x4", "0x5"] }]);
        let all = json!(["latest", ["0x1"], ["0x2", "0x2"], storage]);
        let two = ContractAddress::from(2_u128);
        let wanted = Wanted {
            classes: vec![ClassHash(Felt::ONE)],
            contracts: vec![two, two],
            storage: vec![(3_u128.into(), vec![4_u128.into(), 5_u128.into()])],
        };
        assert_eq!(read(&all, 6), Ok(wanted.clone()));
        let named = json!({
            "contracts_storage_keys": storage, "block_id": "l1_accepted",
            "contract_addresses": ["0x2", "0x2"], "class_hashes": ["0x1"],
        });
        assert_eq!(read(&named, 6), Ok(wanted));
    }

    #[test]
    fn what_is_too_much_or_wrong_is_named() {
        let storage = json!([{ "contract_address": "0x3", "storage_keys": ["0x4"] }]);
        let all = json!(["latest", ["0x1"], ["0x2"], storage]);
        for (keys_max, field, keys) in
            [(3, "contracts_storage_keys", 4), (1, "contract_addresses", 2), (0, "class_hashes", 1)]
        {
            let expected = format!(
                "{field}: expected at most {keys_max} keys in a request, got {keys} with these"
            );
            assert_eq!(read(&all, keys_max), Err(expected));
        }
        let beyond = "0x800000000000000000000000000000000000000000000000000000000000000";
        for (params, field) in [
            (
                json!(["pre_confirmed"]),
                "block_id: expected latest, l1_accepted, {block_hash} or {block_number}",
            ),
            (json!([]), "block_id: missing"),
            (json!(["latest", ["0x1", beyond]]), "class_hashes[1]: expected a field element below"),
            (json!(["latest", [], "0x1"]), "contract_addresses: expected a list"),
            (
                json!(["latest", [], [], [{}]]),
                "contracts_storage_keys[0].contract_address: missing",
            ),
        ] {
            let message = read(&params, 100).expect_err("wrong");
            assert!(message.starts_with(field), "{message}");
        }
    }
}
