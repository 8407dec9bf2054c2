//! What happened in transactions that are in blocks.

use kraken_sequencer::Progress;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::transaction::TransactionHash;

use crate::{
    dispatch::{self, Call, json},
    dto::{
        block_id::SettledBlockId,
        flag::TraceFlag,
        initial_reads::InitialReads,
        trace::{TracedTransaction, TransactionTrace},
    },
    error::{Error, Untraced},
    schema::since_v0_10,
};

/// The traces of a block.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Answer<'a> {
    Alone(Vec<TracedTransaction<'a>>),
    #[schemars(transform = since_v0_10)]
    WithReads(WithReads<'a>),
}

/// The traces of a block, with what its transactions read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TRACES_WITH_READS")]
pub(crate) struct WithReads<'a> {
    traces: Vec<TracedTransaction<'a>>,
    initial_reads: InitialReads,
}

/// Answers `starknet_traceTransaction`.
///
/// # Errors
/// [`Error::NoTraceAvailable`], [`Error::TransactionHashNotFound`].
pub(crate) fn transaction(call: &Call<'_>) -> dispatch::Answer {
    let hash: TransactionHash = call.params.required("transaction_hash")?;
    // Before the blocks, as for the status: what moves on in between is in a block of a later view.
    let progress = call.context.sequencer.progress(hash);
    let view = call.context.sequencer.view();
    let Some((block, index)) = view.find_transaction(hash)? else {
        return Err(match progress {
            None => Error::TransactionHashNotFound,
            Some(Progress::Received | Progress::Candidate) => {
                Error::NoTraceAvailable { status: Untraced::Received }
            }
            Some(Progress::Rejected { .. }) => {
                Error::NoTraceAvailable { status: Untraced::Rejected }
            }
        });
    };
    let trace = view.trace(call.context.sequencer.chain(), &block, index)?;
    json(Ok(TransactionTrace::new(&trace, call.version)))
}

/// Answers `starknet_traceBlockTransactions`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) fn block_transactions(call: &Call<'_>) -> dispatch::Answer {
    let SettledBlockId(block_id) = call.params.required("block_id")?;
    let flags: Vec<TraceFlag> = call.params.optional("trace_flags")?.unwrap_or_default();
    let block = block_id.block(&call.view)?;
    let chain = call.context.sequencer.chain();
    let hashes = block.transactions().iter().map(|executed| executed.hash.0);
    let traced = |(transaction_hash, trace)| TracedTransaction {
        transaction_hash,
        trace_root: TransactionTrace::new(trace, call.version),
    };
    if flags.contains(&TraceFlag::ReturnInitialReads) {
        // What was read is not kept.
        let replayed = call.view.replay(chain, &block)?;
        let traces = hashes.zip(&replayed.traces).map(traced).collect();
        let initial_reads = replayed.reads.into();
        return json(Ok(Answer::WithReads(WithReads { traces, initial_reads })));
    }
    let traces = call.view.traces(chain, &block)?;
    json(Ok(Answer::Alone(hashes.zip(traces.iter()).map(traced).collect())))
}
