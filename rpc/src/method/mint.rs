//! `devnet_mint`: a transfer from an account that holds more than anybody asks for.

use kraken_execution::genesis::chargeable_account;
use kraken_sequencer::SubmitError;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    core::{ContractAddress, Nonce},
    transaction::TransactionExecutionStatus,
};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::block_id::BlockId,
    error::Error,
    method::{
        devnet::{Unit, accounts::balance, execution::executed},
        state_at,
    },
    params::{FromInput, Input, InvalidParams},
    schema,
};

/// The answer to `devnet_mint`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "MINTED")]
pub(crate) struct Minted {
    new_balance: String,
    unit: Unit,
    #[schemars(with = "schema::TxHash")]
    tx_hash: Felt,
}

/// An amount as a JSON number, exact: fractions are cut off, and `1e21` is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Amount(u128);

/// Answers `devnet_mint` once the transfer is executed.
///
/// # Errors
/// [`Error::Devnet`] if the transfer is refused or reverts.
pub(crate) async fn answer(call: &Call<'_>) -> Result<Minted, Error> {
    let address: ContractAddress = call.params.required("address")?;
    let Amount(amount) = call.params.required("amount")?;
    let unit: Unit = call.params.optional("unit")?.unwrap_or(Unit::Fri);
    let sequencer = &call.context.sequencer;

    let one_at_a_time = call.context.minting.lock().await;
    let (view, chain) = (sequencer.view(), sequencer.chain().clone());
    let prepare = move || {
        let state = state_at(&view, BlockId::PreConfirmed)?;
        let nonce: Nonce = state.nonce(chargeable_account().address)?;
        Ok(kraken_execution::mint(&chain, nonce, address, amount, unit.token()))
    };
    let transaction = call.context.read(prepare).await?;
    let events = sequencer.subscribe();
    let admitted = sequencer.submit(transaction).await.map_err(|error| match error {
        SubmitError::Fault(fault) => fault.into(),
        SubmitError::Rejected(_)
        | SubmitError::Duplicate
        | SubmitError::ReplacementUnderpriced
        | SubmitError::Full { .. }
        | SubmitError::AccountFull { .. }
        | SubmitError::NotHandedOn { .. }
        | SubmitError::NotCompiled(_)
        | SubmitError::Stopped => Error::Devnet { reason: format!("cannot mint: {error}") },
    })?;
    let status = executed(call, admitted.transaction_hash, events).await?;
    if let TransactionExecutionStatus::Reverted(reverted) = status {
        let reason = format!("minting reverted: {}", reverted.revert_reason);
        return Err(Error::Devnet { reason });
    }
    drop(one_at_a_time);

    let held =
        balance(call.context, sequencer.view(), BlockId::PreConfirmed, address, unit).await?;
    let tx_hash = admitted.transaction_hash.0;
    Ok(Minted { new_balance: held.into_amount(), unit, tx_hash })
}

impl FromInput for Amount {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        whole(input.raw().get())
            .map(Self)
            .ok_or_else(|| input.expected("a number from 0 to 2^128 - 1"))
    }
}

/// The whole part of a JSON number.
fn whole(number: &str) -> Option<u128> {
    let (mantissa, exponent) = match number.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{integer}{fraction}");
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole = i64::try_from(integer.len()).ok()?.checked_add(exponent)?;
    let significant = digits.trim_start_matches('0').len();
    if significant == 0 || whole <= 0 {
        return Some(0);
    }
    let whole = usize::try_from(whole).ok()?;
    // More zeros than this are more than 2^128, whatever stands before them.
    if digits.len() + 40 < whole {
        return None;
    }
    while digits.len() < whole {
        digits.push('0');
    }
    digits[..whole].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_in_every_form_of_a_number() {
        for (number, expected) in [
            ("0", 0),
            ("1000000000000000000000", 10_u128.pow(21)),
            ("1e21", 10_u128.pow(21)),
            ("1E+21", 10_u128.pow(21)),
            ("1.5e3", 1_500),
            ("1.29e1", 12),
            ("100.0", 100),
            ("12.9", 12),
            ("5e-1", 0),
            ("0e999999999", 0),
            ("123e-999999999", 0),
            ("340282366920938463463374607431768211455", u128::MAX),
        ] {
            assert_eq!(whole(number), Some(expected), "{number}");
        }
    }

    #[test]
    fn amounts_that_are_negative_too_large_or_no_numbers_are_refused() {
        for number in [
            "-1",
            "340282366920938463463374607431768211456",
            "1e39",
            "1e999999999",
            "1e99999999999999999999",
            "\"5\"",
            "null",
            "[1]",
        ] {
            assert_eq!(whole(number), None, "{number}");
        }
    }
}
