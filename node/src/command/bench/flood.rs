//! `kraken bench flood`: one account sends all it can, and others a little beside it.
//!
//! The load is what the others see: each sends on its second whatever became of the one before, and
//! its time runs from the first attempt to submit until the status is ACCEPTED_ON_L2.

use std::{
    fmt::{self, Display},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use kraken_execution::{Chain, Prepared};
use tokio::{task::JoinSet, time};

use super::{
    child::Node,
    load::{CONNECTIONS, Caller, FULL_PAUSE, PATIENCE, Submitted, hash, stuck},
    process::Memory,
    sample::Sample,
    transfers,
};
use crate::{args::bench::FloodArgs, failure::Failure};

/// How long the others send before the flood begins, to compare.
const CALM: Duration = Duration::from_secs(15);
/// How often each of the others asks for a status.
const STATUS_PAUSE: Duration = Duration::from_millis(50);
/// A node that executes less than this in a second is given up.
const PER_SECOND_MIN: usize = 50;

/// Measures and prints a table.
///
/// # Errors
/// If something does not work that is measured.
pub(crate) fn run(args: FloodArgs) -> Result<(), Failure> {
    let table = super::block_on(measure(args))?;
    super::print(&table)
}

async fn measure(args: FloodArgs) -> Result<Table, Failure> {
    let others = usize::from(args.others.get());
    let accounts = args.others.get().saturating_add(1);
    let chain = Chain::new(&transfers::genesis(accounts)).map_err(|error| {
        Failure::because("cannot use the genesis", &error, "this is a bug; please report it")
    })?;
    let transactions = usize::try_from(args.transactions.get()).expect("a u32 fits into a usize");
    let seconds = 60 + transactions / PER_SECOND_MIN;
    tracing::info!("signing {transactions} transfers, and {} of the others", seconds * others);
    let flood = Arc::new(transfers::sign_of(&chain, 0, transactions)?);
    let small = (1..=others).map(|account| transfers::sign_of(&chain, account, seconds));
    let small = small.collect::<Result<Vec<_>, _>>()?;

    let node = Node::start(accounts)?;
    let caller = Caller::new(node.url())?;
    let is_over = Arc::new(AtomicBool::new(false));
    let senders = start_others(&caller, small, &is_over);
    time::sleep(CALM).await;
    tracing::info!("the flood begins");
    let began = Instant::now();
    node.new_blocks();
    let refused = send_all(&caller, &flood).await?;
    let taken = began.elapsed();
    await_last(&caller, &flood).await?;
    let (elapsed, blocks) = (began.elapsed(), node.new_blocks().len());
    is_over.store(true, Ordering::SeqCst);
    let sent = collect(senders).await?;
    let memory = node.memory();
    let (calm, beside) = sent.into_iter().partition::<Vec<_>, _>(|(at, _)| *at < began);
    let sample = |sent: Vec<(Instant, Duration)>| sent.into_iter().map(|(_, took)| took).collect();
    let (calm, beside) = (sample(calm), sample(beside));
    Ok(Table { args, refused, taken, elapsed, blocks, calm, beside, memory })
}

/// Each of the others in a task of its own, a little after the one before.
fn start_others(
    caller: &Caller,
    transfers: Vec<Vec<Prepared>>,
    is_over: &Arc<AtomicBool>,
) -> JoinSet<Result<Vec<(Instant, Duration)>, Failure>> {
    let mut senders = JoinSet::new();
    let apart = Duration::from_secs(1) / u32::try_from(transfers.len()).unwrap_or(u32::MAX).max(1);
    let mut begin = Instant::now();
    for transfers in transfers {
        senders.spawn(send_each_second(caller.clone(), transfers, begin, Arc::clone(is_over)));
        begin += apart;
    }
    senders
}

/// Sends one transfer each second; when each was sent, and how long it took to be accepted.
async fn send_each_second(
    caller: Caller,
    transfers: Vec<Prepared>,
    mut due: Instant,
    is_over: Arc<AtomicBool>,
) -> Result<Vec<(Instant, Duration)>, Failure> {
    let mut sent = JoinSet::new();
    for transfer in transfers {
        time::sleep_until(due.into()).await;
        if is_over.load(Ordering::SeqCst) {
            break;
        }
        sent.spawn(send_one(caller.clone(), transfer));
        due += Duration::from_secs(1);
    }
    collect_each(sent).await
}

async fn send_one(caller: Caller, transfer: Prepared) -> Result<(Instant, Duration), Failure> {
    let (began, body) = (Instant::now(), transfers::request(&transfer));
    while let Submitted::Full = caller.submit(body.clone()).await? {
        time::sleep(FULL_PAUSE).await;
    }
    while !caller.is_accepted(hash(&transfer)).await? {
        if PATIENCE < began.elapsed() {
            return Err(stuck());
        }
        time::sleep(STATUS_PAUSE).await;
    }
    Ok((began, began.elapsed()))
}

/// Sends all of one account over many connections; how often one was refused for want of room.
async fn send_all(caller: &Caller, transfers: &Arc<Vec<Prepared>>) -> Result<u64, Failure> {
    let (next, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let mut senders = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (caller, transfers) = (caller.clone(), Arc::clone(transfers));
        let (next, refused) = (Arc::clone(&next), Arc::clone(&refused));
        senders.spawn(async move {
            while let Some(transfer) = transfers.get(next.fetch_add(1, Ordering::SeqCst)) {
                let body = transfers::request(transfer);
                while let Submitted::Full = caller.submit(body.clone()).await? {
                    refused.fetch_add(1, Ordering::SeqCst);
                    time::sleep(FULL_PAUSE).await;
                }
            }
            Ok(())
        });
    }
    collect_each(senders).await?;
    Ok(refused.load(Ordering::SeqCst))
}

/// Waits until the last transfer of the flood is in a block, and so all of them are.
async fn await_last(caller: &Caller, transfers: &[Prepared]) -> Result<(), Failure> {
    let last = transfers.last().expect("at least one is asked for");
    while !caller.is_accepted(hash(last)).await? {
        time::sleep(STATUS_PAUSE).await;
    }
    Ok(())
}

async fn collect(
    senders: JoinSet<Result<Vec<(Instant, Duration)>, Failure>>,
) -> Result<Vec<(Instant, Duration)>, Failure> {
    Ok(collect_each(senders).await?.into_iter().flatten().collect())
}

async fn collect_each<T: 'static>(
    mut tasks: JoinSet<Result<T, Failure>>,
) -> Result<Vec<T>, Failure> {
    let mut results = Vec::new();
    while let Some(done) = tasks.join_next().await {
        results.push(done.expect("senders do not panic")?);
    }
    Ok(results)
}

