//! The task that packs: takes what is ready from the pool and makes durable batches of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_execution::Prepared;
use kraken_mempool::worker::packer::{Input, Output, Packer};
use kraken_storage::codec::encode_transaction;
use kraken_types::{Batch, BatchRef, Epoch, ValidatorId, WorkerId};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::Clock, journal::Journal, ordering::Request, pool::SharedPool, supervisor::Ended,
};

/// How many transactions are taken from the pool at a time.
const TAKEN_MAX: usize = 1_024;

/// How often transactions that waited too long are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// The task that packs.
#[derive(Debug)]
pub(crate) struct Workers {
    /// Decides.
    pub(crate) packer: Packer,
    /// Where transactions come from.
    pub(crate) pool: SharedPool,
    /// Says that the pool has something.
    pub(crate) arrived: Arc<Notify>,
    /// Someone wants everything that is ready to be ordered, and then the block to end.
    pub(crate) close: mpsc::Receiver<oneshot::Sender<kraken_types::CommitIndex>>,
    /// Makes batches durable.
    pub(crate) journal: Journal,
    /// To the primary.
    pub(crate) ordering: mpsc::Sender<Request>,
    /// The only owner of real time.
    pub(crate) clock: Arc<Clock>,
    /// Who makes the batches.
    pub(crate) author: ValidatorId,
    /// The number of the next batch.
    pub(crate) sequence: u64,
}

/// What happened.
enum Happened {
    Arrived,
    Close(oneshot::Sender<kraken_types::CommitIndex>),
    Expire,
}

impl Workers {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses or nobody orders batches any more.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        loop {
            let happened = tokio::select! {
                biased; // A flood of transactions must not delay shutdown.
                () = shutdown.cancelled() => return Ok(()),
                Some(reply) = self.close.recv() => Happened::Close(reply),
                () = self.arrived.notified() => Happened::Arrived,
                _ = expire.tick() => Happened::Expire,
            };
            match happened {
                Happened::Arrived => self.pack_all().await?,
                Happened::Close(reply) => {
                    self.pack_all().await?;
                    self.send(Request::CloseBlock(reply)).await?;
                }
                Happened::Expire => {
                    self.pool.lock().expire(self.clock.now());
                    // Whatever became ready by an outcome is picked up here at the latest.
                    self.pack_all().await?;
                }
            }
        }
    }

    /// Packs until nothing is ready. While one batch goes to disk the next one gathers, so batches
    /// grow with the load and a lone transaction does not wait.
    async fn pack_all(&mut self) -> Result<(), Ended> {
        loop {
            let ready = self.pool.lock().take_ready(TAKEN_MAX);
            if ready.is_empty() {
                return Ok(());
            }
            self.pack(ready).await?;
        }
    }

    async fn pack(&mut self, ready: Vec<Prepared>) -> Result<(), Ended> {
        let mut unsealed = ready.into_iter();
        let inputs: Vec<_> = unsealed
            .as_slice()
            .iter()
            .map(|transaction| Bytes::from(encode_transaction(transaction.rpc())))
            .map(Input::Transaction)
            .chain([Input::Tick])
            .collect();
        for input in inputs {
            for output in self.packer.step(self.clock.now(), input) {
                match output {
                    // The age limit of a lone validator is zero: the tick above seals.
                    Output::WakeAt(_) => {}
                    Output::Seal(transactions) => {
                        let prepared = unsealed.by_ref().take(transactions.len()).collect();
                        self.seal(transactions, prepared).await?;
                    }
                }
            }
        }
        Ok(())
    }

    async fn seal(
        &mut self,
        transactions: Vec<Bytes>,
        prepared: Vec<Prepared>,
    ) -> Result<(), Ended> {
        let worker = WorkerId(0);
        let batch = Batch {
            epoch: Epoch(0),
            author: self.author,
            worker,
            sequence: self.sequence,
            transactions,
        };
        self.sequence += 1;
        let stored = self.journal.store_batch(&batch, prepared).await;
        let digest = stored.map_err(|error| Ended::failed("workers", &error))?;
        self.send(Request::Batch(BatchRef { digest, worker })).await
    }

    async fn send(&self, request: Request) -> Result<(), Ended> {
        self.ordering.send(request).await.map_err(|_| Ended::gone("workers", "ordering"))
    }
}
