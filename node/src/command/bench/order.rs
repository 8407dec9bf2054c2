//! `kraken bench order`: opaque transactions through a committee of processes.
//!
//! Each validator is a process that orders and executes nothing, with lanes and logs as in a real
//! one. The load is open: each transaction has a time at which it is meant to be sent, and its
//! latency counts from that time, however late it could be sent. Each validator has a client of its
//! own, a thread of this process, over TCP.

mod committee;
mod load;
mod report;
mod table;
pub(crate) mod validator;

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use kraken_sequencer::Transport;

use self::{
    committee::{Committee, Plan},
    load::Load,
    report::Outcome,
    table::Row,
};
use crate::{
    args::{
        bench::{Disk, OrderArgs},
        value::{self, LogFilter},
    },
    failure::Failure,
};

/// How long validators have to find each other.
const MEET: Duration = Duration::from_secs(2);

/// How long transactions are sent before any is counted: by then the schedule of leaders has learned
/// who is not there.
const WARM_UP: Duration = Duration::from_secs(10);

/// Measures each combination of what is asked for, and prints tables.
///
/// # Errors
/// If too few validators live, or a committee does not start, or breaks.
pub(crate) fn run(args: &OrderArgs, log: Option<&LogFilter>) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for (disk, transport) in combinations(args) {
        let (protocol, validators, dead) = (args.protocol, args.validators, args.dead);
        let plan = Plan { protocol, validators, dead, disk, transport };
        plan.check()?;
        for rate in &args.rates {
            let load = Load { rate: rate.get(), bytes: args.bytes, seconds: args.seconds.get() };
            tracing::info!("{disk}, {transport}: {rate} transactions a second");
            rows.push(measure(plan, load, log)?);
        }
    }
    table::print(args, &rows)
}

/// Those that are not ruled out; QUIC is measured only if it is asked for.
fn combinations(args: &OrderArgs) -> Vec<(Disk, value::Transport)> {
    let transports = args
        .transport
        .map_or(vec![Transport::Plaintext, Transport::Tcp], |value::Transport(transport)| {
            vec![transport]
        });
    let disks = args.disk.map_or(vec![Disk::Buffered, Disk::Synced], |disk| vec![disk]);
    let with = |disk| transports.iter().map(move |it| (disk, value::Transport(*it)));
    disks.into_iter().flat_map(with).collect()
}

/// One committee under one load.
fn measure(plan: Plan, load: Load, log: Option<&LogFilter>) -> Result<Row, Failure> {
    let committee = Committee::start(&plan, log)?;
    thread::sleep(MEET);
    let began = Instant::now();
    let window = WARM_UP..WARM_UP + Duration::from_secs(load.seconds.into());
    let begin = Micros::now();
    let clients = load::start(committee.addresses(), load, (began, begin), window.end);
    thread::sleep(window.start.saturating_sub(began.elapsed()));
    let before = committee.usage();
    thread::sleep(window.end.saturating_sub(began.elapsed()));
    let usage = committee.usage().since(&before);
    let reports = clients.reports()?;
    let window = begin.after(window.start)..begin.after(window.end);
    let outcome = Outcome::new(&reports, plan.quorum(), window);
    Ok(Row { plan, load, outcome, usage })
}

/// A time, in microseconds since the Unix epoch: the same for all processes of a machine.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
struct Micros(u64);

impl Micros {
    fn now() -> Self {
        // A clock before the epoch is as good as one at it.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Zero if `earlier` is later.
    fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}
