//! What `kraken bench` can be told.

use std::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    path::PathBuf,
    str::FromStr,
};

use clap::Subcommand;

use super::value::{Protocol, Transport};

/// What to measure.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Transfers of STRK: the bare engine beside the whole node
    #[command(after_help = "\
Signs transfers of many accounts, then runs them twice: through validation and execution alone, and
through JSON-RPC against a node of its own in a temporary folder, with a block a second. Prints a
table in Markdown. Takes a few minutes; run nothing else meanwhile.")]
    Execution(ExecutionBenchArgs),

    /// Transfers of STRK for minutes: whether the node stays as fast and as small as it was
    #[command(after_help = "\
Signs transfers of many accounts, then sends them through JSON-RPC to a node of its own in a
temporary folder, with a block a second, in ten parts. Prints a table in Markdown with a line for
each part: how fast it was, what a block took, and how much memory and disk the node holds. Takes
some ten minutes; run nothing else meanwhile.")]
    Soak(SoakArgs),

    /// One account that floods the mempool, and others that send a little beside it
    #[command(after_help = "\
Starts a node of its own in a temporary folder, with a block a second. One account sends all its
transfers as fast as they are taken, again where they are refused, while the others send one each
second and ask for its status until it is in a block. Prints a table in Markdown. Takes as long as
the node executes what it is sent; run nothing else meanwhile.")]
    Flood(FloodArgs),

    /// Reads over JSON-RPC, beside the least that a server of this kind can do
    #[command(after_help = "\
Starts a node of its own in a temporary folder, fills eleven blocks with a hundred transfers each,
and asks it the same question again and again over 1, 64 and 512 connections, each of which sends
its next request when it has the answer to the last. In turn with it, and over as many connections,
it asks a trivial route of a server of its own, which reads a little JSON and writes a little. Then
it measures both while 64 others estimate fees, which takes all that Cairo may have. Prints tables
in Markdown. Takes some minutes; run nothing else meanwhile.

Examples:
  kraken bench rpc                every request, three seconds for each number of connections
  kraken bench rpc --seconds 10   the same with less noise")]
    Rpc(RpcArgs),

    /// The trivial route of `kraken bench rpc`
    #[command(hide = true)]
    RpcYardstick,

    /// Opaque transactions through a committee of processes that order and execute nothing
    #[command(after_help = "\
Starts a process for each validator on this machine, sends each its share at a steady rate whatever
becomes of it, and prints tables in Markdown: how much is ordered, how long after the time at which
it was meant to be sent, where that time goes, and what it costs. Run nothing else meanwhile.

Examples:
  kraken bench order                                  every disk and transport, two rates
  kraken bench order --rate 20000,100000 --disk buffered --transport plaintext
  kraken bench order --protocol bullshark --dead 1    one of four is not there")]
    Order(OrderArgs),

    /// One validator of `kraken bench order`
    #[command(hide = true)]
    OrderValidator(OrderValidatorArgs),
}

/// `kraken bench execution`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct ExecutionBenchArgs {
    /// Transfers in each run
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::new(20_000).expect("not zero"))]
    pub(crate) transactions: NonZeroU32,

    /// Accounts that send them
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU16::new(200).expect("not zero"))]
    pub(crate) accounts: NonZeroU16,

    /// Transfers a second while latency is measured
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::new(100).expect("not zero"))]
    pub(crate) rate: NonZeroU32,
}

/// `kraken bench soak`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct SoakArgs {
    /// Transfers, all parts together
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(10..)
    )]
    pub(crate) transactions: u32,

    /// Accounts that send them
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU16::new(200).expect("not zero"))]
    pub(crate) accounts: NonZeroU16,
}

/// `kraken bench flood`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct FloodArgs {
    /// Transfers of the account that floods
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::new(100_000).expect("not zero"))]
    pub(crate) transactions: NonZeroU32,

    /// Accounts that send one transfer each second
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU16::new(10).expect("not zero"))]
    pub(crate) others: NonZeroU16,
}

/// `kraken bench rpc`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct RpcArgs {
    /// Seconds that count in each measurement; half a second more comes before
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU16::new(3).expect("not zero"))]
    pub(crate) seconds: NonZeroU16,
}

/// `kraken bench order`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OrderArgs {
    /// Transactions a second, over all validators; several are measured one after the other
    #[arg(
        long = "rate",
        value_name = "NUMBER,…",
        value_delimiter = ',',
        default_values_t = [20_000, 130_000].map(|rate| NonZeroU32::new(rate).expect("not zero"))
    )]
    pub(crate) rates: Vec<NonZeroU32>,

    /// Bytes of a transaction
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 512,
        value_parser = clap::value_parser!(u32).range(16..=65_536)
    )]
    pub(crate) bytes: u32,

    /// Seconds that count; some more come before
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::new(20).expect("not zero"))]
    pub(crate) seconds: NonZeroU32,

    /// Validators of the committee
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 4,
        value_parser = clap::value_parser!(u16).range(2..=50)
    )]
    pub(crate) validators: u16,

    /// So many of them are never started, and their share of the load goes to the others
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub(crate) dead: u16,

    /// What orders certificates
    #[arg(long, value_name = "NAME", default_value_t = crate::settings::PROTOCOL)]
    pub(crate) protocol: Protocol,

    /// What is durable before it is spoken of: `synced` to the disk, or `buffered` by the system
    /// [default: one after the other]
    #[arg(long, value_name = "HOW")]
    pub(crate) disk: Option<Disk>,

    /// What carries bytes between validators: `tcp` (encrypted), `plaintext` or `quic` [default: plaintext,
    /// then tcp]
    #[arg(long, value_name = "HOW")]
    pub(crate) transport: Option<Transport>,
}

/// One validator of `kraken bench order`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct OrderValidatorArgs {
    /// Holds the genesis and the keys
    #[arg(long)]
    pub(crate) folder: PathBuf,

    /// Its place in the genesis
    #[arg(long)]
    pub(crate) id: u16,

    /// Of all validators: primary, sync, worker of the first, then those of the next
    #[arg(long, value_delimiter = ',')]
    pub(crate) ports: Vec<u16>,

    /// What is durable before it is spoken of
    #[arg(long)]
    pub(crate) disk: Disk,

    /// What carries bytes between validators
    #[arg(long)]
    pub(crate) transport: Transport,
}

/// What is durable before it is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// What the disk has.
    Synced,
    /// What the system has.
    Buffered,
}

impl FromStr for Disk {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "synced" => Ok(Self::Synced),
            "buffered" => Ok(Self::Buffered),
            _ => Err("must be \"synced\" or \"buffered\"".to_owned()),
        }
    }
}

impl fmt::Display for Disk {
    /// As the flag takes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synced => "synced",
            Self::Buffered => "buffered",
        })
    }
}
