//! A worker that is a process of its own.

use std::{path::PathBuf, sync::Arc};

use kraken_network::{Keypair, Network};
use kraken_storage::log::{Durability, Log};
use kraken_types::{
    Digest, Genesis, Identity, PublicKey, SecretKey, Signature, Signer, ValidatorId, WorkerId,
};
use tokio::sync::{mpsc, watch};

use crate::{
    Metrics, StartError, SwarmConfig,
    journal::Journal,
    link::{FromPrimary, Given, Linked},
    machines,
    recovery::read_batches,
    running::Running,
    supervisor::Supervisor,
    swarms::WorkerSwarms,
    workers::{self, Workers},
};

/// How many reports to the primary may wait.
const REPORTS_MAX: usize = 1_024;

/// How a worker runs that is a process of its own.
#[derive(Clone, Debug)]
pub struct WorkerProcessConfig {
    /// What all validators share.
    pub genesis: Genesis,
    /// The swarm of the worker. Its key says whose it is, and which.
    pub swarm: SwarmConfig,
    /// Where its primary waits for it, as `host:port`.
    pub primary: String,
    /// The folder of its batches; without one they are in memory.
    pub directory: Option<PathBuf>,
    /// What is counted.
    pub metrics: Metrics,
}

/// A worker that is a process of its own. Cheap to clone.
#[derive(Clone, Debug)]
pub struct WorkerProcess {
    /// Whose it is.
    pub validator: ValidatorId,
    /// Its place there.
    pub worker: WorkerId,
    link: Network,
    running: Running,
}

impl WorkerProcess {
    /// Starts all tasks on the current runtime.
    ///
    /// # Errors
    /// [`StartError`] if a setting does not fit the genesis, a port is taken, or the disk refuses.
    pub async fn start(config: WorkerProcessConfig) -> Result<Self, StartError> {
        let key = Keypair::from_seed(*config.swarm.seed.expose()).public_key();
        let (own, place) = place_of(&config.genesis, key)?;
        let swarms = WorkerSwarms::start(
            &config.swarm,
            &config.primary,
            &config.genesis,
            (own, place),
            &config.metrics,
        );
        let swarms = swarms.await?;
        let batches = match &config.directory {
            Some(directory) => Log::open(&directory.join("batches"), Durability::Synced)?,
            None => Log::in_memory()?,
        };
        let journal = Journal::of(batches, Log::in_memory()?, own);
        let held = read_batches(&journal)?;

        let (supervisor, remaining) = Supervisor::new();
        let (reports_in, reports) = mpsc::channel(REPORTS_MAX);
        let (wishes_in, wishes) = mpsc::channel(workers::WISHES_MAX);
        let (starts_over, given) = (watch::Sender::new(()), Given::new());
        let ends = workers::Ends {
            arrived: Arc::clone(&given.arrived),
            // Dev controls are those of a committee of one, whose worker is no process of its own.
            close: mpsc::channel(1).1,
            journal: journal.clone(),
            ordering: reports_in,
            wishes,
            starts_over: starts_over.subscribe(),
            lanes: swarms.lanes,
            metrics: config.metrics.clone(),
        };
        let committee = Arc::new(config.genesis.committee()?);
        let identity = Identity { committee, id: own, signer: Signer::new(Arc::new(Nothing)) };
        let machine = machines::worker(identity, place);
        let workers = Workers::new(machine, FromPrimary::new(given.clone()), ends);
        supervisor.task("workers", workers.run(held, supervisor.shutdown()));
        let linked = Linked {
            own,
            worker: place,
            journal,
            network: swarms.link.clone(),
            inbox: swarms.inbox,
            questions: swarms.questions,
            reports,
            wishes: wishes_in,
            starts_over,
            given,
            metrics: config.metrics,
        };
        supervisor.task("link", linked.run(supervisor.shutdown()));
        Ok(Self {
            validator: own,
            worker: place,
            link: swarms.link,
            running: Running::new(&supervisor, remaining, swarms.networks),
        })
    }

    /// Whether its primary is there.
    pub fn is_linked(&self) -> bool {
        self.link.is_connected(self.validator)
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

/// Whose worker has this key, and which of them it is.
fn place_of(genesis: &Genesis, key: PublicKey) -> Result<(ValidatorId, WorkerId), StartError> {
    for (id, keys) in (0..).map(ValidatorId).zip(genesis.network()?) {
        let place = (0..).map(WorkerId).zip(&keys.workers).find(|(_, worker)| **worker == key);
        if let Some((place, _)) = place {
            return Ok((id, place));
        }
    }
    Err(StartError::NoWorker { key })
}

/// The key of a worker for votes: it has none, because it says nothing that is signed.
struct Nothing;

impl SecretKey for Nothing {
    fn public_key(&self) -> PublicKey {
        PublicKey::from_bytes([0; 32])
    }

    fn sign(&self, _: &Digest) -> Signature {
        unreachable!("a worker signs nothing")
    }
}
