//! Flags that change an answer.

use crate::{
    params::{FromInput, Input, InvalidParams},
    version::Version,
};

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

/// SIMULATION_FLAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SimulationFlag {
    /// Do not ask the account.
    SkipValidate,
    /// Charge nothing.
    SkipFeeCharge,
    /// Say what was read of the state. Since version 0.10.
    ReturnInitialReads,
}

/// TRACE_FLAG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TraceFlag {
    /// Say what was read of the state.
    ReturnInitialReads,
}

impl FromInput for SimulationFlag {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "SKIP_VALIDATE" => Ok(Self::SkipValidate),
            "SKIP_FEE_CHARGE" => Ok(Self::SkipFeeCharge),
            "RETURN_INITIAL_READS" if Version::V0_10 <= input.version() => {
                Ok(Self::ReturnInitialReads)
            }
            _ if input.version() < Version::V0_10 => {
                Err(input.expected("SKIP_VALIDATE or SKIP_FEE_CHARGE"))
            }
            _ => Err(input.expected("SKIP_VALIDATE, SKIP_FEE_CHARGE or RETURN_INITIAL_READS")),
        }
    }
}

impl FromInput for TraceFlag {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        only(input, "RETURN_INITIAL_READS", Self::ReturnInitialReads)
    }
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
