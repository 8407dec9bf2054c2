//! Every setting, with its default: here and nowhere else.
//!
//! [`Settings`] say how this node runs and may change from start to start. What the chain *is* lies
//! in its genesis; [`ChainSettings`] are wishes for that, and `None` means "not given", so that a
//! stored genesis is only ever compared with what somebody asked for.

pub(crate) mod file;
pub(crate) mod limits;
pub(crate) mod run;
pub(crate) mod worker;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::{NonZeroU128, NonZeroUsize},
    path::PathBuf,
    thread,
    time::Duration,
};

use kraken_execution::Sandbox;
use kraken_types::genesis;

use crate::args::{
    limits::Limits,
    value::{BlockGeneration, ChainName, Engine, Interval, Protocol, Role, Transport},
};

/// Accounts in block 0.
pub(crate) const ACCOUNTS: u16 = 10;
/// What each of them holds, in fri of STRK and in wei of ETH: 1,000 tokens.
pub(crate) const INITIAL_BALANCE: u128 = 1_000_000_000_000_000_000_000;
/// Where JSON-RPC is served.
pub(crate) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where JSON-RPC is served.
pub(crate) const PORT: u16 = 5050;
/// How long a request may take, in seconds.
pub(crate) const TIMEOUT_SECONDS: u64 = 120;
/// The chain, as starknet-devnet names it.
pub(crate) const CHAIN_ID: &str = "TESTNET";
/// When a block ends.
pub(crate) const BLOCK_GENERATION: BlockGeneration = BlockGeneration::Transaction;
/// Every gas price, in fri or wei.
pub(crate) const GAS_PRICE: NonZeroU128 = NonZeroU128::new(1_000_000_000).expect("not zero");
/// Bytes of a class, as JSON.
pub(crate) const CLASS_BYTES_MAX: u32 = 4_089_446;
/// Felts of a Sierra program, and of what it compiles to.
pub(crate) const CLASS_FELTS_MAX: u32 = 81_920;
/// Where the metrics of a developer's chain are served, if they are.
pub(crate) const METRICS_PORT: u16 = 9090;
/// What `--restrictive-mode` refuses if it names no methods.
pub(crate) const RESTRICTED: [&str; 8] = [
    "devnet_mint",
    "devnet_load",
    "devnet_restart",
    "devnet_createBlock",
    "devnet_abortBlocks",
    "devnet_impersonateAccount",
    "devnet_autoImpersonate",
    "devnet_getPredeployedAccounts",
];
/// How transactions are executed.
pub(crate) const ENGINE: Engine = Engine::Vm;
/// Validators of a committee on one machine.
pub(crate) const VALIDATORS: u16 = 4;
/// Workers of a validator.
pub(crate) const WORKERS: u16 = 1;
/// What orders certificates.
pub(crate) const PROTOCOL: Protocol = Protocol(genesis::Protocol::HotStuff);
/// How long a block of a committee takes.
pub(crate) const BLOCK_INTERVAL: Interval = Interval { millis: 1_000 };
/// What `kraken run` runs.
pub(crate) const ROLE: Role = Role::Validator;
/// What carries bytes between validators.
pub(crate) const TRANSPORT: Transport = Transport(kraken_sequencer::Transport::Tcp);
/// Where the primary of a validator listens. The port after it is that of sync, and those of the
/// workers follow.
pub(crate) const NETWORK_PORT: u16 = 7050;
/// Whether the `devnet_*` methods that only read are served by a committee.
pub(crate) const RPC_DEVNET: bool = false;
/// The settings of one validator.
pub(crate) const CONFIG_FILE: &str = "kraken.toml";
/// What is logged.
pub(crate) const LOG: &str = "info";

/// Transactions of a block that no single transaction ends.
pub(crate) const BLOCK_TRANSACTIONS_MAX: u32 = 10_000;
/// How many transactions may wait or be under way.
pub(crate) const POOL_TRANSACTIONS_MAX: usize = 50_000;
/// How many bytes they may have, encoded.
pub(crate) const POOL_BYTES_MAX: usize = 256 << 20;
/// Once half of the pool is in use, an account may hold one in so many of its places and bytes.
pub(crate) const POOL_ACCOUNT_PART: usize = 16;
/// How long a transaction may wait for the nonces before it, or for a lower price.
pub(crate) const POOL_TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// How long a shutdown may take before the process ends anyway.
pub(crate) const SHUTDOWN_MAX: Duration = Duration::from_secs(30);
/// Stack of each thread of the runtime: Cairo recurses, and the compiler of Sierra more so.
pub(crate) const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

/// Where the primary of a validator listens.
pub(crate) const fn primary_listen() -> SocketAddr {
    everywhere(NETWORK_PORT)
}

/// Where a validator listens to those who ask for blocks.
pub(crate) const fn sync_listen() -> SocketAddr {
    everywhere(NETWORK_PORT + 1)
}

/// Where a worker of a validator listens.
pub(crate) const fn worker_listen(worker: u16) -> SocketAddr {
    everywhere(NETWORK_PORT + 2 + worker)
}

const fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)
}

/// Threads of the runtime: one for each core, and one more, since short reads of JSON-RPC may wait for
/// the disk on all of them but one.
pub(crate) fn runtime_threads() -> usize {
    threads().get().saturating_add(1)
}

