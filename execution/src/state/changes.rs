//! What a stretch of execution changed.

use std::{collections::HashMap, sync::Arc};

use kraken_storage::{Class, Error};
use starknet_api::{
    core::{ClassHash, CompiledClassHash, ContractAddress, Nonce},
    state::{StorageKey, ThinStateDiff},
};
use starknet_types_core::felt::Felt;

use crate::State;

/// What a stretch of execution changed.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Storage cells.
    pub storage: HashMap<(ContractAddress, StorageKey), Felt>,
    /// Nonces.
    pub nonces: HashMap<ContractAddress, Nonce>,
    /// Contracts deployed, or given another class.
    pub class_hashes: HashMap<ContractAddress, ClassHash>,
    /// Classes declared.
    pub compiled_class_hashes: HashMap<ClassHash, CompiledClassHash>,
    /// The same classes, whole.
    pub classes: HashMap<ClassHash, Arc<Class>>,
}

impl Changes {
    /// The changes of a block, from its state diff and the classes that it declares.
    pub fn new(diff: &ThinStateDiff, classes: &[(ClassHash, Arc<Class>)]) -> Self {
        let cells = diff.storage_diffs.iter().flat_map(|(contract, cells)| {
            cells.iter().map(move |(key, value)| ((*contract, *key), *value))
        });
        Self {
            storage: cells.collect(),
            nonces: copied(&diff.nonces),
            class_hashes: copied(&diff.deployed_contracts),
            compiled_class_hashes: copied(&diff.class_hash_to_compiled_class_hash),
            classes: classes.iter().cloned().collect(),
        }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.storage.len()
            + self.nonces.len()
            + self.class_hashes.len()
            + self.compiled_class_hashes.len()
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts later changes on top.
    pub fn merge(&mut self, later: &Self) {
        self.storage.extend(&later.storage);
        self.nonces.extend(&later.nonces);
        self.class_hashes.extend(&later.class_hashes);
        self.compiled_class_hashes.extend(&later.compiled_class_hashes);
        let classes = later.classes.iter().map(|(hash, class)| (*hash, Arc::clone(class)));
        self.classes.extend(classes);
    }

    /// As the specification and the block hash want it, every part sorted; leaves out what is equal
    /// in `before`.
    ///
    /// # Errors
    /// If `before` cannot be read.
    pub fn to_state_diff(&self, before: &State) -> Result<ThinStateDiff, Error> {
        let mut diff = ThinStateDiff::default();
        for ((contract, key), value) in sorted(&self.storage) {
            if before.storage_at(contract, key)? != value {
                diff.storage_diffs.entry(contract).or_default().insert(key, value);
            }
        }
        for (contract, nonce) in sorted(&self.nonces) {
            if before.nonce(contract)? != nonce {
                diff.nonces.insert(contract, nonce);
            }
        }
        for (contract, class_hash) in sorted(&self.class_hashes) {
            if before.class_hash_at(contract)? != Some(class_hash) {
                diff.deployed_contracts.insert(contract, class_hash);
            }
        }
        for (class_hash, compiled) in sorted(&self.compiled_class_hashes) {
            if before.compiled_class_hash(class_hash)? != Some(compiled) {
                diff.class_hash_to_compiled_class_hash.insert(class_hash, compiled);
            }
        }
        diff.deprecated_declared_classes = self.deprecated_classes(before)?;
        Ok(diff)
    }

    /// All of it, every part sorted. For changes of a transaction, which are changes already and
    /// declare no class of Cairo 0.
    pub fn sorted(&self) -> ThinStateDiff {
        let mut diff = ThinStateDiff::default();
        for ((contract, key), value) in sorted(&self.storage) {
            diff.storage_diffs.entry(contract).or_default().insert(key, value);
        }
        diff.nonces.extend(sorted(&self.nonces));
        diff.deployed_contracts.extend(sorted(&self.class_hashes));
        diff.class_hash_to_compiled_class_hash.extend(sorted(&self.compiled_class_hashes));
        diff
    }

    fn deprecated_classes(&self, before: &State) -> Result<Vec<ClassHash>, Error> {
        let deprecated = |(hash, class): (&ClassHash, &Arc<Class>)| match class.as_ref() {
            Class::Deprecated(_) => Some(*hash),
            Class::Sierra(_) => None,
        };
        let mut hashes: Vec<_> = self.classes.iter().filter_map(deprecated).collect();
        hashes.sort_unstable();

        let mut declared = Vec::with_capacity(hashes.len());
        for hash in hashes {
            if before.class(hash)?.is_none() {
                declared.push(hash);
            }
        }
        Ok(declared)
    }
}

fn copied<'a, K: Copy + Eq + std::hash::Hash + 'a, V: Copy + 'a>(
    pairs: impl IntoIterator<Item = (&'a K, &'a V)>,
) -> HashMap<K, V> {
    pairs.into_iter().map(|(key, value)| (*key, *value)).collect()
}

fn sorted<K: Copy + Ord, V: Copy>(map: &HashMap<K, V>) -> Vec<(K, V)> {
    let mut pairs: Vec<_> = map.iter().map(|(key, value)| (*key, *value)).collect();
    pairs.sort_unstable_by_key(|(key, _)| *key);
    pairs
}
