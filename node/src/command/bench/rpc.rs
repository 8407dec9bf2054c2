//! `kraken bench rpc`: how many requests a node answers in a second and how long each takes, beside
//! the least that a server of the same kind can do.
//!
//! The load is closed: each connection sends its next request when it has the answer to the last.
//! Node, yardstick and load share the machine. The two are measured in turn for each line, so that
//! what else the machine does hits both alike.

mod client;
mod requests;
mod table;
pub(crate) mod yardstick;

use std::time::Duration;

use self::{
    client::{Measured, Target},
    requests::Requests,
    table::Table,
    yardstick::Yardstick,
};
use super::{child::Node, load::Caller};
use crate::{
    args::{bench::RpcArgs, value::BlockGeneration},
    failure::Failure,
};

/// Connections of the lines of a request.
const CONNECTIONS: [usize; 3] = [1, 64, 512];
/// Connections of those who read while others execute.
const CONNECTIONS_BESIDE: [usize; 2] = [1, 64];
/// Estimates at the same time while reads are measured beside them.
const ESTIMATES: usize = 64;
/// What the yardstick is asked; it answers all alike.
const TRIVIAL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"trivial","params":[]}"#;

/// Measures and prints tables.
///
/// # Errors
/// If something does not work that is measured.
pub(crate) fn run(args: RpcArgs) -> Result<(), Failure> {
    let table = super::block_on(measure(args))?;
    super::print(&table)
}

/// Who is measured, and for how long each time.
#[derive(Clone, Copy, Debug)]
struct Bench {
    node: Target,
    yardstick: Target,
    lasting: Duration,
}

/// One request over so many connections.
struct Row {
    name: &'static str,
    connections: usize,
    node: Measured,
    yardstick: Measured,
}

/// A read while nobody executes, and while others do.
struct Beside {
    name: &'static str,
    connections: usize,
    alone: Measured,
    beside: Measured,
    /// What the others did meanwhile.
    estimates: Measured,
}

async fn measure(args: RpcArgs) -> Result<Table, Failure> {
    let node = Node::start_with(requests::ACCOUNTS, BlockGeneration::Demand)?;
    let yardstick = Yardstick::start()?;
    let bench = Bench {
        node: Target::new(node.url(), node.id())?,
        yardstick: yardstick.target()?,
        lasting: Duration::from_secs(args.seconds.get().into()),
    };
    tracing::info!("making {} blocks of {} transfers", requests::BLOCKS, requests::TRANSFERS);
    let requests = Requests::make(&Caller::new(node.url())?).await?;
    let mut rows = Vec::new();
    for (name, body) in &requests.reads {
        for connections in CONNECTIONS {
            rows.push(bench.row(name, body, connections).await?);
        }
    }
    let nonce = requests.nonce();
    let mut beside = Vec::new();
    for connections in CONNECTIONS_BESIDE {
        for (name, target, body) in
            [("getNonce", bench.node, nonce), ("trivial route", bench.yardstick, TRIVIAL)]
        {
            let who = Reader { name, target, body, connections };
            beside.push(bench.beside(who, &requests.estimate).await?);
        }
    }
    Ok(Table { args, rows, beside })
}

/// Who reads what.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    name: &'static str,
    target: Target,
    body: &'a str,
    connections: usize,
}

impl Bench {
    async fn row(self, name: &'static str, body: &str, connections: usize) -> Result<Row, Failure> {
        let yardstick = self.yardstick.load(TRIVIAL, connections, self.lasting).await?;
        let node = self.node.load(body, connections, self.lasting).await?;
        let row = Row { name, connections, node, yardstick };
        tracing::info!(
            "{name}, {connections} connections: {:.0} a second, {:.2} of the trivial route",
            row.node.per_second(),
            row.ratio(),
        );
        Ok(row)
    }

    async fn beside(self, reader: Reader<'_>, estimate: &str) -> Result<Beside, Failure> {
        let Reader { name, target, body, connections } = reader;
        tracing::info!("{name}, {connections} connections, alone and beside {ESTIMATES} estimates");
        let alone = target.load(body, connections, self.lasting).await?;
        let (beside, estimates) = tokio::try_join!(
            target.load(body, connections, self.lasting),
            self.node.load(estimate, ESTIMATES, self.lasting),
        )?;
        Ok(Beside { name, connections, alone, beside, estimates })
    }
}

impl Row {
    /// The node's rate in parts of the yardstick's.
    fn ratio(&self) -> f64 {
        self.node.per_second() / self.yardstick.per_second()
    }
}
