//! How one node of a committee runs: the layers of what was given, over the defaults.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use kraken_sequencer::Transport;

use crate::{
    args::{
        given::{Elsewhere, Given, Peer},
        limits::Limits,
        value::{self, Engine, LogFilter, Role},
    },
    failure::Failure,
    settings,
};

/// A settings file with the most validators is far smaller.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// How one node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RunSettings {
    /// Holds the chain, and what this validator signed.
    pub(crate) data_dir: PathBuf,
    /// The settings of the chain.
    pub(crate) genesis: PathBuf,
    /// The secret keys of a validator; `None` for a full node.
    pub(crate) key: Option<PathBuf>,
    /// Where JSON-RPC is served.
    pub(crate) host: IpAddr,
    /// Where JSON-RPC is served; 0 takes a free port.
    pub(crate) port: u16,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// How much callers may ask for.
    pub(crate) limits: Limits,
    /// Whether the `devnet_*` methods that only read are served.
    pub(crate) devnet: bool,
    /// How the others reach us, and we them.
    pub(crate) network: NetworkSettings,
    /// How transactions are executed.
    pub(crate) engine: Engine,
    /// Threads that execute transactions.
    pub(crate) threads: NonZeroUsize,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<SocketAddr>,
    /// What is logged.
    pub(crate) log: LogFilter,
}

/// How the others reach us, and we them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkSettings {
    /// What carries the bytes.
    pub(crate) transport: Transport,
    /// Where our primary listens.
    pub(crate) primary: SocketAddr,
    /// Where our workers listen, in the order of their ids.
    pub(crate) workers: Vec<SocketAddr>,
    /// Which of them are processes of their own.
    pub(crate) elsewhere: Vec<Elsewhere>,
    /// Where those who ask for blocks are listened to.
    pub(crate) sync: SocketAddr,
    /// Where the validators of the genesis listen, in order.
    pub(crate) peers: Vec<Peer>,
}

impl RunSettings {
    /// Reads the file at `path` and layers `flags` over it.
    ///
    /// # Errors
    /// If the file cannot be read, holds what is no setting, or something necessary is not given.
    pub(crate) fn load(path: &Path, flags: Given) -> Result<Self, Failure> {
        let file = read(path)?;
        Self::resolve(flags.or(file), path)
    }

    fn resolve(given: Given, path: &Path) -> Result<Self, Failure> {
        let missing = |name: &str, flag: &str| {
            Failure::new(
                format!("{} does not say {name}", path.display()),
                format!("add {name} to it, or give {flag}"),
            )
        };
        for peer in &given.peers {
            check_peer(peer, path)?;
        }
        let key = match (given.role.unwrap_or(settings::ROLE), given.key) {
            (Role::Validator, None) => {
                return Err(Failure::new(
                    format!("{} does not say key", path.display()),
                    "add key to it, or give --key; a node without one runs with --role full",
                ));
            }
            (Role::Full, Some(key)) => {
                return Err(Failure::new(
                    format!("a full node has no key, and {} was given", key.display()),
                    "take key out of the settings, or run a validator with --role validator",
                ));
            }
            (Role::Validator | Role::Full, key) => key,
        };
        let Given { rpc, network, execution, .. } = given;
        Ok(Self {
            data_dir: given.data_dir.ok_or_else(|| missing("data_dir", "--data-dir"))?,
            genesis: given.genesis.ok_or_else(|| missing("genesis", "--genesis"))?,
            key,
            host: rpc.host.unwrap_or(settings::HOST),
            port: rpc.port.unwrap_or(settings::PORT),
            timeout: Duration::from_secs(rpc.timeout.unwrap_or(settings::TIMEOUT_SECONDS)),
            limits: given.limits,
            devnet: rpc.devnet.unwrap_or(settings::RPC_DEVNET),
            network: NetworkSettings {
                transport: network.transport.unwrap_or(settings::TRANSPORT).0,
                primary: network.primary.unwrap_or_else(settings::primary_listen),
                workers: network.workers.unwrap_or_else(|| vec![settings::worker_listen(0)]),
                elsewhere: given.workers,
                sync: network.sync.unwrap_or_else(settings::sync_listen),
                peers: given.peers,
            },
            engine: execution.engine.unwrap_or(settings::ENGINE),
            threads: execution.threads.unwrap_or_else(settings::threads),
            metrics: given.metrics.listen,
            log: given.log.filter.unwrap_or_default(),
        })
    }
}

