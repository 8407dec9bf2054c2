//! What can be typed.
//!
//! A flag that was not given is `None`; defaults live in [`crate::settings`], and the help text
//! shows them from there. Where a flag means what it means in starknet-devnet, it has the same name,
//! and so has its twin in the environment.

pub(crate) mod bench;
pub(crate) mod committee;
pub(crate) mod compile_class;
pub(crate) mod environment;
pub(crate) mod given;
pub(crate) mod limits;
pub(crate) mod value;
pub(crate) mod worker;

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    num::{NonZeroU128, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use clap::{Parser, Subcommand};

use self::{
    bench::BenchCommand,
    committee::{
        GENESIS_HELP, GenesisArgs, INIT_HELP, InitArgs, KEY_HELP, KeyArgs, RUN_HELP, RunArgs,
        TESTNET_HELP, TestnetArgs,
    },
    compile_class::CompileClassArgs,
    limits::Limits,
    value::{AccountClass, BlockGeneration, ChainName, DumpOn, Engine, LogFilter, StateArchive},
    worker::{WORKER_HELP, WorkerArgs},
};
use crate::settings::{self, ChainSettings, Settings};

/// A decentralised sequencer for Starknet.
#[derive(Debug, Parser)]
#[command(
    name = "kraken",
    version,
    propagate_version = true,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "\
Examples:
  kraken dev                     a chain in memory with ten funded accounts, one block a transaction
  kraken dev --help              everything that can be set, with more examples
  kraken testnet                 four validators on this machine, a process each
  kraken inspect --data-dir DIR  what a data folder holds"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[arg(
        long,
        global = true,
        env = "RUST_LOG",
        value_name = "FILTER",
        help_heading = "Logging",
        help = shown(
            "What to log, to the error stream: a level, or a filter such as info,kraken_rpc=debug",
            settings::LOG,
        )
    )]
    pub(crate) log: Option<LogFilter>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a chain for development: one validator, funded accounts, JSON-RPC
    #[command(after_help = DEV_HELP)]
    Dev(Box<DevArgs>),

    /// Run a whole committee on this machine: a process for each validator
    #[command(after_help = TESTNET_HELP)]
    Testnet(Box<TestnetArgs>),

    /// Run one validator of a committee, or a full node that follows it
    #[command(after_help = RUN_HELP)]
    Run(Box<RunArgs>),

    /// Run one worker of a validator as a process of its own
    #[command(after_help = WORKER_HELP)]
    Worker(Box<WorkerArgs>),

    /// Make the secret keys of a validator, and print their public half
    #[command(after_help = KEY_HELP)]
    Key(KeyArgs),

    /// Make the genesis of a committee
    #[command(after_help = GENESIS_HELP)]
    Genesis(Box<GenesisArgs>),

    /// Write the settings file of a validator, or of a full node
    #[command(after_help = INIT_HELP)]
    Init(Box<InitArgs>),

    /// Show what a data folder holds: newest blocks, hashes, state roots, counts, divergences
    #[command(after_help = "\
Example:
  kraken inspect --data-dir ./chain --blocks 20

The node that uses the folder must be stopped first.")]
    Inspect(InspectArgs),

    /// Compile one class for the node that starts this
    #[command(hide = true)]
    CompileClass(CompileClassArgs),

    /// Measure this machine
    #[command(subcommand, arg_required_else_help = true)]
    Bench(BenchCommand),
}

const DEV_HELP: &str = "\
The chain lives in memory and ends with the process, unless --data-dir names a folder for it. Flags,
environment and accounts are those of starknet-devnet: the same seed gives the same accounts.

Examples:
  kraken dev --seed 0                        the same accounts at every start
  kraken dev --data-dir ./chain              keep the chain; the same command goes on with it
  kraken dev --block-generation-on 0.5       a block every half second
  kraken dev --block-generation-on demand    a block when devnet_createBlock asks for one
  kraken dev --port 0                        any free port; it is printed
  kraken dev --dump-on exit --dump-path d    record, and go on from there at the next start
  kraken dev --log debug                     say more

