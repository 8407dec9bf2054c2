//! Starts what orders: a task for each worker, and the one that certifies and orders.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use kraken_types::{CommitIndex, Genesis, Identity, Timestamp, WorkerId};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::{
    clock::Clock,
    journal::Journal,
    lanes::{Inbox, Lane},
    link::{Linking, Session},
    machines,
    metrics::Metrics,
    ordering::{self, Ordered, Ordering, Request},
    recovery::Recovered,
    supervisor::Supervisor,
    swarms::WorkerEnds,
    workers::{self, Source, Workers},
};

/// What the tasks that order share, and the ends of the channels that lead out of them.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) identity: Identity,
    pub(crate) genesis: Genesis,
    pub(crate) journal: Journal,
    /// Stamps headers.
    pub(crate) clock: Arc<Clock>,
    pub(crate) metrics: Metrics,
    /// Says that the sources have something.
    pub(crate) arrived: Arc<Notify>,
    /// Both ends of what the order is asked.
    pub(crate) requests: (mpsc::Sender<Request>, mpsc::Receiver<Request>),
    /// Someone wants the open block to end.
    pub(crate) close: mpsc::Receiver<oneshot::Sender<CommitIndex>>,
    /// When the open block wants a commit.
    pub(crate) wanted: watch::Receiver<Option<Timestamp>>,
    /// To whoever executes.
    pub(crate) ordered: mpsc::Sender<Ordered>,
}

impl Order {
    /// Starts the tasks behind what an earlier run left. Each worker has a `source` of its own.
    pub(crate) fn start<S: Source>(
        self,
        supervisor: &Supervisor,
        source: impl Fn() -> S,
        workers: Vec<WorkerEnds>,
        (lane, inbox): (Lane, Inbox),
        mut recovered: Recovered,
    ) {
        let batches = std::mem::take(&mut recovered.batches);
        let mut close = Some(self.close);
        let mut wishes = Vec::new();
        let starts_over = watch::Sender::new(());
        for (place, ends) in (0..).map(WorkerId).zip(workers) {
            let (wishes_in, wished) = mpsc::channel(workers::WISHES_MAX);
            wishes.push(wishes_in);
            let lanes = match ends {
                WorkerEnds::Here(lanes) => lanes,
                WorkerEnds::Elsewhere(network, inbox) => {
                    let linking = Linking {
                        own: self.identity.id,
                        others: self.identity.peers().collect(),
                        worker: place,
                        source: source(),
                        arrived: Arc::clone(&self.arrived),
                        journal: self.journal.clone(),
                        ordering: self.requests.0.clone(),
                        wishes: wished,
                        starts_over: starts_over.subscribe(),
                        network,
                        inbox,
                        metrics: self.metrics.clone(),
                        session: Session::new(first_number()),
                    };
                    supervisor.task("link", linking.run(supervisor.shutdown()));
                    continue;
                }
            };
            let ends = workers::Ends {
                arrived: Arc::clone(&self.arrived),
                // Dev controls are those of a committee of one, which has one worker.
                close: close.take().unwrap_or_else(|| mpsc::channel(1).1),
                journal: self.journal.clone(),
                ordering: self.requests.0.clone(),
                wishes: wished,
                starts_over: starts_over.subscribe(),
                lanes,
                metrics: self.metrics.clone(),
            };
            let config = machines::worker(self.identity.clone(), place);
            let workers = Workers::new(config, source(), ends);
            let held = batches.iter().filter(|held| held.batch.worker == place).copied().collect();
            supervisor.task("workers", workers.run(held, supervisor.shutdown()));
        }
        let ends = ordering::Ends {
            requests: self.requests.1,
            wanted: self.wanted,
            ordered: self.ordered,
            wishes,
            starts_over,
            lane,
            inbox,
            metrics: self.metrics,
        };
        let ordering = Ordering::new(self.identity, self.genesis, ends, self.journal, self.clock);
        supervisor.task("ordering", ordering.run(recovered, supervisor.shutdown()));
    }
}

/// A number above those of every transaction that an earlier run handed to a worker: they come more
/// slowly than microseconds do.
fn first_number() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX / 2)
}
