//! The folder of a testnet: a genesis, and a folder with keys and settings for each validator.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::SystemTime,
};

use kraken_types::Genesis;
use tempfile::TempDir;

use crate::{
    args::{
        committee::TestnetArgs,
        given::{Execution, Given, Metrics, Network, Peer, Rpc},
    },
    failure::Failure,
    folder::Folder,
    genesis::committee,
    keys::Keys,
    ports,
    settings::{self, file, run::RunSettings},
    wiring::{
        self,
        address::{Remedies, unreachable_at},
    },
};

/// A testnet that is ready to be started.
#[derive(Debug)]
pub(super) struct Layout {
    /// The settings of the chain.
    pub(super) genesis: Genesis,
    /// In the order of the genesis.
    pub(super) places: Vec<Place>,
    /// Ours as long as this value lives.
    folder: Folder,
    /// Removed when this value is gone.
    temporary: Option<TempDir>,
}

/// Where a validator is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its keys, settings, data and log.
    pub(super) folder: PathBuf,
    /// Where it serves JSON-RPC.
    pub(super) rpc: SocketAddr,
    /// Where it serves metrics.
    pub(super) metrics: Option<SocketAddr>,
}

impl Layout {
    /// Makes the folder, or reads what is there. RPC ports are those that are asked for; for a
    /// folder that is kept, else those of its settings.
    ///
    /// # Errors
    /// If the folder holds another committee or something else, or ports are taken.
    pub(super) fn prepare(args: &TestnetArgs) -> Result<Self, Failure> {
        let temporary = args.data_dir.is_none().then(temporary_folder).transpose()?;
        let path = match (&temporary, &args.data_dir) {
            (Some(temporary), _) => temporary.path(),
            (None, Some(path)) => path,
            (None, None) => Path::new("."),
        };
        let folder = Folder::claim(path)?;
        let genesis = match folder.genesis()? {
            Some(genesis) => {
                let sizes = (args.validators, args.workers);
                committee::check(&genesis, &args.chain.settings(), sizes, path)?;
                genesis
            }
            None => make(&folder, args)?,
        };
        let folders: Vec<_> =
            (0..genesis.committee.len()).map(|id| path.join(format!("validator-{id}"))).collect();
        if !folders.iter().all(|folder| folder.join(settings::CONFIG_FILE).exists()) {
            write_settings(&folders, &genesis, args)?;
        }
        let places = places(&folders, args)?;
        Ok(Self { genesis, places, folder, temporary })
    }

    /// Where everything is.
    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Whether it is removed at the end.
    pub(super) const fn is_temporary(&self) -> bool {
        self.temporary.is_some()
    }
}

fn temporary_folder() -> Result<TempDir, Failure> {
    tempfile::Builder::new().prefix("kraken-testnet-").tempdir().map_err(|error| {
        Failure::because("cannot make a temporary folder", &error, "name one with --data-dir")
    })
}

/// Makes keys, then the genesis that names them.
fn make(folder: &Folder, args: &TestnetArgs) -> Result<Genesis, Failure> {
    let mut members = Vec::new();
    for id in 0..args.validators.unwrap_or(settings::VALIDATORS) {
        let own = folder.path().join(format!("validator-{id}"));
        fs::create_dir(&own).map_err(|error| unusable(&own, &error))?;
        let keys = Keys::random(args.workers.unwrap_or(settings::WORKERS).into());
        keys.write(&own.join("key.toml"))?;
        members.push(keys.member(1));
    }
    let now = wiring::seconds_since_epoch(SystemTime::now());
    let genesis = committee::create(&args.chain.settings(), members, now);
    folder.write_genesis(&genesis)?;
    Ok(genesis)
}