Clients use http://127.0.0.1:5050 as the URL of the node. Ctrl-C stops it.";

/// `kraken dev`.
#[derive(Debug, clap::Args)]
pub(crate) struct DevArgs {
    #[command(flatten)]
    accounts: AccountArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    prices: PriceArgs,
    #[command(flatten)]
    dump: DumpArgs,
    #[command(flatten)]
    classes: ClassArgs,
    #[command(flatten)]
    machine: MachineArgs,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Accounts")]
struct AccountArgs {
    /// Derive the accounts from this number [default: random, and printed]
    #[arg(long, env = "SEED", value_name = "NUMBER")]
    seed: Option<u32>,

    #[arg(
        long,
        env = "ACCOUNTS",
        value_name = "NUMBER",
        help = shown("Create this many funded accounts", settings::ACCOUNTS)
    )]
    accounts: Option<u16>,

    #[arg(
        long,
        short = 'e',
        env = "INITIAL_BALANCE",
        value_name = "DECIMAL",
        help = shown("Fund each account with this many fri and wei", settings::INITIAL_BALANCE)
    )]
    initial_balance: Option<u128>,

    #[arg(
        long,
        env = "ACCOUNT_CLASS",
        value_name = "NAME",
        conflicts_with = "account_class_custom",
        help = shown("Class of the accounts: cairo1, OpenZeppelin 1.0.0", AccountClass::Cairo1)
    )]
    account_class: Option<AccountClass>,

    /// Use the account class in this file, a Sierra artefact, for the accounts
    #[arg(long, env = "ACCOUNT_CLASS_CUSTOM", value_name = "PATH")]
    account_class_custom: Option<PathBuf>,

    /// Declare the account classes of Argent (regular and multisig) in block 0
    #[arg(long, env = "PREDECLARE_ARGENT")]
    predeclare_argent: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
struct ServerArgs {
    #[arg(
        long,
        env = "HOST",
        value_name = "ADDRESS",
        value_parser = value::host,
        help = shown("Serve JSON-RPC on this address", settings::HOST)
    )]
    host: Option<IpAddr>,

    #[arg(
        long,
        env = "PORT",
        value_name = "NUMBER",
        help = shown("Serve JSON-RPC on this port; 0 takes a free one and prints it", settings::PORT)
    )]
    port: Option<u16>,

    #[arg(
        long,
        env = "TIMEOUT",
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help = shown("Answer a request within this time or fail it", settings::TIMEOUT_SECONDS)
    )]
    timeout: Option<u64>,

    /// Write the port, as two big-endian bytes, to this Unix socket once JSON-RPC is served
    #[arg(long, env = "UNIX_SOCKET", value_name = "PATH")]
    unix_socket: Option<PathBuf>,

    /// Refuse these methods, separated by spaces [without names: devnet_mint, load, restart,
    /// createBlock, abortBlocks, impersonateAccount, autoImpersonate, getPredeployedAccounts]
    #[arg(
        long,
        env = "RESTRICTIVE_MODE",
        value_name = "METHOD",
        num_args = 0..,
        value_delimiter = ' ',
        value_parser = value::method
    )]
    restrictive_mode: Option<Vec<String>>,

    /// Serve /metrics, /health and /ready for Prometheus on this address [default: nowhere]
    #[arg(long, env = "METRICS_HOST", value_name = "ADDRESS", value_parser = value::host)]
    metrics_host: Option<IpAddr>,

    #[arg(
        long,
        env = "METRICS_PORT",
        value_name = "NUMBER",
        help = shown("Serve metrics on this port", settings::METRICS_PORT)
    )]
    metrics_port: Option<u16>,

    /// End when the standard input is closed, so that it does not outlive who started it
    #[arg(long, hide = true)]
    until_stdin_closes: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Chain")]
