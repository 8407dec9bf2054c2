//! The door of this room.

use std::{collections::VecDeque, path::PathBuf, sync::Arc, time::Duration};

use kraken_execution::{Chain, EngineKind, Executor};
use kraken_network::Network;
use kraken_storage::Storage;
use kraken_types::{CommitIndex, Identity, Signer, Timestamp};
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, ContractAddress},
    rpc_transaction::RpcTransaction,
    transaction::TransactionHash,
};
use tokio::sync::{Notify, Semaphore, broadcast, mpsc, oneshot, watch};

use crate::{
    Distance, Event, Metrics, Move, NetworkConfig, Progress, StartError, SubmitError, View,
    attestation::{Attesting, Validator},
    board::Board,
    builder::{Adopt, Builder, CaughtUp, Payloads, l2_gas_price, next_info, rules::Rules},
    clock::Clock,
    committer::{Committer, EXECUTED_MAX},
    dev::Dev,
    gateway::{Gateway, checks::Checks},
    journal::Journal,
    lives::{Life, Lives, WayIn},
    machines,
    order::Order,
    ordering,
    pool::{self, SharedPool},
    recent::Recent,
    recovery::{ChainsEnd, Recovered, read_end, recover},
    running::Running,
    supervisor::Supervisor,
    swarms::Swarms,
    sync::{Serving, Side, Syncing},
    workers::FromPool,
};

/// How many requests to the order may wait.
const QUEUE_MAX: usize = 256;

/// How many commits may wait for the builder; with more, this validator orders no further. They only
/// name batches, so they are small.
const ORDERED_MAX: usize = 16_384;

/// How long a start waits for what an earlier run ordered, of which batches may be with others only.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

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
    /// How many transactions may wait or be under way.
    pub pool_transactions_max: usize,
    /// How many bytes they may have, encoded.
    pub pool_bytes_max: usize,
    /// Once half of the pool is in use, an account may hold one in so many of its places and bytes.
    pub pool_account_part: usize,
    /// How long a transaction may wait for the nonces before it, or for a lower price.
    pub pool_time_to_live: Duration,
    /// How many transactions may be checked at a time.
    pub gateway_concurrency: usize,
    /// What the clock shows at the start; `None` is the real time.
    pub clock_start: Option<Timestamp>,
    /// How to reach the other validators; `None` for a committee of one.
    pub network: Option<NetworkConfig>,
    /// Whether this validator may have signed what an empty folder does not show: then it signs
    /// nothing until that cannot matter any more.
    pub disk_was_lost: bool,
    /// The folder that gets the evidence if a quorum contradicts this validator.
    pub evidence: Option<PathBuf>,
    /// What is counted.
    pub metrics: Metrics,
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
    pub(crate) chain: Chain,
    pub(crate) clock: Arc<Clock>,
    pub(crate) lives: Arc<Lives>,
    pub(crate) dev: Option<Arc<Dev>>,
    pub(crate) settles: bool,
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
        let is_dev = config.mode == Mode::Dev;
        let dev = Dev::new(config, storage);
        let clock = Arc::new(Clock::new(dev.config.clock_start));
        let life = live(&dev, &chain, &clock).await?;
        Ok(Self {
            settles: is_dev && chain.genesis().block.transactions_max == 1,
            chain,
            clock,
            lives: Arc::new(Lives::new(life)),
            dev: is_dev.then(|| Arc::new(dev)),
        })
    }

    /// The chain as it is now.
    pub fn view(&self) -> View {
        self.lives.current().board.view(&self.clock)
    }

    /// How far this node is behind the others.
    pub fn distance(&self) -> Distance {
        *self.lives.current().distance.borrow()
    }

    /// The settings of the chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Checks a transaction and takes it into the pool. A full node hands it to a validator.
    ///
    /// # Errors
    /// [`SubmitError`] says whose fault it is.
    pub async fn submit(&self, transaction: RpcTransaction) -> Result<Admitted, SubmitError> {
        let _lasting = self.lives.lasting().await;
        let life = self.lives.current();
        if life.running.is_ending() {
            return Err(SubmitError::Stopped);
        }
        let gateway = match &life.way_in {
            WayIn::Pool(gateway) => gateway,
            WayIn::Validators(handing) => return handing.submit(transaction).await,
        };
        let (admitted, can_run) = gateway.admit(transaction).await?;
        if self.settles && can_run {
            self.settle(&gateway.pool, admitted.transaction_hash).await?;
        }
        Ok(admitted)
    }

    /// Waits until the transaction is in a durable block.
    async fn settle(&self, pool: &SharedPool, hash: TransactionHash) -> Result<(), SubmitError> {
        let settled = pool.lock().settled(hash);
        // It may have been faster than we were.
        let is_durable = |view: &View| {
            let found = view.find_transaction(hash);
            found.is_ok_and(|found| matches!(found, Some((crate::BlockAt::Closed(_), _))))
        };
        if is_durable(&self.view()) {
            return Ok(());
        }
        let result = tokio::time::timeout(SETTLE_WITHIN, settled).await;
        pool.lock().unsettle(hash);
        match result {
            Ok(Ok(settled)) => settled.map_err(SubmitError::Rejected),
            Ok(Err(_)) => Err(SubmitError::Stopped),
            // It is not done yet; the hash is all there is to say now.
            Err(_) => Ok(()),
        }
    }

    /// How far a transaction has come that is in no block; `None` if it is not known.
    pub fn progress(&self, hash: TransactionHash) -> Option<Progress> {
        match &self.lives.current().way_in {
            WayIn::Pool(gateway) => gateway.pool.lock().progress(hash),
            WayIn::Validators(handing) => handing.progress(hash),
        }
    }

    /// How many transactions wait or are under way.
    pub fn pending(&self) -> usize {
        match &self.lives.current().way_in {
            WayIn::Pool(gateway) => gateway.pool.lock().pending(),
            WayIn::Validators(handing) => handing.handed.lock().len(),
        }
    }

    /// What happens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.lives.current().board.subscribe()
    }

    /// How transactions that are in no block move from now on.
    pub fn moves(&self) -> broadcast::Receiver<Move> {
        match &self.lives.current().way_in {
            WayIn::Pool(gateway) => gateway.pool.lock().moves(),
            WayIn::Validators(handing) => handing.handed.lock().moves(),
        }
    }

    /// Resolves with the reason once any task has ended.
    pub async fn stopped(&self) -> String {
        self.lives.stopped().await
    }

    /// Ends all tasks: no new transactions, executed blocks become durable. Returns once every task
    /// is gone.
    pub async fn shut_down(&self) {
        self.lives.shut_down().await;
    }
}

