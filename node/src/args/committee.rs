//! What can be typed about a committee: `key`, `genesis`, `init`, `run`, `testnet`.

use std::{net::IpAddr, path::PathBuf};

use kraken_types::Stake;

use super::{
    given::Given,
    shown,
    value::{self, ChainName, Interval, Protocol, Transport},
};
use crate::settings::{self, ChainSettings, CommitteeSettings};

/// The most workers of a validator, as a flag takes it.
const WORKERS_MAX: i64 = 32;
/// The most validators that one machine is asked to run.
const VALIDATORS_MAX: i64 = 64;

pub(crate) const KEY_HELP: &str = "\
The file holds the secrets of one validator: one key for votes, one for the connections of its
primary, one for those of each worker. Nobody but its owner can read it, and it is never overwritten.
What is printed is the public half; it goes to whoever puts the genesis together.

Examples:
  kraken key --out key.toml > member.toml    make a key file, and keep its public half
  kraken key --show key.toml                 print the public half again
  kraken key --worker-of key.toml --place 0 --out worker-0.toml
                                             the secret of a worker for a machine of its own";

pub(crate) const GENESIS_HELP: &str = "\
Puts the public halves of the validators together with the settings that all of them share. The order
of the files is that of the validators' ids. Everything else that can be set is in the file that is
written, with the defaults of `kraken dev`; change it before anybody starts with it.

The funded accounts follow from --seed, and anybody can compute their keys.

Example:
  kraken genesis --member alice.toml --member bob.toml --member carol.toml --member dave.toml \\
      --chain-id MY_CHAIN --out genesis.toml

Each validator then runs `kraken init` with this file.";

pub(crate) const INIT_HELP: &str = "\
Checks that genesis and key belong together, and writes kraken.toml, where every setting is explained.
--peer says where the validators are, in the order of the genesis, this one included: its port is that
of the primary, the next one is for sync, and those after that are for the workers.

A full node needs no key: --role full.

Examples:
  kraken init --data-dir data --genesis genesis.toml --key key.toml \\
      --peer alice.example.org --peer bob.example.org --peer 203.0.113.7:7050 --peer dave.example.org
  kraken init --role full --data-dir data --genesis genesis.toml \\
      --peer alice.example.org --peer bob.example.org --peer 203.0.113.7:7050 --peer dave.example.org
  kraken run";

pub(crate) const RUN_HELP: &str = "\
Settings come from the file, the environment and flags; the later ones win.

With --role full it is a full node: it has no key and orders nothing, follows the validators, checks
what a quorum of them signed, serves all of JSON-RPC, and hands transactions to a validator.

Examples:
  kraken run                          the validator of ./kraken.toml
  kraken run --config b/kraken.toml --rpc.port 6060 --metrics.listen 127.0.0.1:9464
  kraken init --help                  how to make the file

Ctrl-C stops it; what it has signed and executed is on disk before anybody hears of it.";

pub(crate) const TESTNET_HELP: &str = "\
Makes keys, a genesis and a folder with a kraken.toml for each validator, and runs each as a process
of its own: kill one, and see the others go on. Without --data-dir all of it is in a temporary folder
that is gone afterwards; with it, the same command goes on with the committee that is there.

Examples:
  kraken testnet                                     four validators, HotStuff, RPC on 5050 to 5053
  kraken testnet --validators 7 --protocol bullshark
  kraken testnet --data-dir ./net                    keep it; logs are in ./net/validator-N/log.txt
  kraken testnet --rpc.port 0                        any free ports; they are printed
  kraken run --config ./net/validator-2/kraken.toml  bring a validator back that was killed

The accounts are those of `kraken dev` with the same seed. Ctrl-C stops all validators.";

/// `kraken key`.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// Make new keys, and write them to this file
    #[arg(long, value_name = "FILE", required_unless_present = "show")]
    pub(crate) out: Option<PathBuf>,

    /// Print the public half of this key file
    #[arg(long, value_name = "FILE", conflicts_with = "out")]
    pub(crate) show: Option<PathBuf>,

    /// Copy the secret of one worker out of this key file, to the file that --out names
    #[arg(long, value_name = "FILE", requires_all = ["out", "place"])]
    pub(crate) worker_of: Option<PathBuf>,

    /// Which worker, counted from 0
    #[arg(long, value_name = "NUMBER", requires = "worker_of")]
    pub(crate) place: Option<u8>,

    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=WORKERS_MAX),
        conflicts_with_all = ["show", "worker_of"],
        help = shown("Make keys for this many workers", settings::WORKERS)
    )]
    pub(crate) workers: Option<u16>,

    /// Its weight in votes, as the public half says it
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u64).range(1..),
        default_value_t = 1
    )]
    pub(crate) stake: Stake,
}

/// `kraken genesis`.
#[derive(Debug, clap::Args)]
pub(crate) struct GenesisArgs {
    /// The public half of a validator, as `kraken key` prints it; once for each validator
    #[arg(long = "member", value_name = "FILE", required = true)]
    pub(crate) members: Vec<PathBuf>,

