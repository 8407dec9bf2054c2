//! The controls that a developer's chain has, as starknet-devnet 0.10.1 names and shapes them.

pub(crate) mod accounts;
pub(crate) mod blocks;
pub(crate) mod config;
pub(crate) mod dump;
pub(crate) mod execution;
pub(crate) mod gas;
pub(crate) mod impersonation;
pub(crate) mod postman;
pub(crate) mod snapshots;
pub(crate) mod state_diff;

use kraken_execution::Token;
use kraken_sequencer::DevControl;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    dispatch::Call,
    error::Error,
    params::{FromInput, Input, InvalidParams},
};

/// What methods answer that have nothing to say.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Done {}

/// What an amount is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[schemars(rename = "PRICE_UNIT")]
pub(crate) enum Unit {
    /// Of ETH.
    Wei,
    /// Of STRK.
    Fri,
}

impl Unit {
    /// The token that is counted.
    pub(crate) const fn token(self) -> Token {
        match self {
            Self::Wei => Token::Eth,
            Self::Fri => Token::Strk,
        }
    }
}

impl FromInput for Unit {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "WEI" => Ok(Self::Wei),
            "FRI" => Ok(Self::Fri),
            _ => Err(input.expected("WEI or FRI")),
        }
    }
}

/// The controls of this chain.
///
/// # Errors
/// [`Error::Forbidden`] on a chain that is not a developer's.
pub(crate) fn control(call: &Call<'_>) -> Result<DevControl, Error> {
    let reason = || "this is not a developer's chain".to_owned();
    call.context.sequencer.dev().ok_or_else(|| Error::Forbidden { reason: reason() })
}
