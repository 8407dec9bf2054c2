//! Every error a caller can see: code, message and data, in one table.
//!
//! Positive codes and their messages are the specification's, version 0.10.2, and 0.9.0 where that
//! says it in another way; negative ones are
//! those of JSON-RPC 2.0 and its range for servers. The cause of an internal error goes to the log,
//! never to the caller.

use kraken_execution::{CallError, EstimateError, Fault, Rejection, RejectionKind, RevertError};
use kraken_sequencer::{DevError, StartError, SubmitError};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use crate::{params::InvalidParams, version::Version};

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The body is not JSON.
    #[error("Parse error")]
    Parse { reason: String },
    /// JSON, but no request.
    #[error("Invalid request")]
    InvalidRequest { reason: String },
    /// No such method, on any version.
    #[error("Method not found")]
    MethodNotFound { method: String },
    /// A method that makes no sense over HTTP.
    #[error("Method not found")]
    SocketOnly { method: &'static str },
    /// A parameter is missing, unknown or malformed.
    #[error("Invalid params")]
    InvalidParams(#[from] InvalidParams),
    /// Our fault.
    #[error("Internal error")]
    Internal(#[from] Internal),
    /// A method that this node does not serve, and why.
    #[error("Method forbidden")]
    Forbidden { reason: String },
    /// Not done in time; what was asked for may still happen.
    #[error("Request timed out")]
    TimedOut { seconds: u64 },
    /// The answers of a batch outgrew their limit.
    #[error("Response is too big")]
    ResponseTooBig { bytes_max: usize },
    /// A socket has all the subscriptions that it may have.
    #[error("Too many subscriptions")]
    TooManySubscriptions { max: usize },
    /// A devnet control could not be carried out.
    #[error("{reason}")]
    Devnet { reason: String },

    /// See the specification.
    #[error("Contract not found")]
    ContractNotFound,
    /// See the specification.
    #[error("Requested entry point does not exist in the contract")]
    EntryPointNotFound,
    /// The same, in the words of version 0.9.
    #[error("Requested entrypoint does not exist in the contract")]
    EntryPointNotFoundV0_9,
    /// See the specification.
    #[error("Block not found")]
    BlockNotFound,
    /// See the specification.
    #[error("Invalid transaction index in a block")]
    InvalidTransactionIndex,
    /// See the specification.
    #[error("Class hash not found")]
    ClassHashNotFound,
    /// See the specification.
    #[error("Transaction hash not found")]
    TransactionHashNotFound,
    /// See the specification.
    #[error("Requested page size is too big")]
    PageSizeTooBig,
    /// See the specification. Nobody gets it: block 0 is there before anything is served.
    #[error("There are no blocks")]
    NoBlocks,
    /// See the specification.
    #[error("The supplied continuation token is invalid or unknown")]
    InvalidContinuationToken,
    /// See the specification.
    #[error("Too many keys provided in a filter")]
    TooManyKeysInFilter,
    /// See the specification.
    #[error("Contract error")]
    Contract { revert: RevertError },
    /// See the specification.
    #[error("Transaction execution error")]
    TransactionExecution { index: usize, revert: RevertError },
    /// See the specification.
    #[error("the node doesn't support storage proofs for blocks that are too far in the past")]
    StorageProofNotSupported,
    /// See the specification.
    #[error("Class already declared")]
    ClassAlreadyDeclared,
    /// See the specification.
    #[error("Invalid transaction nonce")]
    InvalidNonce { reason: String },
    /// See the specification.
    #[error("The transaction's resources don't cover validation or the minimal transaction fee")]
    InsufficientResources,
    /// See the specification.
    #[error(
        "Account balance is smaller than the transaction's maximal fee (calculated as the sum of \
         each resource's limit x max price)"
    )]
    InsufficientBalance,
    /// See the specification.
    #[error("Account validation failed")]
    ValidationFailure { reason: String },
    /// See the specification.
    #[error("Compilation failed")]
    CompilationFailed { reason: String },
    /// See the specification.
    #[error("Contract class size is too large")]
    ClassTooLarge,
    /// See the specification.
    #[error("Sender address is not an account contract")]
    NonAccount,
    /// See the specification.
    #[error("A transaction with the same hash already exists in the mempool")]
    DuplicateTransaction,
    /// See the specification.
    #[error("the compiled class hash did not match the one supplied in the transaction")]
    CompiledClassHashMismatch,
    /// See the specification.
    #[error("the transaction version is not supported")]
    UnsupportedVersion,
    /// See the specification.
    #[error("the contract class version is not supported")]
    UnsupportedClassVersion,
    /// See the specification.
    #[error("An unexpected error occurred")]
    Unexpected { reason: String },
    /// See the specification.
    #[error("Replacement transaction is underpriced")]
    ReplacementUnderpriced,
    /// See the specification.
    #[error("Transaction fee below minimum")]
    FeeBelowMinimum,
    /// See the specification.
    #[error("Invalid subscription id")]
    InvalidSubscriptionId,
    /// See the specification.
    #[error("Too many addresses in filter sender_address filter")]
    TooManyAddressesInFilter,
    /// See the specification.
    #[error("Cannot go back more than 1024 blocks")]
    TooManyBlocksBack,
    /// See the specification.
    #[error("The proof field in the invoke v3 transaction is invalid")]
    InvalidProof,
    /// See the specification.
    #[error("No trace available for transaction")]
    NoTraceAvailable { status: Untraced },
    /// See the specification.
    #[error("Failed to compile the contract")]
    Compilation { reason: String },
}

