//! `starknet_simulateTransactions`.

use kraken_execution::{QueryTransaction, Simulated, Skip, simulate};
use serde::Serialize;

use crate::{
    dispatch::{Answer, Call, json},
    dto::{
        block_id::BlockId,
        flag::{SimulationFlag, TraceFlag},
        initial_reads::InitialReads,
        trace::SimulatedTransaction,
    },
    method::{estimate_fee::exempt, state_at},
};

/// What transactions would do, with what they would read.
#[derive(Serialize)]
struct WithReads<'a> {
    simulated_transactions: Vec<SimulatedTransaction<'a>>,
    initial_reads: InitialReads,
}

/// Answers `starknet_simulateTransactions`.
///
/// starknet.js asks for initial reads by a parameter `trace_flags` of its own.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::TransactionExecution`].
pub(crate) fn answer(call: &Call<'_>) -> Answer {
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
        return json(Ok::<Vec<_>, _>(simulated_transactions));
    }
    json(Ok(WithReads { simulated_transactions, initial_reads: reads.into() }))
}
