//! What must be durable before a block is: batches, and the records of primary and protocol.
//!
//! Knows where everything lies in its log that is still needed, and lets go of the rest: of a batch
//! and of a commit once they are in durable blocks, of a record about a round once that round is
//! pruned, of any other record once there is a newer one of its kind.

mod index;

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use kraken_execution::Prepared;
use kraken_mempool::worker::Held;
use kraken_ordering::Entry;
use kraken_storage::{
    Error, Storage,
    log::{Location, Log},
};
use kraken_types::{BatchDigest, BatchRef, CommitIndex, Round, ValidatorId, WorkerId, codec};
use tokio::sync::{oneshot, watch};

use self::index::{Index, elsewhere::Readable};
pub(crate) use self::index::{News, Standing};

/// Both logs, and what is in them that is still needed. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    batches: Log,
    votes: Log,
    index: Arc<Mutex<Index>>,
    /// Changes when there are [`News`].
    changed: watch::Sender<()>,
}

/// Resolves with the place of a record once it is durable.
pub(crate) type Append = oneshot::Receiver<Result<Location, Error>>;

impl Journal {
    /// The journal in a storage.
    pub(crate) fn new(storage: &Storage, own: ValidatorId) -> Self {
        Self::of(storage.batches(), storage.votes(), own)
    }

    /// Starts with an empty index; [`crate::recovery`] fills it. `own` is the validator whose journal
    /// this is.
    pub(crate) fn of(batches: Log, votes: Log, own: ValidatorId) -> Self {
        Self {
            batches,
            votes,
            index: Arc::new(Mutex::new(Index::new(own))),
            changed: watch::Sender::new(()),
        }
    }

    /// The log of batches.
    pub(crate) fn batches(&self) -> &Log {
        &self.batches
    }

    /// The log of records.
    pub(crate) fn votes(&self) -> &Log {
        &self.votes
    }

    /// Begins to make a batch durable. What is durable is to be [noted](Self::note_batch).
    pub(crate) fn append_batch(&self, bytes: Bytes) -> Append {
        start_append(&self.batches, bytes)
    }

    /// Begins to make an entry durable; entries become so in the order of the calls, and those that
    /// wait at the same time together. What is durable is to be [noted](Self::note_entry).
    pub(crate) fn append_entry(&self, entry: &Entry) -> Append {
        start_append(&self.votes, Bytes::from(codec::encode(entry)))
    }

    /// Keeps the transactions of an own batch, in order, until the batch is released.
    pub(crate) fn note_prepared(&self, digest: BatchDigest, prepared: Vec<Prepared>) {
        self.index().note_prepared(digest, prepared);
    }

    /// Remembers where a batch is.
    pub(crate) fn note_batch(&self, held: &Held, location: Location) {
        self.index().note_batch(held, location);
    }

    /// Remembers where an entry is.
    pub(crate) fn note_entry(&self, entry: Entry, location: Location) {
        self.index().note_entry(entry, location);
        self.changed.send_replace(());
    }

    /// Entries about this round and those below are not needed any more.
    pub(crate) fn forget(&self, round: Round) {
        self.index().forget(round);
    }

    /// The prepared transactions of an own batch of this run, once.
    pub(crate) fn take_prepared(&self, digest: &BatchDigest) -> Option<Vec<Prepared>> {
        self.index().take_prepared(digest)
    }

    /// Whether a batch can be read now. One that a worker in another process holds is asked for, and
    /// can be read once.
    pub(crate) fn is_readable(&self, digest: &BatchDigest) -> bool {
        let readable = self.index().readable(digest);
        if readable == Readable::Soon {
            self.changed.send_replace(());
        }
        readable == Readable::Now
    }

    /// Reads a batch back; `None` if it is not here.
    ///
    /// # Errors
    /// If the disk refuses or the batch is damaged.
    pub(crate) fn read_batch(&self, digest: &BatchDigest) -> Result<Option<Bytes>, Error> {
        let location = {
            let mut index = self.index();
            if let Some(bytes) = index.take_fetched(digest) {
                return Ok(Some(bytes));
            }
            index.batch_location(digest)
        };
        location.map(|location| self.batches.read(location)).transpose()
    }

    /// What somebody wants to read that this worker holds in another process.
    pub(crate) fn take_asked(&self, worker: WorkerId) -> Vec<BatchDigest> {
        self.index().take_asked(worker)
    }

    /// What became of an attempt to read it.
    pub(crate) fn fetched(&self, digest: BatchDigest, bytes: Option<Bytes>) {
        self.index().fetched(digest, bytes);
    }

    /// A worker in another process holds these batches; says how far each has come.
    pub(crate) fn note_elsewhere(&self, batches: &[(ValidatorId, BatchRef)]) -> Vec<Standing> {
        self.index().note_elsewhere(batches)
    }

    /// It holds no others. Returns those that it held before.
    pub(crate) fn keep_elsewhere(
        &self,
        worker: WorkerId,
        digests: &BTreeSet<BatchDigest>,
    ) -> Vec<(ValidatorId, BatchRef)> {
        self.index().keep_elsewhere(worker, digests)
    }

    /// A worker in a process of its own learns what became of its batches, and lets go of some.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn learn(
        &self,
        worker: WorkerId,
        ordered: Vec<(ValidatorId, BatchRef)>,
        released: &[BatchDigest],
    ) -> Result<(), Error> {
        let oldest = {
            let mut index = self.index();
            index.learn(worker, ordered, released);
            index.oldest_batch()
        };
        self.changed.send_replace(());
        oldest.map_or(Ok(()), |location| self.batches.release(location))
    }

    /// The batches that are still needed, oldest first.
    pub(crate) fn held(&self) -> Vec<Held> {
        self.index().held()
    }

    /// Changes when there may be news.
    pub(crate) fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// What became of the batches of a worker since the last call.
    pub(crate) fn take_news(&self, worker: WorkerId) -> News {
        self.index().take_news(worker)
    }

    /// Everything before this commit is in durable blocks: lets go of it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn release(&self, before: CommitIndex) -> Result<(), Error> {
        let (batches, votes) = {
            let mut index = self.index();
            index.release(before);
            (index.oldest_batch(), index.oldest_entry())
        };
        self.changed.send_replace(());
        if let Some(location) = batches {
            self.batches.release(location)?;
        }
        if let Some(location) = votes {
            self.votes.release(location)?;
        }
        Ok(())
    }

    /// Lets go of what a durable block holds although no commit says so any more: to be called once,
    /// after everything was noted that is in the logs, and released.
    pub(crate) fn release_ordered(&self) {
        self.index().release_ordered();
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins an append.
pub(crate) fn start_append(log: &Log, record: Bytes) -> Append {
    let (sender, receiver) = oneshot::channel();
    // The one who waits may be gone; the record is durable all the same.
    log.append(record, move |result| drop(sender.send(result)));
    receiver
}

/// Waits for an append. Cancel-safe.
///
/// # Errors
/// If the disk refuses.
pub(crate) async fn durable(append: &mut Append) -> Result<Location, Error> {
    // A log that goes away without a word has failed.
    append
        .await
        .unwrap_or_else(|_| Err(Error::LogFailed { path: PathBuf::from("batches or votes") }))
}
