//! What a transaction will cost.

pub(crate) mod search;

use blockifier::{
    context::BlockContext, fee::gas_usage::estimate_minimal_gas_vector,
    state::cached_state::CachedState, transaction::account_transaction::AccountTransaction,
};
use starknet_api::{
    block::{BlockInfo, FeeType},
    execution_resources::{GasAmount, GasVector},
    transaction::fields::GasVectorComputationMode,
};

use self::search::Search;
use crate::{
    Chain, Fault, QueryTransaction, RevertError, Skip, State,
    state::{Faults, Reader},
};

/// What a transaction will cost. Gas in units; prices and fee in fri, or in wei for a message of L1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the specification")]
pub struct FeeEstimate {
    pub l1_gas_consumed: u64,
    pub l1_gas_price: u128,
    pub l2_gas_consumed: u64,
    pub l2_gas_price: u128,
    pub l1_data_gas_consumed: u64,
    pub l1_data_gas_price: u128,
    pub overall_fee: u128,
}

/// Why there is no estimate.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum EstimateError {
    /// A transaction failed (code 41).
    #[error("transaction {index} failed")]
    Failed { index: usize, error: RevertError },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Estimates transactions that run one after the other on `state`.
///
/// A bound of exactly the gas that an estimate names is enough on the same state. Bounds and the
/// signature of the transactions do not matter, except that `__validate__` may look at the latter
/// unless `skip_validate`. No fee is charged, so the sender need not hold it; a nonce may be ahead.
///
/// # Errors
/// [`EstimateError`]; the first transaction that reverts or is rejected ends the estimation.
pub fn estimate(
    state: State,
    info: &BlockInfo,
    chain: &Chain,
    transactions: &[QueryTransaction],
    skip_validate: bool,
) -> Result<Vec<FeeEstimate>, EstimateError> {
    let faults = Faults::default();
    let search = Search::new(info, chain);
    let mut state = CachedState::new(Reader::new(state, faults.clone()));
    let mut estimates = Vec::with_capacity(transactions.len());
    for (index, transaction) in transactions.iter().enumerate() {
        let failed = |error| EstimateError::Failed { index, error };
        let mut engine = transaction
            .engine(chain, Skip { validation: skip_validate, fee: true })
            .map_err(|error| failed(RevertError::Message(error.reason())))?;
        let run = search.run(&mut state, &mut engine);
        faults.check()?;
        let run = run.map_err(failed)?;
        if let Some(error) = &run.info.revert_error {
            return Err(failed(RevertError::from_revert(error)));
        }
        estimates.push(price(&search.context, &engine, run.gas));
    }
    Ok(estimates)
}

/// Never less than what the engine asks for before it looks at the transaction.
pub(crate) fn price(
    context: &BlockContext,
    transaction: &AccountTransaction,
    gas: GasVector,
) -> FeeEstimate {
    let minimal = estimate_minimal_gas_vector(context, transaction, &GasVectorComputationMode::All);
    let gas = GasVector {
        l1_gas: gas.l1_gas.max(minimal.l1_gas),
        l2_gas: gas.l2_gas.max(minimal.l2_gas),
        l1_data_gas: gas.l1_data_gas.max(minimal.l1_data_gas),
    };
    FeeEstimate::new(context, gas, FeeType::Strk)
}

impl FeeEstimate {
    /// What gas costs in a block, in fri or wei.
    pub(crate) fn new(context: &BlockContext, gas: GasVector, fee_type: FeeType) -> Self {
        let prices = context.block_info().gas_prices.gas_price_vector(&fee_type);
        let l1_gas_price = prices.l1_gas_price.get().0;
        let l2_gas_price = prices.l2_gas_price.get().0;
        let l1_data_gas_price = prices.l1_data_gas_price.get().0;
        let cost = |gas: GasAmount, price: u128| u128::from(gas.0).saturating_mul(price);
        Self {
            l1_gas_consumed: gas.l1_gas.0,
            l1_gas_price,
            l2_gas_consumed: gas.l2_gas.0,
            l2_gas_price,
            l1_data_gas_consumed: gas.l1_data_gas.0,
            l1_data_gas_price,
            overall_fee: cost(gas.l1_gas, l1_gas_price)
                .saturating_add(cost(gas.l2_gas, l2_gas_price))
                .saturating_add(cost(gas.l1_data_gas, l1_data_gas_price)),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
