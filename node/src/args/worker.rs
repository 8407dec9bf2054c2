//! What can be said about a worker that is a process of its own: as flags, in the environment, or in
//! its settings file. As for validators, one definition serves all three.

use std::{net::SocketAddr, path::PathBuf};

use serde::Deserialize;

use super::{
    given::{Log, Metrics, text},
    shown,
    value::Transport,
};
use crate::settings;

pub(crate) const WORKER_HELP: &str = "\
A validator may have several workers: each spreads a part of the transactions, over connections of
its own. One that is a process of its own can be on a machine of its own. It has a secret of its own
that cannot vote, and its batches are on its disk before anybody hears of them.

Settings come from the file, if there is one, the environment and flags; the later ones win.

Example, for worker 0 of a validator whose kraken.toml says
  [[worker]]
  place = 0
  link = \"0.0.0.0:7060\"

  kraken key --worker-of key.toml --place 0 --out worker-0.toml
  kraken worker --data-dir worker-0 --genesis genesis.toml --key worker-0.toml \\
      --primary validator.example.org:7060 --listen 0.0.0.0:7052 \\
      --peer alice.example.org:7052 --peer bob.example.org:7052 --peer carol.example.org:7052

Kill it or its validator, and start it again: no batch that others count on is lost.";

/// `kraken worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgs {
    /// The settings of this worker; flags and the environment can say it all, too
    #[arg(long, env = "KRAKEN_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// End when the standard input is closed, so that no worker outlives who started it
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,

    #[command(flatten)]
    pub(crate) given: WorkerGiven,
}

/// What one layer says about a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Files")]
pub(crate) struct WorkerGiven {
    /// Keep batches in this folder
    #[arg(long, env = "KRAKEN_DATA_DIR", value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,

    /// The settings of the chain, the same on all validators
    #[arg(long, env = "KRAKEN_GENESIS", value_name = "FILE")]
    pub(crate) genesis: Option<PathBuf>,

    /// The secret key of this worker; it says whose worker it is, and which
    #[arg(long, env = "KRAKEN_KEY", value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,

    /// Where its validator waits for it
    #[arg(long, env = "KRAKEN_PRIMARY", value_name = "HOST:PORT", help_heading = "Network")]
    pub(crate) primary: Option<String>,

    #[arg(
        id = "worker_listen",
        long = "listen",
        env = "KRAKEN_LISTEN",
        value_name = "ADDRESS",
        help_heading = "Network",
        help = shown("Listen here for the workers of the others", settings::worker_listen(0))
    )]
    pub(crate) listen: Option<SocketAddr>,

    /// Where the worker at its place is of each validator; once for each validator, in the order of
    /// the genesis
    #[arg(long = "peer", value_name = "HOST:PORT", help_heading = "Network")]
    pub(crate) peers: Vec<String>,

    #[arg(
        long = "network.transport",
        env = "KRAKEN_NETWORK_TRANSPORT",
        value_name = "NAME",
        help_heading = "Network",
        help = shown("What carries bytes, as on all validators", settings::TRANSPORT)
    )]
    #[serde(deserialize_with = "text")]
    pub(crate) transport: Option<Transport>,

    #[command(flatten)]
    pub(crate) metrics: Metrics,

    /// The flag is `--log`, which all commands have.
    #[arg(skip)]
    pub(crate) log: Log,
}

impl WorkerGiven {
    /// This layer over a lower one.
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(lower.data_dir),
            genesis: self.genesis.or(lower.genesis),
            key: self.key.or(lower.key),
            primary: self.primary.or(lower.primary),
            listen: self.listen.or(lower.listen),
            peers: if self.peers.is_empty() { lower.peers } else { self.peers },
            transport: self.transport.or(lower.transport),
            metrics: Metrics { listen: self.metrics.listen.or(lower.metrics.listen) },
            log: Log { filter: self.log.filter.or(lower.log.filter) },
        }
    }
}
