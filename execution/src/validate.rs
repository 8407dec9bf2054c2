//! What the gateway asks of a transaction before it may spread.

use std::panic::{AssertUnwindSafe, catch_unwind};

use blockifier::{
    blockifier::stateful_validator::StatefulValidator,
    state::cached_state::CachedState,
    transaction::account_transaction::{AccountTransaction, ExecutionFlags},
};
use starknet_api::{block::BlockInfo, core::Nonce};
use starknet_types_core::felt::Felt;

use crate::{
    Chain, Fault, Prepared, Rejection, RejectionKind, State,
    state::{Faults, Reader},
};

/// Whether the account accepts the transaction on this state: nonce (may be ahead; how far is the
/// pool's business), bounds, balance,
/// and `__validate__` unless `skip_validate`. deploy_account and declare run whole.
///
/// `info` is that of the block the transaction may get into. `skip_validate` is for an invoke whose
/// account is being deployed by a transaction before it: no contract is asked then.
///
/// # Errors
/// [`Fault`] if the state cannot be read; the verdict itself is the inner result.
pub fn validate(
    state: State,
    info: &BlockInfo,
    chain: &Chain,
    transaction: &Prepared,
    skip_validate: bool,
) -> Result<Result<(), Rejection>, Fault> {
    if !skip_validate && let Err(rejection) = check_sender(&state, transaction)? {
        return Ok(Err(rejection));
    }
    let account_nonce = state.nonce(transaction.sender())?;
    if let Err(rejection) = check_nonce(account_nonce, transaction) {
        return Ok(Err(rejection));
    }
    let Some(sent) = transaction.account() else {
        let reason = "a message of L1 is not sent by an account";
        return Ok(Err(Rejection::new(RejectionKind::Unexpected, reason)));
    };
    let account = AccountTransaction {
        tx: sent.tx.clone(),
        execution_flags: ExecutionFlags {
            only_query: false,
            charge_fee: true,
            validate: !skip_validate,
            strict_nonce_check: false,
        },
    };
    let faults = Faults::default();
    let reader = CachedState::new(Reader::new(state, faults.clone()));
    let mut validator = StatefulValidator::create(reader, chain.block_context(info));
    // Whoever can make the engine panic must not get into a batch, where it would stop everybody.
    let verdict =
        catch_unwind(AssertUnwindSafe(|| validator.perform_validations(account).map_err(Box::new)));
    faults.check()?;
    match verdict {
        Ok(Ok(())) => Ok(Ok(())),
        Ok(Err(error)) => Rejection::from_validator(&error).map(Err),
        Err(_) => {
            let reason = "the transaction makes the execution engine fail";
            Ok(Err(Rejection::new(RejectionKind::Unexpected, reason)))
        }
    }
}

/// Nobody is there to say yes or no. The engine would look at the balance first, which misleads
/// whoever forgot to deploy an account, or mistyped its address.
fn check_sender(state: &State, transaction: &Prepared) -> Result<Result<(), Rejection>, Fault> {
    let sender = transaction.sender();
    if transaction.is_deploy_account() || state.class_hash_at(sender)?.is_some() {
        return Ok(Ok(()));
    }
    let reason = format!("sender {:#x} is not deployed", sender.0.key());
    Ok(Err(Rejection::new(RejectionKind::ValidationFailure, reason)))
}

/// Any nonce from the account's on may come up, but a deploy_account has none before it to wait for,
/// and a declare is too large to wait for any.
fn check_nonce(account_nonce: Nonce, transaction: &Prepared) -> Result<(), Rejection> {
    let (expected, got) = (account_nonce.0, transaction.nonce().0);
    let reason = if transaction.is_deploy_account() && got != Felt::ZERO {
        format!("nonce {got} of a deploy_account is not 0")
    } else if transaction.class().is_some() && got != expected {
        format!("nonce {got} of a declare is not the account nonce {expected}")
    } else if got < expected {
        format!("nonce {got} is below the account nonce {expected}")
    } else {
        return Ok(());
    };
    Err(Rejection::new(RejectionKind::InvalidNonce, reason))
}

#[cfg(test)]
mod tests;