/// Why a transaction that is known has no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(rename = "UNTRACED_STATUS")]
pub(crate) enum Untraced {
    /// It is not executed yet.
    Received,
    /// It was left out of its block.
    Rejected,
}

/// What the caller does not get to see.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Internal {
    /// Storage failed.
    #[error("storage failed")]
    Storage(#[from] kraken_storage::Error),
    /// Execution failed.
    #[error("execution failed")]
    Fault(#[from] Fault),
    /// The chain did not start again.
    #[error("the chain did not start again")]
    Start(#[source] StartError),
    /// An answer that is no JSON.
    #[error("cannot write the answer")]
    Answer(#[from] serde_json::Error),
    /// A class that cannot be packed.
    #[error("cannot pack a class")]
    Class(#[source] std::io::Error),
    /// A bug; the panic hook has logged it.
    #[error("a handler panicked")]
    Panicked,
    /// A method answered with an error of another one.
    #[error("{method} may not answer with code {code}")]
    Foreign { method: &'static str, code: i32 },
    /// Blocks or state that must be there are not.
    #[error("broken invariant: {what}")]
    Broken { what: &'static str },
}

impl From<kraken_storage::Error> for Error {
    fn from(error: kraken_storage::Error) -> Self {
        Internal::from(error).into()
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Internal::from(fault).into()
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::ContractNotFound => Self::ContractNotFound,
            CallError::EntryPointNotFound => Self::EntryPointNotFound,
            CallError::Reverted(revert) => Self::Contract { revert },
            CallError::Fault(fault) => fault.into(),
        }
    }
}

impl From<EstimateError> for Error {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Failed { index, error: revert } => {
                Self::TransactionExecution { index, revert }
            }
            EstimateError::Fault(fault) => fault.into(),
        }
    }
}

impl From<SubmitError> for Error {
    fn from(error: SubmitError) -> Self {
        match error {
            SubmitError::Rejected(rejection) => rejection.into(),
            SubmitError::Duplicate => Self::DuplicateTransaction,
            SubmitError::ReplacementUnderpriced => Self::ReplacementUnderpriced,
            SubmitError::Full { .. }
            | SubmitError::AccountFull { .. }
            | SubmitError::NotHandedOn { .. }
            | SubmitError::NotCompiled(_)
            | SubmitError::Stopped => Self::Unexpected { reason: error.to_string() },
            SubmitError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Rejection> for Error {
    fn from(Rejection { kind, reason }: Rejection) -> Self {
        match kind {
            RejectionKind::InvalidNonce | RejectionKind::NonceAhead => {
                Self::InvalidNonce { reason }
            }
            RejectionKind::InsufficientResources => Self::InsufficientResources,
            RejectionKind::FeeBelowMinimum => Self::FeeBelowMinimum,
            RejectionKind::InsufficientBalance => Self::InsufficientBalance,
            RejectionKind::ValidationFailure => Self::ValidationFailure { reason },
            RejectionKind::NonAccount => Self::NonAccount,
            RejectionKind::ClassNotFound => Self::ClassHashNotFound,
            RejectionKind::ClassAlreadyDeclared => Self::ClassAlreadyDeclared,
            RejectionKind::CompiledClassHashMismatch => Self::CompiledClassHashMismatch,
            RejectionKind::CompilationFailed => Self::CompilationFailed { reason },
            RejectionKind::ClassTooLarge => Self::ClassTooLarge,
            RejectionKind::UnsupportedVersion => Self::UnsupportedVersion,
            RejectionKind::UnsupportedClassVersion => Self::UnsupportedClassVersion,
            RejectionKind::Unexpected => Self::Unexpected { reason },
        }
    }
}

impl From<DevError> for Error {
    fn from(error: DevError) -> Self {
        match error {
            DevError::Storage(error) => error.into(),
            DevError::Start(error) => Internal::Start(error).into(),
            DevError::NoBlock { .. } => Self::BlockNotFound,
            DevError::ContractNotFound { .. } => Self::ContractNotFound,
            DevError::ClassNotFound { .. } => Self::ClassHashNotFound,
            DevError::TimeGoesBack { .. }
            | DevError::FeeMarket
            | DevError::Genesis
            | DevError::AcceptedOnL1 { .. }
            | DevError::Diff { .. }
            | DevError::Stopped => Self::Devnet { reason: error.to_string() },
        }
    }
}

impl Error {
    /// The code, as JSON-RPC or the specification numbers it.
    pub(crate) const fn code(&self) -> i32 {
        match self {
            Self::Parse { .. } => -32700,
            Self::InvalidRequest { .. } => -32600,
            Self::MethodNotFound { .. } | Self::SocketOnly { .. } => -32601,
            Self::InvalidParams(_) => -32602,
            Self::Internal(_) => -32603,
            Self::Forbidden { .. } => -32604,
            Self::TimedOut { .. } => -32000,
            Self::ResponseTooBig { .. } => -32001,
            Self::TooManySubscriptions { .. } => -32002,
            Self::Devnet { .. } => -1,
            Self::ContractNotFound => 20,
            Self::EntryPointNotFound | Self::EntryPointNotFoundV0_9 => 21,
            Self::BlockNotFound => 24,
            Self::InvalidTransactionIndex => 27,
            Self::ClassHashNotFound => 28,
            Self::TransactionHashNotFound => 29,
            Self::PageSizeTooBig => 31,
            Self::NoBlocks => 32,
            Self::InvalidContinuationToken => 33,
            Self::TooManyKeysInFilter => 34,
            Self::Contract { .. } => 40,
            Self::TransactionExecution { .. } => 41,
            Self::StorageProofNotSupported => 42,
            Self::ClassAlreadyDeclared => 51,
            Self::InvalidNonce { .. } => 52,
            Self::InsufficientResources => 53,
            Self::InsufficientBalance => 54,
            Self::ValidationFailure { .. } => 55,
            Self::CompilationFailed { .. } => 56,
            Self::ClassTooLarge => 57,
            Self::NonAccount => 58,
            Self::DuplicateTransaction => 59,
            Self::CompiledClassHashMismatch => 60,
            Self::UnsupportedVersion => 61,
            Self::UnsupportedClassVersion => 62,
            Self::Unexpected { .. } => 63,
            Self::ReplacementUnderpriced => 64,
            Self::FeeBelowMinimum => 65,
            Self::InvalidSubscriptionId => 66,
            Self::TooManyAddressesInFilter => 67,
            Self::TooManyBlocksBack => 68,
            Self::InvalidProof => 69,
            Self::NoTraceAvailable { .. } => 10,
            Self::Compilation { .. } => 100,
        }
    }

    /// As a version of the specification puts it.
    pub(crate) fn in_words_of(self, version: Version) -> Self {
        if matches!(self, Self::EntryPointNotFound) && version < Version::V0_10 {
            Self::EntryPointNotFoundV0_9
        } else {
            self
        }
    }

    /// The message, and what goes with it, in one line.
    pub(crate) fn said(&self) -> String {
        match self.data() {
            Some(data) => format!("{self}: {data}"),
            None => self.to_string(),
        }
    }

    /// What goes with it: only where the specification has a place for it.
    pub(crate) fn data(&self) -> Option<Value> {
        match self {
            Self::Parse { reason }
            | Self::InvalidRequest { reason }
            | Self::Forbidden { reason } => Some(json!({ "reason": reason })),
            Self::MethodNotFound { method } => {
                Some(json!({ "reason": format!("there is no method {method:?}") }))
            }
            Self::SocketOnly { method } => {
                let reason = format!("{method} is served over WebSocket only, at the same address");
                Some(json!({ "reason": reason }))
            }
            Self::TooManySubscriptions { max } => {
                Some(json!({ "reason": format!("a socket may have {max}") }))
            }
            Self::InvalidParams(invalid) => Some(json!({ "reason": invalid.to_string() })),
            Self::TimedOut { seconds } => {
                Some(json!({ "reason": format!("no answer within {seconds} s") }))
            }
            Self::ResponseTooBig { bytes_max } => {
                Some(json!({ "reason": format!("the limit is {bytes_max} bytes") }))
            }
            Self::Contract { revert } => Some(json!({ "revert_error": nested(revert) })),
            Self::TransactionExecution { index, revert } => {
                Some(json!({ "transaction_index": index, "execution_error": nested(revert) }))
            }
            Self::NoTraceAvailable { status } => Some(json!({ "status": status })),
            Self::Compilation { reason } => Some(json!({ "compilation_error": reason })),
            Self::InvalidNonce { reason }
            | Self::ValidationFailure { reason }
            | Self::CompilationFailed { reason }
            | Self::Unexpected { reason } => Some(Value::String(reason.clone())),
            Self::Internal(_)
            | Self::Devnet { .. }
            | Self::ContractNotFound
            | Self::EntryPointNotFound
            | Self::EntryPointNotFoundV0_9
            | Self::BlockNotFound
            | Self::InvalidTransactionIndex
            | Self::ClassHashNotFound
            | Self::TransactionHashNotFound
            | Self::PageSizeTooBig
            | Self::NoBlocks
            | Self::InvalidContinuationToken
            | Self::TooManyKeysInFilter
            | Self::StorageProofNotSupported
            | Self::ClassAlreadyDeclared
            | Self::InsufficientResources
            | Self::InsufficientBalance
            | Self::ClassTooLarge
            | Self::NonAccount
            | Self::DuplicateTransaction
            | Self::CompiledClassHashMismatch
            | Self::UnsupportedVersion
            | Self::UnsupportedClassVersion
            | Self::ReplacementUnderpriced
            | Self::FeeBelowMinimum
            | Self::InvalidSubscriptionId
            | Self::TooManyAddressesInFilter
            | Self::TooManyBlocksBack
            | Self::InvalidProof => None,
        }
    }
}

/// The specification's CONTRACT_EXECUTION_ERROR.
fn nested(error: &RevertError) -> Value {
    match error {
        RevertError::Message(message) => Value::String(message.clone()),
        RevertError::Frame { contract_address, class_hash, selector, error } => json!({
            "contract_address": Felt::from(*contract_address),
            "class_hash": class_hash.0,
            "selector": selector.0,
            "error": nested(error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_revert_names_each_frame() {
        let error = Error::TransactionExecution {
            index: 2,
            revert: RevertError::Frame {
                contract_address: 0x11_u128.into(),
                class_hash: starknet_api::core::ClassHash(Felt::from(0x22)),
                selector: starknet_api::core::EntryPointSelector(Felt::from(0x33)),
                error: Box::new(RevertError::Message("out of gas".to_owned())),
            },
        };
        assert_eq!(error.code(), 41);
        assert_eq!(
            error.data(),
            Some(json!({
                "transaction_index": 2,
                "execution_error": {
                    "contract_address": "0x11",
                    "class_hash": "0x22",
                    "selector": "0x33",
                    "error": "out of gas",
                },
            }))
        );
    }

    #[test]
    fn an_internal_error_keeps_its_cause_to_itself() {
        let error = Error::from(Fault::Engine { reason: "a secret".to_owned() });
        assert_eq!((error.code(), error.to_string().as_str()), (-32603, "Internal error"));
        assert_eq!(error.data(), None);
    }

    #[test]
    fn rejections_carry_the_code_of_the_specification() {
        let codes = [
            (RejectionKind::InvalidNonce, 52),
            (RejectionKind::NonceAhead, 52),
            (RejectionKind::InsufficientResources, 53),
            (RejectionKind::InsufficientBalance, 54),
            (RejectionKind::ValidationFailure, 55),
            (RejectionKind::NonAccount, 58),
            (RejectionKind::ClassNotFound, 28),
            (RejectionKind::ClassAlreadyDeclared, 51),
            (RejectionKind::CompiledClassHashMismatch, 60),
            (RejectionKind::CompilationFailed, 56),
            (RejectionKind::ClassTooLarge, 57),
            (RejectionKind::UnsupportedVersion, 61),
            (RejectionKind::UnsupportedClassVersion, 62),
            (RejectionKind::Unexpected, 63),
            (RejectionKind::FeeBelowMinimum, 65),
        ];
        for (kind, code) in codes {
            let error = Error::from(Rejection { kind, reason: "why".to_owned() });
            assert_eq!(error.code(), code, "{kind:?}");
        }
    }
}
