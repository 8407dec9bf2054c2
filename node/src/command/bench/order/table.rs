//! What is printed: Markdown.

use std::{
    fmt::{self, Display},
    io::{self, Write},
    time::Duration,
};

use super::{committee::Plan, load::Load, report::Outcome};
use crate::{
    args::bench::OrderArgs,
    command::bench::{process::Usage, sample::Sample},
    failure::Failure,
};

/// One measurement.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) plan: Plan,
    pub(super) load: Load,
    pub(super) outcome: Outcome,
    pub(super) usage: Usage,
}

/// Prints all rows.
///
/// # Errors
/// If the output is gone.
pub(super) fn print(args: &OrderArgs, rows: &[Row]) -> Result<(), Failure> {
    write!(io::stdout(), "{}", Tables { args, rows }).map_err(|error| {
        Failure::because("cannot write the table", &error, "check where the output goes")
    })
}

struct Tables<'a> {
    args: &'a OrderArgs,
    rows: &'a [Row],
}

impl Display for Tables<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OrderArgs { protocol, validators, dead, bytes, seconds, .. } = self.args;
        let alive = validators.saturating_sub(*dead);
        writeln!(
            f,
            "{alive} of {validators} validators order transactions of {bytes} bytes by {protocol} for \
             {seconds} s; times in ms since a transaction was meant to be sent\n"
        )?;
        writeln!(
            f,
            "| disk | transport | offered tx/s | ordered tx/s | own: mean | p50 | p95 | p99 | \
             quorum: p50 | p95 | p99 | never |"
        )?;
        writeln!(f, "| --- | --- |{}", " ---: |".repeat(10))?;
        for row in self.rows {
            row.latencies(f)?;
        }
        writeln!(
            f,
            "\n| disk | transport | offered tx/s | in a batch after | at a quorum | ordered | tx per \
             batch | validators: µs CPU per tx | cores | clients: cores | largest validator |"
        )?;
        writeln!(f, "| --- | --- |{}", " ---: |".repeat(9))?;
        for row in self.rows {
            row.costs(f)?;
        }
        Ok(())
    }
}

impl Row {
    fn head(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan { disk, transport, .. } = self.plan;
        write!(f, "| {disk} | {transport} | {} ", self.load.rate)
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { ordered, own, quorum, .. } = &self.outcome;
        self.head(f)?;
        let rate = *ordered as f64 / f64::from(self.load.seconds);
        write!(f, "| {rate:.0} | {} ", Millis(own.mean()))?;
        for sample in [own, quorum] {
            for percent in [50, 95, 99] {
                write!(f, "| {} ", Millis(Sample::percentile(sample, percent)))?;
            }
        }
        let offered = u64::from(self.load.rate) * u64::from(self.load.seconds);
        writeln!(f, "| {} |", offered.saturating_sub(quorum.len() as u64))
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { ordered, own, sealed, available, per_batch, .. } = &self.outcome;
        self.head(f)?;
        write!(f, "| {} | {} | {} ", Millis(*sealed), Millis(*available), Millis(own.mean()))?;
        let seconds = f64::from(self.load.seconds);
        let cores = |used: Duration| used.as_secs_f64() / seconds;
        let each = self.usage.validators.as_secs_f64() * 1e6 / (*ordered).max(1) as f64;
        writeln!(
            f,
            "| {per_batch} | {each:.1} | {:.2} | {:.2} | {} MB |",
            cores(self.usage.validators),
            cores(self.usage.clients),
            self.usage.memory / 1_000_000
        )
    }
}

struct Millis(Duration);

impl Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_millis())
    }
}
