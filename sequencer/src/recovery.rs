//! What an earlier run made durable and no block holds yet: the only start-up path there is.

use kraken_consensus as consensus;
use kraken_mempool::worker::Held;
use kraken_ordering::Entry;
use kraken_storage::log::RECORD_BYTES_MAX;
use kraken_types::{Batch, BatchRef, Commit, Cursor, codec};

use crate::{StartError, journal::Journal};

/// What an earlier run left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The votes log, oldest first.
    pub(crate) entries: Vec<Entry>,
    /// Commits that are not, or not wholly, in durable blocks.
    pub(crate) commits: Vec<Commit>,
    /// Batches, oldest first; what became of them is news of the journal.
    pub(crate) batches: Vec<Held>,
}

/// Reads both logs and fills the index of the journal. Whatever is before `from` is in durable
/// blocks.
///
/// # Errors
/// If a log cannot be read or holds something else.
pub(crate) fn recover(journal: &Journal, from: Cursor) -> Result<Recovered, StartError> {
    let batches = read_batches(journal)?;
    let entries = read_entries(journal)?;
    let commits = entries.iter().filter_map(commit_of);
    let commits = commits.filter(|commit| from.commit <= commit.index).cloned().collect();
    // Whatever is in durable blocks is let go of at once.
    journal.release(from.commit)?;
    journal.release_ordered();
    Ok(Recovered { entries, commits, batches })
}

fn read_batches(journal: &Journal) -> Result<Vec<Held>, StartError> {
    let mut batches = Vec::new();
    for record in journal.batches().records(None) {
        let (location, bytes) = record?;
        let batch = Batch::decode(&bytes)
            .map_err(|source| StartError::Record { log: "batches", source })?;
        let Batch { author, worker, sequence, .. } = batch;
        let batch = BatchRef { digest: Batch::digest_of(&bytes), worker, sequence };
        let held = Held { author, batch, bytes: bytes.len() };
        journal.note_batch(&held, location, None);
        batches.push(held);
    }
    Ok(batches)
}

fn read_entries(journal: &Journal) -> Result<Vec<Entry>, StartError> {
    let mut entries = Vec::new();
    for record in journal.votes().records(None) {
        let (location, bytes) = record?;
        let entry: Entry = codec::decode(&bytes, RECORD_BYTES_MAX)
            .map_err(|source| StartError::Record { log: "votes", source })?;
        journal.note_entry(entry.clone(), location);
        entries.push(entry);
    }
    Ok(entries)
}

fn commit_of(entry: &Entry) -> Option<&Commit> {
    match entry {
        Entry::Protocol(consensus::Record::Committed { commit, .. }) => Some(commit),
        Entry::Protocol(consensus::Record::HotStuff(_)) | Entry::Primary(_) => None,
    }
}
