//! Puts a node together: settings in, running tasks out.

use std::{
    env, io,
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kraken_execution::{
    Chain, EngineKind,
    genesis::{self as execution_genesis, GenesisState},
};
use kraken_rpc::Server;
use kraken_sequencer::{Mode, Sequencer, StartError};
use kraken_storage::Storage;
use kraken_types::{Genesis, Timestamp};
use tokio::{net::TcpListener, task};

use crate::{
    args::value::{BlockGeneration, Engine},
    banner::Banner,
    failure::{self, Failure},
    folder::Folder,
    genesis, keys,
    progress::Progress,
    settings::{self, ChainSettings, Settings},
};

/// A node whose tasks run.
#[derive(Debug)]
pub(crate) struct Node {
    sequencer: Sequencer,
    rpc: Server,
    /// Released when everything else has ended.
    folder: Option<Folder>,
}

impl Node {
    /// Starts everything, block 0 first, and JSON-RPC last.
    ///
    /// # Errors
    /// If the port is taken, the data folder is not fit, or the chain there is another one.
    pub(crate) async fn start(
        settings: &Settings,
        wishes: &ChainSettings,
    ) -> Result<Self, Failure> {
        // The port first: nothing is made for a node that cannot be reached.
        let reserved = reserve(SocketAddr::new(settings.host, settings.port)).await?;
        let folder = settings.data_dir.as_deref().map(Folder::claim).transpose()?;
        let genesis = choose_genesis(folder.as_ref(), wishes)?;
        let chain = Chain::new(&genesis).map_err(|error| {
            Failure::because("cannot use the genesis", &error, "change the setting that it names")
        })?;
        let (storage, folder) = open_off_thread(genesis.clone(), folder).await?;
        if storage.tip().is_none() {
            make_block_0(&chain, &storage).await?;
        }
        let clock_start = clock_start(&storage, wishes)?;
        let config = sequencer_config(settings, &genesis, clock_start);
        let sequencer = Sequencer::start(config, chain, storage).await.map_err(start_failure)?;
        drop(reserved);
        let rpc = kraken_rpc::serve(rpc_config(settings, wishes, &genesis), sequencer.clone())
            .await
            .map_err(rpc_failure)?;
        Ok(Self { sequencer, rpc, folder })
    }

    /// Where JSON-RPC is served.
    pub(crate) fn address(&self) -> SocketAddr {
        self.rpc.address()
    }

    /// Prints what clients need to know.
    pub(crate) fn banner(&self) {
        let chain = self.sequencer.chain();
        let accounts = &chain.genesis().accounts;
        let banner = Banner {
            chain,
            accounts: &execution_genesis::accounts(accounts.seed, accounts.count),
            address: self.rpc.address(),
            folder: self.folder.as_ref().map(Folder::path),
        };
        banner.print();
    }

    /// Resolves with the reason once a task has ended.
    pub(crate) async fn stopped(&mut self) -> String {
        tokio::select! {
            reason = self.sequencer.stopped() => reason,
            () = self.rpc.stopped() => "JSON-RPC ended".to_owned(),
        }
    }

    /// Ends JSON-RPC, then everything else; what was executed is durable afterwards.
    pub(crate) async fn shut_down(self) {
        self.rpc.shut_down().await;
        self.sequencer.shut_down().await;
    }
}

/// Opens what is stored of a chain.
///
/// # Errors
/// If another process uses it, it is damaged, or it is of another chain.
pub(crate) fn open(
    genesis: &Genesis,
    folder: Option<&Folder>,
    progress: &mut Progress,
) -> Result<Storage, Failure> {
    let config = kraken_storage::Config {
        directory: folder.map(Folder::storage),
        genesis: genesis.digest(),
    };
    Storage::open_with_progress(config, &mut |done, total| progress.at(done, total, ""))
        .map_err(|error| storage_failure(&error))
}

/// Why storage cannot go on; some of its messages say themselves what to do.
pub(crate) fn storage_failure(error: &kraken_storage::Error) -> Failure {
    let message = failure::chain(error);
    match message.split_once("; ") {
        Some((problem, remedy)) => Failure::new(problem, remedy),
        None => Failure::new(message, "restore the data folder from a copy, or name another one"),
    }
}

/// Keeps others from an address until it is served; `None` if any free port will do.
async fn reserve(address: SocketAddr) -> Result<Option<TcpListener>, Failure> {
    if address.port() == 0 {
        return Ok(None);
    }
    let listener = TcpListener::bind(address).await;
    listener.map(Some).map_err(|error| unreachable_at(address, &error))
}

/// Why nothing can be served at `address`.
fn unreachable_at(address: SocketAddr, error: &io::Error) -> Failure {
    let (ip, port) = (address.ip(), address.port());
    if error.kind() == io::ErrorKind::AddrInUse {
        return Failure::new(
            format!("port {port} of {ip} is in use by another program"),
            "stop that program, name another port with --port, or let --port 0 find a free one",
        );
    }
    let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
        "name a port above 1023 with --port"
    } else {
        "name an address of this machine with --host, and a free port with --port"
    };
    Failure::because(format!("cannot serve on {address}"), error, remedy)
}

