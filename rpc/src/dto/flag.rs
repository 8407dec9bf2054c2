//! Flags that change an answer.

use crate::params::{FromInput, Input, InvalidParams};

/// TXN_RESPONSE_FLAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionFlag {
    /// Show the proof facts of invokes.
    IncludeProofFacts,
}

/// STORAGE_RESPONSE_FLAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StorageFlag {
    /// Say which block wrote the value.
    IncludeLastUpdateBlock,
}

/// SIMULATION_FLAG_FOR_ESTIMATE_FEE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EstimateFlag {
    /// Do not ask the account.
    SkipValidate,
}

impl FromInput for TransactionFlag {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        only(input, "INCLUDE_PROOF_FACTS", Self::IncludeProofFacts)
    }
}

impl FromInput for StorageFlag {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        only(input, "INCLUDE_LAST_UPDATE_BLOCK", Self::IncludeLastUpdateBlock)
    }
}

impl FromInput for EstimateFlag {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        only(input, "SKIP_VALIDATE", Self::SkipValidate)
    }
}

/// Reads an enumeration of one name.
fn only<T>(input: &Input<'_>, name: &'static str, value: T) -> Result<T, InvalidParams> {
    if input.text()? == name { Ok(value) } else { Err(input.expected(name)) }
}
