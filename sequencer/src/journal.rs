//! What must be durable before a block is: batches, and the records of primary and protocol.
//!
//! Knows where each batch and each commit that is in no durable block yet lies in its log, and lets
//! go of both once the blocks are durable.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_consensus as consensus;
use kraken_execution::Prepared;
use kraken_mempool::primary;
use kraken_storage::{
    Error, Storage,
    log::{Location, Log},
};
use kraken_types::{Batch, BatchDigest, CommitIndex, codec};
use tokio::sync::oneshot;

/// One record of the votes log.
#[derive(Debug, BorshSerialize, BorshDeserialize)]
pub(crate) enum Entry {
    /// Of the mempool's primary.
    Primary(primary::Record),
    /// Of the ordering protocol.
    Protocol(consensus::Record),
}

/// Both logs, and what is in them that no durable block holds yet. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    batches: Log,
    votes: Log,
    index: Arc<Mutex<Index>>,
}

#[derive(Debug, Default)]
struct Index {
    batches: BTreeMap<BatchDigest, StoredBatch>,
    commits: BTreeMap<CommitIndex, (Location, Vec<BatchDigest>)>,
    newest_batch: Option<Location>,
    newest_header: Option<Location>,
    newest_commit: Option<Location>,
}

#[derive(Debug)]
struct StoredBatch {
    location: Location,
    /// What we know already of our own batches, so that nothing is decoded and hashed twice.
    prepared: Option<Vec<Prepared>>,
}

impl Journal {
    /// Starts with an empty index; [`crate::recovery`] fills it.
    pub(crate) fn new(storage: &Storage) -> Self {
        Self {
            batches: storage.batches().clone(),
            votes: storage.votes().clone(),
            index: Arc::default(),
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

    /// Makes a batch durable. `prepared` are its transactions, in order.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) async fn store_batch(
        &self,
        batch: &Batch,
        prepared: Vec<Prepared>,
    ) -> Result<BatchDigest, Error> {
        let (digest, bytes) = batch.encode();
        let location = append(&self.batches, bytes).await?;
        self.note_batch(digest, location, Some(prepared));
        Ok(digest)
    }

    /// Makes records durable, in order; the last one is waited for.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) async fn store_entries(&self, entries: Vec<Entry>) -> Result<(), Error> {
        let appends: Vec<_> = entries
            .iter()
            .map(|entry| start_append(&self.votes, Bytes::from(codec::encode(entry))))
            .collect();
        for (entry, append) in entries.into_iter().zip(appends) {
            let location = finish_append(append).await?;
            self.note_entry(&entry, location);
        }
        Ok(())
    }

    /// Remembers where a batch is.
    pub(crate) fn note_batch(
        &self,
        digest: BatchDigest,
        location: Location,
        prepared: Option<Vec<Prepared>>,
    ) {
        let mut index = self.index();
        index.newest_batch = index.newest_batch.max(Some(location));
        index.batches.insert(digest, StoredBatch { location, prepared });
    }

    /// Remembers where a record is.
    pub(crate) fn note_entry(&self, entry: &Entry, location: Location) {
        let mut index = self.index();
        match entry {
            Entry::Primary(primary::Record::Proposed(_)) => index.newest_header = Some(location),
            Entry::Protocol(consensus::Record::Committed { commit, .. }) => {
                index.newest_commit = Some(location);
                let batches = commit.batches.iter().map(|(_, batch)| batch.digest).collect();
                index.commits.insert(commit.index, (location, batches));
            }
        }
    }

    /// The prepared transactions of an own batch of this run, once.
    pub(crate) fn take_prepared(&self, digest: &BatchDigest) -> Option<Vec<Prepared>> {
        self.index().batches.get_mut(digest).and_then(|batch| batch.prepared.take())
    }

    /// Reads a batch back; `None` if it is not here.
    ///
    /// # Errors
    /// If the disk refuses or the batch is damaged.
    pub(crate) fn read_batch(&self, digest: &BatchDigest) -> Result<Option<Bytes>, Error> {
        let location = self.index().batches.get(digest).map(|batch| batch.location);
        location.map(|location| self.batches.read(location)).transpose()
    }

    /// Where the batch lies, if it is not released.
    pub(crate) fn batch_location(&self, digest: &BatchDigest) -> Option<Location> {
        self.index().batches.get(digest).map(|batch| batch.location)
    }

    /// Everything before this commit is in durable blocks: lets go of it.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn release(&self, before: CommitIndex) -> Result<(), Error> {
        let (batches, votes) = {
            let mut index = self.index();
            let kept = index.commits.split_off(&before);
            for (_, digests) in std::mem::replace(&mut index.commits, kept).into_values() {
                for digest in digests {
                    index.batches.remove(&digest);
                }
            }
            (index.oldest_batch(), index.oldest_entry())
        };
        if let Some(location) = batches {
            self.batches.release(location)?;
        }
        if let Some(location) = votes {
            self.votes.release(location)?;
        }
        Ok(())
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn oldest_batch(&self) -> Option<Location> {
        let waiting = self.batches.values().map(|batch| batch.location).min();
        waiting.or(self.newest_batch)
    }

    /// The newest header and the newest commit stay: a restart goes on behind them.
    fn oldest_entry(&self) -> Option<Location> {
        let waiting = self.commits.first_key_value().map(|(_, (location, _))| *location);
        [waiting, self.newest_header, self.newest_commit].into_iter().flatten().min()
    }
}

type Append = oneshot::Receiver<Result<Location, Error>>;

fn start_append(log: &Log, record: Bytes) -> Append {
    let (sender, receiver) = oneshot::channel();
    // The one who waits may be gone; the record is durable all the same.
    log.append(record, move |result| drop(sender.send(result)));
    receiver
}

async fn finish_append(append: Append) -> Result<Location, Error> {
    // A log that goes away without a word has failed.
    append
        .await
        .unwrap_or_else(|_| Err(Error::LogFailed { path: PathBuf::from("batches or votes") }))
}

async fn append(log: &Log, record: Bytes) -> Result<Location, Error> {
    finish_append(start_append(log, record)).await
}
