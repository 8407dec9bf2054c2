//! What an earlier run made durable and no block holds yet: the only start-up path there is.

use kraken_consensus as consensus;
use kraken_mempool::primary;
use kraken_types::{
    Batch, BatchDigest, BatchRef, Commit, Cursor,
    codec::{self, HEADER_BYTES_MAX},
};

use crate::{
    StartError,
    journal::{Entry, Journal},
};

/// What an earlier run left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Of the primary, oldest first.
    pub(crate) primary: Vec<primary::Record>,
    /// Of the protocol, oldest first.
    pub(crate) protocol: Vec<consensus::Record>,
    /// Commits that are not, or not wholly, in durable blocks.
    pub(crate) commits: Vec<Commit>,
    /// Own batches that are durable but in no commit.
    pub(crate) unordered: Vec<BatchRef>,
    /// The number of the next own batch.
    pub(crate) next_sequence: u64,
}

/// Reads both logs and fills the index of the journal.
///
/// # Errors
/// If a log cannot be read or holds something else.
pub(crate) fn recover(journal: &Journal, from: Cursor) -> Result<Recovered, StartError> {
    let mut recovered = Recovered::default();
    let batches = read_batches(journal, &mut recovered)?;
    for record in journal.votes().records(None) {
        let (location, bytes) = record?;
        let entry: Entry = codec::decode(&bytes, 4 * HEADER_BYTES_MAX)
            .map_err(|source| StartError::Record { log: "votes", source })?;
        journal.note_entry(&entry, location);
        match entry {
            Entry::Primary(record) => recovered.primary.push(record),
            Entry::Protocol(record) => recovered.protocol.push(record),
        }
    }
    recovered.unordered = unordered(journal, &batches, &recovered.protocol);
    let commits = recovered.protocol.iter().map(|record| {
        let consensus::Record::Committed { commit, .. } = record;
        commit
    });
    recovered.commits = commits.filter(|commit| from.commit <= commit.index).cloned().collect();
    // Whatever is in durable blocks is let go of at once.
    journal.release(from.commit)?;
    Ok(recovered)
}

fn read_batches(journal: &Journal, recovered: &mut Recovered) -> Result<Vec<BatchRef>, StartError> {
    let mut batches = Vec::new();
    for record in journal.batches().records(None) {
        let (location, bytes) = record?;
        let batch = Batch::decode(&bytes)
            .map_err(|source| StartError::Record { log: "batches", source })?;
        let digest = Batch::digest_of(&bytes);
        recovered.next_sequence = recovered.next_sequence.max(batch.sequence + 1);
        journal.note_batch(digest, location, None);
        batches.push(BatchRef { digest, worker: batch.worker });
    }
    Ok(batches)
}

/// Batches behind the last one that was committed. Own batches are committed in the order of the
/// log; should one be ordered twice all the same, its transactions have used up their nonces.
fn unordered(
    journal: &Journal,
    batches: &[BatchRef],
    records: &[consensus::Record],
) -> Vec<BatchRef> {
    let committed = |record: &consensus::Record| -> Vec<BatchDigest> {
        let consensus::Record::Committed { commit, .. } = record;
        commit.batches.iter().map(|(_, batch)| batch.digest).collect()
    };
    let last = records
        .iter()
        .flat_map(committed)
        .filter_map(|digest| journal.batch_location(&digest))
        .max();
    batches.iter().filter(|batch| last < journal.batch_location(&batch.digest)).copied().collect()
}
