//! Classes in the form that blockifier runs.

use std::sync::LazyLock;

use blockifier::{
    execution::contract_class::{CompiledClassV0, CompiledClassV1, RunnableCompiledClass},
    state::{errors::StateError, state_api::StateResult},
};
use kraken_storage::Class;
use starknet_api::core::ClassHash;

use crate::cache::Cache;

/// Felts of bytecode that are kept ready to run; a felt costs about 50 bytes.
const BYTECODE_FELTS_MAX: usize = 2_000_000;

/// One for the process: what a class hash stands for is the same in every state.
static CLASSES: LazyLock<Cache<RunnableCompiledClass>> =
    LazyLock::new(|| Cache::new(BYTECODE_FELTS_MAX));

/// The class, if it was converted before and is still kept.
pub(super) fn cached(class_hash: ClassHash) -> Option<RunnableCompiledClass> {
    CLASSES.get(class_hash)
}

/// Converts a declared class, and keeps the result. Milliseconds for a large class.
pub(super) fn convert(class_hash: ClassHash, class: &Class) -> StateResult<RunnableCompiledClass> {
    let (runnable, felts) = match class {
        Class::Sierra(class) => {
            let version = class.sierra.get_sierra_version()?;
            let runnable = CompiledClassV1::try_from((class.casm.clone(), version))
                .map_err(StateError::ProgramError)?;
            (RunnableCompiledClass::V1(runnable), class.casm.bytecode.len())
        }
        Class::Deprecated(class) => {
            let runnable = CompiledClassV0::try_from(class.as_ref().clone())
                .map_err(StateError::ProgramError)?;
            let felts = runnable.bytecode_length();
            (RunnableCompiledClass::V0(runnable), felts)
        }
    };
    CLASSES.insert(class_hash, runnable.clone(), felts);
    Ok(runnable)
}
