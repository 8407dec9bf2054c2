//! `sim`: runs seeds, and says how to run the ones that failed again.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command line tool: what it prints is what it is for"
)]

use std::{
    collections::BTreeMap,
    panic,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use kraken_simulation::{
    Choice, Plan, Report,
    byzantine::{self, run_liars},
    run,
    twins::run_twins,
};
use kraken_types::genesis::Protocol;

/// Simulates committees of validators, one for each seed and protocol, and looks for anything that
/// must never happen.
#[derive(Debug, Parser)]
#[command(name = "sim")]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Only this protocol; without it every seed runs with each.
    #[arg(long, value_enum)]
    protocol: Option<Name>,
    /// So many validators; without it the seed chooses.
    #[arg(long)]
    validators: Option<u16>,
    /// Ed25519 instead of signatures that cost a hash.
    #[arg(long)]
    real_signatures: bool,
    /// As many liars as the committee bears, of one sin or of any; not for fcfs, which bears none.
    #[arg(long, value_name = "SIN", num_args = 0..=1, default_missing_value = ANY, conflicts_with = "twins")]
    #[arg(value_parser = sins())]
    sin: Option<String>,
    /// As many validators as may be faulty have a twin, and the network is cut in ever new ways.
    #[arg(long)]
    twins: bool,
    /// Prints what happened in the runs that failed; in all, if there is only one seed.
    #[arg(long)]
    trace: bool,
    /// Stop after so many failures.
    #[arg(long, default_value_t = 10)]
    failures_max: usize,
    /// Threads; one for each core without it.
    #[arg(long)]
    threads: Option<usize>,
}

/// Every sin.
const ANY: &str = "any";

fn sins() -> Vec<&'static str> {
    byzantine::all().iter().map(|kind| kind.name).chain([ANY]).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
enum Name {
    Fcfs,
    Hotstuff,
    Bullshark,
}

/// What the runs of one protocol add up to.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    runs: u64,
    failed: u64,
    events: u64,
    commits: u64,
    transactions: u64,
    virtual_time: Duration,
    real_time: Duration,
}

impl Name {
    const ALL: [Self; 3] = [Self::Fcfs, Self::Hotstuff, Self::Bullshark];

