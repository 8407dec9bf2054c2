//! The order without what is behind it: opaque transactions go in, commits come out.
//!
//! The tasks, lanes and logs are those of a validator. There is no pool, no execution and no block:
//! what is ordered is let go of. This is what `kraken bench order` measures.

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use kraken_storage::log::{Durability, Log};
use kraken_types::{BatchDigest, BatchRef, Commit, Genesis, Signer, Timestamp};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    Metrics, NetworkConfig, StartError,
    clock::Clock,
    journal::Journal,
    machines,
    order::Order,
    ordering::Ordered,
    pool::Pace,
    recovery::Recovered,
    running::Running,
    supervisor::{Ended, Supervisor},
    swarms::Swarms,
    workers::Source,
};

/// How many bytes of transactions may wait to be packed.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// How many messages between two tasks may wait.
const QUEUE_MAX: usize = 1_024;

/// How one validator orders.
#[derive(Clone, Debug)]
pub struct OrdererConfig {
    /// What all validators share.
    pub genesis: Genesis,
    /// This validator's key.
    pub signer: Signer,
    /// How to reach the others.
    pub network: NetworkConfig,
    /// Where the logs are; nothing may be there yet.
    pub directory: PathBuf,
    /// What the logs survive.
    pub durability: Durability,
}

/// Sees what becomes of transactions, as it happens. Called from the tasks, so it must be quick.
pub trait OrderObserver: fmt::Debug + Send + Sync + 'static {
    /// The oldest `transactions` of those that were submitted and are in no batch make this one,
    /// which is on its way to the disk and to the others.
    fn sealed(&self, batch: BatchDigest, transactions: usize);

    /// A quorum holds this batch of ours.
    fn available(&self, batch: BatchDigest);

    /// The next commit of the one order.
    fn committed(&self, commit: &Commit);
}

/// One validator that orders, and does nothing else. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Orderer {
    offered: Offered,
    running: Running,
}

impl Orderer {
    /// Starts all tasks on the current runtime.
    ///
    /// # Errors
    /// [`StartError`] if a setting does not fit the genesis, a port is taken, or the disk refuses.
    pub async fn start(
        config: OrdererConfig,
        observer: Arc<dyn OrderObserver>,
    ) -> Result<Self, StartError> {
        let metrics = Metrics::default();
        let identity = machines::identity(&config.genesis, config.signer)?;
        let swarms = Swarms::start(&config.network, &config.genesis, &identity, &metrics).await?;
        let log = |name| Log::open(&config.directory.join(name), config.durability);
        let journal = Journal::of(log("batches")?, log("votes")?, identity.id);
        let (supervisor, remaining) = Supervisor::new();
        let offered = Offered::default();
        let (ordered, commits) = mpsc::channel(QUEUE_MAX);
        // Nobody closes blocks here, and none wants a commit: both say so by never speaking.
        let (wants, wanted) = watch::channel(None);
        let sink = Sink {
            commits,
            journal: journal.clone(),
            observer: Arc::clone(&observer),
            _wants: wants,
        };
        supervisor.task("sink", sink.run(supervisor.shutdown()));
        let order = Order {
            identity,
            genesis: config.genesis,
            journal,
            clock: Arc::new(Clock::new(None)),
            metrics,
            arrived: Arc::clone(&offered.0.arrived),
            requests: mpsc::channel(QUEUE_MAX),
            close: mpsc::channel(1).1,
            wanted,
            ordered,
        };
        let source = || Watched { offered: offered.clone(), observer: Arc::clone(&observer) };
        order.start(&supervisor, source, swarms.workers, swarms.ordering, Recovered::default());
        Ok(Self { offered, running: Running::new(&supervisor, remaining, swarms.networks) })
    }

    /// Takes transactions in; waits while there are too many. Cancelled, it takes none.
    pub async fn submit(&self, transactions: Vec<Bytes>) {
        self.offered.push(transactions).await;
    }

    /// Resolves with the reason once any task has ended.
    pub async fn stopped(&self) -> String {
        self.running.stopped().await
    }

    /// Ends all tasks; returns once every one is gone.
    pub async fn shut_down(&self) {
        self.running.shut_down().await;
    }
}

/// Transactions that wait to be packed. Cheap to clone.
#[derive(Clone, Debug, Default)]
struct Offered(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// Something waits.
    arrived: Arc<Notify>,
    /// There is room again.
    taken: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    transactions: VecDeque<Bytes>,
    bytes: usize,
}

impl Offered {
    async fn push(&self, transactions: Vec<Bytes>) {
        loop {
            let taken = self.0.taken.notified();
            {
                let mut waiting = self.waiting();
                if waiting.bytes <= WAITING_BYTES_MAX {
                    waiting.bytes += transactions.iter().map(Bytes::len).sum::<usize>();
                    waiting.transactions.extend(transactions);
                    break;
                }
            }
            taken.await;
        }
        self.0.arrived.notify_one();
    }

    fn take(&self, count_max: usize) -> Vec<Bytes> {
        let mut waiting = self.waiting();
        let count = count_max.min(waiting.transactions.len());
        let taken: Vec<_> = waiting.transactions.drain(..count).collect();
        waiting.bytes -= taken.iter().map(Bytes::len).sum::<usize>();
        drop(waiting);
        self.0.taken.notify_waiters();
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A source that tells what becomes of its transactions.
#[derive(Debug)]
struct Watched {
    offered: Offered,
    observer: Arc<dyn OrderObserver>,
}

impl Source for Watched {
    /// There is nobody to keep up with.
    fn take(&mut self, count_max: usize, _: Pace) -> Vec<Bytes> {
        self.offered.take(count_max)
    }

    fn sealed(&mut self, batch: &BatchRef, count: usize) {
        self.observer.sealed(batch.digest, count);
    }

    fn durable(&mut self, _: &BatchRef) {}

    /// All its workers are in this process.
    fn left(&mut self, _: usize) {}

    fn available(&mut self, batch: &BatchRef) {
        self.observer.available(batch.digest);
    }

    /// Nothing is given up.
    fn expire(&mut self) {}
}

/// The task behind the order: tells of commits, and lets go of what is in them.
#[derive(Debug)]
struct Sink {
    commits: mpsc::Receiver<Ordered>,
    journal: Journal,
    observer: Arc<dyn OrderObserver>,
    /// Held, because the order ends with whoever wants commits.
    _wants: watch::Sender<Option<Timestamp>>,
}

impl Sink {
    async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        while let Some(Some(Ordered { commit, .. })) =
            shutdown.run_until_cancelled(self.commits.recv()).await
        {
            self.observer.committed(&commit);
            let released = self.journal.release(commit.index.next());
            released.map_err(|error| Ended::failed("sink", &error))?;
        }
        Ok(())
    }
}