    /// Write the genesis to this file
    #[arg(long, value_name = "FILE", default_value = "genesis.toml")]
    pub(crate) out: PathBuf,

    #[command(flatten)]
    pub(crate) chain: CommitteeChainArgs,
}

/// `kraken init`.
#[derive(Debug, clap::Args)]
pub(crate) struct InitArgs {
    /// Where each validator is.
    #[arg(
        long = "peer",
        value_name = "HOST[:PORT]",
        help = "Where a validator is; once for each validator, in the order of the genesis"
    )]
    pub(crate) peers: Vec<String>,

    #[arg(
        long,
        value_name = "FILE",
        help = shown("Write the settings to this file", settings::CONFIG_FILE)
    )]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) given: Given,
}

/// `kraken run`.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    #[arg(
        long,
        env = "KRAKEN_CONFIG",
        value_name = "FILE",
        help = shown("The settings of this node", settings::CONFIG_FILE)
    )]
    pub(crate) config: Option<PathBuf>,

    /// The key was restored from a copy: catch up before signing anything. An empty data folder
    /// beside a key file that was used is noticed without this
    #[arg(long)]
    pub(crate) restored_key: bool,

    /// End when the standard input is closed, so that no validator outlives who started it
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,

    #[command(flatten)]
    pub(crate) given: Given,
}

/// `kraken testnet`.
#[derive(Debug, clap::Args)]
pub(crate) struct TestnetArgs {
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=VALIDATORS_MAX),
        help = shown("Run this many validators", settings::VALIDATORS)
    )]
    pub(crate) validators: Option<u16>,

    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=WORKERS_MAX),
        help = shown("Workers of each validator", settings::WORKERS)
    )]
    pub(crate) workers: Option<u16>,

    /// Keep everything in this folder, and go on with what is there [default: a temporary one]
    #[arg(long, env = "KRAKEN_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// Start a validator again when it ends by itself [default: only say so]
    #[arg(long)]
    pub(crate) restart: bool,

    #[arg(
        long = "network.transport",
        env = "KRAKEN_NETWORK_TRANSPORT",
        value_name = "NAME",
        help = shown("What carries bytes: tcp, quic or plaintext", settings::TRANSPORT)
    )]
    pub(crate) transport: Option<Transport>,

    /// End when the standard input is closed, so that no validator outlives who started it
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,

    #[command(flatten)]
    pub(crate) rpc: TestnetRpcArgs,

    #[command(flatten)]
    pub(crate) chain: CommitteeChainArgs,
}

/// Where the validators of a testnet serve JSON-RPC.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "JSON-RPC")]
pub(crate) struct TestnetRpcArgs {
    #[arg(
        long = "rpc.host",
        env = "KRAKEN_RPC_HOST",
        value_name = "ADDRESS",
        value_parser = value::host,
        help = shown("Serve JSON-RPC on this address", settings::HOST)
    )]
    pub(crate) host: Option<IpAddr>,

    #[arg(
        long = "rpc.port",
        env = "KRAKEN_RPC_PORT",
        value_name = "NUMBER",
        help = shown(
            "The port of the first validator; the others take the next ones. 0 takes free ones and \
             prints them",
            settings::PORT,
        )
    )]
    pub(crate) port: Option<u16>,
}

/// What a committee agrees on.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Chain")]
pub(crate) struct CommitteeChainArgs {
    #[arg(
        long,
        value_name = "NAME",
        help = shown(
            "Order transactions by hotstuff, bullshark or fcfs (first come, first served)",
            settings::PROTOCOL,
        )
    )]
    protocol: Option<Protocol>,

    #[arg(
        long,
        value_name = "TIME",
        help = shown(
            "End a block after this time, for example 500ms; there are none without transactions",
            settings::BLOCK_INTERVAL,
        )
    )]
    block_interval: Option<Interval>,

    #[arg(
        long,
        value_name = "NAME",
        help = shown(
            "Name the chain: TESTNET (SN_SEPOLIA), MAINNET (SN_MAIN) or a name of your own in \
             capitals",
            settings::CHAIN_ID,
        )
    )]
    chain_id: Option<ChainName>,

    /// Derive the funded accounts from this number [default: 0]
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u32>,

    #[arg(
        long,
        value_name = "NUMBER",
        help = shown("Create this many funded accounts", settings::ACCOUNTS)
    )]
    accounts: Option<u16>,

    #[arg(
        long,
        value_name = "DECIMAL",
        help = shown("Fund each account with this many fri and wei", settings::INITIAL_BALANCE)
    )]
    initial_balance: Option<u128>,
}

impl CommitteeChainArgs {
    /// What was said about the chain and the committee.
    pub(crate) fn settings(&self) -> CommitteeSettings {
        CommitteeSettings {
            chain: ChainSettings {
                seed: self.seed,
                accounts: self.accounts,
                initial_balance: self.initial_balance,
                chain_id: self.chain_id.clone(),
                ..ChainSettings::default()
            },
            protocol: self.protocol,
            block_interval: self.block_interval,
        }
    }
}
