//! What transactions would do.

use blockifier::{
    state::cached_state::CachedState, transaction::account_transaction::AccountTransaction,
};
use starknet_api::block::BlockInfo;

use crate::{
    Chain, EstimateError, FeeEstimate, InitialReads, QueryTransaction, RevertError, Skip, State,
    Trace,
    estimate::{
        price,
        search::{Run, Search},
    },
    state::{Faults, Reader},
    trace::{Kind, execute},
};

/// What one transaction would do, and what it would cost.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// What would happen.
    pub trace: Trace,
    /// As an estimate has it, where no fee is charged; else what is charged for.
    pub fee: FeeEstimate,
}

/// What transactions would do.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// In the order in which they were given.
    pub transactions: Vec<Simulation>,
    /// What was read of the state.
    pub reads: InitialReads,
}

/// Executes transactions one after the other on `state`, and throws their changes away.
///
/// With nothing skipped each does what it would do as the next one of a block, with the bounds and the
/// signature it has, except that its nonce may be ahead: whoever asks may have transactions on their
/// way. Without fees bounds do not matter; each gets what an estimate would ask for.
///
/// # Errors
/// [`EstimateError::Failed`] for the first transaction that no block could hold. One that reverts is
/// no error.
pub fn simulate(
    state: State,
    info: &BlockInfo,
    chain: &Chain,
    transactions: &[QueryTransaction],
    skip: Skip,
) -> Result<Simulated, EstimateError> {
    let faults = Faults::default();
    let search = Search::new(info, chain);
    let mut state = CachedState::new(Reader::new(state, faults.clone()));
    let mut simulations = Vec::with_capacity(transactions.len());
    for (index, transaction) in transactions.iter().enumerate() {
        let failed = |error| EstimateError::Failed { index, error };
        let mut engine = transaction
            .engine(chain, skip)
            .map_err(|error| failed(RevertError::Message(error.reason())))?;
        let run = if skip.fee {
            search.run(&mut state, &mut engine)
        } else {
            as_signed(&mut state, &search, &engine)
        };
        faults.check()?;
        let Run { info, effects, gas } = run.map_err(failed)?;
        let fee = price(&search.context, &engine, gas);
        let trace = Trace::new(Kind::of_account(&engine.tx), info, effects, chain);
        simulations.push(Simulation { trace, fee });
    }
    let reads = state.get_initial_reads();
    faults.check()?;
    let reads = reads.map_err(|error| crate::Fault::Engine { reason: error.to_string() })?;
    Ok(Simulated { transactions: simulations, reads: reads.into() })
}

fn as_signed(
    state: &mut CachedState<Reader>,
    search: &Search,
    transaction: &AccountTransaction,
) -> Result<Run, RevertError> {
    let (info, effects) = execute(state, &search.context, transaction, |_| true)
        .map_err(|error| RevertError::from_execution(&error))?;
    Ok(Run { gas: info.receipt.gas, info, effects })
}

#[cfg(test)]
mod tests;
