//! The door of this room: a listener, its limits, and the life of a server.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use kraken_sequencer::Sequencer;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::core::ClassHash;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::Connections, dispatch::Context, http, method::devnet::dump::carry_out_again,
    methods, metrics::Metrics, monitoring::Ready, recorder, subscription::feed::Feed,
};

/// How long open requests may go on once the server shuts down.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What is served, where, and to how many.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where requests come in; port 0 takes any free one.
    pub listen: SocketAddr,
    /// How much callers may ask for.
    pub limits: Limits,
    /// What `devnet_getConfig` shows. On a committee, the `devnet_*` methods that only read are
    /// served where this is given; those that change something never are.
    pub devnet: Option<DevnetSettings>,
    /// What requests report.
    pub metrics: Metrics,
    /// What `/ready` says.
    pub ready: Ready,
}

/// How much callers may ask for.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes_max: usize,
    /// Requests of a batch.
    pub batch_items_max: usize,
    /// Requests of a batch that are carried out at the same time.
    pub batch_concurrency: usize,
    /// Bytes of all answers to a batch.
    pub batch_response_bytes_max: usize,
    /// Requests that read the disk at the same time; further ones wait.
    pub read_permits: usize,
    /// Requests that execute Cairo at the same time; further ones wait.
    pub cairo_permits: usize,
    /// How long a request may take, from its first byte to its answer.
    pub request_timeout: Duration,
    /// Open connections; further callers wait.
    pub connections_max: usize,
    /// How long a connection may be silent. More than `request_timeout`, because a caller who waits
    /// for an answer is silent, too.
    pub idle_timeout: Duration,
    /// Blocks that may hold what one `starknet_getEvents` looks for, and that it reads before it
    /// answers with a continuation token.
    pub events_blocks_max: u64,
    /// Keys that one `starknet_getStorageProof` proves.
    pub proof_keys_max: usize,
    /// Open sockets; further ones are refused.
    pub sockets_max: usize,
    /// Subscriptions of a socket.
    pub subscriptions_max: usize,
    /// Bytes of a message that comes over a socket.
    pub message_bytes_max: usize,
    /// How often a socket is pinged. One that has said nothing for twice that long is closed.
    pub ping_interval: Duration,
    /// How long the reader of a socket may take nothing of what is written before it is cut off.
    pub stall_timeout: Duration,
    /// How many blocks the reader of a subscription may fall behind before it is cut off.
    pub behind_blocks_max: u64,
}

/// What `devnet_getConfig` shows and the genesis does not say.
#[derive(Clone, Debug)]
pub struct DevnetSettings {
    /// When blocks end.
    pub block_generation: BlockGeneration,
    /// The time that block 0 was given, in seconds since the Unix epoch; `None` if it was the clock's.
    pub start_time_seconds: Option<u64>,
    /// The class of the accounts of block 0.
    pub account_class_hash: ClassHash,
    /// Methods that are refused; `None` if nobody asked for any.
    pub restricted: Option<Vec<String>>,
    /// Whether requests that change the chain are recorded; `None` if they are not.
    pub dump: Option<Dump>,
    /// What was said about old states. They are kept in any case.
    pub state_archive: StateArchive,
    /// Whether somebody asked for blocks without hashes. They have hashes in any case.
    pub lite_mode: bool,
}

/// What becomes of recorded requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dump {
    /// When they are written.
    pub on: DumpOn,
    /// Where to, unless a request says so. What is there already is carried out at the start.
    pub path: Option<PathBuf>,
}

/// When recorded requests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "DUMP_ON")]
pub enum DumpOn {
    /// When the node ends in peace.
    Exit,
    /// Each at once.
    Block,
    /// When somebody asks.
    Request,
}

/// Which old states can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "STATE_ARCHIVE")]
pub enum StateArchive {
    /// Nobody needs them.
    None,
    /// All.
    Full,
}

/// Whether there is a method of this name.
pub fn has_method(name: &str) -> bool {
    methods::find(name).is_some()
}