/// Starts all tasks behind what is stored, and returns once what an earlier run ordered is executed
/// again.
pub(crate) async fn live(dev: &Dev, chain: &Chain, clock: &Arc<Clock>) -> Result<Life, StartError> {
    let Dev { config, storage, .. } = dev;
    let identity = machines::identity(chain.genesis(), config.signer.clone())?;
    let swarms = start_swarms(config, chain, &identity).await?;
    let networks = swarms.networks.clone();
    let journal = Journal::new(storage, identity.id);
    let chains_end = read_end(storage).await?;
    let mut recovered = read_logs(&journal, &chains_end).await?;
    recovered.disk_was_lost = config.disk_was_lost;
    let (supervisor, remaining) = Supervisor::new();
    let parts = Parts::new(dev, identity, chain, clock, &journal, &chains_end);
    let started = parts.start(&supervisor, swarms, chains_end, recovered)?;
    // Gone without a word means that a task ended; `stopped` says why. Whoever is not there in
    // time goes on catching up while it serves.
    let _ = tokio::time::timeout(CATCH_UP_MAX, started.caught_up).await;
    Ok(Life {
        board: Arc::clone(&parts.gateway.checks.board),
        distance: parts.distance.subscribe(),
        way_in: WayIn::Pool(parts.gateway),
        running: Running::new(&supervisor, remaining, networks),
        close: Some(started.close),
    })
}

async fn start_swarms(
    config: &Config,
    chain: &Chain,
    identity: &Identity,
) -> Result<Swarms, StartError> {
    match &config.network {
        Some(network) if !identity.is_alone() => {
            Swarms::start(network, chain.genesis(), identity, &config.metrics).await
        }
        Some(_) | None if identity.is_alone() => Ok(Swarms::none()),
        Some(_) | None => Err(StartError::NoNetwork { validators: identity.committee.len() }),
    }
}

