//! `starknet_estimateFee`.

use kraken_execution::{QueryTransaction, State};

use crate::{
    dispatch::Call,
    dto::{block_id::BlockId, fee::FeeEstimate, flag::EstimateFlag},
    error::Error,
    method::state_at,
    version::Version,
};

/// Answers `starknet_estimateFee`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::ContractNotFound`] if nothing is deployed where a transaction
/// comes from (0.9 has no such error; that transaction fails), [`Error::TransactionExecution`].
pub(crate) fn answer(call: &Call<'_>) -> Result<Vec<FeeEstimate>, Error> {
    let mut transactions: Vec<QueryTransaction> = call.params.required("request")?;
    exempt(call, &mut transactions);
    let flags: Vec<EstimateFlag> = call.params.required("simulation_flags")?;
    let block_id: BlockId = call.params.required("block_id")?;
    let block = block_id.block(&call.view)?;
    let state = state_at(&call.view, block_id)?;
    if Version::V0_10 <= call.version {
        check_senders(&state, &transactions)?;
    }
    let skip_validate = flags.contains(&EstimateFlag::SkipValidate);
    let chain = call.context.sequencer.chain();
    let estimates =
        kraken_execution::estimate(state, block.info(), chain, &transactions, skip_validate)?;
    Ok(estimates.into_iter().map(FeeEstimate::in_fri).collect())
}

/// Nobody looks at the signatures of accounts that a developer impersonates.
pub(crate) fn exempt(call: &Call<'_>, transactions: &mut [QueryTransaction]) {
    if let Some(dev) = call.context.sequencer.dev() {
        for query in transactions {
            query.is_exempt = query.sender().is_some_and(|sender| dev.impersonates(sender));
        }
    }
}

/// Somebody is there to send each transaction, or deploys itself before.
fn check_senders(state: &State, transactions: &[QueryTransaction]) -> Result<(), Error> {
    let deploys_itself = |transaction: &QueryTransaction| transaction.sender().is_none();
    let first = transactions.split(deploys_itself).next().unwrap_or_default();
    for sender in first.iter().filter_map(QueryTransaction::sender) {
        state.class_hash_at(sender)?.ok_or(Error::ContractNotFound)?;
    }
    Ok(())
}
