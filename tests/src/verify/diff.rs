//! State diffs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::Value;
use starknet_types_core::felt::Felt;

use super::{
    field,
    hash::{ascii, poseidon_of},
};

/// What a block changed, as served.
#[derive(Clone, Debug, Default)]
pub struct StateDiff {
    /// Contract → cell → value.
    pub storage: BTreeMap<Felt, BTreeMap<Felt, Felt>>,
    /// Contract → class, of contracts that are new.
    pub deployed: BTreeMap<Felt, Felt>,
    /// Contract → class, of contracts that get another one.
    pub replaced: BTreeMap<Felt, Felt>,
    /// Class → compiled class, of classes that are new.
    pub declared: BTreeMap<Felt, Felt>,
    /// Class → compiled class, of classes that are hashed by Blake2s from now on (SNIP-34).
    pub migrated: BTreeMap<Felt, Felt>,
    /// Classes of Cairo 0 that are new.
    pub deprecated: BTreeSet<Felt>,
    /// Contract → nonce.
    pub nonces: BTreeMap<Felt, Felt>,
}

impl StateDiff {
    /// Reads a STATE_DIFF.
    ///
    /// # Errors
    /// If it is none, or names something twice.
    pub fn read(diff: &Value) -> Result<Self> {
        let mut storage = BTreeMap::new();
        for contract in field::items(diff, "storage_diffs")? {
            let cells = pairs(contract, "storage_entries", "key", "value")?;
            ensure!(!cells.is_empty(), "a contract without cells in storage_diffs");
            let address = field::felt(contract, "address")?;
            ensure!(storage.insert(address, cells).is_none(), "{address:#x} is there twice");
        }
        let deprecated = field::felts(diff, "deprecated_declared_classes")?;
        let (class_hash, compiled) = ("class_hash", "compiled_class_hash");
        let migrated = match diff.get("migrated_compiled_classes") {
            Some(_) => pairs(diff, "migrated_compiled_classes", class_hash, compiled)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            storage,
            deployed: pairs(diff, "deployed_contracts", "address", class_hash)?,
            replaced: pairs(diff, "replaced_classes", "contract_address", class_hash)?,
            declared: pairs(diff, "declared_classes", class_hash, compiled)?,
            migrated,
            deprecated: deprecated.into_iter().collect(),
            nonces: pairs(diff, "nonces", "contract_address", "nonce")?,
        })
    }

    /// The number of changes, as headers count them.
    #[expect(clippy::len_without_is_empty, reason = "a measure of the header, not a collection")]
    pub fn len(&self) -> usize {
        self.storage.values().map(BTreeMap::len).sum::<usize>()
            + self.deployed.len()
            + self.replaced.len()
            + self.declared.len()
            + self.migrated.len()
            + self.deprecated.len()
            + self.nonces.len()
    }

    /// The commitment of the block to its state diff.
    pub fn commitment(&self) -> Felt {
        let mut felts = vec![ascii("STARKNET_STATE_DIFF0")];
        extend_with_map(&mut felts, &union(&self.deployed, &self.replaced));
        extend_with_map(&mut felts, &union(&self.declared, &self.migrated));
        felts.push(Felt::from(self.deprecated.len()));
        felts.extend(&self.deprecated);
        // Two places that are reserved.
        felts.extend([Felt::ONE, Felt::ZERO]);
        felts.push(Felt::from(self.storage.len()));
        for (contract, cells) in &self.storage {
            felts.push(*contract);
            extend_with_map(&mut felts, cells);
        }
        extend_with_map(&mut felts, &self.nonces);
        poseidon_of(&felts)
    }
}

/// The number of entries, then the entries by key.
fn extend_with_map(felts: &mut Vec<Felt>, map: &BTreeMap<Felt, Felt>) {
    felts.push(Felt::from(map.len()));
    felts.extend(map.iter().flat_map(|(key, value)| [*key, *value]));
}

fn union(left: &BTreeMap<Felt, Felt>, right: &BTreeMap<Felt, Felt>) -> BTreeMap<Felt, Felt> {
    left.iter().chain(right).map(|(key, value)| (*key, *value)).collect()
}

/// A list of objects as a map from one of their fields to another.
fn pairs(object: &Value, list: &str, key: &str, value: &str) -> Result<BTreeMap<Felt, Felt>> {
    let mut map = BTreeMap::new();
    for item in field::items(object, list)? {
        let key = field::felt(item, key)?;
        let old = map.insert(key, field::felt(item, value)?);
        ensure!(old.is_none(), "{key:#x} is twice in {list}");
    }
    Ok(map)
}