struct ChainArgs {
    #[arg(
        long,
        env = "CHAIN_ID",
        value_name = "NAME",
        help = shown(
            "Name the chain: TESTNET (SN_SEPOLIA), MAINNET (SN_MAIN) or a name of your own in \
             capitals",
            settings::CHAIN_ID,
        )
    )]
    chain_id: Option<ChainName>,

    /// Start the clock of the chain at this time, in seconds since 1970 [default: now]
    #[arg(long, env = "START_TIME", value_name = "SECONDS")]
    start_time: Option<u64>,

    #[arg(
        long,
        env = "BLOCK_GENERATION_ON",
        value_name = "transaction|demand|SECONDS",
        help = shown(
            "End a block with each transaction, on demand (devnet_createBlock), or every so many \
             seconds (fractions are fine)",
            settings::BLOCK_GENERATION,
        )
    )]
    block_generation_on: Option<BlockGeneration>,

    #[arg(
        long,
        env = "STATE_ARCHIVE_CAPACITY",
        value_name = "none|full",
        help = shown("Old states that are wanted; all are kept in any case", "full")
    )]
    state_archive_capacity: Option<StateArchive>,

    /// Blocks need no hashes; they have them in any case
    #[arg(long, env = "LITE_MODE")]
    lite_mode: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Dumps")]
struct DumpArgs {
    /// Record requests that change the chain, and write them when the node ends, each at once, or
    /// when devnet_dump asks for them
    #[arg(long, env = "DUMP_ON", value_name = "exit|block|request", conflicts_with = "data_dir")]
    dump_on: Option<DumpOn>,

    /// Write recorded requests to this file; if it is there at the start, they are carried out first
    #[arg(
        long,
        env = "DUMP_PATH",
        value_name = "PATH",
        required_if_eq_any = [("dump_on", "exit"), ("dump_on", "block")],
        conflicts_with = "data_dir"
    )]
    dump_path: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Limits of classes")]
struct ClassArgs {
    #[arg(
        long,
        env = "MAXIMUM_CONTRACT_CLASS_SIZE",
        value_name = "BYTES",
        help = shown("Refuse larger classes, as JSON", settings::CLASS_BYTES_MAX)
    )]
    maximum_contract_class_size: Option<u32>,

    #[arg(
        long,
        env = "MAXIMUM_CONTRACT_BYTECODE_SIZE",
        value_name = "FELTS",
        help = shown("Refuse classes that compile to more", settings::CLASS_FELTS_MAX)
    )]
    maximum_contract_bytecode_size: Option<u32>,

    #[arg(
        long,
        env = "MAXIMUM_SIERRA_LENGTH",
        value_name = "FELTS",
        help = shown("Refuse longer Sierra programs", settings::CLASS_FELTS_MAX)
    )]
    maximum_sierra_length: Option<u32>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Gas prices")]
struct PriceArgs {
    #[arg(
        long,
        env = "GAS_PRICE",
        value_name = "WEI",
        help = shown("Price of L1 gas", settings::GAS_PRICE)
    )]
    gas_price: Option<NonZeroU128>,

    #[arg(
        long,
        env = "GAS_PRICE_FRI",
        value_name = "FRI",
        help = shown("Price of L1 gas", settings::GAS_PRICE)
    )]
    gas_price_fri: Option<NonZeroU128>,

    #[arg(
        long,
        env = "DATA_GAS_PRICE",
        value_name = "WEI",
        help = shown("Price of L1 data gas", settings::GAS_PRICE)
    )]
    data_gas_price: Option<NonZeroU128>,

    #[arg(
        long,
        env = "DATA_GAS_PRICE_FRI",
        value_name = "FRI",
        help = shown("Price of L1 data gas", settings::GAS_PRICE)
    )]
    data_gas_price_fri: Option<NonZeroU128>,

    #[arg(
        long,
        env = "L2_GAS_PRICE",
        value_name = "WEI",
        help = shown("Price of L2 gas", settings::GAS_PRICE)
    )]
    l2_gas_price: Option<NonZeroU128>,

    #[arg(
        long,
        env = "L2_GAS_PRICE_FRI",
        value_name = "FRI",
        help = shown("Price of L2 gas", settings::GAS_PRICE)
    )]
    l2_gas_price_fri: Option<NonZeroU128>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Storage and execution")]
