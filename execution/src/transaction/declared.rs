//! The classes of declare transactions, compiled once.

use std::sync::{Arc, LazyLock};

use kraken_storage::Class;
use kraken_types::genesis::Limits;
use starknet_api::{core::ClassHash, state::SierraContractClass};

use crate::{Chain, CompileError, Rejection, RejectionKind, cache::Cache, compile};

/// Felts of Sierra and bytecode that are remembered; a felt costs 32 to 60 bytes.
const FELTS_MAX: usize = 1_000_000;

/// What the gateway compiled is about to be compiled for a block, and may come back in queries.
static COMPILED: LazyLock<Cache<Compiled>> = LazyLock::new(|| Cache::new(FELTS_MAX));

#[derive(Clone, Debug)]
struct Compiled {
    class: Arc<Class>,
    /// The limits that it was found to keep.
    limits: Arc<Limits>,
}

/// Hashes a class and compiles it, or remembers what it compiled to.
pub(super) fn class(
    sierra: &SierraContractClass,
    chain: &Chain,
) -> Result<(ClassHash, Arc<Class>), Rejection> {
    let class_hash = sierra.calculate_class_hash();
    let limits = &chain.genesis().limits;
    if let Some(compiled) = COMPILED.get(class_hash)
        && *compiled.limits == *limits
    {
        return Ok((class_hash, compiled.class));
    }
    let compiled = compile(sierra.clone(), limits).map_err(|error| rejection(&error))?;
    let felts = compiled.sierra.sierra_program.len() + compiled.casm.bytecode.len();
    let class = Arc::new(Class::Sierra(Box::new(compiled)));
    let entry = Compiled { class: Arc::clone(&class), limits: Arc::new(limits.clone()) };
    COMPILED.insert(class_hash, entry, felts);
    Ok((class_hash, class))
}

fn rejection(error: &CompileError) -> Rejection {
    let kind = match error {
        CompileError::TooLarge { .. } => RejectionKind::ClassTooLarge,
        CompileError::UnsupportedVersion { .. } => RejectionKind::UnsupportedClassVersion,
        CompileError::Failed { .. } => RejectionKind::CompilationFailed,
    };
    Rejection::new(kind, error.to_string())
}
