//! The task that drives a worker: takes what is ready from its source, makes durable batches of it,
//! and exchanges batches with the same worker of every other validator.

mod source;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_mempool::worker::{Config, Held, Input, Message, Output, Worker};
use kraken_types::{
    Batch, BatchDigest, BatchRef, CommitIndex, Signers, Timestamp, ValidatorId, codec,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

pub(crate) use self::source::{FromPool, Source};
use crate::{
    clock::Uptime,
    journal::{Journal, News},
    metrics::Metrics,
    ordering::Request,
    pool::Pace,
    queue::{Left, Queue},
    supervisor::Ended,
    swarms::WorkerLanes,
};

/// How many transactions are taken from the source at a time.
const TAKEN_MAX: usize = 1_024;

/// How often transactions that waited too long are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// How many wishes of the order may wait. One that finds no room is dropped: a batch that execution
/// misses for long comes with its whole block, from others.
pub(crate) const WISHES_MAX: usize = 4_096;

/// What the order asks of a worker: to get a batch that is missing, and to report it.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Who made it.
    pub(crate) author: ValidatorId,
    /// Which.
    pub(crate) batch: BatchRef,
    /// Who vouches for it.
    pub(crate) holders: Signers,
}

/// What the task holds of others.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Says that the source has something.
    pub(crate) arrived: Arc<Notify>,
    /// Someone wants everything that is ready to be ordered, and then the block to end.
    pub(crate) close: mpsc::Receiver<oneshot::Sender<CommitIndex>>,
    /// Makes batches durable, and knows what became of them.
    pub(crate) journal: Journal,
    /// To the primary.
    pub(crate) ordering: mpsc::Sender<Request>,
    /// From the primary.
    pub(crate) wishes: mpsc::Receiver<Wish>,
    /// Changes when the ordering part went on from a checkpoint and knows nothing of our batches any
    /// more: then those on disk are to be reported again, as after a restart.
    pub(crate) starts_over: watch::Receiver<()>,
    /// To the same worker of the others, and from there.
    pub(crate) lanes: WorkerLanes,
    pub(crate) metrics: Metrics,
}

/// The task that drives a worker.
#[derive(Debug)]
pub(crate) struct Workers<S> {
    /// Where transactions come from.
    source: S,
    config: Config,
    /// Decides.
    worker: Worker,
    ends: Ends,
    queue: Queue<Held, Outgoing>,
    /// What the worker calls time: it only ever wants to know how long something took.
    uptime: Uptime,
    /// What was given to the worker and is in no batch yet, in order.
    unsealed: VecDeque<Bytes>,
    /// What goes out to one peer after the other.
    frames: Frames,
    /// Changes when there may be news of batches.
    news: watch::Receiver<()>,
    wake_at: Option<Timestamp>,
    /// Whether transactions must stay in the pool.
    is_full: bool,
}

/// What leaves once the batches before it are durable.
#[derive(Debug)]
enum Outgoing {
    Send { to: ValidatorId, message: Message },
    Read { digest: BatchDigest, to: ValidatorId },
    Tell(Request),
}

/// The message with the batch that was sent last: it goes to every peer, and is encoded once.
#[derive(Debug, Default)]
struct Frames {
    batch: Bytes,
    frame: Bytes,
}

impl Frames {
    /// The message with this batch, encoded.
    fn of(&mut self, batch: Bytes) -> Bytes {
        if self.batch.as_ptr() != batch.as_ptr() || self.batch.len() != batch.len() {
            self.frame = Bytes::from(codec::encode(&Message::Batch(batch.clone())));
            self.batch = batch;
        }
        self.frame.clone()
    }
}

/// What happened.
enum Happened {
    Left(Left<Held, Outgoing>),
    Heard(ValidatorId, Bytes),
    Wished(Wish),
    StartOver,
    Arrived,
    Close(oneshot::Sender<CommitIndex>),
    News,
    Tick,
    Expire,
}

impl<S: Source> Workers<S> {
    pub(crate) fn new(config: Config, source: S, ends: Ends) -> Self {
        let news = ends.journal.changed();
        Self {
            source,
            worker: Worker::new(config.clone()),
            config,
            ends,
            queue: Queue::new(),
            uptime: Uptime::start(),
            unsealed: VecDeque::new(),
            frames: Frames::default(),
            news,
            wake_at: None,
            is_full: false,
        }
    }