struct MachineArgs {
    /// Keep the chain in this folder, and go on with the chain that is there [default: in memory]
    #[arg(long, env = "KRAKEN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    #[arg(
        long,
        env = "KRAKEN_ENGINE",
        value_name = "NAME",
        help = shown("Run Cairo in this engine: vm, the Cairo VM", settings::ENGINE)
    )]
    engine: Option<Engine>,

    /// Execute transactions on this many threads [default: one for each core]
    #[arg(long, env = "KRAKEN_WORKERS", value_name = "NUMBER")]
    workers: Option<NonZeroUsize>,
}

/// `kraken inspect`.
#[derive(Debug, clap::Args)]
pub(crate) struct InspectArgs {
    /// The folder to look into
    #[arg(long, env = "KRAKEN_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// Show this many of the newest blocks
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    pub(crate) blocks: u64,
}

impl DevArgs {
    /// Whether the end of the standard input asks for the end.
    pub(crate) const fn until_stdin_closes(&self) -> bool {
        self.server.until_stdin_closes
    }

    /// Layers flags and environment over the defaults, as far as they are about this node.
    pub(crate) fn settings(&self) -> Settings {
        let default = Settings::default();
        Settings {
            host: self.server.host.unwrap_or(default.host),
            port: self.server.port.unwrap_or(default.port),
            timeout: self.server.timeout.map_or(default.timeout, Duration::from_secs),
            limits: self.limits,
            data_dir: self.machine.data_dir.clone().or(default.data_dir),
            engine: self.machine.engine.unwrap_or(default.engine),
            workers: self.machine.workers.unwrap_or(default.workers),
            unix_socket: self.server.unix_socket.clone().or(default.unix_socket),
            metrics: self.server.metrics(),
            account_class: self.accounts.account_class_custom.clone().or(default.account_class),
            argent: self.accounts.predeclare_argent,
            restricted: self.server.restricted().or(default.restricted),
            dump: self.dump.dump().or(default.dump),
            state_archive: self
                .chain
                .state_archive_capacity
                .map_or(default.state_archive, |StateArchive(capacity)| capacity),
            lite_mode: self.chain.lite_mode,
        }
    }

    /// What was said about the chain.
    pub(crate) fn chain_settings(&self) -> ChainSettings {
        ChainSettings {
            seed: self.accounts.seed,
            accounts: self.accounts.accounts,
            initial_balance: self.accounts.initial_balance,
            chain_id: self.chain.chain_id.clone(),
            start_time: self.chain.start_time,
            block_generation: self.chain.block_generation_on,
            gas_price_wei: self.prices.gas_price,
            gas_price_fri: self.prices.gas_price_fri,
            data_gas_price_wei: self.prices.data_gas_price,
            data_gas_price_fri: self.prices.data_gas_price_fri,
            l2_gas_price_wei: self.prices.l2_gas_price,
            l2_gas_price_fri: self.prices.l2_gas_price_fri,
            class_bytes_max: self.classes.maximum_contract_class_size,
            bytecode_felts_max: self.classes.maximum_contract_bytecode_size,
            sierra_felts_max: self.classes.maximum_sierra_length,
        }
    }
}

impl ServerArgs {
    /// Where metrics are served.
    fn metrics(&self) -> Option<SocketAddr> {
        let port = self.metrics_port.unwrap_or(settings::METRICS_PORT);
        self.metrics_host.map(|host| SocketAddr::new(host, port))
    }

    /// The methods that are refused.
    fn restricted(&self) -> Option<Vec<String>> {
        let named = self.restrictive_mode.clone()?;
        let usual = || settings::RESTRICTED.map(str::to_owned).to_vec();
        Some(if named.is_empty() { usual() } else { named })
    }
}

