//! The classes of declare transactions, compiled once.

use std::sync::Arc;

use kraken_storage::Class;
use starknet_api::{core::ClassHash, state::SierraContractClass};

use super::PrepareError;
use crate::{Chain, CompileError, Compiler, Rejection, RejectionKind, Uncompiled};

/// Hashes a class and compiles it, or remembers what it compiled to.
pub(super) fn class(
    sierra: &SierraContractClass,
    chain: &Chain,
    compiler: &Compiler,
) -> Result<(ClassHash, Arc<Class>), PrepareError> {
    let class_hash = sierra.calculate_class_hash();
    match compiler.compile(class_hash, sierra, &chain.genesis().limits) {
        Ok(class) => Ok((class_hash, class)),
        Err(Uncompiled::Refused(error)) => Err(rejection(&error).into()),
        Err(Uncompiled::Unfinished(cause)) => Err(PrepareError::Unfinished { class_hash, cause }),
    }
}

fn rejection(error: &CompileError) -> Rejection {
    let kind = match error {
        CompileError::TooLarge { .. } => RejectionKind::ClassTooLarge,
        CompileError::UnsupportedVersion { .. } => RejectionKind::UnsupportedClassVersion,
        // The kind says by itself what happened.
        CompileError::Failed { reason } => {
            return Rejection::new(RejectionKind::CompilationFailed, reason);
        }
    };
    Rejection::new(kind, error.to_string())
}
