//! What execution may answer, sorted by fault.

mod rejection;
mod revert;

use starknet_api::core::{ClassHash, ContractAddress, EntryPointSelector};

/// Why a transaction is left out: the sender's doing, the same on every validator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Rejection {
    /// Which error of the specification this is.
    pub kind: RejectionKind,
    /// What the sender reads: one line with the numbers in it, or the account's own call trace.
    pub reason: String,
}

/// The errors of the specification that a rejected transaction may answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RejectionKind {
    /// Nonce below or too far above that of the account (code 52).
    InvalidNonce,
    /// The nonce is ahead of the account's; once others have run, this transaction may be valid (52).
    NonceAhead,
    /// Bounds below the block's prices, or too little gas to validate (53).
    InsufficientResources,
    /// Offers less for L2 gas than any block will ever cost (65).
    FeeBelowMinimum,
    /// The account holds less than the most the transaction may cost (54).
    InsufficientBalance,
    /// `__validate__` said no, or there is no account contract to ask (55).
    ValidationFailure,
    /// The sender has a contract, but it is no account (58).
    NonAccount,
    /// deploy_account of a class that is not declared (28).
    ClassNotFound,
    /// declare of a class that is declared (51).
    ClassAlreadyDeclared,
    /// The compiled class hash is not that of the class (60).
    CompiledClassHashMismatch,
    /// Sierra that does not compile (56).
    CompilationFailed,
    /// A class over the size limits (57).
    ClassTooLarge,
    /// A version other than 3 (61).
    UnsupportedVersion,
    /// A Sierra or class version that is not known (62).
    UnsupportedClassVersion,
    /// Anything else (63).
    Unexpected,
}

/// Not the transaction's fault: the state cannot be read, or a worker panicked. The node stops.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum Fault {
    /// Storage failed.
    #[error("cannot read the state")]
    Storage(#[from] kraken_storage::Error),
    /// The execution engine broke an invariant.
    #[error("execution engine failed: {reason}")]
    Engine { reason: String },
}

/// Why a call or an execution failed, as the specification nests it (CONTRACT_EXECUTION_ERROR).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RevertError {
    /// The innermost reason, as text.
    Message(String),
    /// A frame of the call stack and what went wrong below it.
    Frame {
        /// The contract that was called.
        contract_address: ContractAddress,
        /// Its class.
        class_hash: ClassHash,
        /// The function that was called.
        selector: EntryPointSelector,
        /// What went wrong in it.
        error: Box<Self>,
    },
}
