//! The one parent of all tasks.
//!
//! Tasks are few, start here and nowhere else, and end together: when one ends, for whatever reason,
//! the others are told to stop, and the node ends with the reason of the first.

use std::{future::Future, panic::AssertUnwindSafe, thread};

use futures::FutureExt;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{StartError, error::with_causes};

/// Why a task ended early.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} ended: {reason}")]
pub(crate) struct Ended {
    task: &'static str,
    reason: String,
}

impl Ended {
    /// Something below failed; the reason names all its causes.
    pub(crate) fn failed(task: &'static str, error: &dyn std::error::Error) -> Self {
        Self { task, reason: with_causes(error) }
    }

    /// The task it talks to is gone; that one says why.
    pub(crate) fn gone(task: &'static str, other: &'static str) -> Self {
        Self { task, reason: format!("{other} is gone") }
    }

    fn panicked(task: &'static str) -> Self {
        Self { task, reason: "it panicked".to_owned() }
    }
}

/// Starts tasks and notices when one ends. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    shutdown: CancellationToken,
    /// The first reason; tasks that end because of it come later.
    reason: watch::Sender<Option<String>>,
    /// Held by every task; the channel closes when the last one is gone.
    alive: mpsc::Sender<()>,
}

/// Waits for the tasks of a [`Supervisor`].
#[derive(Debug)]
pub(crate) struct Remaining(mpsc::Receiver<()>);

impl Remaining {
    /// Resolves once no task is left; the supervisor and its clones must be gone too.
    pub(crate) async fn none(mut self) {
        while self.0.recv().await.is_some() {}
    }
}

impl Supervisor {
    /// A parent without children.
    pub(crate) fn new() -> (Self, Remaining) {
        let (alive, remaining) = mpsc::channel(1);
        let supervisor =
            Self { shutdown: CancellationToken::new(), reason: watch::Sender::new(None), alive };
        (supervisor, Remaining(remaining))
    }

    /// Fires when the tasks are to stop.
    pub(crate) fn shutdown(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    /// The reason of the first task that ended.
    pub(crate) fn reason(&self) -> watch::Receiver<Option<String>> {
        self.reason.subscribe()
    }

    /// Starts an async task.
    pub(crate) fn task(
        &self,
        name: &'static str,
        work: impl Future<Output = Result<(), Ended>> + Send + 'static,
    ) {
        let (supervisor, alive) = (self.detached(), self.alive.clone());
        tokio::spawn(async move {
            let result = AssertUnwindSafe(work).catch_unwind().await;
            supervisor.ended(name, result.unwrap_or_else(|_| Err(Ended::panicked(name))));
            drop(alive);
        });
    }

    /// Starts a thread, for work that blocks. The task is dropped only after its end was noticed:
    /// whoever misses it then cannot be the first to say why.
    ///
    /// # Errors
    /// If the operating system has no thread to give.
    pub(crate) fn thread<T: Send + 'static>(
        &self,
        name: &'static str,
        mut task: T,
        run: fn(&mut T) -> Result<(), Ended>,
    ) -> Result<(), StartError> {
        let (notice, alive) = (self.detached(), self.alive.clone());
        let body = move || {
            let result = std::panic::catch_unwind(AssertUnwindSafe(|| run(&mut task)));
            notice.ended(name, result.unwrap_or_else(|_| Err(Ended::panicked(name))));
            drop(task);
            drop(alive);
        };
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map_err(StartError::Thread)
            .map(drop)
    }

    fn detached(&self) -> Notice {
        Notice { shutdown: self.shutdown.clone(), reason: self.reason.clone() }
    }
}

/// What a task needs to say that it ended.
struct Notice {
    shutdown: CancellationToken,
    reason: watch::Sender<Option<String>>,
}

impl Notice {
    fn ended(&self, name: &'static str, result: Result<(), Ended>) {
        let reason = match result {
            Ok(()) if self.shutdown.is_cancelled() => "shut down".to_owned(),
            Ok(()) => format!("{name} ended"),
            Err(ended) => {
                tracing::error!(task = name, "{ended}");
                ended.to_string()
            }
        };
        self.reason.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(reason);
            is_first
        });
        self.shutdown.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn when_one_task_ends_all_end_with_its_reason() {
        let (supervisor, remaining) = Supervisor::new();
        let shutdown = supervisor.shutdown();
        supervisor.task("patient", async move {
            shutdown.cancelled().await;
            Ok(())
        });
        let blocking = (tokio::runtime::Handle::current(), supervisor.shutdown());
        supervisor
            .thread("blocking", blocking, |(runtime, shutdown)| {
                runtime.block_on(shutdown.cancelled());
                Ok(())
            })
            .expect("a thread");
        let mut reason = supervisor.reason();
        supervisor.task("broken", async { panic!("a broken invariant") });
        drop(supervisor);

        remaining.none().await;
        let reason = reason.wait_for(Option::is_some).await.expect("a reason").clone();
        assert_eq!(reason.as_deref(), Some("broken ended: it panicked"));
    }

    #[tokio::test]
    async fn who_fails_is_named_before_those_who_miss_it() {
        let (supervisor, remaining) = Supervisor::new();
        let (sender, mut receiver) = mpsc::channel::<()>(1);
        supervisor.task("dependent", async move {
            receiver.recv().await;
            Err(Ended::gone("dependent", "broken"))
        });
        let broken = |_: &mut mpsc::Sender<()>| Err(Ended::panicked("broken"));
        supervisor.thread("broken", sender, broken).expect("a thread");
        let reason = supervisor.reason();
        drop(supervisor);
        remaining.none().await;
        assert_eq!(reason.borrow().as_deref(), Some("broken ended: it panicked"));
    }
}