/// Threads that execute transactions: one for each core.
pub(crate) fn threads() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// How classes are compiled that callers send. A large one takes a few seconds and some hundred
/// megabytes; the rest is for machines that have other things to do.
pub(crate) fn submission_sandbox(program: PathBuf, threads: NonZeroUsize) -> Sandbox {
    Sandbox {
        program,
        processor_time: Duration::from_secs(30),
        wall_time: Duration::from_secs(60),
        memory_bytes: 4 << 30,
        // Half of the processors at most, because blocks are made here as well.
        at_once: threads.get().div_ceil(2),
        waiting_max: 32,
        attempts: 1,
    }
}

/// How classes are compiled that are in the order: with so much more of everything that whatever
/// another validator let in, on a machine with the limits above, is compiled here. What is over
/// these limits ends this validator.
pub(crate) fn order_sandbox(program: PathBuf) -> Sandbox {
    Sandbox {
        program,
        processor_time: Duration::from_secs(600),
        wall_time: Duration::from_secs(1_800),
        memory_bytes: 16 << 30,
        // Those who ask are the builder and whoever takes blocks over, and they wait for theirs.
        at_once: 2,
        waiting_max: 1_000,
        attempts: 3,
    }
}

/// How this node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where JSON-RPC is served.
    pub(crate) host: IpAddr,
    /// Where JSON-RPC is served; 0 takes a free port.
    pub(crate) port: u16,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// How much callers may ask for.
    pub(crate) limits: Limits,
    /// Holds everything; without it, everything is in memory.
    pub(crate) data_dir: Option<PathBuf>,
    /// How transactions are executed.
    pub(crate) engine: Engine,
    /// Threads that execute transactions.
    pub(crate) workers: NonZeroUsize,
    /// Told the port, as two big-endian bytes, once JSON-RPC is served.
    pub(crate) unix_socket: Option<PathBuf>,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<SocketAddr>,
    /// The Sierra artefact of the class of the accounts, if it is another one than usual.
    pub(crate) account_class: Option<PathBuf>,
    /// Whether the classes of Argent are declared in block 0.
    pub(crate) argent: bool,
    /// Methods that are refused.
    pub(crate) restricted: Option<Vec<String>>,
    /// Whether requests are recorded.
    pub(crate) dump: Option<kraken_rpc::Dump>,
    /// What was said about old states.
    pub(crate) state_archive: kraken_rpc::StateArchive,
    /// Whether somebody does not need block hashes.
    pub(crate) lite_mode: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host: HOST,
            port: PORT,
            timeout: Duration::from_secs(TIMEOUT_SECONDS),
            limits: Limits::default(),
            data_dir: None,
            engine: ENGINE,
            workers: threads(),
            unix_socket: None,
            metrics: None,
            account_class: None,
            argent: false,
            restricted: None,
            dump: None,
            state_archive: kraken_rpc::StateArchive::Full,
            lite_mode: false,
        }
    }
}

/// What somebody wants the chain to be; `None` where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChainSettings {
    /// Where the accounts' keys come from.
    pub(crate) seed: Option<u32>,
    /// How many accounts.
    pub(crate) accounts: Option<u16>,
    /// What each holds, in fri of STRK and in wei of ETH.
    pub(crate) initial_balance: Option<u128>,
    /// Covered by every signature.
    pub(crate) chain_id: Option<ChainName>,
    /// The time of block 0, in seconds since the Unix epoch.
    pub(crate) start_time: Option<u64>,
    /// When a block ends.
    pub(crate) block_generation: Option<BlockGeneration>,
    /// Wei per unit of L1 gas.
    pub(crate) gas_price_wei: Option<NonZeroU128>,
    /// Fri per unit of L1 gas.
    pub(crate) gas_price_fri: Option<NonZeroU128>,
    /// Wei per unit of L1 data gas.
    pub(crate) data_gas_price_wei: Option<NonZeroU128>,
    /// Fri per unit of L1 data gas.
    pub(crate) data_gas_price_fri: Option<NonZeroU128>,
    /// Wei per unit of L2 gas.
    pub(crate) l2_gas_price_wei: Option<NonZeroU128>,
    /// Fri per unit of L2 gas.
    pub(crate) l2_gas_price_fri: Option<NonZeroU128>,
    /// Bytes of a class, as JSON.
    pub(crate) class_bytes_max: Option<u32>,
    /// Felts of the bytecode of a class.
    pub(crate) bytecode_felts_max: Option<u32>,
    /// Felts of a Sierra program.
    pub(crate) sierra_felts_max: Option<u32>,
}

impl ChainSettings {
    /// What a chain is if nothing is said. The seed and the time come from the moment.
    pub(crate) fn defaults() -> Self {
        let price = Some(GAS_PRICE);
        Self {
            seed: None,
            accounts: Some(ACCOUNTS),
            initial_balance: Some(INITIAL_BALANCE),
            chain_id: Some(CHAIN_ID.parse().expect("the default names a chain")),
            start_time: None,
            block_generation: Some(BLOCK_GENERATION),
            gas_price_wei: price,
            gas_price_fri: price,
            data_gas_price_wei: price,
            data_gas_price_fri: price,
            l2_gas_price_wei: price,
            l2_gas_price_fri: price,
            class_bytes_max: Some(CLASS_BYTES_MAX),
            bytecode_felts_max: Some(CLASS_FELTS_MAX),
            sierra_felts_max: Some(CLASS_FELTS_MAX),
        }
    }
}

/// What somebody wants a committee to agree on; `None` where nothing was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CommitteeSettings {
    /// What it has in common with a development chain; when a block ends is said below instead.
    pub(crate) chain: ChainSettings,
    /// What orders certificates.
    pub(crate) protocol: Option<Protocol>,
    /// How long a block takes.
    pub(crate) block_interval: Option<Interval>,
}
