//! The end of the worker, in its own process.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use kraken_network::{LaneId, Network};
use kraken_types::{BatchDigest, BatchRef, ValidatorId, WorkerId, codec};
use tokio::{
    sync::{Notify, mpsc, watch},
    time,
};
use tokio_util::sync::CancellationToken;

use super::message::{BATCHES_MAX, FRAME_BYTES_MAX, QUESTION_BYTES_MAX, ToPrimary, ToWorker};
use crate::{
    journal::Journal,
    lanes::Inbox,
    metrics::Metrics,
    ordering::Request,
    pool::Pace,
    supervisor::Ended,
    workers::{Source, Wish},
};

/// How often to say again that something was lost.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The task of a worker that speaks to its primary.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) own: ValidatorId,
    pub(crate) worker: WorkerId,
    pub(crate) journal: Journal,
    /// To the primary.
    pub(crate) network: Network,
    pub(crate) inbox: Inbox,
    /// The primary wants to read batches.
    pub(crate) questions: mpsc::Receiver<kraken_network::Request>,
    /// What the worker has to tell its primary.
    pub(crate) reports: mpsc::Receiver<Request>,
    pub(crate) wishes: mpsc::Sender<Wish>,
    pub(crate) starts_over: watch::Sender<()>,
    pub(crate) given: Given,
    pub(crate) metrics: Metrics,
}

/// Transactions that the primary handed over, for the worker to take. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    waiting: Arc<Mutex<VecDeque<(u64, Bytes)>>>,
    /// Says that there are some.
    pub(crate) arrived: Arc<Notify>,
    /// The number of the newest one in a durable batch.
    taken: watch::Sender<Option<u64>>,
}

impl Given {
    /// Nothing was handed over.
    pub(crate) fn new() -> Self {
        let (waiting, arrived) = (Arc::default(), Arc::default());
        Self { waiting, arrived, taken: watch::Sender::new(None) }
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<(u64, Bytes)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes what the primary handed over.
#[derive(Debug)]
pub(crate) struct FromPrimary {
    given: Given,
    /// The numbers of those that were taken and are in no batch, oldest first.
    unsealed: VecDeque<u64>,
    /// The number of the newest in each batch that is on its way to the disk.
    sealed: BTreeMap<BatchDigest, u64>,
}

impl FromPrimary {
    /// Nothing was taken.
    pub(crate) fn new(given: Given) -> Self {
        Self { given, unsealed: VecDeque::new(), sealed: BTreeMap::new() }
    }
}

impl Source for FromPrimary {
    /// The primary set the pace.
    fn take(&mut self, count_max: usize, _: Pace) -> Vec<Bytes> {
        let mut waiting = self.given.waiting();
        let count = count_max.min(waiting.len());
        let (numbers, taken): (Vec<_>, Vec<_>) = waiting.drain(..count).unzip();
        drop(waiting);
        self.unsealed.extend(numbers);
        taken
    }

    fn sealed(&mut self, batch: &BatchRef, count: usize) {
        if let Some(number) = self.unsealed.drain(..count).max() {
            self.sealed.insert(batch.digest, number);
        }
    }

    fn durable(&mut self, batch: &BatchRef) {
        if let Some(number) = self.sealed.remove(&batch.digest) {
            // Batches become durable one after the other, but what was handed over twice comes twice.
            self.given.taken.send_if_modified(|taken| {
                let is_newer = taken.is_none_or(|taken| taken < number);
                *taken = (*taken).max(Some(number));
                is_newer
            });
        }
    }

    fn available(&mut self, _: &BatchRef) {}

    fn left(&mut self, count: usize) {
        self.unsealed.drain(..count);
    }

    /// The primary gives up, if anybody does.
    fn expire(&mut self) {}
}

enum Happened {
    Heard(Bytes),
    Asked(kraken_network::Request),
    Reported(Request),
    Taken,
    Look,
}

impl Linked {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        let mut taken = self.given.taken.subscribe();
        let mut look = time::interval(LOOK_EVERY);
        let mut is_lost = false;
        loop {
            let happened = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Ok(()),
                Some((_, frame)) = self.inbox.recv() => Happened::Heard(frame),
                Some(request) = self.questions.recv() => Happened::Asked(request),
                Some(report) = self.reports.recv() => Happened::Reported(report),
                Ok(()) = taken.changed() => Happened::Taken,
                _ = look.tick(), if is_lost => Happened::Look,
            };
            let is_sent = match happened {
                Happened::Heard(frame) => self.hear(&frame)?,
                Happened::Asked(request) => {
                    self.answer(request);
                    true
                }
                Happened::Reported(report) => self.report(&report),
                Happened::Taken => {
                    let number = *taken.borrow_and_update();
                    number.is_none_or(|number| self.send(&ToPrimary::Taken { number }))
                }
                Happened::Look => {
                    is_lost = !self.send(&ToPrimary::Lost);
                    true
                }
            };
            // Without a connection there is no session, and whatever begins one says everything.
            is_lost |= !is_sent && self.network.is_connected(self.own);
        }
    }

