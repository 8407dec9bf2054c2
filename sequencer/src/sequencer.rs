//! The door of this room.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kraken_execution::{Chain, EngineKind, Executor};
use kraken_storage::{Block, Storage};
use kraken_types::{CommitIndex, Identity, Signer, Timestamp};
use starknet_api::{
    core::{ClassHash, ContractAddress},
    rpc_transaction::RpcTransaction,
    transaction::TransactionHash,
};
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    DevControl, Event, Progress, StartError, SubmitError, View,
    board::Board,
    builder::{Builder, CaughtUp, Parent, Payloads, next_info, rules::Rules},
    clock::Clock,
    committer::{Committer, EXECUTED_MAX},
    gateway::Gateway,
    journal::Journal,
    machines,
    ordering::{self, Ordering},
    pool::{self, SharedPool},
    recovery::{Recovered, recover},
    supervisor::{Remaining, Supervisor},
    workers::{self, Workers},
};

/// How many requests to the order, and commits to the builder, may wait.
const QUEUE_MAX: usize = 256;

/// How long a developer's submission waits for its block before it answers with the hash alone.
const SETTLE_WITHIN: Duration = Duration::from_secs(10);

/// How this validator runs; what all validators share is in the genesis.
#[derive(Clone, Debug)]
pub struct Config {
    /// How transactions are executed.
    pub engine: EngineKind,
    /// This validator's key.
    pub signer: Signer,
    /// Whether dev controls exist.
    pub mode: Mode,
    /// How many transactions may wait for their turn.
    pub pool_transactions_max: usize,
    /// How long a transaction may wait for the nonces before it.
    pub pool_time_to_live: Duration,
    /// How many transactions may be checked at a time.
    pub gateway_concurrency: usize,
    /// What the clock shows at the start; `None` is the real time.
    pub clock_start: Option<Timestamp>,
}

/// Whether dev controls exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A validator.
    Committee,
    /// A developer's own chain. Where every transaction has a block of its own, a submission is
    /// answered once that block is durable, so that the next line of a script sees its effects.
    Dev,
}

/// A running sequencer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Sequencer {
    chain: Chain,
    gateway: Gateway,
    pub(crate) dev: Option<DevControl>,
    settles: bool,
    shutdown: CancellationToken,
    reason: watch::Receiver<Option<String>>,
    remaining: Arc<Mutex<Option<Remaining>>>,
}

/// What the sender of an admitted transaction learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The hash.
    pub transaction_hash: TransactionHash,
    /// Of a declare.
    pub class_hash: Option<ClassHash>,
    /// Of a deploy_account.
    pub contract_address: Option<ContractAddress>,
}

impl Sequencer {
    /// Starts all tasks on the current runtime, and returns once what an earlier run ordered is
    /// executed again, so that nothing it told of is missing. Block 0 exists in `storage` already.
    ///
    /// # Errors
    /// [`StartError`] if the logs cannot be read, or the genesis does not fit.
    pub async fn start(config: Config, chain: Chain, storage: Storage) -> Result<Self, StartError> {
        let identity = machines::identity(chain.genesis(), config.signer.clone())?;
        let journal = Journal::new(&storage, identity.id);
        let (tip, recovered) = read_tip(&storage, &journal).await?;
        let (supervisor, remaining) = Supervisor::new();
        let parts = Parts::new(&config, &chain, &storage, &journal, &tip);
        let started = parts.start(&supervisor, config.engine, identity, &tip, recovered)?;
        // Gone without a word means that a task ended; `stopped` says why.
        let _ = started.caught_up.await;

        let is_dev = config.mode == Mode::Dev;
        let dev = DevControl {
            storage,
            board: Arc::clone(&parts.gateway.board),
            clock: Arc::clone(&parts.gateway.clock),
            close: started.close,
        };
        Ok(Self {
            settles: is_dev && chain.genesis().block.transactions_max == 1,
            chain,
            gateway: parts.gateway,
            dev: is_dev.then_some(dev),
            shutdown: supervisor.shutdown(),
            reason: supervisor.reason(),
            remaining: Arc::new(Mutex::new(Some(remaining))),
        })
    }

