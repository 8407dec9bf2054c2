//! The state that execution reads: a snapshot, and blocks that are executed but not yet stored.

mod changes;
mod reader;
mod runnable;

use std::sync::Arc;

use kraken_storage::{Class, Error, Snapshot};
use starknet_api::{
    core::{ClassHash, CompiledClassHash, ContractAddress, Nonce},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

pub use changes::Changes;
pub(crate) use reader::{Faults, Reader};

/// The state that execution reads. Cheap to clone.
///
/// A read asks the newest layer first and falls through to the snapshot, so a state is right while
/// the layers follow the snapshot's block without a gap.
#[derive(Clone, Debug)]
pub struct State {
    /// `None` is the state before block 0, in which there is nothing.
    base: Option<Snapshot>,
    /// Oldest first.
    layers: Vec<Arc<Changes>>,
}

impl State {
    /// The state after a stored block.
    pub fn new(base: Snapshot) -> Self {
        Self { base: Some(base), layers: Vec::new() }
    }

    /// The state before block 0: no contract, no class.
    pub fn empty() -> Self {
        Self { base: None, layers: Vec::new() }
    }

    /// The same with later changes on top.
    #[must_use]
    pub fn with(mut self, changes: Arc<Changes>) -> Self {
        self.layers.push(changes);
        self
    }

    /// Zero where nothing was written.
    ///
    /// # Errors
    /// If storage fails.
    pub fn storage_at(&self, contract: ContractAddress, key: StorageKey) -> Result<Felt, Error> {
        if let Some(value) = self.newest(|changes| changes.storage.get(&(contract, key))) {
            return Ok(*value);
        }
        self.base.as_ref().map_or(Ok(Felt::ZERO), |base| base.storage_at(contract, key))
    }

    /// Zero for accounts that never sent, and for addresses without a contract.
    ///
    /// # Errors
    /// If storage fails.
    pub fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error> {
        if let Some(nonce) = self.newest(|changes| changes.nonces.get(&contract)) {
            return Ok(*nonce);
        }
        self.base.as_ref().map_or_else(|| Ok(Nonce::default()), |base| base.nonce(contract))
    }

    /// `None` where no contract is deployed.
    ///
    /// # Errors
    /// If storage fails.
    pub fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error> {
        if let Some(class_hash) = self.newest(|changes| changes.class_hashes.get(&contract)) {
            return Ok(Some(*class_hash));
        }
        self.base.as_ref().map_or(Ok(None), |base| base.class_hash_at(contract))
    }

    /// `None` unless declared.
    ///
    /// # Errors
    /// If storage fails.
    pub fn class(&self, class_hash: ClassHash) -> Result<Option<Arc<Class>>, Error> {
        if let Some(class) = self.newest(|changes| changes.classes.get(&class_hash)) {
            return Ok(Some(Arc::clone(class)));
        }
        self.base.as_ref().map_or(Ok(None), |base| base.class(class_hash))
    }

    /// `None` for classes that are not declared, and for those of Cairo 0.
    ///
    /// # Errors
    /// If storage fails.
    pub fn compiled_class_hash(
        &self,
        class_hash: ClassHash,
    ) -> Result<Option<CompiledClassHash>, Error> {
        if let Some(hash) = self.newest(|changes| changes.compiled_class_hashes.get(&class_hash)) {
            return Ok(Some(*hash));
        }
        self.base.as_ref().map_or(Ok(None), |base| base.compiled_class_hash(class_hash))
    }

    fn newest<'a, T>(&'a self, get: impl Fn(&'a Changes) -> Option<T>) -> Option<T> {
        self.layers.iter().rev().find_map(|changes| get(changes))
    }
}

#[cfg(test)]
mod tests;