/// Writes the settings of all validators, who listen on free ports of loopback.
fn write_settings(
    folders: &[PathBuf],
    genesis: &Genesis,
    args: &TestnetArgs,
) -> Result<(), Failure> {
    let first = genesis.committee.first().and_then(|member| member.network.as_ref());
    let workers = first.map_or(0, |network| network.workers.len());
    let each = 3 + workers;
    let ports = ports::free(folders.len() * each).map_err(|error| no_ports(&error))?;
    let ports: Vec<_> = ports.chunks(each).collect();
    let peers: Vec<_> = ports.iter().map(|ports| peer(ports)).collect();
    let rpc = rpc_ports(folders.len(), args)?;
    // All validators share the cores.
    let threads = NonZeroUsize::new(settings::threads().get() / folders.len());
    let threads = threads.unwrap_or(NonZeroUsize::MIN);
    for ((folder, ports), rpc) in folders.iter().zip(&ports).zip(rpc) {
        let rpc = Rpc { host: args.rpc.host, port: Some(rpc), devnet: Some(true), timeout: None };
        let given = Given {
            data_dir: Some("data".into()),
            genesis: Some("../genesis.toml".into()),
            key: Some("key.toml".into()),
            rpc,
            network: network(ports, args),
            metrics: Metrics { listen: Some(loopback(ports[2])) },
            execution: Execution { threads: Some(threads), engine: None },
            peers: peers.clone(),
            ..Given::default()
        };
        let path = folder.join(settings::CONFIG_FILE);
        fs::write(&path, file::write(&given)?).map_err(|error| unusable(&path, &error))?;
    }
    Ok(())
}

/// Where a validator with these ports listens: primary, sync, metrics, then its workers.
fn network(ports: &[u16], args: &TestnetArgs) -> Network {
    Network {
        transport: args.transport,
        primary: Some(loopback(ports[0])),
        sync: Some(loopback(ports[1])),
        workers: Some(ports[3..].iter().map(|port| loopback(*port)).collect()),
    }
}

/// Where a validator with these ports is found.
fn peer(ports: &[u16]) -> Peer {
    let text = |port: &u16| loopback(*port).to_string();
    Peer {
        primary: text(&ports[0]),
        sync: text(&ports[1]),
        workers: ports[3..].iter().map(text).collect(),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The ports of JSON-RPC that are asked for.
fn rpc_ports(count: usize, args: &TestnetArgs) -> Result<Vec<u16>, Failure> {
    match args.rpc.port.unwrap_or(settings::PORT) {
        0 => ports::free(count).map_err(|error| no_ports(&error)),
        first => {
            let ports: Vec<u16> = (first..=u16::MAX).take(count).collect();
            if ports.len() < count {
                return Err(Failure::new(
                    format!("there are no {count} ports from {first} on"),
                    "name a lower one with --rpc.port",
                ));
            }
            Ok(ports)
        }
    }
}

/// Where everybody is, by the settings files and the flags that win over them.
fn places(folders: &[PathBuf], args: &TestnetArgs) -> Result<Vec<Place>, Failure> {
    let asked = args.rpc.port.map(|_| rpc_ports(folders.len(), args)).transpose()?;
    let mut places = Vec::new();
    for (id, folder) in folders.iter().enumerate() {
        let port = asked.as_ref().map(|ports| ports[id]);
        let rpc = Rpc { host: args.rpc.host, port, ..Rpc::default() };
        let flags = Given { rpc, ..Given::default() };
        let settings = RunSettings::load(&folder.join(settings::CONFIG_FILE), flags)?;
        let rpc = SocketAddr::new(settings.host, settings.port);
        check_free(rpc)?;
        places.push(Place { folder: folder.clone(), rpc, metrics: settings.metrics });
    }
    Ok(places)
}

/// Says that a port is taken before anything is started.
fn check_free(address: SocketAddr) -> Result<(), Failure> {
    let remedies = Remedies { host: "--rpc.host", port: "--rpc.port" };
    let bound = std::net::TcpListener::bind(address);
    bound.map(drop).map_err(|error| unreachable_at(address, &error, remedies))
}

fn no_ports(error: &io::Error) -> Failure {
    Failure::because("cannot find free ports", error, "stop programs that listen on 127.0.0.1")
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::because(
        format!("cannot write {}", path.display()),
        error,
        "name a folder that you may write to with --data-dir",
    )
}
