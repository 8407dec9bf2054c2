//! The tries whose roots commit to the state.
//!
//! Binary Merkle-Patricia tries of height 251, as Starknet defines them: one of contracts, one of
//! storage per contract (both hashed by Pedersen), one of classes (Poseidon). A binary node is
//! `H(left, right)`; a stretch without a fork is one edge, `H(child, path) + length`; a leaf of
//! zero is no leaf; the root of nothing is zero. The leaf of a contract is
//! `H(H(H(class hash, storage root), nonce), 0)`, that of a class
//! `H("CONTRACT_CLASS_LEAF_V0", compiled class hash)`; classes of Cairo 0 have none.
//!
//! Source: *Starknet documentation, state structure and commitment*,
//! <https://docs.starknet.io/learn/protocol/state>.
//!
//! Only the tries of the tip are stored, one node per place, so a block overwrites what it changes.
//! What it overwrote of late is kept beside them (`before`), and leads back to the tries of older
//! blocks, for proofs of what was in them (`proof`).

pub(crate) mod before;
mod hash;
mod node;
mod path;
pub(crate) mod proof;
#[cfg(test)]
pub(crate) mod tests;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use pathfinder_crypto::Felt;
use rayon::prelude::{IntoParallelIterator, ParallelIterator};
use starknet_api::{
    core::{ClassHash, ContractAddress, GlobalRoot, Nonce},
    hash::{HashOutput, StateRoots},
    state::ThinStateDiff,
};

pub use self::proof::{ContractLeaf, Proof, ProofNode, Wanted};
use self::{
    node::Trie,
    path::Path,
    tree::{Change, Tree},
};
use crate::Error;

/// What one block makes of the tries: new roots, and the nodes to write.
///
/// It holds for the tip that it was computed from, and for no other.
#[derive(Clone)]
pub struct Update {
    roots: StateRoots,
    writes: Writes,
    before: Vec<u8>,
}

/// The tip, as far as the tries need it.
pub trait TrieReader: Sync {
    /// A value of the node table.
    ///
    /// # Errors
    /// If the table cannot be read.
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error>;

    /// The nonce of a contract, zero if it has none.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error>;

    /// The class of a contract, `None` where none is deployed.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error>;
}

/// Keys of the node table with their new values, `None` to delete. No key comes twice.
type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Computes what `diff` makes of the tries of the tip. Writes nothing.
///
/// The order of the entries of `diff` does not matter; neither do entries that say what is the case
/// already. Works on the threads of rayon.
///
/// # Errors
/// [`Error::TrieNode`] if the stored nodes are not those of a trie, and whatever `tip` cannot read.
pub fn compute(tip: &dyn TrieReader, diff: &ThinStateDiff) -> Result<Update, Error> {
    let tip = Recording { tip, read: Mutex::default() };
    let (contracts, classes) =
        rayon::join(|| update_contracts(&tip, diff), || update_classes(&tip, diff));
    let (contracts_root, mut writes) = contracts?;
    let (classes_root, mut class_writes) = classes?;
    writes.append(&mut class_writes);
    // In the order of the table, which is the cheapest one to write in.
    writes.sort_unstable();
    let read = tip.read.into_inner().unwrap_or_else(PoisonError::into_inner);
    let before = before::encode(writes.iter().map(|(key, _)| (key, read.get(key))));

    let output = |root| HashOutput(hash::starknet_felt(root));
    let roots = StateRoots {
        contracts_trie_root_hash: output(contracts_root),
        classes_trie_root_hash: output(classes_root),
    };
    Ok(Update { roots, writes, before })
}

impl Update {
    /// The commitment to the whole state: both roots hashed, zero for the empty state.
    pub fn state_root(&self) -> GlobalRoot {
        self.roots.global_root()
    }

    /// The roots of the tries of contracts and of classes.
    pub fn roots(&self) -> StateRoots {
        self.roots
    }

    /// What to write into the node table, in the order of its keys; `None` deletes.
    pub(crate) fn writes(&self) -> &[(Vec<u8>, Option<Vec<u8>>)] {
        &self.writes
    }