    /// Goes on with the batches of an earlier run, then runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses or nobody orders batches any more.
    pub(crate) async fn run(
        mut self,
        recovered: Vec<Held>,
        shutdown: CancellationToken,
    ) -> Result<(), Ended> {
        self.step(Input::Recovered(recovered));
        self.tell_news();
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        while let Some(happened) = self.wait(&mut expire, &shutdown).await? {
            match happened {
                Happened::Left(left) => self.carry_out(left).await?,
                Happened::Heard(from, bytes) => self.hear(from, &bytes),
                Happened::Wished(Wish { author, batch, holders }) => {
                    self.step(Input::Fetch { author, batch, holders });
                }
                Happened::StartOver => self.start_over().await?,
                Happened::Arrived => self.pack_all(Pace::Steady),
                Happened::Close(reply) => {
                    self.pack_all(Pace::AtOnce);
                    self.queue.push(Outgoing::Tell(Request::CloseBlock(reply)));
                }
                Happened::News => {
                    let was_full = self.is_full;
                    self.tell_news();
                    if was_full {
                        self.pack_all(Pace::Steady);
                    }
                }
                Happened::Tick => self.tick_if_due(),
                Happened::Expire => {
                    self.source.expire();
                    // Whatever became ready by an outcome is picked up here at the latest.
                    self.pack_all(Pace::Steady);
                }
            }
        }
        Ok(())
    }

    /// `None` when it is time to end. All arms are cancel-safe.
    async fn wait(
        &mut self,
        expire: &mut tokio::time::Interval,
        shutdown: &CancellationToken,
    ) -> Result<Option<Happened>, Ended> {
        let is_full = self.queue.is_full();
        let Ends { close, wishes, starts_over, lanes, arrived, .. } = &mut self.ends;
        Ok(Some(tokio::select! {
            biased; // A flood of transactions must not delay shutdown.
            () = shutdown.cancelled() => return Ok(None),
            left = self.queue.next() => {
                Happened::Left(left.map_err(|error| Ended::failed("workers", &error))?)
            }
            Some(reply) = close.recv(), if !is_full => Happened::Close(reply),
            Ok(()) = self.news.changed() => Happened::News,
            () = self.uptime.sleep_until(self.wake_at) => Happened::Tick,
            Ok(()) = starts_over.changed() => Happened::StartOver,
            Some(wish) = wishes.recv() => Happened::Wished(wish),
            Some((from, bytes)) = lanes.acknowledgements.1.recv(), if !is_full => {
                Happened::Heard(from, bytes)
            }
            Some((from, bytes)) = lanes.batches.1.recv(), if !is_full => {
                Happened::Heard(from, bytes)
            }
            () = arrived.notified(), if !is_full => Happened::Arrived,
            _ = expire.tick(), if !is_full => Happened::Expire,
        }))
    }

    /// Packs until nothing is ready or the worker is full. While one batch goes to disk the next one
    /// gathers, so batches grow with the load and a lone transaction does not wait.
    fn pack_all(&mut self, pace: Pace) {
        while !self.is_full {
            let ready = self.source.take(TAKEN_MAX, pace);
            if ready.is_empty() {
                return;
            }
            for bytes in ready {
                self.unsealed.push_back(bytes.clone());
                self.step(Input::Transaction(bytes));
            }
            // A lone validator waits for no more transactions: what there is, is sealed.
            self.tick_if_due();
        }
    }

    fn tick_if_due(&mut self) {
        if self.wake_at.take_if(|at| *at <= self.uptime.now()).is_some() {
            self.step(Input::Tick);
        }
    }

    fn tell_news(&mut self) {
        let News { ordered, released } = self.ends.journal.take_news(self.config.worker);
        if !ordered.is_empty() {
            self.step(Input::Ordered(ordered));
        }
        if !released.is_empty() {
            self.step(Input::Release(released));
        }
    }

