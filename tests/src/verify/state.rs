//! The state, as block after block makes it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use starknet_types_core::felt::Felt;

use super::{
    diff::StateDiff,
    hash::{ascii, pedersen, poseidon, poseidon_of},
    trie::{self, STATE_HEIGHT},
};

/// Everything a state root commits to.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Contract → cell → value; zeros are not in it.
    storage: BTreeMap<Felt, BTreeMap<Felt, Felt>>,
    class_hashes: BTreeMap<Felt, Felt>,
    nonces: BTreeMap<Felt, Felt>,
    /// Class → compiled class, of classes of Cairo 1 and later.
    compiled: BTreeMap<Felt, Felt>,
    /// Classes of Cairo 0, which no root commits to.
    deprecated: BTreeSet<Felt>,
    /// Contract → what the trie of contracts holds of it; made again when the contract changes.
    contracts: BTreeMap<Felt, Felt>,
}

/// Contracts of the system, which have storage and no class: block hashes, and the numbers that
/// stand for long addresses and keys.
const SYSTEM_CONTRACTS: [Felt; 2] = [Felt::ONE, Felt::TWO];

impl State {
    /// The next nonce of a contract.
    pub fn nonce(&self, contract: &Felt) -> Felt {
        self.nonces.get(contract).copied().unwrap_or_default()
    }

    /// The class of a contract.
    pub fn class_hash(&self, contract: &Felt) -> Option<Felt> {
        self.class_hashes.get(contract).copied()
    }

    /// A cell; zero where nothing was written.
    pub fn cell(&self, contract: &Felt, key: &Felt) -> Felt {
        let cells = self.storage.get(contract);
        cells.and_then(|cells| cells.get(key)).copied().unwrap_or_default()
    }

    /// Classes of Cairo 1 and later with the hash of what they compile to.
    pub fn declared(&self) -> &BTreeMap<Felt, Felt> {
        &self.compiled
    }

    /// Goes on to the state after a block.
    ///
    /// # Errors
    /// If the diff says something that cannot follow: a change that changes nothing, a contract
    /// deployed twice, storage without a contract.
    pub fn apply(&mut self, diff: &StateDiff) -> Result<()> {
        self.apply_classes(diff)?;
        for (contract, class) in &diff.deployed {
            let old = self.class_hashes.insert(*contract, *class);
            ensure!(old.is_none(), "contract {contract:#x} is deployed twice");
            self.is_declared(class)?;
        }
        for (contract, class) in &diff.replaced {
            let old = self.class_hashes.insert(*contract, *class);
            ensure!(old.is_some_and(|old| old != *class), "{contract:#x} gets no other class");
            self.is_declared(class)?;
        }
        for (contract, nonce) in &diff.nonces {
            ensure!(self.nonce(contract) < *nonce, "the nonce of {contract:#x} does not grow");
            ensure!(self.class_hashes.contains_key(contract), "{contract:#x} is no contract");
            self.nonces.insert(*contract, *nonce);
        }
        for (contract, cells) in &diff.storage {
            self.apply_cells(contract, cells)?;
        }
        let touched =
            [&diff.deployed, &diff.replaced, &diff.nonces].into_iter().flat_map(|map| map.keys());
        for contract in touched.chain(diff.storage.keys()) {
            let leaf = self.contract_leaf(contract);
            self.contracts.insert(*contract, leaf);
        }
        Ok(())
    }

    /// The commitment to all of it, since Starknet 0.14.0.
    pub fn root(&self) -> Felt {
        let contracts = trie::root(&self.contracts, STATE_HEIGHT, pedersen);
        let tag = ascii("CONTRACT_CLASS_LEAF_V0");
        let classes =
            self.compiled.iter().map(|(class, compiled)| (*class, poseidon(&tag, compiled)));
        let classes = trie::root(&classes.collect(), STATE_HEIGHT, poseidon);
        if contracts == Felt::ZERO && classes == Felt::ZERO {
            return Felt::ZERO;
        }
        poseidon_of(&[ascii("STARKNET_STATE_V0"), contracts, classes])
    }

    fn apply_classes(&mut self, diff: &StateDiff) -> Result<()> {
        for (class, compiled) in &diff.declared {
            let old = self.compiled.insert(*class, *compiled);
            ensure!(old.is_none(), "class {class:#x} is declared twice");
        }
        for (class, compiled) in &diff.migrated {
            let old = self.compiled.insert(*class, *compiled);
            ensure!(old.is_some_and(|old| old != *compiled), "class {class:#x} does not migrate");
        }
        for class in &diff.deprecated {
            ensure!(self.deprecated.insert(*class), "class {class:#x} is declared twice");
        }
        Ok(())
    }

    fn apply_cells(&mut self, contract: &Felt, cells: &BTreeMap<Felt, Felt>) -> Result<()> {
        let exists = self.class_hashes.contains_key(contract);
        ensure!(exists || SYSTEM_CONTRACTS.contains(contract), "{contract:#x} is no contract");
        let stored = self.storage.entry(*contract).or_default();
        for (key, value) in cells {
            let old =
                if *value == Felt::ZERO { stored.remove(key) } else { stored.insert(*key, *value) };
            let changes = old.unwrap_or_default() != *value;
            ensure!(changes, "cell {key:#x} of {contract:#x} is written and does not change");
        }
        Ok(())
    }

    fn is_declared(&self, class: &Felt) -> Result<()> {
        let is_declared = self.compiled.contains_key(class) || self.deprecated.contains(class);
        ensure!(is_declared, "class {class:#x} is used and not declared");
        Ok(())
    }

    fn contract_leaf(&self, contract: &Felt) -> Felt {
        let class_hash = self.class_hash(contract).unwrap_or_default();
        let cells = self.storage.get(contract);
        let storage_root =
            cells.map_or(Felt::ZERO, |cells| trie::root(cells, STATE_HEIGHT, pedersen));
        let nonce = self.nonce(contract);
        if [class_hash, storage_root, nonce] == [Felt::ZERO; 3] {
            return Felt::ZERO;
        }
        let leaf = pedersen(&pedersen(&class_hash, &storage_root), &nonce);
        pedersen(&leaf, &Felt::ZERO)
    }
}
