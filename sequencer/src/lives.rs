//! What runs between a start and the next.
//!
//! A developer's chain can be stopped, changed on the disk and started again; whoever holds the
//! [`crate::Sequencer`] goes on with what runs then.

use std::sync::{Arc, PoisonError, RwLock};

use kraken_types::CommitIndex;
use tokio::sync::{RwLockReadGuard, RwLockWriteGuard, mpsc, oneshot, watch};

use crate::{Distance, board::Board, gateway::Gateway, handing::Handing, running::Running};

/// All tasks from one start to the end of the first of them, and the ends that lead to them.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) board: Arc<Board>,
    pub(crate) way_in: WayIn,
    pub(crate) running: Running,
    pub(crate) distance: watch::Receiver<Distance>,
    /// Where to ask for the end of a block, on a developer's chain.
    pub(crate) close: Option<mpsc::Sender<oneshot::Sender<CommitIndex>>>,
}

/// Where transactions go that callers submit.
#[derive(Clone, Debug)]
pub(crate) enum WayIn {
    /// Into our own pool.
    Pool(Gateway),
    /// To a validator.
    Validators(Box<Handing>),
}

/// The life that is on.
#[derive(Debug)]
pub(crate) struct Lives {
    current: RwLock<Arc<Life>>,
    /// Held for reading by whoever needs one life to last, for writing between two.
    changing: tokio::sync::RwLock<()>,
}

impl Lives {
    /// With the first.
    pub(crate) fn new(life: Life) -> Self {
        let current = RwLock::new(Arc::new(life));
        Self { current, changing: tokio::sync::RwLock::new(()) }
    }

    /// The one that is on; it may end at any time.
    pub(crate) fn current(&self) -> Arc<Life> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves while no change is on, and holds up the next one.
    pub(crate) async fn lasting(&self) -> RwLockReadGuard<'_, ()> {
        self.changing.read().await
    }

    /// Resolves once nobody needs the current life to last; nobody gets at the next one before this
    /// is dropped.
    pub(crate) async fn change(&self) -> RwLockWriteGuard<'_, ()> {
        self.changing.write().await
    }

    /// The next one begins.
    pub(crate) fn begin(&self, life: Life) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(life);
    }

    /// Resolves with the reason once a task has ended, unless somebody stopped it to start anew.
    pub(crate) async fn stopped(&self) -> String {
        loop {
            let life = self.current();
            let reason = life.running.stopped().await;
            let _lasting = self.lasting().await;
            if Arc::ptr_eq(&life, &self.current()) {
                return reason;
            }
        }
    }

    /// Ends all tasks for good.
    pub(crate) async fn shut_down(&self) {
        let _lasting = self.lasting().await;
        self.current().running.shut_down().await;
    }
}
