//! The errors of the specification, to be described.

use kraken_execution::RevertError;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use crate::{
    error::{Error, Untraced},
    schema::{self, Describe, of},
    version::Version,
};

/// An error with its name in the specification and what its data looks like.
pub(super) struct Described {
    pub(super) name: &'static str,
    pub(super) error: Error,
    pub(super) data: Option<Describe>,
}

impl Described {
    /// All of them, by code.
    pub(super) fn all() -> Vec<Self> {
        let mut all = plain();
        all.extend(with_data());
        all.sort_by_key(|described| described.error.code());
        all
    }

    /// As OpenRPC writes it, in the words of a version.
    pub(super) fn into_json(self, version: Version, generator: &mut SchemaGenerator) -> Value {
        let error = self.error.in_words_of(version);
        let mut described = json!({ "code": error.code(), "message": error.to_string() });
        if let Some(describe) = self.data {
            described["data"] = describe(generator).into();
        }
        described
    }
}

/// The errors that say all in their message.
fn plain() -> Vec<Described> {
    let described = |(name, error)| Described { name, error, data: None };
    let errors = [
        ("CONTRACT_NOT_FOUND", Error::ContractNotFound),
        ("ENTRYPOINT_NOT_FOUND", Error::EntryPointNotFound),
        ("BLOCK_NOT_FOUND", Error::BlockNotFound),
        ("INVALID_TXN_INDEX", Error::InvalidTransactionIndex),
        ("CLASS_HASH_NOT_FOUND", Error::ClassHashNotFound),
        ("TXN_HASH_NOT_FOUND", Error::TransactionHashNotFound),
        ("PAGE_SIZE_TOO_BIG", Error::PageSizeTooBig),
        ("NO_BLOCKS", Error::NoBlocks),
        ("INVALID_CONTINUATION_TOKEN", Error::InvalidContinuationToken),
        ("TOO_MANY_KEYS_IN_FILTER", Error::TooManyKeysInFilter),
        ("STORAGE_PROOF_NOT_SUPPORTED", Error::StorageProofNotSupported),
        ("CLASS_ALREADY_DECLARED", Error::ClassAlreadyDeclared),
        ("INSUFFICIENT_RESOURCES_FOR_VALIDATE", Error::InsufficientResources),
        ("INSUFFICIENT_ACCOUNT_BALANCE", Error::InsufficientBalance),
        ("CONTRACT_CLASS_SIZE_IS_TOO_LARGE", Error::ClassTooLarge),
        ("NON_ACCOUNT", Error::NonAccount),
        ("DUPLICATE_TX", Error::DuplicateTransaction),
        ("COMPILED_CLASS_HASH_MISMATCH", Error::CompiledClassHashMismatch),
        ("UNSUPPORTED_TX_VERSION", Error::UnsupportedVersion),
        ("UNSUPPORTED_CONTRACT_CLASS_VERSION", Error::UnsupportedClassVersion),
        ("REPLACEMENT_TRANSACTION_UNDERPRICED", Error::ReplacementUnderpriced),
        ("FEE_BELOW_MINIMUM", Error::FeeBelowMinimum),
        ("INVALID_SUBSCRIPTION_ID", Error::InvalidSubscriptionId),
        ("TOO_MANY_ADDRESSES_IN_FILTER", Error::TooManyAddressesInFilter),
        ("TOO_MANY_BLOCKS_BACK", Error::TooManyBlocksBack),
        ("INVALID_PROOF", Error::InvalidProof),
    ];
    errors.into_iter().map(described).collect()
}

/// The errors that say more in their data, of which these are examples.
fn with_data() -> Vec<Described> {
    let reason = String::new;
    let revert = || RevertError::Message(reason());
    let errors: [(_, _, Describe); 8] = [
        (
            "NO_TRACE_AVAILABLE",
            Error::NoTraceAvailable { status: Untraced::Received },
            of::<NoTrace>,
        ),
        ("CONTRACT_ERROR", Error::Contract { revert: revert() }, of::<Reverted>),
        (
            "TRANSACTION_EXECUTION_ERROR",
            Error::TransactionExecution { index: 0, revert: revert() },
            of::<FailedTransaction>,
        ),
        ("INVALID_TRANSACTION_NONCE", Error::InvalidNonce { reason: reason() }, of::<String>),
        ("VALIDATION_FAILURE", Error::ValidationFailure { reason: reason() }, of::<String>),
        ("COMPILATION_FAILED", Error::CompilationFailed { reason: reason() }, of::<String>),
        ("UNEXPECTED_ERROR", Error::Unexpected { reason: reason() }, of::<String>),
        ("COMPILATION_ERROR", Error::Compilation { reason: reason() }, of::<NotCompiled>),
    ];
    let described = |(name, error, data)| Described { name, error, data: Some(data) };
    errors.into_iter().map(described).collect()
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
#[expect(dead_code, reason = "a shape")]
struct NoTrace {
    status: Untraced,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
#[expect(dead_code, reason = "a shape")]
struct Reverted {
    revert_error: Revert,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
#[expect(dead_code, reason = "a shape")]
struct FailedTransaction {
    transaction_index: u64,
    execution_error: Revert,
}

#[derive(JsonSchema)]
#[schemars(inline, deny_unknown_fields)]
#[expect(dead_code, reason = "a shape")]
struct NotCompiled {
    compilation_error: String,
}

/// Why a call reverted, or where, and why that did.
#[derive(JsonSchema)]
#[schemars(rename = "CONTRACT_EXECUTION_ERROR", untagged, deny_unknown_fields)]
#[expect(dead_code, reason = "a shape")]
enum Revert {
    Message(String),
    Frame {
        contract_address: schema::Address,
        class_hash: schema::Felt,
        selector: schema::Felt,
        error: Box<Self>,
    },
}
