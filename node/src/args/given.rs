//! What can be said about one node of a committee: as flags, in the environment, or in `kraken.toml`.
//!
//! One definition serves all three, so that `port` of `[rpc]`, `--rpc.port` and `KRAKEN_RPC_PORT`
//! cannot mean different things. What was not said is `None`.

use std::{
    fmt::Display,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de::Error};

use super::{
    limits::Limits,
    shown,
    value::{self, Engine, LogFilter, Role, Transport},
};
use crate::settings;

/// What one layer says about a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Files")]
pub(crate) struct Given {
    #[arg(
        long,
        env = "KRAKEN_ROLE",
        value_name = "NAME",
        help_heading = "Node",
        help = shown(
            "Be a validator of the committee, or a full node, which has no key and follows it: \
             validator or full",
            settings::ROLE,
        )
    )]
    #[serde(deserialize_with = "text")]
    pub(crate) role: Option<Role>,

    /// Keep the chain in this folder, and what this validator signed
    #[arg(long, env = "KRAKEN_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// The settings of the chain, the same on all validators
    #[arg(long, env = "KRAKEN_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,

    /// The secret keys of this validator; a full node has none
    #[arg(long, env = "KRAKEN_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) rpc: Rpc,

    #[command(flatten)]
    pub(crate) limits: Limits,

    #[command(flatten)]
    pub(crate) network: Network,

    /// Workers that are processes of their own; only in the file.
    #[arg(skip)]
    #[serde(rename = "worker")]
    pub(crate) workers: Vec<Elsewhere>,

    /// Where the others are; only in the file.
    #[arg(skip)]
    #[serde(rename = "peer")]
    pub(crate) peers: Vec<Peer>,

    #[command(flatten)]
    pub(crate) execution: Execution,

    #[command(flatten)]
    pub(crate) metrics: Metrics,

    /// The flag is `--log`, which all commands have.
    #[arg(skip)]
    pub(crate) log: Log,
}

/// Where JSON-RPC is served.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "JSON-RPC")]
pub(crate) struct Rpc {
    #[arg(
        long = "rpc.host",
        env = "KRAKEN_RPC_HOST",
        value_name = "ADDRESS",
        value_parser = value::host,
        help = shown("Serve JSON-RPC on this address", settings::HOST)
    )]
    #[serde(deserialize_with = "host")]
    pub(crate) host: Option<IpAddr>,

    #[arg(
        long = "rpc.port",
        env = "KRAKEN_RPC_PORT",
        value_name = "NUMBER",
        help = shown("Serve JSON-RPC on this port; 0 takes a free one and prints it", settings::PORT)
    )]
    pub(crate) port: Option<u16>,

    #[arg(
        long = "rpc.timeout",
        env = "KRAKEN_RPC_TIMEOUT",
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400),
        help = shown("Answer a request within this time or fail it", settings::TIMEOUT_SECONDS)
    )]
    #[serde(deserialize_with = "timeout")]
    pub(crate) timeout: Option<u64>,

    #[arg(
        long = "rpc.devnet",
        env = "KRAKEN_RPC_DEVNET",
        value_name = "true|false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        help = shown(
            "Serve the devnet_* methods that only read, the funded accounts with their keys among \
             them",
            settings::RPC_DEVNET,
        )
    )]
    pub(crate) devnet: Option<bool>,
}

/// Where this validator listens for the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Network")]
pub(crate) struct Network {
    #[arg(
        long = "network.transport",
        env = "KRAKEN_NETWORK_TRANSPORT",
        value_name = "NAME",
        help = shown(
            "Reach the others over tcp (encrypted by Noise), quic (over UDP) or plaintext (TCP \
             without encryption, only for measuring)",
            settings::TRANSPORT,
        )
    )]
    #[serde(deserialize_with = "text")]
    pub(crate) transport: Option<Transport>,

    #[arg(
        long = "network.primary",
        env = "KRAKEN_NETWORK_PRIMARY",
        value_name = "ADDRESS",
        help = shown("Listen here for the primaries of the others", settings::primary_listen())
    )]
    pub(crate) primary: Option<SocketAddr>,

    #[arg(
        long = "network.workers",
        env = "KRAKEN_NETWORK_WORKERS",
        value_name = "ADDRESS,…",
        value_delimiter = ',',
        help = shown(
            "Listen here for the workers of the others, one address for each worker",
            settings::worker_listen(0),
        )
    )]
    pub(crate) workers: Option<Vec<SocketAddr>>,

    #[arg(
        long = "network.sync",
        env = "KRAKEN_NETWORK_SYNC",
        value_name = "ADDRESS",
        help = shown("Listen here for those who ask for blocks", settings::sync_listen())
    )]
    pub(crate) sync: Option<SocketAddr>,
}

/// Where another validator listens, each as `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Peer {
    /// Its primary.
    pub(crate) primary: String,
    /// Its workers, in the order of their ids.
    pub(crate) workers: Vec<String>,
    /// Where it gives blocks to those who are behind.
    pub(crate) sync: String,
}