impl DumpArgs {
    /// Whether requests are recorded. A file alone is carried out at the start, and another dump is
    /// made on request only.
    fn dump(&self) -> Option<kraken_rpc::Dump> {
        let (on, path) = (self.dump_on, self.dump_path.clone());
        let on = on.map(|DumpOn(on)| on).or(path.as_ref().map(|_| kraken_rpc::DumpOn::Request))?;
        Some(kraken_rpc::Dump { on, path })
    }
}

/// Help text with the default that [`crate::settings`] holds.
fn shown(text: &str, default: impl Display) -> String {
    format!("{text} [default: {default}]")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn dev(flags: &[&str]) -> DevArgs {
        let args = Args::try_parse_from(["kraken", "dev"].iter().chain(flags)).expect("valid");
        match args.command {
            Command::Dev(dev) => *dev,
            other @ (Command::Testnet(_)
            | Command::Run(_)
            | Command::Worker(_)
            | Command::Key(_)
            | Command::Genesis(_)
            | Command::Init(_)
            | Command::Inspect(_)
            | Command::CompileClass(_)
            | Command::Bench(_)) => panic!("asked for dev, got {other:?}"),
        }
    }

    #[test]
    fn every_command_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_win_over_defaults_and_absent_ones_say_nothing() {
        let args = dev(&["--seed", "7", "-e", "5", "--port", "0", "--chain-id", "mainnet"]);
        assert_eq!(args.settings().port, 0);
        assert_eq!(args.settings().timeout, Settings::default().timeout);
        let chain = args.chain_settings();
        assert_eq!((chain.seed, chain.initial_balance, chain.accounts), (Some(7), Some(5), None));
        assert_eq!(chain.chain_id.as_ref().map(ChainName::as_str), Some("SN_MAIN"));
    }

    #[test]
    fn devnets_comforts_have_devnets_flags() {
        let plain = dev(&[]).settings();
        assert_eq!((plain.dump, plain.restricted, plain.metrics), (None, None, None));

        let path = PathBuf::from("d");
        let dump = |flags| dev(flags).settings().dump.map(|dump| (dump.on, dump.path));
        let on_exit = Some((kraken_rpc::DumpOn::Exit, Some(path.clone())));
        assert_eq!(dump(&["--dump-on", "exit", "--dump-path", "d"]), on_exit);
        let request = kraken_rpc::DumpOn::Request;
        assert_eq!(dump(&["--dump-on", "request"]), Some((request, None)));
        assert_eq!(dump(&["--dump-path", "d"]), Some((request, Some(path))));

        let restricted = |flags| dev(flags).settings().restricted.map(|methods| methods.len());
        assert_eq!(restricted(&["--restrictive-mode"]), Some(settings::RESTRICTED.len()));
        let two = ["--restrictive-mode", "devnet_mint", "devnet_dump"];
        assert_eq!(restricted(&two), Some(2));
        assert!(settings::RESTRICTED.into_iter().all(kraken_rpc::has_method));

        let metrics = dev(&["--metrics-host", "127.0.0.1"]).settings().metrics;
        assert_eq!(metrics, "127.0.0.1:9090".parse().ok());
    }

    #[test]
    fn bad_values_are_refused() {
        for flags in [
            ["--accounts", "65536"],
            ["--gas-price", "0"],
            ["--workers", "0"],
            ["--timeout", "0"],
            ["--engine", "jit"],
            ["--host", "example.org"],
            ["--block-generation-on", "sometimes"],
            ["--account-class", "cairo0"],
            ["--dump-on", "sometimes"],
            ["--dump-on", "exit"],
            ["--restrictive-mode", "devnet_getLuck"],
            ["--state-archive-capacity", "some"],
        ] {
            let parsed = Args::try_parse_from(["kraken", "dev"].iter().chain(&flags));
            let error = parsed.expect_err("a bad value");
            assert_eq!(error.exit_code(), 2, "{flags:?}");
        }
    }
}