    /// The chain as it is now.
    pub fn view(&self) -> View {
        self.gateway.board.view(&self.gateway.clock)
    }

    /// The settings of the chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Checks a transaction and takes it into the pool.
    ///
    /// # Errors
    /// [`SubmitError`] says whose fault it is.
    pub async fn submit(&self, transaction: RpcTransaction) -> Result<Admitted, SubmitError> {
        if self.shutdown.is_cancelled() {
            return Err(SubmitError::Stopped);
        }
        let (admitted, can_run) = self.gateway.admit(transaction).await?;
        if self.settles && can_run {
            self.settle(admitted.transaction_hash).await?;
        }
        Ok(admitted)
    }

    /// Waits until the transaction is in a durable block.
    async fn settle(&self, hash: TransactionHash) -> Result<(), SubmitError> {
        let settled = self.gateway.pool.lock().settled(hash);
        // It may have been faster than we were.
        let is_durable = |view: &View| {
            let found = view.find_transaction(hash);
            found.is_ok_and(|found| matches!(found, Some((crate::BlockAt::Closed(_), _))))
        };
        if is_durable(&self.view()) {
            return Ok(());
        }
        let result = tokio::time::timeout(SETTLE_WITHIN, settled).await;
        self.gateway.pool.lock().unsettle(hash);
        match result {
            Ok(Ok(settled)) => settled.map_err(SubmitError::Rejected),
            Ok(Err(_)) => Err(SubmitError::Stopped),
            // It is not done yet; the hash is all there is to say now.
            Err(_) => Ok(()),
        }
    }

    /// How far a transaction has come that is in no block; `None` if it is not known.
    pub fn progress(&self, hash: TransactionHash) -> Option<Progress> {
        self.gateway.pool.lock().progress(hash)
    }

    /// How many transactions wait or are under way.
    pub fn pending(&self) -> usize {
        self.gateway.pool.lock().pending()
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.gateway.board.subscribe()
    }

    /// Resolves with the reason once any task has ended.
    pub async fn stopped(&self) -> String {
        let mut reason = self.reason.clone();
        match reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "all tasks are gone".to_owned(),
        }
    }

    /// Ends all tasks: no new transactions, executed blocks become durable. Returns once every task
    /// is gone.
    pub async fn shut_down(&self) {
        self.shutdown.cancel();
        let remaining = self.remaining.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(remaining) = remaining {
            remaining.none().await;
        }
    }
}

async fn read_tip(
    storage: &Storage,
    journal: &Journal,
) -> Result<(Arc<Block>, Recovered), StartError> {
    let (storage, journal) = (storage.clone(), journal.clone());
    let read = tokio::task::spawn_blocking(move || {
        let number = storage.tip().ok_or(StartError::NoGenesisBlock)?;
        let tip = storage.block(number)?.ok_or(StartError::NoGenesisBlock)?;
        let recovered = recover(&journal, tip.executed_up_to)?;
        Ok((tip, recovered))
    });
    read.await.expect("reading the logs states its invariants and is never cancelled")
}

/// What the tasks share.
struct Parts {
    chain: Chain,
    storage: Storage,
    journal: Journal,
    gateway: Gateway,
}

