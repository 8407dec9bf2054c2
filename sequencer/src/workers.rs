//! The task that drives the worker: takes what is ready from the pool and makes durable batches of
//! it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_execution::Prepared;
use kraken_mempool::worker::{Held, Input, Output, Worker};
use kraken_storage::codec::encode_transaction;
use kraken_types::{Batch, CommitIndex, Timestamp};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Uptime},
    journal::{Journal, News},
    ordering::Request,
    pool::SharedPool,
    supervisor::Ended,
};

/// How many transactions are taken from the pool at a time.
const TAKEN_MAX: usize = 1_024;

/// How often transactions that waited too long are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// What the task holds of others.
#[derive(Debug)]
pub(crate) struct Ends {
    /// Where transactions come from.
    pub(crate) pool: SharedPool,
    /// Says that the pool has something.
    pub(crate) arrived: Arc<Notify>,
    /// Someone wants everything that is ready to be ordered, and then the block to end.
    pub(crate) close: mpsc::Receiver<oneshot::Sender<CommitIndex>>,
    /// Makes batches durable, and knows what became of them.
    pub(crate) journal: Journal,
    /// To the primary.
    pub(crate) ordering: mpsc::Sender<Request>,
    /// Says how long transactions have waited.
    pub(crate) clock: Arc<Clock>,
}

/// The task that drives the worker.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Decides.
    worker: Worker,
    ends: Ends,
    /// What the worker calls time: it only ever wants to know how long something took.
    uptime: Uptime,
    /// What was given to the worker and is in no batch yet, in order.
    unsealed: VecDeque<Prepared>,
    wake_at: Option<Timestamp>,
    /// Whether transactions must stay in the pool.
    is_full: bool,
}

/// What happened.
enum Happened {
    Arrived,
    Close(oneshot::Sender<CommitIndex>),
    News,
    Tick,
    Expire,
}

impl Workers {
    pub(crate) fn new(worker: Worker, ends: Ends) -> Self {
        Self {
            worker,
            ends,
            uptime: Uptime::start(),
            unsealed: VecDeque::new(),
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
        self.step(Input::Recovered(recovered)).await?;
        self.tell_news().await?;
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        loop {
            let happened = tokio::select! {
                biased; // A flood of transactions must not delay shutdown.
                () = shutdown.cancelled() => return Ok(()),
                Some(reply) = self.ends.close.recv() => Happened::Close(reply),
                () = self.ends.journal.changed() => Happened::News,
                () = self.uptime.sleep_until(self.wake_at) => Happened::Tick,
                () = self.ends.arrived.notified() => Happened::Arrived,
                _ = expire.tick() => Happened::Expire,
            };
            match happened {
                Happened::Arrived => self.pack_all().await?,
                Happened::Close(reply) => {
                    self.pack_all().await?;
                    self.send(Request::CloseBlock(reply)).await?;
                }
                Happened::News => {
                    let was_full = self.is_full;
                    self.tell_news().await?;
                    if was_full {
                        self.pack_all().await?;
                    }
                }
                Happened::Tick => self.tick_if_due().await?,
                Happened::Expire => {
                    self.ends.pool.lock().expire(self.ends.clock.now());
                    // Whatever became ready by an outcome is picked up here at the latest.
                    self.pack_all().await?;
                }
            }
        }
    }

    /// Packs until nothing is ready or the worker is full. While one batch goes to disk the next one
    /// gathers, so batches grow with the load and a lone transaction does not wait.
    async fn pack_all(&mut self) -> Result<(), Ended> {
        while !self.is_full {
            let ready = self.ends.pool.lock().take_ready(TAKEN_MAX);
            if ready.is_empty() {
                return Ok(());
            }
            for transaction in ready {
                let bytes = Bytes::from(encode_transaction(transaction.rpc()));
                self.unsealed.push_back(transaction);
                self.step(Input::Transaction(bytes)).await?;
            }
            // A lone validator waits for no more transactions: what there is, is sealed.
            self.tick_if_due().await?;
        }
        Ok(())
    }

    async fn tick_if_due(&mut self) -> Result<(), Ended> {
        if self.wake_at.take_if(|at| *at <= self.uptime.now()).is_some() {
            self.step(Input::Tick).await?;
        }
        Ok(())
    }

    async fn tell_news(&mut self) -> Result<(), Ended> {
        let News { ordered, released } = self.ends.journal.take_news();
        if !ordered.is_empty() {
            self.step(Input::Ordered(ordered)).await?;
        }
        if !released.is_empty() {
            self.step(Input::Release(released)).await?;
        }
        Ok(())
    }

    async fn step(&mut self, input: Input) -> Result<(), Ended> {
        for output in self.worker.step(self.uptime.now(), input) {
            match output {
                Output::Store { held, bytes } => self.store(held, bytes).await?,
                Output::Sealed(batch) => self.send(Request::Sealed(batch)).await?,
                Output::Full(is_full) => self.is_full = is_full,
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::Send { .. } | Output::Read { .. } | Output::Stored { .. } => {
                    unreachable!("a committee of one has no peers: {output:?}")
                }
            }
        }
        Ok(())
    }

    /// Waits until the batch is durable: nothing behind it may happen before.
    async fn store(&mut self, held: Held, bytes: Bytes) -> Result<(), Ended> {
        let batch = Batch::decode(&bytes).expect("our worker makes batches that can be read");
        let prepared = self.unsealed.drain(..batch.transactions.len()).collect();
        let stored = self.ends.journal.store_batch(held, bytes, Some(prepared)).await;
        stored.map_err(|error| Ended::failed("workers", &error))
    }

    async fn send(&self, request: Request) -> Result<(), Ended> {
        self.ends.ordering.send(request).await.map_err(|_| Ended::gone("workers", "ordering"))
    }
}
