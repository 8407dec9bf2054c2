//! `starknet_simulateTransactions`.

use kraken_execution::{QueryTransaction, Simulated, Skip, simulate};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    dispatch::{self, Call, json},
    dto::{
        block_id::BlockId,
        flag::{SimulationFlag, TraceFlag},
        initial_reads::InitialReads,
        trace::SimulatedTransaction,
    },
    method::{estimate_fee::exempt, state_at},
    schema::since_v0_10,
};

/// What transactions would do.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Answer<'a> {
    Alone(Vec<SimulatedTransaction<'a>>),
    #[schemars(transform = since_v0_10)]
    WithReads(WithReads<'a>),
}

/// What transactions would do, with what they would read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SIMULATIONS_WITH_READS")]
pub(crate) struct WithReads<'a> {
    simulated_transactions: Vec<SimulatedTransaction<'a>>,
    initial_reads: InitialReads,
}

/// Answers `starknet_simulateTransactions`.
///
/// starknet.js asks for initial reads by a parameter `trace_flags` of its own.
///
/// # Errors
/// [`crate::error::Error::BlockNotFound`], [`crate::error::Error::TransactionExecution`].
pub(crate) fn answer(call: &Call<'_>) -> dispatch::Answer {
    let block_id: BlockId = call.params.required("block_id")?;
    let mut transactions: Vec<QueryTransaction> = call.params.required("transactions")?;
    exempt(call, &mut transactions);
    let flags: Vec<SimulationFlag> = call.params.required("simulation_flags")?;
    let trace_flags: Vec<TraceFlag> = call.params.optional("trace_flags")?.unwrap_or_default();
    let block = block_id.block(&call.view)?;
    let state = state_at(&call.view, block_id)?;
    let skip = Skip {
        validation: flags.contains(&SimulationFlag::SkipValidate),
        fee: flags.contains(&SimulationFlag::SkipFeeCharge),
    };
    let chain = call.context.sequencer.chain();
    let Simulated { transactions, reads } =
        simulate(state, block.info(), chain, &transactions, skip)?;
    let simulated = |simulation| SimulatedTransaction::new(simulation, call.version);
    let simulated_transactions = transactions.iter().map(simulated).collect();
    let wants_reads = flags.contains(&SimulationFlag::ReturnInitialReads)
        || trace_flags.contains(&TraceFlag::ReturnInitialReads);
    if !wants_reads {
        return json(Ok(Answer::Alone(simulated_transactions)));
    }
    let with_reads = WithReads { simulated_transactions, initial_reads: reads.into() };
    json(Ok(Answer::WithReads(with_reads)))
}
