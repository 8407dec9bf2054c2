//! `kraken bench execution`: transfers through the bare engine, and through a whole node.
//!
//! Both runs get the same signed transfers on the same chain, and both use all cores: in the raw
//! loop they validate and execute; in the node they also parse, store and hash, and they send the
//! load. So the node can at best reach the raw loop.

mod raw;

use std::{
    fmt::{self, Display},
    thread,
    time::{Duration, Instant},
};

use kraken_execution::{Chain, Prepared, genesis::Extras};
use kraken_storage::Storage;
use kraken_types::Genesis;
use tokio::time;

use super::{
    child::Node,
    load::{self, Caller, Latencies},
    process::Memory,
    transfers,
};
use crate::{args::bench::ExecutionBenchArgs, failure::Failure, progress::Progress, wiring};

/// How long latency is measured.
const LATENCY_SECONDS: u32 = 20;
/// How long a node rests before its idle memory is read.
const REST: Duration = Duration::from_secs(5);
/// Measures and prints a table.
///
/// # Errors
/// If there are too few accounts, or something does not work that is measured.
pub(crate) fn run(args: ExecutionBenchArgs) -> Result<(), Failure> {
    let genesis = transfers::genesis(args.accounts.get());
    load::check_accounts(&genesis, args.transactions.get())?;
    let table = super::block_on(measure(args, genesis))?;
    super::print(&table)
}

async fn measure(args: ExecutionBenchArgs, genesis: Genesis) -> Result<Table, Failure> {
    let chain = Chain::new(&genesis).map_err(|error| {
        Failure::because("cannot use the genesis", &error, "this is a bug; please report it")
    })?;
    let storage = wiring::open(&genesis, None, &mut Progress::new("opening storage"))?;
    wiring::block_0::make(&chain, &storage, &Extras::default()).await?;

    let transactions = usize::try_from(args.transactions.get()).expect("a u32 fits into a usize");
    let measured = args.rate.get().saturating_mul(LATENCY_SECONDS);
    let measured = usize::try_from(measured).expect("a u32 fits into a usize");
    tracing::info!("signing {} transfers", transactions + measured);
    let transfers = transfers::sign_all(&chain, transactions + measured)?;
    let (bulk, steady) = transfers.split_at(transactions);

    let (raw, commitments) = measure_raw(&chain, &storage, bulk).await?;
    let node = measure_node(args, bulk, steady).await?;
    Ok(Table { args, raw, commitments, node })
}

/// What the raw loop did, on one thread and on all cores.
struct Raw {
    sequential: Duration,
    concurrent: Duration,
    workers: usize,
}

/// Runs the raw loop, and then the commitments of its blocks.
async fn measure_raw(
    chain: &Chain,
    storage: &Storage,
    transfers: &[Prepared],
) -> Result<(Raw, Duration), Failure> {
    let workers = thread::available_parallelism().map_or(1, usize::from);
    tracing::info!("raw loop, 1 thread");
    let sequential = raw::run(chain, storage, transfers, 1)?;
    tracing::info!("raw loop, {workers} threads");
    let concurrent = raw::run(chain, storage, transfers, workers)?;
    tracing::info!("tries and commitments");
    let commitments = concurrent.commit(storage, chain).await?;
    let raw = Raw { sequential: sequential.elapsed, concurrent: concurrent.elapsed, workers };
    Ok((raw, commitments))
}

/// What a whole node did.
struct Whole {
    elapsed: Duration,
    latencies: Latencies,
    idle_memory: Option<u64>,
    loaded_memory: Option<u64>,
}

async fn measure_node(
    args: ExecutionBenchArgs,
    bulk: &[Prepared],
    steady: &[Prepared],
) -> Result<Whole, Failure> {
    let accounts = usize::from(args.accounts.get());
    let node = Node::start(args.accounts.get())?;
    let caller = Caller::new(node.url())?;
    time::sleep(REST).await;
    let idle_memory = node.memory();

    tracing::info!("whole node: {} transfers as fast as it takes them", bulk.len());
    let began = Instant::now();
    caller.submit_all(bulk, accounts).await?;
    caller.await_receipts(bulk, accounts).await?;
    let elapsed = began.elapsed();
    let loaded_memory = node.memory();
    caller.require_transactions(bulk.len()).await?;
    tracing::info!("whole node: {} transfers a second, for latency", args.rate);
    let latencies = caller.measure_latency(steady, args.rate.get()).await?;
    Ok(Whole { elapsed, latencies, idle_memory, loaded_memory })
}

/// What is printed: Markdown.
struct Table {
    args: ExecutionBenchArgs,
    raw: Raw,
    commitments: Duration,
    node: Whole,
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { args, raw, commitments, node } = self;
        let transactions = f64::from(args.transactions.get());
        let rate = |elapsed: Duration| transactions / elapsed.as_secs_f64();
        let percent = 100.0 * rate(node.elapsed) / rate(raw.concurrent);
        let per_transfer = commitments.as_secs_f64() * 1e6 / transactions;
        let (workers, per_second) = (raw.workers, args.rate);
        let first = &node.latencies.pre_confirmed;
        let last = &node.latencies.accepted;

        writeln!(
            f,
            "{} signed STRK transfers of {} OpenZeppelin accounts, {workers} cores\n",
            args.transactions, args.accounts
        )?;
        writeln!(f, "| measured | value |\n| --- | ---: |")?;
        writeln!(f, "| raw loop, 1 thread | {:.0} tx/s |", rate(raw.sequential))?;
        writeln!(f, "| raw loop, {workers} threads | {:.0} tx/s |", rate(raw.concurrent))?;
        writeln!(
            f,
            "| whole node through JSON-RPC, a block a second, load on the same cores | {:.0} tx/s |",
            rate(node.elapsed)
        )?;
        writeln!(f, "| whole node in percent of the raw loop | {percent:.0} % |")?;
        writeln!(
            f,
            "| submit → PRE_CONFIRMED at {per_second} tx/s, p50 / p99 | {} / {} |",
            Millis(first.percentile(50)),
            Millis(first.percentile(99))
        )?;
        writeln!(
            f,
            "| submit → receipt (ACCEPTED_ON_L2) at {per_second} tx/s, p50 / p99 | {} / {} |",
            Millis(last.percentile(50)),
            Millis(last.percentile(99))
        )?;
        writeln!(
            f,
            "| tries and commitments of a transfer, one after the other | {per_transfer:.0} µs |"
        )?;
        writeln!(f, "| memory, idle | {} |", Memory(node.idle_memory))?;
        writeln!(
            f,
            "| memory after {} transfers | {} |",
            args.transactions,
            Memory(node.loaded_memory)
        )
    }
}

struct Millis(Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0.as_millis())
    }
}
