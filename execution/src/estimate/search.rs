//! How much L2 gas a transaction must be allowed to use.
//!
//! Since Starknet 0.13.4 a transaction is stopped where it has used up its bound of L2 gas, and a
//! Cairo function asks at its start for what its longest path may need. So a bound of what was used
//! may be too little. The rule, which other nodes follow as well (pathfinder,
//! `crates/executor/src/transaction.rs`): execute with the highest bound; take what was used and a
//! tenth, if the transaction succeeds with that; else search between the two.

use blockifier::{
    context::BlockContext,
    execution::contract_class::TrackedResource,
    state::{
        cached_state::{CachedState, TransactionalState},
        state_api::{StateReader, StateResult},
    },
    transaction::{account_transaction::AccountTransaction, transactions::ExecutableTransaction},
};
use starknet_api::{
    core::ClassHash,
    executable_transaction::AccountTransaction as Executable,
    execution_resources::{GasAmount, GasVector},
    transaction::{
        DeclareTransaction, DeployAccountTransaction, InvokeTransaction,
        fields::ValidResourceBounds,
    },
};

use crate::{RevertError, state::Reader};

/// The search ends when it is this close.
const MARGIN: u64 = 1_000_000;

/// Finds bounds for transactions.
pub(super) struct Search {
    /// The block they would be in.
    pub(super) context: BlockContext,
    /// The highest bound that a transaction may have.
    pub(super) l2_gas_max: GasAmount,
}

impl Search {
    /// Executes the transaction with the smallest bound that serves, and leaves its changes in
    /// `state`. What comes back is the gas it used, or for L2 gas, the bound.
    pub(super) fn run(
        &self,
        state: &mut CachedState<Reader>,
        transaction: &mut AccountTransaction,
    ) -> Result<GasVector, RevertError> {
        let l2_gas_max = self.l2_gas_max;
        if !self.is_stopped_at_the_bound(state, transaction) {
            return self.execute(state, transaction, l2_gas_max);
        }
        let used = self.probe(state, transaction, l2_gas_max)?;
        let generous = used.l2_gas.0.saturating_add(used.l2_gas.0 / 10).min(l2_gas_max.0);
        let bound = match self.execute(state, transaction, GasAmount(generous)) {
            Ok(gas) => return Ok(GasVector { l2_gas: GasAmount(generous), ..gas }),
            // With the highest bound it succeeded, so whatever goes wrong is for want of gas.
            Err(_) => narrow(generous, l2_gas_max.0, |bound| {
                self.probe(state, transaction, GasAmount(bound)).is_ok()
            }),
        };
        let gas = self.execute(state, transaction, GasAmount(bound))?;
        Ok(GasVector { l2_gas: GasAmount(bound), ..gas })
    }

    /// Whether the sender's class meters Sierra gas. One that counts Cairo steps is not stopped,
    /// and neither is what it calls.
    fn is_stopped_at_the_bound(
        &self,
        state: &CachedState<Reader>,
        transaction: &AccountTransaction,
    ) -> bool {
        let min_sierra_version =
            &self.context.versioned_constants().min_sierra_version_for_sierra_gas;
        let class = class_of_sender(state, transaction)
            .and_then(|class_hash| state.get_compiled_class(class_hash));
        // Without a class it fails, and says so better than we could.
        class.is_ok_and(|class| {
            class.tracked_resource(min_sierra_version, None) == TrackedResource::SierraGas
        })
    }

    fn probe(
        &self,
        state: &mut CachedState<Reader>,
        transaction: &mut AccountTransaction,
        l2_gas: GasAmount,
    ) -> Result<GasVector, RevertError> {
        let mut scratch = TransactionalState::create_transactional(state);
        self.execute_on(&mut scratch, transaction, l2_gas)
    }

    fn execute(
        &self,
        state: &mut CachedState<Reader>,
        transaction: &mut AccountTransaction,
        l2_gas: GasAmount,
    ) -> Result<GasVector, RevertError> {
        let mut scratch = TransactionalState::create_transactional(state);
        let gas = self.execute_on(&mut scratch, transaction, l2_gas)?;
        scratch.commit();
        Ok(gas)
    }

    fn execute_on(
        &self,
        state: &mut TransactionalState<'_, CachedState<Reader>>,
        transaction: &mut AccountTransaction,
        l2_gas: GasAmount,
    ) -> Result<GasVector, RevertError> {
        set_l2_gas_bound(transaction, l2_gas);
        let info = transaction
            .execute_raw(state, &self.context, false)
            .map_err(|error| RevertError::from_execution(&error))?;
        match &info.revert_error {
            Some(error) => Err(RevertError::from_revert(error)),
            None => Ok(info.receipt.gas),
        }
    }
}

/// The smallest number, give or take [`MARGIN`], that is enough; `too_little` is not, `enough` is.
fn narrow(mut too_little: u64, mut enough: u64, mut is_enough: impl FnMut(u64) -> bool) -> u64 {
    while MARGIN < enough.saturating_sub(too_little) {
        let middle = too_little + (enough - too_little).div_ceil(2);
        if is_enough(middle) {
            enough = middle;
        } else {
            too_little = middle;
        }
    }
    enough
}

fn class_of_sender(
    state: &CachedState<Reader>,
    transaction: &AccountTransaction,
) -> StateResult<ClassHash> {
    match &transaction.tx {
        Executable::DeployAccount(deploy) => Ok(deploy.class_hash()),
        Executable::Declare(_) | Executable::Invoke(_) => {
            state.get_class_hash_at(transaction.sender_address())
        }
    }
}

fn set_l2_gas_bound(transaction: &mut AccountTransaction, l2_gas: GasAmount) {
    let bounds = match &mut transaction.tx {
        Executable::Declare(declare) => match &mut declare.tx {
            DeclareTransaction::V3(declare) => Some(&mut declare.resource_bounds),
            DeclareTransaction::V0(_) | DeclareTransaction::V1(_) | DeclareTransaction::V2(_) => {
                None
            }
        },
        Executable::DeployAccount(deploy) => match &mut deploy.tx {
            DeployAccountTransaction::V3(deploy) => Some(&mut deploy.resource_bounds),
            DeployAccountTransaction::V1(_) => None,
        },
        Executable::Invoke(invoke) => match &mut invoke.tx {
            InvokeTransaction::V3(invoke) => Some(&mut invoke.resource_bounds),
            InvokeTransaction::V0(_) | InvokeTransaction::V1(_) => None,
        },
    };
    if let Some(ValidResourceBounds::AllResources(bounds)) = bounds {
        bounds.l2_gas.max_amount = l2_gas;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrowing_ends_at_a_bound_that_is_enough_and_close() {
        for needed in [11, 1_000_000, 1_000_001, 77_777_777, 999_999_999, 1_000_000_000] {
            let mut tries = 0;
            let bound = narrow(10, 1_000_000_000, |bound| {
                tries += 1;
                needed <= bound
            });
            assert!(needed <= bound && bound - needed < MARGIN, "{needed} gives {bound}");
            assert!(tries <= 11);
        }
    }

    #[test]
    fn narrowing_an_empty_range_asks_nobody() {
        assert_eq!(narrow(10, 10, |_| false), 10);
        assert_eq!(narrow(11, 10, |_| false), 10);
    }
}