    /// Says whether it was sent.
    fn send(&self, message: &ToPrimary) -> bool {
        self.network.send(self.own, LaneId(0), Bytes::from(codec::encode(message)))
    }

    fn hear(&self, frame: &[u8]) -> Result<bool, Ended> {
        match codec::decode(frame, FRAME_BYTES_MAX) {
            Ok(ToWorker::Begin { session }) => return Ok(self.say_what_is_held(session)),
            Ok(ToWorker::Known { ordered, released, begins }) => {
                let learnt = self.journal.learn(self.worker, ordered, &released);
                learnt.map_err(|error| Ended::failed("link", &error))?;
                if begins {
                    // What is in no batch is handed over again.
                    self.given.waiting().clear();
                    self.starts_over.send_replace(());
                }
            }
            Ok(ToWorker::Fetch { author, batch, holders }) => {
                if let Err(error) = self.wishes.try_send(Wish { author, batch, holders }) {
                    tracing::debug!(%error, "a missing batch is not got now");
                }
            }
            Ok(ToWorker::Transactions { first, transactions }) => {
                self.given.waiting().extend((first..).zip(transactions));
                self.given.arrived.notify_one();
            }
            Err(error) => {
                self.metrics.malformed("link");
                tracing::warn!(%error, "ignored a malformed message of the primary");
            }
        }
        Ok(true)
    }

    fn say_what_is_held(&self, session: u64) -> bool {
        let held = self.journal.held();
        let batches: Vec<_> = held.iter().map(|held| (held.author, held.batch)).collect();
        let mut chunks: Vec<_> = batches.chunks(BATCHES_MAX).map(<[_]>::to_vec).collect();
        let last = chunks.pop().unwrap_or_default();
        let holds = |batches, is_all| self.send(&ToPrimary::Holds { session, batches, is_all });
        chunks.into_iter().all(|batches| holds(batches, false)) && holds(last, true)
    }

    fn report(&self, report: &Request) -> bool {
        match report {
            Request::Sealed(batch) => self.send(&ToPrimary::Sealed(*batch)),
            Request::Stored { author, batch } => {
                self.send(&ToPrimary::Stored { author: *author, batch: *batch })
            }
            Request::CloseBlock(_) | Request::Adopt(_) => {
                unreachable!("a worker that nobody asks to close a block asks for neither")
            }
        }
    }

    /// Whoever asks nonsense gets no answer.
    fn answer(&self, request: kraken_network::Request) {
        let Ok(digest) = codec::decode::<BatchDigest>(&request.bytes, QUESTION_BYTES_MAX) else {
            return self.metrics.malformed("link");
        };
        let journal = self.journal.clone();
        tokio::task::spawn_blocking(move || match journal.read_batch(&digest) {
            Ok(bytes) => request.answer(Bytes::from(codec::encode(&bytes))),
            Err(error) => tracing::error!(%error, "cannot read a batch"),
        });
    }
}
