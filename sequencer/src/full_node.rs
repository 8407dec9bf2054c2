//! A full node: it has no key of the committee, takes over every block that a quorum attested, and
//! hands what it is sent to a validator.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kraken_execution::Chain;
use kraken_network::{Network, Request};
use kraken_storage::Storage;
use kraken_types::{Committee, Timestamp};
use starknet_api::block::BlockNumber;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::{
    Distance, Metrics, Sequencer, StartError, SwarmConfig,
    adopting::Adopting,
    attestation::Attesting,
    board::Board,
    builder::next_info,
    clock::Clock,
    committer::{Committer, EXECUTED_MAX},
    dev::Impersonated,
    events::Events,
    gateway::checks::Checks,
    handing::{Handing, SharedHanded},
    lanes::Lane,
    lives::{Life, Lives, WayIn},
    recent::Recent,
    recovery::{ChainsEnd, read_end},
    running::Running,
    supervisor::Supervisor,
    swarms,
    sync::{Serving, Side, Syncing},
};

/// How long a start waits until this node is where the others are.
const CATCH_UP_MAX: Duration = Duration::from_secs(10);

/// How many proofs may wait to be looked at.
const PROOFS_MAX: usize = 4;

/// How a full node runs; what it shares with the validators is in the genesis.
#[derive(Clone, Debug)]
pub struct FullNodeConfig {
    /// How to reach the validators where they serve blocks, and where to serve others. Its key is its
    /// own: nobody needs to know it.
    pub swarm: SwarmConfig,
    /// How many transactions may be checked at a time.
    pub gateway_concurrency: usize,
    /// The folder that gets the evidence if a quorum contradicts what is stored here.
    pub evidence: Option<PathBuf>,
    /// What is counted.
    pub metrics: Metrics,
}

impl Sequencer {
    /// Starts a full node on the current runtime, and returns once it is where the others are, or
    /// after some seconds. Block 0 exists in `storage` already.
    ///
    /// # Errors
    /// [`StartError`] if the chain cannot be read, or the genesis does not fit.
    pub async fn follow(
        config: FullNodeConfig,
        chain: Chain,
        storage: Storage,
    ) -> Result<Self, StartError> {
        let committee = Arc::new(chain.genesis().committee()?);
        let (network, asked) =
            swarms::follow(&config.swarm, chain.genesis(), &config.metrics).await?;
        let end = read_end(&storage).await?;
        config.metrics.start(end.tip.header.number().0, end.accepted.0);
        let (supervisor, remaining) = Supervisor::new();
        let parts = Parts::new(&config, committee, chain, storage, network, &end);
        parts.start(&supervisor, asked, end, config.evidence);

        let mut distance = parts.distance.subscribe();
        let near = distance.wait_for(|distance| *distance == Distance::Near);
        // Whoever is not there in time goes on catching up while it serves.
        let _ = tokio::time::timeout(CATCH_UP_MAX, near).await;
        let Handing { checks, network, .. } = &parts.handing;
        let running = Running::new(&supervisor, remaining, vec![network.clone()]);
        let (chain, clock) = (checks.chain.clone(), Arc::clone(&checks.clock));
        let life = Life {
            board: Arc::clone(&checks.board),
            distance: parts.distance.subscribe(),
            way_in: WayIn::Validators(Box::new(parts.handing)),
            running,
            close: None,
        };
        Ok(Self { chain, clock, lives: Arc::new(Lives::new(life)), dev: None, settles: false })
    }
}

/// What the tasks share.
struct Parts {
    committee: Arc<Committee>,
    storage: Storage,
    handing: Handing,
    accepted: watch::Sender<BlockNumber>,
    distance: watch::Sender<Distance>,
    metrics: Metrics,
}

impl Parts {
    fn new(
        config: &FullNodeConfig,
        committee: Arc<Committee>,
        chain: Chain,
        storage: Storage,
        network: Network,
        end: &ChainsEnd,
    ) -> Self {
        let next = next_info(&chain, &end.parent(&chain), Timestamp::ZERO);
        let board = Board::new(storage.clone(), end, next, Events::new());
        let checks = Checks {
            chain,
            board: Arc::new(board),
            clock: Arc::new(Clock::new(None)),
            impersonated: Impersonated::default(),
            permits: Arc::new(Semaphore::new(config.gateway_concurrency)),
        };
        let metrics = config.metrics.clone();
        let handed = SharedHanded::default();
        Self {
            committee,
            storage,
            handing: Handing { checks, handed, network, metrics: metrics.clone() },
            accepted: watch::Sender::new(end.accepted),
            distance: watch::Sender::new(Distance::Unknown),
            metrics,
        }
    }

    /// Starts the tasks, last one first.
    fn start(
        &self,
        supervisor: &Supervisor,
        asked: mpsc::Receiver<Request>,
        end: ChainsEnd,
        evidence: Option<PathBuf>,
    ) {
        let Checks { chain, board, clock, .. } = &self.handing.checks;
        let (executed_in, executed) = mpsc::channel(EXECUTED_MAX);
        let (durable_in, durable) = mpsc::channel(EXECUTED_MAX);
        let (adopt_in, adopted) = mpsc::channel(1);
        let (proofs_in, proofs) = mpsc::channel(PROOFS_MAX);
        let unproven = end.unaccepted.iter().map(|block| block.header.number().0).collect();
        let parent = end.parent(chain);
        let committer = Committer {
            storage: self.storage.clone(),
            board: Arc::clone(board),
            metrics: self.metrics.clone(),
            executed,
            durable: durable_in,
            accepted: self.accepted.subscribe(),
            parent: end.tip.header.clone(),
            shutdown: supervisor.shutdown(),
        };
        supervisor.task("committer", committer.run());
        let (_, inbox) = Lane::nowhere();
        let attesting = Attesting {
            committee: Arc::clone(&self.committee),
            validator: None,
            storage: self.storage.clone(),
            board: Arc::clone(board),
            recent: Recent::default(),
            metrics: self.metrics.clone(),
            durable,
            inbox,
            proofs,
            accepted: self.accepted.clone(),
            evidence,
        };
        supervisor.task("attestation", attesting.run(end.unaccepted, supervisor.shutdown()));
        let adopting = Adopting {
            chain: chain.clone(),
            board: Arc::clone(board),
            metrics: self.metrics.clone(),
            adopted,
            executed: executed_in,
            parent,
            handed: self.handing.handed.clone(),
        };
        supervisor.task("adopting", adopting.run());
        let syncing = Syncing {
            committee: Arc::clone(&self.committee),
            chain: chain.clone(),
            network: self.handing.network.clone(),
            board: Arc::clone(board),
            clock: Arc::clone(clock),
            adopt: adopt_in,
            side: Side::FullNode { unproven, proofs: proofs_in },
            distance: self.distance.clone(),
        };
        supervisor.task("sync", syncing.run(supervisor.shutdown()));
        let serving = Serving {
            storage: self.storage.clone(),
            recent: Recent::default(),
            metrics: self.metrics.clone(),
            accepted: self.accepted.subscribe(),
            requests: asked,
            gateway: None,
        };
        supervisor.task("serving", serving.run(supervisor.shutdown()));
        supervisor.task("handing", self.handing.clone().run(supervisor.shutdown()));
    }
}
