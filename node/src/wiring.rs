//! Puts a node together: settings in, running tasks out.
//!
//! `kraken dev` and `kraken run` each make a [`Plan`] of their settings; from there on they are the
//! same, but for what a full node does not do.

pub(crate) mod address;
pub(crate) mod block_0;
pub(crate) mod dev;
pub(crate) mod full;
pub(crate) mod validator;
pub(crate) mod worker;

use std::{
    env,
    net::SocketAddr,
    num::NonZeroUsize,
    path::Path,
    sync::{Arc, OnceLock},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kraken_execution::{Chain, Compilers, EngineKind, genesis::Extras};
use kraken_rpc::{Ready, Server, StateArchive};
use kraken_sequencer::{
    Distance, FullNodeConfig, Mode, NetworkConfig, Sequencer, StartError, SwarmConfig,
};
use kraken_storage::Storage;
use kraken_types::{Genesis, Signer, Timestamp};
use prometheus_client::{metrics::info::Info, registry::Registry};
use starknet_api::core::ClassHash;
use tokio::{net::TcpListener, task};

use self::address::{Remedies, rpc_failure};
use crate::{
    args::{
        limits::Limits,
        value::{BlockGeneration, Engine},
    },
    failure::{self, Failure},
    folder::Folder,
    genesis,
    keys::used::Uses,
    progress::Progress,
    service::Running,
    settings,
};

/// A node whose tasks run.
#[derive(Debug)]
pub(crate) struct Node {
    sequencer: Sequencer,
    rpc: Server,
    /// For those who watch the node.
    metrics: Option<Server>,
    /// Released when everything else has ended.
    folder: Option<Folder>,
}

/// What to start.
#[derive(Debug)]
pub(crate) struct Plan {
    genesis: Genesis,
    /// Where everything is kept; without it, it is in memory.
    folder: Option<Folder>,
    sequencer: Role,
    /// What a developer wants in block 0.
    extras: Extras,
    /// What JSON-RPC is served with.
    rpc: Serving,
    /// Where metrics are served, if they are.
    metrics: Option<SocketAddr>,
    /// Held until JSON-RPC is served; `None` if any port will do.
    reserved: Option<TcpListener>,
    /// What to say if an address cannot be had.
    remedies: Remedies,
}

/// What is run.
#[derive(Debug)]
enum Role {
    /// A validator, perhaps the only one.
    Validator(Box<Sequencing>),
    /// A full node.
    Full(Following),
}

impl Role {
    /// Threads that check and execute transactions.
    const fn threads(&self) -> NonZeroUsize {
        match self {
            Self::Validator(sequencing) => sequencing.threads,
            Self::Full(following) => following.threads,
        }
    }

    /// The time that was asked for.
    fn start_time_seconds(&self) -> Option<u64> {
        match self {
            Self::Validator(sequencing) => sequencing.start_time_seconds,
            Self::Full(_) => None,
        }
    }
}

/// What a full node is started with.
#[derive(Debug)]
struct Following {
    threads: NonZeroUsize,
    swarm: SwarmConfig,
}

/// What the sequencer is started with.
#[derive(Debug)]
struct Sequencing {
    engine: Engine,
    threads: NonZeroUsize,
    signer: Signer,
    mode: Mode,
    network: Option<NetworkConfig>,
    /// Where the use of the key is remembered.
    uses: Option<Uses>,
    /// Whether its owner says that the key was used on a disk that is lost.
    is_restored: bool,
    /// The time that was asked for.
    start_time_seconds: Option<u64>,
}

/// What JSON-RPC is served with.
#[derive(Debug)]
struct Serving {
    listen: SocketAddr,
    timeout: Duration,
    /// What was said about the rest.
    limits: Limits,
    /// With which settings `devnet_*` methods are served, if they are.
    devnet: Option<Devnet>,
}

/// With which settings `devnet_*` methods are served.
#[derive(Debug)]
struct Devnet {
    /// Methods that are refused.
    restricted: Option<Vec<String>>,
    /// Whether requests are recorded.
    dump: Option<kraken_rpc::Dump>,
    /// What was said about old states.
    state_archive: StateArchive,
    /// Whether somebody does not need block hashes.
    lite_mode: bool,
}

impl Default for Devnet {
    fn default() -> Self {
        let state_archive = StateArchive::Full;
        Self { restricted: None, dump: None, state_archive, lite_mode: false }
    }
}

impl Node {
    /// Starts everything, block 0 first, and JSON-RPC last.
    ///
    /// # Errors
    /// If an address is taken, the data folder is not fit, or the genesis makes no sense.
    pub(crate) async fn start(plan: Plan) -> Result<Self, Failure> {
        let Plan { genesis, folder, sequencer, extras, rpc, metrics, reserved, remedies } = plan;
        let mut registry = registry();
        let rpc_metrics =
            kraken_rpc::Metrics::register(registry.sub_registry_with_prefix("kraken_rpc"));
        let sequencer_metrics = kraken_sequencer::Metrics::new(&mut registry);
        let served: Arc<OnceLock<Served>> = Arc::default();
        let watched = Arc::clone(&served);
        let ready = move || watched.get().map_or_else(|| Err("starting".to_owned()), Served::ready);
        let ready = Ready::new(ready);
        let metrics = serve_metrics(metrics, registry, ready.clone()).await?;

        let chain = Chain::new(&genesis).map_err(|error| {
            Failure::because("cannot use the genesis", &error, "change the setting that it names")
        })?;
        let chain = chain.compiling_by(compilers(sequencer.threads())?);
        let (storage, folder) = open_off_thread(genesis.clone(), folder).await?;
        let is_full = matches!(sequencer, Role::Full(_));
        let evidence = folder.as_ref().map(|folder| folder.path().to_owned());
        let uses = match &sequencer {
            Role::Validator(sequencing) => sequencing.uses.as_ref(),
            Role::Full(_) => None,
        };
        let is_lost = begin(&chain, &storage, &extras, uses).await?;
        let account_class_hash = block_0::account_class_hash(&genesis, &storage, &extras)?;
        let rpc = rpc_config(rpc, &sequencer, &genesis, account_class_hash, rpc_metrics, ready);
        let sequencer = match sequencer {
            Role::Validator(sequencing) => {
                let config = kraken_sequencer::Config {
                    disk_was_lost: is_lost || sequencing.is_restored,
                    evidence,
                    ..sequencer_config(*sequencing, &storage, sequencer_metrics)?
                };
                Sequencer::start(config, chain, storage).await
            }
            Role::Full(following) => {
                let config = FullNodeConfig {
                    swarm: following.swarm,
                    gateway_concurrency: following.threads.get(),
                    evidence,
                    metrics: sequencer_metrics,
                };
                Sequencer::follow(config, chain, storage).await
            }
        };
        let sequencer = sequencer.map_err(start_failure)?;
        drop(reserved);
        let rpc = kraken_rpc::serve(rpc, sequencer.clone())
            .await
            .map_err(|error| rpc_failure(error, remedies))?;
        served.get_or_init(|| Served { sequencer: sequencer.clone(), is_full });
        Ok(Self { sequencer, rpc, metrics, folder })
    }

    /// Where JSON-RPC is served.
    pub(crate) fn address(&self) -> SocketAddr {
        self.rpc.address()
    }

    /// Where metrics are served.
    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(Server::address)
    }

    /// The settings of the chain.
    pub(crate) fn chain(&self) -> &Chain {
        self.sequencer.chain()
    }

    /// Where everything is kept.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(Folder::path)
    }
}