fn check_peer(peer: &Peer, path: &Path) -> Result<(), Failure> {
    let addresses = [&peer.primary, &peer.sync].into_iter().chain(&peer.workers);
    for address in addresses {
        value::host_and_port(address).map_err(|problem| unusable(path, &problem))?;
    }
    Ok(())
}

/// Reads a settings file; its paths are relative to its folder.
fn read(path: &Path) -> Result<Given, Failure> {
    let text = read_text(path)?;
    parse(&text, path.parent().unwrap_or(Path::new(""))).map_err(|problem| unusable(path, &problem))
}

/// Reads the text of a settings file.
///
/// # Errors
/// If it cannot be read, or is none.
pub(super) fn read_text(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: &io::Error| {
        Failure::because(
            format!("cannot read the settings file {}", path.display()),
            error,
            "name one with --config; `kraken init` writes one",
        )
    };
    let size = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if BYTES_MAX < size {
        return Err(unusable(path, &format!("it has {size} bytes, and the limit is {BYTES_MAX}")));
    }
    fs::read_to_string(path).map_err(|error| unreadable(&error))
}

fn parse(text: &str, folder: &Path) -> Result<Given, String> {
    let mut given: Given = toml::from_str(text).map_err(|error| error.to_string())?;
    for path in [&mut given.data_dir, &mut given.genesis, &mut given.key].into_iter().flatten() {
        *path = folder.join(&path);
    }
    Ok(given)
}

/// Why a settings file is of no use.
pub(super) fn unusable(path: &Path, problem: &str) -> Failure {
    Failure::new(
        format!("cannot use the settings file {}: {problem}", path.display()),
        "correct it; `kraken run --help` says what can be set",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "data_dir = \"data\"\ngenesis = \"../genesis.toml\"\nkey = \"/key.toml\"\n";

    fn load(text: &str, flags: Given) -> Result<RunSettings, Failure> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("kraken.toml");
        fs::write(&path, text).expect("writable");
        let settings = RunSettings::load(&path, flags)?;
        assert_eq!(settings.data_dir, folder.path().join("data"), "relative to the file");
        Ok(settings)
    }

    #[test]
    fn what_is_not_said_comes_from_the_defaults() {
        let settings = load(LEAST, Given::default()).expect("all that is necessary");
        assert_eq!((settings.host, settings.port), (settings::HOST, settings::PORT));
        assert!(!settings.devnet && settings.metrics.is_none());
        assert_eq!(settings.network.workers.len(), 1);
        assert_eq!(settings.log, LogFilter::default());
        assert_eq!(settings.key.as_deref(), Some(Path::new("/key.toml")));
    }

    #[test]
    fn a_full_node_has_no_key() {
        let text = "data_dir = \"data\"\ngenesis = \"g\"\nrole = \"full\"\n";
        assert_eq!(load(text, Given::default()).expect("all that is necessary").key, None);
        let text = format!("{LEAST}role = \"full\"\n");
        let failure = load(&text, Given::default()).expect_err("a key").to_string();
        assert!(failure.contains("/key.toml"), "{failure}");
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags: Given = toml::from_str("[rpc]\nport = 7").expect("valid");
        let text = format!("{LEAST}[rpc]\nport = 6\ntimeout = 5\n");
        let settings = load(&text, flags).expect("all that is necessary");
        assert_eq!((settings.port, settings.timeout), (7, Duration::from_secs(5)));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named_with_its_place() {
        for (text, part) in [
            ("genesis = \"g\"\nkey = \"k\"", "--data-dir"),
            ("data_dir = \"d\"\nkey = \"k\"", "--genesis"),
            ("data_dir = \"d\"\ngenesis = \"g\"", "--key"),
            ("[rpc]\nprot = 1", "prot"),
            ("[[peer]]\nprimary = \"a\"\nworkers = []\nsync = \"a:1\"", "host:port"),
            ("[[peer]]\nprimary = \"a:1\"\nworkers = [\"b\"]\nsync = \"a:1\"", "\"b\""),
        ] {
            let failure = load(text, Given::default()).expect_err("a bad file").to_string();
            assert!(failure.contains(part) && failure.contains("kraken.toml"), "{failure}");
        }
    }
}