async fn read_logs(journal: &Journal, end: &ChainsEnd) -> Result<Recovered, StartError> {
    let journal = journal.clone();
    let (from, accepted) = (end.executed_up_to, end.accepted_up_to.commit);
    let read = tokio::task::spawn_blocking(move || recover(&journal, from, accepted));
    read.await.expect("reading the logs states its invariants and is never cancelled")
}

/// What the tasks share.
struct Parts {
    engine: EngineKind,
    mode: Mode,
    identity: Identity,
    chain: Chain,
    storage: Storage,
    journal: Journal,
    gateway: Gateway,
    recent: Recent,
    accepted: watch::Sender<BlockNumber>,
    distance: watch::Sender<Distance>,
    evidence: Option<PathBuf>,
    metrics: Metrics,
}

impl Parts {
    fn new(
        dev: &Dev,
        identity: Identity,
        chain: &Chain,
        clock: &Arc<Clock>,
        journal: &Journal,
        end: &ChainsEnd,
    ) -> Self {
        let Dev { config, storage, .. } = dev;
        let tip = &end.tip;
        // Header times never go back, so a clock behind the chain would stand still.
        let tip_time = Timestamp::from_seconds(tip.header.info.block_timestamp.0);
        if identity.is_alone() {
            clock.catch_up(tip_time);
        }
        let next = next_info(chain, &end.parent(chain), Timestamp::ZERO);
        let limits = pool::Limits {
            transactions_max: config.pool_transactions_max,
            bytes_max: config.pool_bytes_max,
            account_part: config.pool_account_part,
        };
        let pool_config = pool::Config {
            limits,
            time_to_live: config.pool_time_to_live,
            nonce_ahead_max: chain.genesis().limits.nonce_ahead_max,
        };
        let pool = SharedPool::new(pool_config, l2_gas_price(&next), dev.events.moves.clone());
        let board = Board::new(storage.clone(), end, next, dev.events.clone());
        let checks = Checks {
            chain: chain.clone(),
            board: Arc::new(board),
            clock: Arc::clone(clock),
            impersonated: dev.impersonated.clone(),
            permits: Arc::new(Semaphore::new(config.gateway_concurrency)),
        };
        let gateway = Gateway { checks, pool, arrived: Arc::new(Notify::new()) };
        config.metrics.start(tip.header.number().0, end.accepted.0);
        Self {
            engine: config.engine,
            mode: config.mode,
            identity,
            chain: chain.clone(),
            storage: storage.clone(),
            journal: journal.clone(),
            gateway,
            recent: Recent::default(),
            accepted: watch::Sender::new(end.accepted),
            distance: watch::Sender::new(Distance::Unknown),
            evidence: config.evidence.clone(),
            metrics: config.metrics.clone(),
        }
    }

    /// Starts the tasks, last one first.
    fn start(
        &self,
        supervisor: &Supervisor,
        swarms: Swarms,
        end: ChainsEnd,
        recovered: Recovered,
    ) -> Result<Started, StartError> {
        let (ordered_in, ordered) = mpsc::channel(ORDERED_MAX);
        let (requests_in, requests) = mpsc::channel(QUEUE_MAX);
        let (adopt_in, adopted) = mpsc::channel(1);
        let (close_in, close) = mpsc::channel(QUEUE_MAX);
        let (wanted_in, wanted) = watch::channel(None);
        let (parent, from, checkpoint) =
            (end.parent(&self.chain), end.executed_up_to, end.checkpoint);
        let executed_in = self.start_committer(supervisor, swarms.attestation, end);
        let (told, caught_up) = oneshot::channel();
        let behind = recovered.ordered.last().map(|ordered| ordered.commit.index);
        let builder = Builder {
            chain: self.chain.clone(),
            rules: Rules::new(&self.chain.genesis().block),
            executor: Executor::new(self.engine, self.chain.clone()),
            board: Arc::clone(&self.gateway.checks.board),
            clock: Arc::clone(&self.gateway.checks.clock),
            pool: self.gateway.pool.clone(),
            arrived: Arc::clone(&self.gateway.arrived),
            payloads: Payloads {
                chain: self.chain.clone(),
                journal: self.journal.clone(),
                mode: self.mode,
            },
            ordered,
            adopted,
            executed: executed_in,
            wanted: wanted_in,
            parent,
            from,
            checkpoint,
            caught_up: Some(CaughtUp { behind, told }),
            metrics: self.metrics.clone(),
            shutdown: supervisor.shutdown(),
        };
        supervisor.thread("builder", builder, Builder::run)?;
        if let Some((network, asked)) = swarms.sync {
            self.start_sync(supervisor, network, asked, (adopt_in, requests_in.clone()));
        }

        let order = Order {
            identity: self.identity.clone(),
            genesis: self.chain.genesis().clone(),
            journal: self.journal.clone(),
            clock: Arc::clone(&self.gateway.checks.clock),
            metrics: self.metrics.clone(),
            arrived: Arc::clone(&self.gateway.arrived),
            requests: (requests_in, requests),
            close,
            wanted,
            ordered: ordered_in,
        };
        let source = || FromPool {
            pool: self.gateway.pool.clone(),
            journal: self.journal.clone(),
            metrics: self.metrics.clone(),
            unsealed: VecDeque::new(),
        };
        order.start(supervisor, source, swarms.workers, swarms.ordering, recovered);
        Ok(Started { close: close_in, caught_up })
    }

