//! From blockifier's errors to the specification's.

use blockifier::{
    blockifier::{
        stateful_validator::StatefulValidatorError, transaction_executor::TransactionExecutorError,
    },
    execution::{
        call_info::Retdata,
        errors::{ConstructorEntryPointExecutionError, EntryPointExecutionError},
        syscalls::hint_processor::{ENTRYPOINT_NOT_FOUND_ERROR_FELT, OUT_OF_GAS_ERROR_FELT},
    },
    fee::fee_checks::FeeCheckError,
    state::errors::StateError,
    transaction::errors::{
        TransactionExecutionError, TransactionFeeError, TransactionPreValidationError,
    },
};
use starknet_api::StarknetApiError;

use crate::{Fault, Rejection, RejectionKind};

/// What the VM says when it runs out of steps, which no type tells.
const OUT_OF_STEPS: &str = "RunResources has no remaining steps";

impl Rejection {
    /// A rejection of this kind, for this reason.
    pub fn new(kind: RejectionKind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }

    /// Sorts an error of the executor.
    ///
    /// # Errors
    /// [`Fault`] if the error is not the transaction's.
    pub(crate) fn from_executor(error: &TransactionExecutorError) -> Result<Self, Fault> {
        match error {
            TransactionExecutorError::TransactionExecutionError(error) => {
                Self::from_execution(error)
            }
            TransactionExecutorError::StateError(error) => Self::from_state(error),
            TransactionExecutorError::BlockFull => {
                Ok(Self::new(RejectionKind::Unexpected, "the transaction does not fit any block"))
            }
            TransactionExecutorError::CompressionError(error) => {
                Err(Fault::Engine { reason: error.to_string() })
            }
        }
    }

    /// Sorts an error of the validator.
    ///
    /// # Errors
    /// [`Fault`] if the error is not the transaction's.
    pub(crate) fn from_validator(error: &StatefulValidatorError) -> Result<Self, Fault> {
        match error {
            StatefulValidatorError::StateError(error) => Self::from_state(error),
            StatefulValidatorError::TransactionExecutionError(error) => Self::from_execution(error),
            StatefulValidatorError::TransactionExecutorError(error) => Self::from_executor(error),
            StatefulValidatorError::TransactionPreValidationError(error) => {
                Self::from_pre_validation(error)
            }
        }
    }

    /// Sorts an error of one transaction's execution.
    ///
    /// # Errors
    /// [`Fault`] if the error is not the transaction's.
    pub(crate) fn from_execution(error: &TransactionExecutionError) -> Result<Self, Fault> {
        use TransactionExecutionError as E;
        let kind = match error {
            E::TransactionPreValidationError(error) => return Self::from_pre_validation(error),
            E::TransactionFeeError(error) => return Self::from_fee(error),
            E::StateError(error) => return Self::from_state(error),
            E::FeeCheckError(error) => fee_check_kind(error),
            E::PanicInValidate { panic_reason } => validate_kind(&panic_reason.last_retdata),
            E::ValidateCairo0Error(retdata) => validate_kind(retdata),
            E::ValidateTransactionError { error, .. } => {
                if error.to_string().contains(OUT_OF_STEPS) {
                    RejectionKind::InsufficientResources
                } else {
                    RejectionKind::ValidationFailure
                }
            }
            E::ContractConstructorExecutionFailed(error) => constructor_kind(error),
            E::InvalidValidateReturnData { .. } | E::ExecutionError { .. } => {
                RejectionKind::ValidationFailure
            }
            E::DeclareTransactionError { .. } => RejectionKind::ClassAlreadyDeclared,
            E::InvalidVersion { .. } => RejectionKind::UnsupportedVersion,
            E::ContractClassVersionMismatch { .. } => RejectionKind::UnsupportedClassVersion,
            E::StarknetApiError(error) => api_kind(error),
            E::ProgramError(_) => RejectionKind::CompilationFailed,
            E::FromStr(_)
            | E::TryFromIntError(_)
            | E::TransactionTooLarge { .. }
            | E::InvalidSegmentStructure(..) => RejectionKind::Unexpected,
        };
        Ok(Self::new(kind, error.to_string()))
    }