fn rpc_failure(error: kraken_rpc::Error) -> Failure {
    match error {
        kraken_rpc::Error::Listen { address, source } => unreachable_at(address, &source),
        error => Failure::because("cannot serve JSON-RPC", &error, "name another port with --port"),
    }
}

/// What JSON-RPC is served with.
fn rpc_config(
    settings: &Settings,
    wishes: &ChainSettings,
    genesis: &Genesis,
) -> kraken_rpc::Config {
    let block_generation = match genesis::block_generation(&genesis.block) {
        BlockGeneration::Transaction => kraken_rpc::BlockGeneration::Transaction,
        BlockGeneration::Demand => kraken_rpc::BlockGeneration::Demand,
        BlockGeneration::Every { millis } => {
            kraken_rpc::BlockGeneration::Interval(Duration::from_millis(millis))
        }
    };
    kraken_rpc::Config {
        listen: SocketAddr::new(settings.host, settings.port),
        limits: settings::rpc_limits(settings.timeout, settings.workers),
        devnet: Some(kraken_rpc::DevnetSettings {
            block_generation,
            start_time_seconds: wishes.start_time,
        }),
    }
}

/// The genesis of the folder, or a new one.
fn choose_genesis(folder: Option<&Folder>, wishes: &ChainSettings) -> Result<Genesis, Failure> {
    let stored = folder.map(Folder::genesis).transpose()?.flatten();
    match (stored, folder) {
        (Some(genesis), Some(folder)) => {
            genesis::check(&genesis, wishes, folder.path())?;
            Ok(genesis)
        }
        (_, folder) => {
            let now = seconds_since_epoch(SystemTime::now());
            let genesis = genesis::create(wishes, rand::random(), now);
            folder.map(|folder| folder.write_genesis(&genesis)).transpose()?;
            Ok(genesis)
        }
    }
}

async fn open_off_thread(
    genesis: Genesis,
    folder: Option<Folder>,
) -> Result<(Storage, Option<Folder>), Failure> {
    let open = move || {
        let mut progress = Progress::new("applying blocks again");
        open(&genesis, folder.as_ref(), &mut progress).map(|storage| (storage, folder))
    };
    task::spawn_blocking(open).await.map_err(|error| broken("opening storage", &error))?
}

/// Makes block 0 durable: classes, accounts, balances.
pub(crate) async fn make_block_0(chain: &Chain, storage: &Storage) -> Result<(), Failure> {
    let genesis = chain.genesis().clone();
    let make = move || {
        let mut progress = Progress::new("preparing classes");
        execution_genesis::state(&genesis, cache_folder(), &mut |name, done, total| {
            progress.at(count(done), count(total), name);
        })
    };
    let state: GenesisState = task::spawn_blocking(make)
        .await
        .map_err(|error| broken("making block 0", &error))?
        .map_err(|error| {
            Failure::because("cannot make block 0", &error, "build this program again, from clean")
        })?;
    kraken_sequencer::seal_genesis(chain, storage, state).await.map_err(start_failure)
}

/// Seconds since the Unix epoch; zero before it.
pub(crate) fn seconds_since_epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Where compiled classes are kept between runs; `None` where there is no such place.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let parent = given("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| given("HOME").map(|home| home.join(".cache")))?;
    Some(parent.join("kraken"))
}

fn sequencer_config(
    settings: &Settings,
    genesis: &Genesis,
    clock_start: Option<Timestamp>,
) -> kraken_sequencer::Config {
    let engine = match (settings.engine, settings.workers.get()) {
        (Engine::Vm, 1) => EngineKind::Sequential,
        (Engine::Vm, workers) => EngineKind::Concurrent { workers },
    };
    kraken_sequencer::Config {
        engine,
        signer: keys::dev_validator(genesis.accounts.seed),
        mode: Mode::Dev,
        pool_transactions_max: settings::POOL_TRANSACTIONS_MAX,
        pool_time_to_live: settings::POOL_TIME_TO_LIVE,
        gateway_concurrency: settings.workers.get(),
        clock_start,
        network: None,
        disk_was_lost: false,
        metrics: kraken_sequencer::Metrics::default(),
    }
}

/// What the clock shows at the start, if not the real time: the time that was asked for, or that of
/// the newest block once there are some.
fn clock_start(storage: &Storage, wishes: &ChainSettings) -> Result<Option<Timestamp>, Failure> {
    let (Some(asked), Some(tip)) = (wishes.start_time, storage.tip()) else {
        return Ok(None);
    };
    let block = storage.block(tip).map_err(|error| storage_failure(&error))?;
    let newest = block.map_or(0, |block| block.header.info.block_timestamp.0);
    Ok(Some(Timestamp::from_seconds(asked.max(newest))))
}

fn start_failure(error: StartError) -> Failure {
    if let StartError::Storage(error) = error {
        return storage_failure(&error);
    }
    Failure::because(
        "cannot start",
        &error,
        "restore the data folder from a copy, or name another one with --data-dir",
    )
}

fn broken(what: &str, error: &task::JoinError) -> Failure {
    Failure::because(
        format!("{what} failed"),
        error,
        "this is a bug; please report it with the log",
    )
}