/// When blocks of a developer's chain end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockGeneration {
    /// After each transaction.
    Transaction,
    /// When somebody asks.
    Demand,
    /// As time goes by.
    Interval(Duration),
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
#[non_exhaustive]
pub enum Error {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    /// A dump cannot be carried out again.
    #[error("{reason}")]
    Load { path: PathBuf, reason: String },
}

/// A running server. Dropping it stops it at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<io::Result<()>>,
    /// Told of the end; `None` where there is only a little to see.
    context: Option<Arc<Context>>,
}

/// Starts to listen and answers until [`Server::shut_down`]. A dump that the settings name is carried
/// out before the first request.
///
/// # Errors
/// [`Error::Listen`] if the address cannot be listened on, [`Error::Load`] if there is a dump, and it
/// cannot be carried out.
pub async fn serve(config: Config, sequencer: Sequencer) -> Result<Server, Error> {
    let limits = config.limits;
    let (address, connections) =
        listen(config.listen, limits.connections_max, limits.idle_timeout).await?;
    let context = Arc::new(Context::new(sequencer, config, address));
    load(&context).await?;
    tracing::info!(%address, "serving JSON-RPC");
    context.tasks.spawn(Feed::run(Arc::clone(&context), context.stop.clone()));
    let router = http::router(Arc::clone(&context));
    let mut server = Server::start(address, connections, router, context.stop.clone());
    server.context = Some(context);
    Ok(server)
}

/// Carries out what an earlier run has dumped.
async fn load(context: &Arc<Context>) -> Result<(), Error> {
    let devnet = context.config.devnet.as_ref();
    let Some(path) = devnet.and_then(|devnet| devnet.dump.as_ref()?.path.clone()) else {
        return Ok(());
    };
    if !path.exists() {
        return Ok(());
    }
    let failed =
        |error: crate::error::Error| Error::Load { path: path.clone(), reason: error.said() };
    let requests = recorder::read(&path).map_err(failed)?;
    tracing::info!(requests = requests.len(), path = %path.display(), "loading a dump");
    context.recorder.forget().map_err(failed)?;
    carry_out_again(context, requests).await.map_err(failed)
}

/// Listens on an address; port 0 becomes a free one.
///
/// # Errors
/// [`Error::Listen`] if that does not work.
pub(crate) async fn listen(
    address: SocketAddr,
    connections_max: usize,
    idle_timeout: Duration,
) -> Result<(SocketAddr, Connections), Error> {
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((address, Connections::new(listener, connections_max, idle_timeout)))
}

impl Server {
    /// Serves what `router` has to whoever comes in.
    /// It ends when `stop` fires.
    pub(crate) fn start(
        address: SocketAddr,
        connections: Connections,
        router: Router,
        stop: CancellationToken,
    ) -> Self {
        let serving = axum::serve(connections, router)
            .with_graceful_shutdown(stop.clone().cancelled_owned())
            .into_future();
        Self { address, stop, task: tokio::spawn(serving), context: None }
    }

    /// Where requests come in.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves if the server ends by itself, which it does not.
    pub async fn stopped(&mut self) {
        // Its result says nothing: axum's loop has no end and no error.
        let _ = (&mut self.task).await;
    }

    /// Takes no more requests, finishes those that are open within five seconds, tells sockets why
    /// they are closed, and ends.
    pub async fn shut_down(mut self) {
        self.stop.cancel();
        let context = self.context.take();
        let ended = async {
            // Its result says nothing: axum's loop has no end and no error.
            let _ = (&mut self.task).await;
            if let Some(context) = &context {
                context.tasks.close();
                context.tasks.wait().await;
            }
        };
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, ended).await.is_err() {
            tracing::warn!("open requests did not end in time");
        }
        if let Some(context) = context {
            // A task that is never cancelled; a panic in it is logged.
            let _ = tokio::task::spawn_blocking(move || context.recorder.end()).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Sockets are not in the task.
        self.stop.cancel();
        self.task.abort();
    }
}
