//! How blockifier reads a state.

use std::sync::{Arc, Mutex, PoisonError};

use blockifier::{
    execution::contract_class::RunnableCompiledClass,
    state::{
        errors::StateError,
        state_api::{StateReader, StateResult},
    },
};
use kraken_storage::Error;
use starknet_api::{
    core::{ClassHash, CompiledClassHash, ContractAddress, Nonce},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use super::runnable;
use crate::{Fault, State};

/// How blockifier reads a state.
///
/// Blockifier may take any error for the transaction's own and revert it, so a failure of storage
/// is also kept aside in [`Faults`]; whoever executes looks there before believing a result.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    state: State,
    faults: Faults,
}

/// The first failure of storage that a [`Reader`] met. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Arc<Mutex<Option<Error>>>);

impl Reader {
    /// Reads `state`; what goes wrong is found in `faults`.
    pub(crate) fn new(state: State, faults: Faults) -> Self {
        Self { state, faults }
    }

    fn read<T>(&self, result: Result<T, Error>) -> StateResult<T> {
        result.map_err(|error| self.faults.keep(error))
    }
}

impl Faults {
    /// Nothing went wrong so far.
    ///
    /// # Errors
    /// What went wrong first; it is taken, and not there the next time.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let first = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.map_or(Ok(()), |error| Err(Fault::Storage(error)))
    }

    /// Keeps the error aside, unless there was one before, and says to blockifier that it cannot
    /// read.
    pub(crate) fn keep(&self, error: Error) -> StateError {
        let read_error = StateError::StateReadError(error.to_string());
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        read_error
    }
}

impl StateReader for Reader {
    fn get_storage_at(&self, contract: ContractAddress, key: StorageKey) -> StateResult<Felt> {
        self.read(self.state.storage_at(contract, key))
    }

    fn get_nonce_at(&self, contract: ContractAddress) -> StateResult<Nonce> {
        self.read(self.state.nonce(contract))
    }

    fn get_class_hash_at(&self, contract: ContractAddress) -> StateResult<ClassHash> {
        Ok(self.read(self.state.class_hash_at(contract))?.unwrap_or_default())
    }

    fn get_compiled_class(&self, class_hash: ClassHash) -> StateResult<RunnableCompiledClass> {
        // The hash is a small read that says whether the class is declared here; only then may
        // the cache, which all states share, answer.
        let compiled = self.read(self.state.compiled_class_hash(class_hash))?;
        if compiled.is_some()
            && let Some(class) = runnable::cached(class_hash)
        {
            return Ok(class);
        }
        let class = self.read(self.state.class(class_hash))?;
        let class = class.ok_or(StateError::UndeclaredClassHash(class_hash))?;
        runnable::cached(class_hash).map_or_else(|| runnable::convert(class_hash, &class), Ok)
    }

    fn get_compiled_class_hash(&self, class_hash: ClassHash) -> StateResult<CompiledClassHash> {
        Ok(self.read(self.state.compiled_class_hash(class_hash))?.unwrap_or_default())
    }

    fn get_compiled_class_hash_v2(
        &self,
        class_hash: ClassHash,
        _: &RunnableCompiledClass,
    ) -> StateResult<CompiledClassHash> {
        // Every class of this chain is declared with the second version of the hash.
        let hash = self.read(self.state.compiled_class_hash(class_hash))?;
        hash.ok_or(StateError::MissingCompiledClassHashV2(class_hash))
    }
}
