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
        cached_state::CachedState,
        state_api::{StateReader, StateResult},
    },
    transaction::{account_transaction::AccountTransaction, objects::TransactionExecutionInfo},
};
use starknet_api::{
    block::BlockInfo,
    core::ClassHash,
    executable_transaction::AccountTransaction as Executable,
    execution_resources::{GasAmount, GasVector},
    transaction::{
        DeclareTransaction, DeployAccountTransaction, InvokeTransaction,
        fields::ValidResourceBounds,
    },
};

use crate::{
    Chain, RevertError,
    state::Reader,
    trace::{Effects, execute},
};

/// The search ends when it is this close.
const MARGIN: u64 = 1_000_000;

/// Finds bounds for transactions.
pub(crate) struct Search {
    /// The block they would be in.
    pub(crate) context: BlockContext,
    /// The highest bound that a transaction may have.
    pub(crate) l2_gas_max: GasAmount,
}

/// What an execution came to.
pub(crate) struct Run {
    pub(crate) info: TransactionExecutionInfo,
    pub(crate) effects: Effects,
    /// The gas it used; for L2 gas, the bound that serves.
    pub(crate) gas: GasVector,
}

/// Whether what an execution did stays in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// It was only tried.
    Never,
    /// If it succeeded.
    IfSucceeded,
    /// If it reverted.
    IfReverted,
    /// Whatever came of it.
    Always,
}

impl Run {
    fn is_reverted(&self) -> bool {
        self.info.revert_error.is_some()
    }

    fn within(self, l2_gas: u64) -> Self {
        let gas = GasVector { l2_gas: GasAmount(l2_gas), ..self.gas };
        Self { gas, ..self }
    }
}

impl Search {
    /// For a block with this beginning.
    pub(crate) fn new(info: &BlockInfo, chain: &Chain) -> Self {
        Self {
            context: chain.query_context(info),
            l2_gas_max: GasAmount(chain.genesis().limits.l2_gas_max),
        }
    }

    /// Executes the transaction with the smallest bound that serves, and leaves its changes in
    /// `state`. One that reverts with the highest bound does so whatever the bound.
    ///
    /// # Errors
    /// [`RevertError`] if the transaction cannot be in a block; nothing is left in `state` then.
    pub(crate) fn run(
        &self,
        state: &mut CachedState<Reader>,
        transaction: &mut AccountTransaction,
    ) -> Result<Run, RevertError> {
        let l2_gas_max = self.l2_gas_max.0;
        if !self.is_stopped_at_the_bound(state, transaction) {
            return self.attempt(state, transaction, l2_gas_max, Keep::Always);
        }
        let first = self.attempt(state, transaction, l2_gas_max, Keep::IfReverted)?;
        if first.is_reverted() {
            return Ok(first);
        }
        let used = first.gas.l2_gas.0;
        let generous = used.saturating_add(used / 10).min(l2_gas_max);
        match self.attempt(state, transaction, generous, Keep::IfSucceeded) {
            Ok(run) if !run.is_reverted() => return Ok(run.within(generous)),
            // With the highest bound it succeeded, so whatever goes wrong is for want of gas.
            Ok(_) | Err(_) => {}
        }
        let bound = narrow(generous, l2_gas_max, |bound| {
            let run = self.attempt(state, transaction, bound, Keep::Never);
            run.is_ok_and(|run| !run.is_reverted())
        });
        Ok(self.attempt(state, transaction, bound, Keep::Always)?.within(bound))
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

    fn attempt(
        &self,
        state: &mut CachedState<Reader>,
        transaction: &mut AccountTransaction,
        l2_gas: u64,
        keep: Keep,
    ) -> Result<Run, RevertError> {
        set_l2_gas_bound(transaction, GasAmount(l2_gas));
        let (info, effects) =
            execute(state, &self.context, transaction, |info| keep.applies_to(info))
                .map_err(|error| RevertError::from_execution(&error))?;
        Ok(Run { gas: info.receipt.gas, info, effects })
    }
}

impl Keep {
    /// Whether this is to be kept.
    fn applies_to(self, info: &TransactionExecutionInfo) -> bool {
        match self {
            Self::Never => false,
            Self::IfSucceeded => info.revert_error.is_none(),
            Self::IfReverted => info.revert_error.is_some(),
            Self::Always => true,
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