/// What is printed: Markdown.
struct Table {
    args: FloodArgs,
    refused: u64,
    /// Until the last transfer of the flood was in the pool.
    taken: Duration,
    /// Until it was in a block.
    elapsed: Duration,
    blocks: usize,
    calm: Sample,
    beside: Sample,
    memory: Option<u64>,
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { args, refused, taken, elapsed, blocks, calm, beside, memory } = self;
        let (flood, others) = (args.transactions, args.others);
        let rate = f64::from(flood.get()) / elapsed.as_secs_f64();
        let interval = Duration::from_millis(transfers::BLOCK_MILLIS);
        let took = |sample: &Sample, percent| {
            let took = sample.percentile(percent);
            format!("{} ms", took.as_millis())
        };
        let worst = beside.percentile(99).as_secs_f64() / interval.as_secs_f64();

        writeln!(f, "{flood} transfers of one account, and one a second of {others} others\n")?;
        writeln!(f, "| measured | value |\n| --- | ---: |")?;
        writeln!(f, "| flood taken in | {:.0} s |", taken.as_secs_f64())?;
        writeln!(f, "| of it refused for want of room, and sent again | {refused} |")?;
        writeln!(f, "| flood in blocks | {:.0} s, {rate:.0} tx/s |", elapsed.as_secs_f64())?;
        writeln!(
            f,
            "| blocks meanwhile, and their mean interval | {blocks}, {:.0} ms |",
            elapsed.as_secs_f64() * 1e3 / (*blocks).max(1) as f64
        )?;
        for (when, sample) in [("before the flood", calm), ("during the flood", beside)] {
            writeln!(
                f,
                "| the others {when} ({} transfers): submit → ACCEPTED_ON_L2, p50 / p99 / max | \
                 {} / {} / {} |",
                sample.len(),
                took(sample, 50),
                took(sample, 99),
                took(sample, 100)
            )?;
        }
        writeln!(f, "| p99 during the flood, in block intervals of {interval:?} | {worst:.2} |")?;
        writeln!(f, "| memory of the node after the flood | {} |", Memory(*memory))
    }
}