    /// Starts what comes behind execution.
    fn start_committer(
        &self,
        supervisor: &Supervisor,
        (lane, inbox): (crate::lanes::Lane, crate::lanes::Inbox),
        end: ChainsEnd,
    ) -> mpsc::Sender<crate::committer::Executed> {
        let (executed_in, executed) = mpsc::channel(EXECUTED_MAX);
        let (durable_in, durable) = mpsc::channel(EXECUTED_MAX);
        let committer = Committer {
            storage: self.storage.clone(),
            board: Arc::clone(&self.gateway.checks.board),
            metrics: self.metrics.clone(),
            executed,
            durable: durable_in,
            accepted: self.accepted.subscribe(),
            parent: end.tip.header.clone(),
            shutdown: supervisor.shutdown(),
        };
        supervisor.task("committer", committer.run());
        let validator = Validator {
            identity: self.identity.clone(),
            lane,
            pool: self.gateway.pool.clone(),
            journal: self.journal.clone(),
        };
        // What a validator lacks it is told over the lane.
        let (_, proofs) = mpsc::channel(1);
        let attesting = Attesting {
            committee: Arc::clone(&self.identity.committee),
            validator: Some(validator),
            storage: self.storage.clone(),
            board: Arc::clone(&self.gateway.checks.board),
            recent: self.recent.clone(),
            metrics: self.metrics.clone(),
            durable,
            inbox,
            proofs,
            accepted: self.accepted.clone(),
            evidence: self.evidence.clone(),
        };
        supervisor.task("attestation", attesting.run(end.unaccepted, supervisor.shutdown()));
        executed_in
    }

    /// Starts what helps those that were away: us, and others.
    fn start_sync(
        &self,
        supervisor: &Supervisor,
        network: Network,
        requests: mpsc::Receiver<kraken_network::Request>,
        (adopt, ordering): (mpsc::Sender<Adopt>, mpsc::Sender<ordering::Request>),
    ) {
        let serving = Serving {
            storage: self.storage.clone(),
            recent: self.recent.clone(),
            metrics: self.metrics.clone(),
            accepted: self.accepted.subscribe(),
            requests,
            gateway: Some(self.gateway.clone()),
        };
        supervisor.task("serving", serving.run(supervisor.shutdown()));
        let syncing = Syncing {
            committee: Arc::clone(&self.identity.committee),
            chain: self.chain.clone(),
            network,
            board: Arc::clone(&self.gateway.checks.board),
            clock: Arc::clone(&self.gateway.checks.clock),
            adopt,
            side: Side::Validator(ordering),
            distance: self.distance.clone(),
        };
        supervisor.task("sync", syncing.run(supervisor.shutdown()));
    }
}

/// What is left to do with tasks that run.
struct Started {
    /// Where to ask for the end of a block.
    close: mpsc::Sender<oneshot::Sender<CommitIndex>>,
    /// Resolves once what an earlier run ordered is executed again.
    caught_up: oneshot::Receiver<()>,
}