    /// The nodes that [`Update::writes`] overwrites, as they are, see [`before`].
    pub(crate) fn before(&self) -> &[u8] {
        &self.before
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("roots", &self.roots)
            .field("writes", &self.writes.len())
            .finish()
    }
}

/// Remembers the nodes that are read: one that is overwritten was read before.
struct Recording<'a> {
    tip: &'a dyn TrieReader,
    read: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl TrieReader for Recording<'_> {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let node = self.tip.node(key)?;
        if let Some(node) = &node {
            // A map is whole between any two of its operations, so a poisoned lock is no harm.
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.insert(key.to_vec(), node.clone());
        }
        Ok(node)
    }

    fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error> {
        self.tip.nonce(contract)
    }

    fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error> {
        self.tip.class_hash_at(contract)
    }
}

/// The new root of the trie of contracts, and all writes to it and to the tries of storage.
fn update_contracts(tip: &dyn TrieReader, diff: &ThinStateDiff) -> Result<(Felt, Writes), Error> {
    let touched: BTreeSet<ContractAddress> = diff
        .deployed_contracts
        .keys()
        .chain(diff.storage_diffs.keys())
        .chain(diff.nonces.keys())
        .copied()
        .collect();
    let updated = touched
        .into_par_iter()
        .map(|contract| update_contract(tip, diff, contract))
        .collect::<Result<Vec<_>, _>>()?;

    let mut changes = Vec::with_capacity(updated.len());
    let mut writes = Writes::new();
    for (change, storage_writes) in updated {
        changes.extend(change);
        writes.extend(storage_writes);
    }
    let tree = Tree::new(tip, Trie::Contracts);
    let root = match tree.update(changes, &mut writes)? {
        Some(root) => root,
        None => tree.root()?,
    };
    Ok((root, writes))
}

/// The new leaf of a contract, `None` if it stays as it is, and the writes to its trie of storage.
fn update_contract(
    tip: &dyn TrieReader,
    diff: &ThinStateDiff,
    contract: ContractAddress,
) -> Result<(Option<Change>, Writes), Error> {
    let tree = Tree::new(tip, Trie::Storage(contract));
    let mut writes = Writes::new();
    let new_storage_root = match diff.storage_diffs.get(&contract) {
        Some(entries) => {
            let changes = entries
                .iter()
                .map(|(key, value)| Change { path: Path::of_key(key), value: hash::felt(value) })
                .collect();
            tree.update(changes, &mut writes)?
        }
        None => None,
    };
    let new_class_hash = diff.deployed_contracts.get(&contract).copied();
    let new_nonce = diff.nonces.get(&contract).copied();
    if new_storage_root.is_none() && new_class_hash.is_none() && new_nonce.is_none() {
        return Ok((None, writes));
    }

    let storage_root = match new_storage_root {
        Some(root) => root,
        None => tree.root()?,
    };
    let class_hash = match new_class_hash {
        Some(class_hash) => class_hash,
        // The system's own contracts, 0x1 and 0x2, have storage and no class.
        None => tip.class_hash_at(contract)?.unwrap_or_default(),
    };
    let nonce = match new_nonce {
        Some(nonce) => nonce,
        None => tip.nonce(contract)?,
    };
    let value = hash::contract_leaf(class_hash, storage_root, nonce);
    Ok((Some(Change { path: Path::of_key(&contract), value }), writes))
}

/// The new root of the trie of classes, and the writes to it.
fn update_classes(tip: &dyn TrieReader, diff: &ThinStateDiff) -> Result<(Felt, Writes), Error> {
    let changes = diff
        .class_hash_to_compiled_class_hash
        .iter()
        .map(|(class_hash, compiled_class_hash)| Change {
            path: Path::of_key(class_hash),
            value: hash::class_leaf(*compiled_class_hash),
        })
        .collect();
    let mut writes = Writes::new();
    let tree = Tree::new(tip, Trie::Classes);
    let root = match tree.update(changes, &mut writes)? {
        Some(root) => root,
        None => tree.root()?,
    };
    Ok((root, writes))
}
