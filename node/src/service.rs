//! The life of a process that serves until somebody asks for its end.

use std::{
    future,
    io::{self, Read},
    thread,
    time::Instant,
};

use tokio::{
    runtime,
    signal::unix::{self, SignalKind},
    sync::oneshot,
    time,
};

use crate::{
    failure::{self, Failure},
    settings,
};

/// Something that serves.
pub(crate) trait Running {
    /// Resolves with the reason once a part of it has ended.
    async fn stopped(&mut self) -> String;

    /// Ends all of it.
    async fn shut_down(self);
}

/// Whether the end of the standard input asks for the end, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// It is a terminal, or nothing.
    Ignored,
    /// Somebody holds the other end as long as this process shall live.
    Watched,
}

impl Parent {
    /// As the flag `--until-stdin-closes` says.
    pub(crate) const fn watched_if(until_stdin_closes: bool) -> Self {
        if until_stdin_closes { Self::Watched } else { Self::Ignored }
    }
}

/// Starts a node, tells of it, and runs it until somebody asks for its end.
///
/// # Errors
/// If the node cannot start, or if one of its tasks ended.
pub(crate) fn run<R: Running>(
    start: impl Future<Output = Result<R, Failure>>,
    tell: impl FnOnce(&R),
    parent: Parent,
) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(settings::runtime_threads())
        .enable_all()
        .thread_stack_size(settings::THREAD_STACK_BYTES)
        .thread_name("kraken")
        .build()
        .map_err(|error| threads_failure(&error))?;
    let done = runtime.block_on(serve(start, tell, parent));
    runtime.shutdown_background();
    done
}

/// Why there is no runtime.
pub(crate) fn threads_failure(error: &io::Error) -> Failure {
    Failure::because("cannot start threads", error, "allow this process more of them")
}

async fn serve<R: Running>(
    start: impl Future<Output = Result<R, Failure>>,
    tell: impl FnOnce(&R),
    parent: Parent,
) -> Result<(), Failure> {
    let began = Instant::now();
    let mut endings = Endings::new(parent)?;
    let mut node = tokio::select! {
        biased;
        () = endings.any() => return Ok(()),
        node = start => node?,
    };
    tell(&node);
    tracing::info!("ready after {:.2?}; Ctrl-C stops", began.elapsed());

    let ended = tokio::select! {
        biased;
        () = endings.any() => None,
        reason = node.stopped() => Some(reason),
    };
    if ended.is_none() {
        tracing::info!("stopping");
    }
    tokio::select! {
        biased;
        () = node.shut_down() => {}
        () = endings.any() => tracing::warn!("stopped without waiting; nothing durable is lost"),
        () = time::sleep(settings::SHUTDOWN_MAX) => tracing::warn!("stopped after waiting in vain"),
    }
    match ended {
        None => Ok(()),
        Some(reason) => {
            let remedy = failure::full_disk_remedy(&reason);
            Err(Failure::new(
                format!("the node stopped: {reason}"),
                remedy.unwrap_or("start it again; the log above says more"),
            ))
        }
    }
}

/// The signal for a file that is larger than `ulimit -f` allows.
const SIGXFSZ: i32 = 25;

/// What asks a process to end.
#[derive(Debug)]
pub(crate) struct Endings {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    /// Nobody waits for it. That somebody could makes the write that went over a limit of this
    /// process an error like that of a full disk, and not the end without a word.
    _file_too_large: unix::Signal,
    /// Resolves when the standard input is closed; `None` if nobody cares, and from then on.
    orphaned: Option<oneshot::Receiver<()>>,
}

impl Endings {
    /// Listens from now on.
    ///
    /// # Errors
    /// If the system does not let us.
    pub(crate) fn new(parent: Parent) -> Result<Self, Failure> {
        let listen = |kind| {
            unix::signal(kind).map_err(|error| {
                Failure::because(
                    "cannot listen for signals",
                    &error,
                    "check the limits of this process",
                )
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            _file_too_large: listen(SignalKind::from_raw(SIGXFSZ))?,
            orphaned: (parent == Parent::Watched).then(watch_stdin),
        })
    }

    /// Resolves when somebody asked for the end. Asked again, it waits for somebody to insist.
    pub(crate) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            () = closed(&mut self.orphaned) => {}
        }
    }
}

async fn closed(orphaned: &mut Option<oneshot::Receiver<()>>) {
    let Some(receiver) = orphaned else {
        return future::pending().await;
    };
    // A watcher that is gone without a word saw the end, too.
    let _ = receiver.await;
    *orphaned = None;
}

/// Watches the standard input from a thread of its own, which ends with the process.
fn watch_stdin() -> oneshot::Receiver<()> {
    let (closed, receiver) = oneshot::channel();
    thread::spawn(move || {
        let mut buffer = [0; 1_024];
        // What comes in means nothing; an error is as good as an end.
        while io::stdin().read(&mut buffer).is_ok_and(|read| read != 0) {}
        let _ = closed.send(());
    });
    receiver
}
