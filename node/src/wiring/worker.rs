//! A worker that is a process of its own: settings in, running tasks out.

use std::sync::{Arc, OnceLock};

use kraken_rpc::{Ready, Server};
use kraken_sequencer::{SwarmConfig, WorkerProcess, WorkerProcessConfig};

use super::{registry, serve_metrics, start_failure, validator::count};
use crate::{
    failure::Failure, folder::Folder, genesis, keys, service::Running,
    settings::worker::WorkerSettings,
};

/// Where its batches are, in its data folder.
const BATCHES: &str = "worker";

/// A worker whose tasks run.
#[derive(Debug)]
pub(crate) struct Worker {
    process: WorkerProcess,
    /// For those who watch it.
    metrics: Option<Server>,
    /// Released when everything else has ended.
    _folder: Folder,
}

impl Worker {
    /// Starts everything.
    ///
    /// # Errors
    /// If the settings do not fit the genesis, an address is taken, or the data folder is not fit.
    pub(crate) async fn start(settings: &WorkerSettings) -> Result<Self, Failure> {
        let genesis = genesis::committee::read(&settings.genesis)?;
        let validators = genesis.committee.len();
        count("addresses of peers", settings.peers.len(), "validators in the genesis", validators)?;
        let seed = keys::file::read_worker(&settings.key)?;
        let folder = Folder::claim(&settings.data_dir)?;
        folder.adopt(&genesis)?;

        let mut registry = registry();
        let metrics = kraken_sequencer::Metrics::new(&mut registry);
        let started: Arc<OnceLock<WorkerProcess>> = Arc::default();
        let watched = Arc::clone(&started);
        let ready = move || match watched.get() {
            None => Err("starting".to_owned()),
            Some(process) if !process.is_linked() => Err("looking for its validator".to_owned()),
            Some(_) => Ok(()),
        };
        let server = serve_metrics(settings.metrics, registry, Ready::new(ready)).await?;
        let config = WorkerProcessConfig {
            genesis,
            swarm: SwarmConfig {
                seed,
                listen: settings.listen,
                peers: settings.peers.clone(),
                transport: settings.transport,
            },
            primary: settings.primary.clone(),
            directory: Some(folder.path().join(BATCHES)),
            metrics,
        };
        let process = WorkerProcess::start(config).await.map_err(start_failure)?;
        started.get_or_init(|| process.clone());
        Ok(Self { process, metrics: server, _folder: folder })
    }

    /// Which worker it is, of which validator.
    pub(crate) fn who(&self) -> String {
        format!("worker {} of validator {}", self.process.worker.0, self.process.validator)
    }
}

impl Running for Worker {
    async fn stopped(&mut self) -> String {
        self.process.stopped().await
    }

    async fn shut_down(self) {
        self.process.shut_down().await;
        if let Some(metrics) = self.metrics {
            metrics.shut_down().await;
        }
    }
}
