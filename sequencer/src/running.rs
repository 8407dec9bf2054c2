//! Tasks that run, and how whoever started them learns of their end, or asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use kraken_network::Network;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::supervisor::{Remaining, Supervisor};

/// All tasks of one supervisor and their swarms. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    shutdown: CancellationToken,
    reason: watch::Receiver<Option<String>>,
    remaining: Arc<Mutex<Option<Remaining>>>,
    networks: Vec<Network>,
}

impl Running {
    /// The tasks that this supervisor has started, which talk over these swarms.
    pub(crate) fn new(
        supervisor: &Supervisor,
        remaining: Remaining,
        networks: Vec<Network>,
    ) -> Self {
        Self {
            shutdown: supervisor.shutdown(),
            reason: supervisor.reason(),
            remaining: Arc::new(Mutex::new(Some(remaining))),
            networks,
        }
    }

    /// Whether the end was asked for, or a task has ended.
    pub(crate) fn is_ending(&self) -> bool {
        self.shutdown.is_cancelled()
    }

    /// Resolves with the reason once any task has ended.
    pub(crate) async fn stopped(&self) -> String {
        let mut reason = self.reason.clone();
        match reason.wait_for(Option::is_some).await {
            Ok(reason) => reason.clone().unwrap_or_default(),
            Err(_) => "all tasks are gone".to_owned(),
        }
    }

    /// Ends all tasks; returns once every one is gone, and the swarms are down.
    pub(crate) async fn shut_down(&self) {
        self.shutdown.cancel();
        let remaining = self.remaining.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(remaining) = remaining {
            remaining.none().await;
        }
        for network in &self.networks {
            network.shut_down().await;
        }
    }
}