    fn protocol(self) -> Protocol {
        match self {
            Self::Fcfs => Protocol::Fcfs,
            Self::Hotstuff => Protocol::HotStuff,
            Self::Bullshark => Protocol::Bullshark,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Fcfs => "fcfs",
            Self::Hotstuff => "hotstuff",
            Self::Bullshark => "bullshark",
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    // A panic is reported with its seed.
    panic::set_hook(Box::new(|_| {}));
    let started = Instant::now();
    let mut names = args.protocol.map_or(Name::ALL.to_vec(), |name| vec![name]);
    if args.twins || args.sin.is_some() {
        names.retain(|name| *name != Name::Fcfs);
    }
    let runs: Vec<_> = (args.first_seed..args.first_seed.saturating_add(args.seeds))
        .flat_map(|seed| names.iter().map(move |name| (seed, *name)))
        .collect();
    let (sums, failures) = run_all(&args, &runs);
    print_table(&sums, started.elapsed());
    for (name, report) in failures.iter().take(args.failures_max) {
        print_failure(&args, *name, report);
    }
    if failures.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{} runs failed", failures.len());
    ExitCode::FAILURE
}

fn run_all(args: &Args, runs: &[(u64, Name)]) -> (BTreeMap<Name, Sum>, Vec<(Name, Report)>) {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let events = AtomicU64::new(0);
    let sums = Mutex::new(BTreeMap::<Name, Sum>::new());
    let failures = Mutex::new(Vec::new());
    let bar = bar(runs.len());
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..args.threads.unwrap_or(cores).min(runs.len()) {
            scope.spawn(|| {
                while let Some((seed, name)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let began = Instant::now();
                    let report = run_one(args, *seed, *name, args.trace && runs.len() == 1);
                    let total = events.fetch_add(report.events, Ordering::Relaxed) + report.events;
                    let mut sums = sums.lock().expect("a run that panics is caught");
                    sums.entry(*name).or_default().add(&report, began.elapsed());
                    drop(sums);
                    bar.inc(1);
                    let rate = total as f64 / started.elapsed().as_secs_f64();
                    bar.set_message(format!("{:.0} thousand events/s", rate / 1_000.0));
                    if report.violation.is_some() {
                        let mut failures = failures.lock().expect("a run that panics is caught");
                        failures.push((*name, report));
                        if args.failures_max <= failures.len() {
                            next.store(runs.len(), Ordering::Relaxed);
                        }
                    } else {
                        report.trace.iter().for_each(|line| println!("{line}"));
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let sums = sums.into_inner().expect("a run that panics is caught");
    let mut failures = failures.into_inner().expect("a run that panics is caught");
    failures.sort_by_key(|(name, report)| (report.seed, *name));
    (sums, failures)
}

fn run_one(args: &Args, seed: u64, name: Name, is_traced: bool) -> Report {
    let choice = Choice { validators: args.validators, has_real_signatures: args.real_signatures };
    let protocol = name.protocol();
    if args.twins {
        return run_twins(seed, protocol, choice, is_traced);
    }
    match &args.sin {
        Some(sin) => run_liars(seed, protocol, byzantine::named(sin), choice, is_traced),
        None => run(&Plan::of_seed(seed, protocol, choice), Vec::new(), is_traced),
    }
}

fn bar(runs: usize) -> ProgressBar {
    let style =
        ProgressStyle::with_template("[{bar:30}] {pos}/{len} runs, {per_sec}, {msg}, {eta}")
            .expect("the template is well formed")
            .progress_chars("=> ");
    ProgressBar::new(runs as u64).with_style(style)
}

fn print_table(sums: &BTreeMap<Name, Sum>, took: Duration) {
    println!(
        "  {:<10} {:>7} {:>7} {:>12} {:>10} {:>13} {:>12} {:>13}",
        "protocol",
        "runs",
        "failed",
        "events",
        "commits",
        "transactions",
        "simulated",
        "events/s/core"
    );
    for (name, sum) in sums {
        let rate = sum.events as f64 / sum.real_time.as_secs_f64();
        println!(
            "  {:<10} {:>7} {:>7} {:>12} {:>10} {:>13} {:>10.0} s {:>13.0}",
            name.word(),
            sum.runs,
            sum.failed,
            sum.events,
            sum.commits,
            sum.transactions,
            sum.virtual_time.as_secs_f64(),
            rate,
        );
    }
    let runs: u64 = sums.values().map(|sum| sum.runs).sum();
    println!("  {runs} runs in {:.1} s", took.as_secs_f64());
}

fn print_failure(args: &Args, name: Name, report: &Report) {
    let seed = report.seed;
    let mut again =
        format!("cargo xtask sim --first-seed {seed} --seeds 1 --protocol {}", name.word());
    if let Some(validators) = args.validators {
        again.push_str(&format!(" --validators {validators}"));
    }
    if args.real_signatures {
        again.push_str(" --real-signatures");
    }
    if args.twins {
        again.push_str(" --twins");
    }
    if let Some(sin) = &args.sin {
        again.push_str(&format!(" --sin {sin}"));
    }
    println!("\nseed {seed}, {}, {} validators", name.word(), report.validators);
    if let Some(violation) = &report.violation {
        println!("  {violation}");
    }
    println!("  {again} --trace");
    if args.trace {
        let traced = if report.trace.is_empty() {
            run_one(args, seed, name, true).trace
        } else {
            report.trace.clone()
        };
        traced.iter().for_each(|line| println!("{line}"));
    }
}

impl Sum {
    fn add(&mut self, report: &Report, took: Duration) {
        self.runs += 1;
        self.failed += u64::from(report.violation.is_some());
        self.events += report.events;
        self.commits += report.commits;
        self.transactions += report.transactions;
        self.virtual_time += report.virtual_time;
        self.real_time += took;
    }
}
