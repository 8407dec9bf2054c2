//! The subscriptions of a socket, for those who open and close them.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{error::Error, metrics::Metrics, subscription::Subscription};

/// Which subscriptions a socket has.
#[derive(Debug)]
pub(crate) struct Session {
    open: Mutex<BTreeSet<u64>>,
    subscriptions_max: usize,
    metrics: Metrics,
}

/// The session of a socket as one of its messages sees it: what a message opens is told of once it is
/// answered.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    session: Arc<Session>,
    opened: Arc<Mutex<Opened>>,
}

/// Subscriptions with their ids.
pub(crate) type Opened = Vec<(u64, Subscription)>;

/// The last id; no two subscriptions of a process have the same.
static LAST: AtomicU64 = AtomicU64::new(0);

impl Session {
    /// With no subscription.
    pub(crate) fn new(subscriptions_max: usize, metrics: Metrics) -> Self {
        Self { open: Mutex::default(), subscriptions_max, metrics }
    }

    /// Whether a subscription is open.
    pub(crate) fn has(&self, id: u64) -> bool {
        self.lock().contains(&id)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.metrics.unsubscribed(self.lock().len());
    }
}

impl Line {
    /// For another message.
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self { session, opened: Arc::default() }
    }

    /// Opens a subscription; returns its id.
    ///
    /// # Errors
    /// [`Error::TooManySubscriptions`].
    pub(crate) fn open(&self, subscription: Subscription) -> Result<String, Error> {
        let mut open = self.session.lock();
        let max = self.session.subscriptions_max;
        if max <= open.len() {
            return Err(Error::TooManySubscriptions { max });
        }
        let id = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        open.insert(id);
        self.session.metrics.subscribed();
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push((id, subscription));
        Ok(id.to_string())
    }

    /// Closes a subscription.
    ///
    /// # Errors
    /// [`Error::InvalidSubscriptionId`] if there is none with this id.
    pub(crate) fn close(&self, id: &str) -> Result<bool, Error> {
        let number = id.parse::<u64>().ok().filter(|number| number.to_string() == id);
        if !number.is_some_and(|number| self.session.lock().remove(&number)) {
            return Err(Error::InvalidSubscriptionId);
        }
        self.session.metrics.unsubscribed(1);
        Ok(true)
    }

    /// What the message has opened.
    pub(crate) fn opened(&self) -> Opened {
        mem::take(&mut self.opened.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