/// A worker of this validator that is a process of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Elsewhere {
    /// Its place among the workers.
    pub(crate) place: u8,
    /// Where the validator waits for it.
    pub(crate) link: SocketAddr,
}

/// How Cairo runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Execution")]
pub(crate) struct Execution {
    #[arg(
        long = "execution.engine",
        env = "KRAKEN_EXECUTION_ENGINE",
        value_name = "NAME",
        help = shown("Run Cairo in this engine: vm, the Cairo VM", settings::ENGINE)
    )]
    #[serde(deserialize_with = "text")]
    pub(crate) engine: Option<Engine>,

    /// Execute transactions on this many threads [default: one for each core]
    #[arg(long = "execution.threads", env = "KRAKEN_EXECUTION_THREADS", value_name = "NUMBER")]
    pub(crate) threads: Option<NonZeroUsize>,
}

/// What Prometheus reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct Metrics {
    /// Serve /metrics, /health and /ready on this address [default: nowhere]
    #[arg(long = "metrics.listen", env = "KRAKEN_METRICS_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
}

/// What is logged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// A level, or a filter.
    #[serde(deserialize_with = "text")]
    pub(crate) filter: Option<LogFilter>,
}

impl Given {
    /// This layer over a lower one.
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            role: self.role.or(lower.role),
            data_dir: self.data_dir.or(lower.data_dir),
            genesis: self.genesis.or(lower.genesis),
            key: self.key.or(lower.key),
            rpc: Rpc {
                host: self.rpc.host.or(lower.rpc.host),
                port: self.rpc.port.or(lower.rpc.port),
                timeout: self.rpc.timeout.or(lower.rpc.timeout),
                devnet: self.rpc.devnet.or(lower.rpc.devnet),
            },
            limits: self.limits.or(lower.limits),
            network: Network {
                transport: self.network.transport.or(lower.network.transport),
                primary: self.network.primary.or(lower.network.primary),
                workers: self.network.workers.or(lower.network.workers),
                sync: self.network.sync.or(lower.network.sync),
            },
            workers: if self.workers.is_empty() { lower.workers } else { self.workers },
            peers: if self.peers.is_empty() { lower.peers } else { self.peers },
            execution: Execution {
                engine: self.execution.engine.or(lower.execution.engine),
                threads: self.execution.threads.or(lower.execution.threads),
            },
            metrics: Metrics { listen: self.metrics.listen.or(lower.metrics.listen) },
            log: Log { filter: self.log.filter.or(lower.log.filter) },
        }
    }
}

/// Reads what a flag reads.
pub(super) fn text<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(from)?.parse().map(Some).map_err(D::Error::custom)
}

fn host<'de, D: Deserializer<'de>>(from: D) -> Result<Option<IpAddr>, D::Error> {
    value::host(&String::deserialize(from)?).map(Some).map_err(D::Error::custom)
}

fn timeout<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(from)? {
        seconds @ 1..=86_400 => Ok(Some(seconds)),
        other => Err(D::Error::custom(format!("must be 1 to 86400 seconds, is {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(text: &str) -> Result<Given, toml::de::Error> {
        toml::from_str(text)
    }

    #[test]
    fn a_higher_layer_hides_what_it_says_and_nothing_else() {
        let file = given("key = \"a\"\n[rpc]\nport = 1\nhost = \"localhost\"").expect("valid");
        let flags = given("[rpc]\nport = 2\n[metrics]\nlisten = \"[::1]:9\"").expect("valid");
        let both = flags.or(file);
        assert_eq!(both.rpc.port, Some(2));
        assert_eq!(both.rpc.host, Some(settings::HOST));
        assert_eq!(both.key, Some(PathBuf::from("a")));
        assert_eq!(both.metrics.listen, "[::1]:9".parse().ok());
        assert_eq!(both.data_dir, None);
    }

    #[test]
    fn what_is_unknown_or_cannot_be_is_refused() {
        for text in [
            "colour = 1",
            "role = \"king\"",
            "[rpc]\ncolour = 1",
            "[rpc]\nport = 65536",
            "[rpc]\ntimeout = 0",
            "[rpc]\nhost = \"example.org\"",
            "[limits]\nsockets = 0",
            "[limits]\nsocks = 1",
            "[network]\ntransport = \"pigeon\"",
            "[network]\nprimary = \"example.org:1\"",
            "[execution]\nthreads = 0",
            "[execution]\nengine = \"jit\"",
            "[log]\nfilter = \"kraken=loud\"",
            "[[peer]]\nprimary = \"a:1\"",
            "[[worker]]\nplace = 0",
            "[[worker]]\nplace = -1\nlink = \"[::]:1\"",
            "[[peer]]\nprimary = \"a:1\"\nworkers = []\nsync = \"a:2\"\nname = \"b\"",
        ] {
            assert!(given(text).is_err(), "{text}");
        }
    }
}