impl Parts {
    fn new(
        config: &Config,
        chain: &Chain,
        storage: &Storage,
        journal: &Journal,
        tip: &Block,
    ) -> Self {
        // Header times never go back, so a clock behind the chain would stand still.
        let tip_time = Timestamp::from_seconds(tip.header.info.block_timestamp.0);
        let clock = Clock::new(config.clock_start);
        clock.catch_up(tip_time);
        let next = next_info(chain, Parent::of(&tip.header), Timestamp::ZERO);
        let pool = SharedPool::new(pool::Config {
            transactions_max: config.pool_transactions_max,
            time_to_live: config.pool_time_to_live,
            nonce_ahead_max: chain.genesis().limits.nonce_ahead_max,
        });
        let gateway = Gateway {
            chain: chain.clone(),
            board: Arc::new(Board::new(storage.clone(), tip.header.number(), next)),
            clock: Arc::new(clock),
            pool,
            arrived: Arc::new(Notify::new()),
            permits: Arc::new(Semaphore::new(config.gateway_concurrency)),
        };
        Self { chain: chain.clone(), storage: storage.clone(), journal: journal.clone(), gateway }
    }

    /// Starts the tasks, last one first.
    fn start(
        &self,
        supervisor: &Supervisor,
        engine: EngineKind,
        identity: Identity,
        tip: &Block,
        mut recovered: Recovered,
    ) -> Result<Started, StartError> {
        let (commits_in, commits) = mpsc::channel(QUEUE_MAX);
        let (requests_in, requests) = mpsc::channel(QUEUE_MAX);
        let (close_in, close) = mpsc::channel(QUEUE_MAX);
        let (wanted_in, wanted) = watch::channel(None);
        let executed_in = self.start_committer(supervisor, tip);
        let (told, caught_up) = oneshot::channel();
        let behind = recovered.commits.last().map(|commit| commit.index);
        let builder = Builder {
            chain: self.chain.clone(),
            rules: Rules::new(&self.chain.genesis().block),
            executor: Executor::new(engine, self.chain.clone()),
            storage: self.storage.clone(),
            board: Arc::clone(&self.gateway.board),
            clock: Arc::clone(&self.gateway.clock),
            pool: self.gateway.pool.clone(),
            arrived: Arc::clone(&self.gateway.arrived),
            payloads: Payloads { chain: self.chain.clone(), journal: self.journal.clone() },
            commits,
            executed: executed_in,
            wanted: wanted_in,
            parent: Parent::of(&tip.header),
            from: tip.executed_up_to,
            caught_up: Some(CaughtUp { behind, told }),
            shutdown: supervisor.shutdown(),
        };
        supervisor.thread("builder", builder, Builder::run)?;

        let batches = std::mem::take(&mut recovered.batches);
        let ordering = Ordering::new(
            machines::ordering(identity.clone(), self.chain.genesis().protocol),
            ordering::Ends { requests, wanted, commits: commits_in },
            self.journal.clone(),
            Arc::clone(&self.gateway.clock),
        );
        supervisor.task("ordering", ordering.run(recovered, supervisor.shutdown()));

        let ends = workers::Ends {
            pool: self.gateway.pool.clone(),
            arrived: Arc::clone(&self.gateway.arrived),
            close,
            journal: self.journal.clone(),
            ordering: requests_in,
            clock: Arc::clone(&self.gateway.clock),
        };
        let workers = Workers::new(machines::worker(identity), ends);
        supervisor.task("workers", workers.run(batches, supervisor.shutdown()));
        Ok(Started { close: close_in, caught_up })
    }

    fn start_committer(
        &self,
        supervisor: &Supervisor,
        tip: &Block,
    ) -> mpsc::Sender<crate::committer::Executed> {
        let (executed_in, executed) = mpsc::channel(EXECUTED_MAX);
        let committer = Committer {
            storage: self.storage.clone(),
            board: Arc::clone(&self.gateway.board),
            pool: self.gateway.pool.clone(),
            journal: self.journal.clone(),
            executed,
            parent: tip.header.clone(),
        };
        supervisor.task("committer", committer.run());
        executed_in
    }
}

/// What is left to do with tasks that run.
struct Started {
    /// Where to ask for the end of a block.
    close: mpsc::Sender<oneshot::Sender<CommitIndex>>,
    /// Resolves once what an earlier run ordered is executed again.
    caught_up: oneshot::Receiver<()>,
}