    fn from_pre_validation(error: &TransactionPreValidationError) -> Result<Self, Fault> {
        match error {
            TransactionPreValidationError::InvalidNonce {
                account_nonce,
                incoming_tx_nonce,
                ..
            } => {
                let (got, expected) = (incoming_tx_nonce.0, account_nonce.0);
                Ok(if expected < got {
                    let reason = format!("nonce {got} is ahead of the account nonce {expected}");
                    Self::new(RejectionKind::NonceAhead, reason)
                } else {
                    let reason = format!("nonce {got} is below the account nonce {expected}");
                    Self::new(RejectionKind::InvalidNonce, reason)
                })
            }
            TransactionPreValidationError::StateError(error) => Self::from_state(error),
            TransactionPreValidationError::TransactionFeeError(error) => Self::from_fee(error),
            TransactionPreValidationError::InvalidProofFacts(_) => {
                Ok(Self::new(RejectionKind::Unexpected, error.to_string()))
            }
        }
    }

    fn from_fee(error: &TransactionFeeError) -> Result<Self, Fault> {
        use TransactionFeeError as E;
        let kind = match error {
            E::StateError(error) => return Self::from_state(error),
            E::FeeTransferError { .. }
            | E::InsufficientFee { .. }
            | E::MaxFeeTooLow { .. }
            | E::InsufficientResourceBounds { .. }
            | E::MissingL1GasBounds => RejectionKind::InsufficientResources,
            E::ResourcesBoundsExceedBalance { .. }
            | E::GasBoundsExceedBalance { .. }
            | E::MaxFeeExceedsBalance { .. } => RejectionKind::InsufficientBalance,
            E::CairoResourcesNotContainedInFeeCosts | E::ExecuteFeeTransferError(_) => {
                RejectionKind::Unexpected
            }
        };
        Ok(Self::new(kind, one_line(&error.to_string())))
    }

    fn from_state(error: &StateError) -> Result<Self, Fault> {
        match error {
            StateError::UndeclaredClassHash(_) => {
                Ok(Self::new(RejectionKind::ClassNotFound, error.to_string()))
            }
            StateError::OutOfRangeContractAddress
            | StateError::UnavailableContractAddress(_)
            | StateError::StarknetApiError(_)
            | StateError::ProgramError(_) => {
                Ok(Self::new(RejectionKind::Unexpected, error.to_string()))
            }
            StateError::CasmAndSierraMismatch { .. }
            | StateError::FromBigUint(_)
            | StateError::OldBlockHashNotProvided
            | StateError::StateReadError(_)
            | StateError::MissingCompiledClassHashV2(_) => {
                Err(Fault::Engine { reason: error.to_string() })
            }
        }
    }
}

fn fee_check_kind(error: &FeeCheckError) -> RejectionKind {
    match error {
        FeeCheckError::MaxGasAmountExceeded { .. } | FeeCheckError::MaxFeeExceeded { .. } => {
            RejectionKind::InsufficientResources
        }
        FeeCheckError::InsufficientFeeTokenBalance { .. } => RejectionKind::InsufficientBalance,
    }
}

/// What `__validate__` means by the data it failed with. Both texts stand alone only when they
/// come from the engine about this very call; from a deeper call more felts follow.
fn validate_kind(retdata: &Retdata) -> RejectionKind {
    if retdata.0 == [ENTRYPOINT_NOT_FOUND_ERROR_FELT] {
        RejectionKind::NonAccount
    } else if retdata.0 == [OUT_OF_GAS_ERROR_FELT] {
        RejectionKind::InsufficientResources
    } else {
        RejectionKind::ValidationFailure
    }
}

fn constructor_kind(error: &ConstructorEntryPointExecutionError) -> RejectionKind {
    let ConstructorEntryPointExecutionError::ExecutionError { error, class_hash, .. } = error;
    match error.unannotated() {
        EntryPointExecutionError::StateError(StateError::UndeclaredClassHash(undeclared))
            if undeclared == class_hash =>
        {
            RejectionKind::ClassNotFound
        }
        EntryPointExecutionError::CairoRunError(_)
        | EntryPointExecutionError::ExecutionFailed { .. }
        | EntryPointExecutionError::InternalError(_)
        | EntryPointExecutionError::InvalidExecutionInput { .. }
        | EntryPointExecutionError::PostExecutionError(_)
        | EntryPointExecutionError::PreExecutionError(_)
        | EntryPointExecutionError::RecursionDepthExceeded
        | EntryPointExecutionError::StateError(_)
        | EntryPointExecutionError::TraceError(_) => RejectionKind::ValidationFailure,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "only one of its variants has a code")]
fn api_kind(error: &StarknetApiError) -> RejectionKind {
    match error {
        StarknetApiError::DeclareTransactionCasmHashMissMatch(_) => {
            RejectionKind::CompiledClassHashMismatch
        }
        _ => RejectionKind::Unexpected,
    }
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
