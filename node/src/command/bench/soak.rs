//! `kraken bench soak`: whether a node stays as it was while its chain grows.
//!
//! All transfers are signed before the clock starts. They are sent in ten parts, each as fast as the
//! node takes it; a part is over when all of it is in blocks. Then the node is looked at.

use std::{
    fmt::{self, Display},
    time::{Duration, Instant},
};

use kraken_execution::{Chain, Prepared};

use super::{
    child::{NewBlock, Node},
    load::{self, Caller},
    process::Memory,
    transfers,
};
use crate::{args::bench::SoakArgs, failure::Failure};

/// How many parts there are.
const PARTS: usize = 10;

/// Sends, measures and prints a table.
///
/// # Errors
/// If there are too few accounts, or something does not work that is measured.
pub(crate) fn run(args: SoakArgs) -> Result<(), Failure> {
    let genesis = transfers::genesis(args.accounts.get());
    let transactions = usize::try_from(args.transactions).expect("a u32 fits into a usize");
    let part = transactions.div_ceil(PARTS);
    load::check_accounts(&genesis, u32::try_from(part).expect("a part of a u32"))?;
    let chain = Chain::new(&genesis).map_err(|error| {
        Failure::because("cannot use the genesis", &error, "this is a bug; please report it")
    })?;
    tracing::info!("signing {transactions} transfers");
    let signed = transfers::sign_all(&chain, transactions)?;
    let parts = super::block_on(measure(args, &signed, part))?;
    super::print(&Table { args, parts })
}

/// What a node did with one part of the load, and what it held afterwards.
struct Part {
    transactions: usize,
    elapsed: Duration,
    blocks: Vec<NewBlock>,
    memory: Option<u64>,
    /// Bytes on disk.
    disk: u64,
    /// How many of them are new.
    disk_grown: u64,
}

async fn measure(args: SoakArgs, signed: &[Prepared], length: usize) -> Result<Vec<Part>, Failure> {
    let accounts = usize::from(args.accounts.get());
    let node = Node::start(args.accounts.get())?;
    let caller = Caller::new(node.url())?;
    let mut disk_before = node.disk()?;
    let mut parts = Vec::new();
    node.new_blocks();
    for transfers in signed.chunks(length) {
        let began = Instant::now();
        caller.submit_all(transfers, accounts).await?;
        caller.await_receipts(transfers, accounts).await?;
        let elapsed = began.elapsed();
        let disk = node.disk()?;
        let part = Part {
            transactions: transfers.len(),
            elapsed,
            blocks: node.new_blocks(),
            memory: node.memory(),
            disk,
            disk_grown: disk.saturating_sub(disk_before),
        };
        tracing::info!("part {} of {PARTS}: {:.0} tx/s", parts.len() + 1, part.per_second());
        disk_before = disk;
        parts.push(part);
    }
    caller.require_transactions(signed.len()).await?;
    Ok(parts)
}

impl Part {
    fn per_second(&self) -> f64 {
        ratio(self.transactions as f64, self.elapsed.as_secs_f64())
    }

    fn per_block(&self) -> f64 {
        let transactions: u32 = self.blocks.iter().map(|block| block.transactions).sum();
        ratio(f64::from(transactions), self.blocks.len() as f64)
    }

    /// The mean of what blocks took, in milliseconds.
    fn mean_ms(&self, of: fn(&NewBlock) -> Duration) -> f64 {
        let sum: Duration = self.blocks.iter().map(of).sum();
        ratio(sum.as_secs_f64() * 1e3, self.blocks.len() as f64)
    }

    fn slowest_ms(&self) -> f64 {
        let slowest = self.blocks.iter().map(|block| block.hashing + block.writing).max();
        slowest.unwrap_or_default().as_secs_f64() * 1e3
    }

    fn disk_per_block(&self) -> f64 {
        ratio(self.disk_grown as f64, self.blocks.len() as f64)
    }

    fn disk_per_transaction(&self) -> f64 {
        ratio(self.disk_grown as f64, self.transactions as f64)
    }
}

/// Zero where there is nothing to divide by.
fn ratio(of: f64, to: f64) -> f64 {
    if to == 0.0 { 0.0 } else { of / to }
}

/// What is printed: Markdown.
struct Table {
    args: SoakArgs,
    parts: Vec<Part>,
}

impl Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SoakArgs { transactions, accounts } = self.args;
        writeln!(f, "{transactions} signed STRK transfers of {accounts} accounts\n")?;
        writeln!(
            f,
            "| transfers | tx/s | tx per block | hashing, mean | writing, mean | slowest block | \
             memory | disk | disk per block | disk per transfer |"
        )?;
        writeln!(f, "|{}", " ---: |".repeat(10))?;
        let mut sent = 0;
        for part in &self.parts {
            sent += part.transactions;
            part.row(f, sent)?;
        }
        match self.parts.as_slice() {
            [first, .., last] => last.row_beside(f, first),
            [_] | [] => Ok(()),
        }
    }
}

impl Part {
    fn row(&self, f: &mut fmt::Formatter<'_>, sent: usize) -> fmt::Result {
        writeln!(
            f,
            "| {sent} | {:.0} | {:.0} | {:.1} ms | {:.1} ms | {:.0} ms | {} | {:.1} MB | {:.1} kB | \
             {:.0} B |",
            self.per_second(),
            self.per_block(),
            self.mean_ms(|block| block.hashing),
            self.mean_ms(|block| block.writing),
            self.slowest_ms(),
            Memory(self.memory),
            self.disk as f64 / 1e6,
            self.disk_per_block() / 1e3,
            self.disk_per_transaction(),
        )
    }

    /// How many times as much as in another part.
    fn row_beside(&self, f: &mut fmt::Formatter<'_>, first: &Self) -> fmt::Result {
        let hashing: fn(&NewBlock) -> Duration = |block| block.hashing;
        let writing: fn(&NewBlock) -> Duration = |block| block.writing;
        let memory = |part: &Self| part.memory.unwrap_or_default() as f64;
        write!(f, "| last ÷ first |")?;
        for (last, first) in [
            (self.per_second(), first.per_second()),
            (self.per_block(), first.per_block()),
            (self.mean_ms(hashing), first.mean_ms(hashing)),
            (self.mean_ms(writing), first.mean_ms(writing)),
            (self.slowest_ms(), first.slowest_ms()),
            (memory(self), memory(first)),
            (self.disk as f64, first.disk as f64),
            (self.disk_per_block(), first.disk_per_block()),
            (self.disk_per_transaction(), first.disk_per_transaction()),
        ] {
            write!(f, " {:.2} |", ratio(last, first))?;
        }
        writeln!(f)
    }
}