impl Running for Node {
    async fn stopped(&mut self) -> String {
        tokio::select! {
            reason = self.sequencer.stopped() => reason,
            () = self.rpc.stopped() => "JSON-RPC ended".to_owned(),
        }
    }

    /// Ends JSON-RPC, then everything else; what was executed is durable afterwards.
    async fn shut_down(self) {
        self.rpc.shut_down().await;
        self.sequencer.shut_down().await;
        if let Some(metrics) = self.metrics {
            metrics.shut_down().await;
        }
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
    if let Some(remedy) = failure::full_disk_remedy(&message) {
        return Failure::new(message, remedy);
    }
    if let kraken_storage::Error::Engine { path, .. } = error {
        let remedy = format!("remove {}, and the next start makes it again", path.display());
        return Failure::new(message, remedy);
    }
    match message.split_once("; ") {
        Some((problem, remedy)) => Failure::new(problem, remedy),
        None => Failure::new(message, "restore the data folder from a copy, or name another one"),
    }
}

/// Where all rooms put what they report.
fn registry() -> Registry {
    let mut registry = Registry::default();
    let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
    registry.register("kraken_build", "The program that runs", version);
    registry
}

/// A node that serves JSON-RPC.
struct Served {
    sequencer: Sequencer,
    is_full: bool,
}

impl Served {
    /// Whether callers should be sent here, or why not. A validator is part of what others follow; a
    /// full node that is behind shows the past.
    fn ready(&self) -> Result<(), String> {
        match self.sequencer.distance() {
            Distance::Unknown if self.is_full => Err("looking for validators".to_owned()),
            Distance::Behind { to, .. } if self.is_full => {
                let latest = self.sequencer.view().latest();
                Err(format!("catching up: at block {latest} of {to}"))
            }
            Distance::Unknown | Distance::Near | Distance::Behind { .. } => Ok(()),
        }
    }
}

/// Serves metrics from the very start, so that a node that is slow to start can be watched.
async fn serve_metrics(
    listen: Option<SocketAddr>,
    registry: Registry,
    ready: Ready,
) -> Result<Option<Server>, Failure> {
    let Some(listen) = listen else {
        return Ok(None);
    };
    let remedies = Remedies { host: "--metrics.listen", port: "--metrics.listen" };
    let server = kraken_rpc::serve_metrics(listen, Arc::new(registry), ready).await;
    server.map(Some).map_err(|error| rpc_failure(error, remedies))
}

/// What JSON-RPC is served with.
fn rpc_config(
    serving: Serving,
    role: &Role,
    genesis: &Genesis,
    account_class_hash: ClassHash,
    metrics: kraken_rpc::Metrics,
    ready: Ready,
) -> kraken_rpc::Config {
    let block_generation = match genesis::block_generation(&genesis.block) {
        BlockGeneration::Transaction => kraken_rpc::BlockGeneration::Transaction,
        BlockGeneration::Demand => kraken_rpc::BlockGeneration::Demand,
        BlockGeneration::Every { millis } => {
            kraken_rpc::BlockGeneration::Interval(Duration::from_millis(millis))
        }
    };
    let start_time_seconds = role.start_time_seconds();
    kraken_rpc::Config {
        listen: serving.listen,
        limits: serving.limits.resolve(serving.timeout, role.threads()),
        devnet: serving.devnet.map(|devnet| kraken_rpc::DevnetSettings {
            block_generation,
            start_time_seconds,
            account_class_hash,
            restricted: devnet.restricted,
            dump: devnet.dump,
            state_archive: devnet.state_archive,
            lite_mode: devnet.lite_mode,
        }),
        metrics,
        ready,
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

/// Makes block 0 where there is none, and remembers that the key is used. Returns whether there is
/// none although the key was used before: then the disk was lost.
async fn begin(
    chain: &Chain,
    storage: &Storage,
    extras: &Extras,
    uses: Option<&Uses>,
) -> Result<bool, Failure> {
    let is_new = storage.tip().is_none();
    let is_lost = is_new && uses.map(Uses::were_before).transpose()?.unwrap_or(false);
    if is_lost {
        tracing::warn!("this key was used before, and its data folder is empty: catching up first");
    }
    if is_new {
        block_0::make(chain, storage, extras).await?;
    }
    // After block 0, so that a first start that was cut short is not taken for a lost disk.
    uses.map(Uses::begin).transpose()?;
    Ok(is_lost)
}

/// Seconds since the Unix epoch; zero before it.
pub(crate) fn seconds_since_epoch(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Classes are compiled in processes of this very program.
fn compilers(threads: NonZeroUsize) -> Result<Compilers, Failure> {
    // The program that runs, even when its file was replaced or removed meanwhile.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { Ok(own.to_owned()) } else { env::current_exe() };
    let program = program.map_err(|error| {
        Failure::because("cannot find this program", &error, "start it by its full path")
    })?;
    Ok(Compilers::children(
        settings::submission_sandbox(program.clone(), threads),
        settings::order_sandbox(program),
    ))
}

fn sequencer_config(
    sequencing: Sequencing,
    storage: &Storage,
    metrics: kraken_sequencer::Metrics,
) -> Result<kraken_sequencer::Config, Failure> {
    let engine = match (sequencing.engine, sequencing.threads.get()) {
        (Engine::Vm, 1) => EngineKind::Sequential,
        (Engine::Vm, workers) => EngineKind::Concurrent { workers },
    };
    Ok(kraken_sequencer::Config {
        engine,
        signer: sequencing.signer,
        mode: sequencing.mode,
        pool_transactions_max: settings::POOL_TRANSACTIONS_MAX,
        pool_bytes_max: settings::POOL_BYTES_MAX,
        pool_account_part: settings::POOL_ACCOUNT_PART,
        pool_time_to_live: settings::POOL_TIME_TO_LIVE,
        gateway_concurrency: sequencing.threads.get(),
        clock_start: clock_start(storage, sequencing.start_time_seconds)?,
        network: sequencing.network,
        disk_was_lost: false,
        evidence: None,
        metrics,
    })
}

/// What the clock shows at the start, if not the real time: the time that was asked for, or that of
/// the newest block once there are some.
fn clock_start(storage: &Storage, asked: Option<u64>) -> Result<Option<Timestamp>, Failure> {
    let (Some(asked), Some(tip)) = (asked, storage.tip()) else {
        return Ok(None);
    };
    let block = storage.block(tip).map_err(|error| storage_failure(&error))?;
    let newest = block.map_or(0, |block| block.header.info.block_timestamp.0);
    Ok(Some(Timestamp::from_seconds(asked.max(newest))))
}

pub(crate) fn start_failure(error: StartError) -> Failure {
    if let StartError::Storage(error) = error {
        return storage_failure(&error);
    }
    Failure::because(
        "cannot start",
        &error,
        "restore the data folder from a copy, or name another one with --data-dir",
    )
}

pub(crate) fn broken(what: &str, error: &task::JoinError) -> Failure {
    Failure::because(
        format!("{what} failed"),
        error,
        "this is a bug; please report it with the log",
    )
}
