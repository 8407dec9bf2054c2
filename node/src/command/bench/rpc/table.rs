//! What is printed: Markdown.

use std::{
    fmt::{self, Display},
    time::Duration,
};

use super::{
    Beside, ESTIMATES, Row,
    client::Measured,
    requests::{BLOCKS, TRANSFERS},
};
use crate::args::bench::RpcArgs;

/// All that was measured.
pub(super) struct Table {
    pub(super) args: RpcArgs,
    pub(super) rows: Vec<Row>,
    pub(super) beside: Vec<Beside>,
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.args.seconds;
        writeln!(f, "{BLOCKS} blocks of {TRANSFERS} transfers; {seconds} s each; times in ms\n")?;
        writeln!(
            f,
            "| request | connections | requests/s | p50 | p99 | µs CPU | trivial route: requests/s \
             | p50 | p99 | µs CPU | ratio of rates |"
        )?;
        writeln!(f, "| --- |{}", " ---: |".repeat(10))?;
        for row in &self.rows {
            let (Row { name, connections, node, yardstick }, ratio) = (row, row.ratio());
            writeln!(
                f,
                "| {name} | {connections} | {} | {} | {ratio:.2} |",
                Columns(node),
                Columns(yardstick)
            )?;
        }
        writeln!(
            f,
            "\n| reads beside {ESTIMATES} estimates | connections | alone: requests/s | p50 | p99 | \
             beside: requests/s | p50 | p99 | estimates/s |"
        )?;
        writeln!(f, "| --- |{}", " ---: |".repeat(8))?;
        for Beside { name, connections, alone, beside, estimates } in &self.beside {
            writeln!(
                f,
                "| {name} | {connections} | {} | {} | {:.0} |",
                Times(alone),
                Times(beside),
                estimates.per_second()
            )?;
        }
        Ok(())
    }
}

/// Rate, percentiles, and CPU.
struct Columns<'a>(&'a Measured);

impl Display for Columns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {:.0}", Times(self.0), self.0.cpu_micros())
    }
}

/// Rate and percentiles.
struct Times<'a>(&'a Measured);

impl Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = &self.0.took;
        let millis = |took: Duration| took.as_secs_f64() * 1e3;
        let (half, most) = (millis(took.percentile(50)), millis(took.percentile(99)));
        write!(f, "{:.0} | {half:.2} | {most:.2}", self.0.per_second())
    }
}