    fn hear(&mut self, from: ValidatorId, bytes: &Bytes) {
        match Message::decode_shared(bytes) {
            Ok(message) => self.step(Input::Message { from, message }),
            Err(error) => {
                self.ends.metrics.malformed("worker");
                tracing::warn!(%from, %error, "ignored a malformed message of a worker");
            }
        }
    }

    /// What is on its way to the disk is there first, or the new worker would not know of it.
    async fn start_over(&mut self) -> Result<(), Ended> {
        while !self.queue.is_empty() {
            let left = self.queue.next().await;
            self.carry_out(left.map_err(|error| Ended::failed("workers", &error))?).await?;
        }
        self.worker = Worker::new(self.config.clone());
        self.wake_at = None;
        let held = self.ends.journal.held();
        let ours = held.into_iter().filter(|held| held.batch.worker == self.config.worker);
        self.step(Input::Recovered(ours.collect()));
        self.tell_news();
        self.pack_again();
        Ok(())
    }

    /// What the worker of before had and no batch holds.
    fn pack_again(&mut self) {
        for bytes in self.unsealed.clone() {
            self.step(Input::Transaction(bytes));
        }
    }

    fn step(&mut self, input: Input) {
        // A batch of ours that comes with anything else is an old one, from before our disk was lost.
        let packs = matches!(input, Input::Transaction(_) | Input::Tick);
        for output in self.worker.step(self.uptime.now(), input) {
            match output {
                Output::Store { held, bytes } => self.store(held, bytes, packs),
                Output::Sealed(batch) => self.queue.push(Outgoing::Tell(Request::Sealed(batch))),
                Output::Stored { author, batch } => {
                    self.queue.push(Outgoing::Tell(Request::Stored { author, batch }));
                }
                Output::Send { to, message } => self.queue.push(Outgoing::Send { to, message }),
                Output::Read { digest, to } => self.queue.push(Outgoing::Read { digest, to }),
                Output::Full(is_full) => self.is_full = is_full,
                Output::WakeAt(at) => self.wake_at = Some(at),
            }
        }
    }

    /// Begins to make a batch durable; nothing behind it happens before.
    fn store(&mut self, held: Held, bytes: Bytes, is_new: bool) {
        if is_new {
            let head = Batch::head_of(&bytes).expect("our worker makes batches that can be read");
            self.unsealed.drain(..head.transactions);
            self.source.sealed(&held.batch, head.transactions);
        }
        self.ends.metrics.batch(is_new, bytes.len());
        let append = self.ends.journal.append_batch(bytes);
        self.queue.push_record(held, append);
    }

    async fn carry_out(&mut self, left: Left<Held, Outgoing>) -> Result<(), Ended> {
        match left {
            Left::Durable(held, location) => {
                self.ends.journal.note_batch(&held, location);
                self.source.durable(&held.batch);
            }
            Left::Effect(Outgoing::Send { to, message }) => self.send(to, message),
            Left::Effect(Outgoing::Read { digest, to }) => self.read(digest, to)?,
            Left::Effect(Outgoing::Tell(request)) => self.tell(request).await?,
        }
        Ok(())
    }

    /// What is small does not wait for what is large.
    fn send(&mut self, to: ValidatorId, message: Message) {
        let lanes = &self.ends.lanes;
        match message {
            Message::Batch(batch) => {
                let (lane, _) = &lanes.batches;
                if lane.reaches(to) {
                    lane.send_encoded(to, self.frames.of(batch));
                }
            }
            Message::Stored(_) | Message::Want(_) => lanes.acknowledgements.0.send(to, &message),
        }
    }

    /// A batch that is still needed lies in memory or in the cache of the disk, so this is short.
    fn read(&mut self, digest: BatchDigest, to: ValidatorId) -> Result<(), Ended> {
        let bytes = self.ends.journal.read_batch(&digest);
        let bytes = bytes.map_err(|error| Ended::failed("workers", &error))?;
        self.step(Input::Read { digest, to, bytes });
        Ok(())
    }

    async fn tell(&mut self, request: Request) -> Result<(), Ended> {
        if let Request::Sealed(batch) = &request {
            self.source.available(batch);
        }
        self.ends.ordering.send(request).await.map_err(|_| Ended::gone("workers", "ordering"))
    }
}
