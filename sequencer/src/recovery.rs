//! What an earlier run made durable and no accepted block holds yet: the only start-up path there is.

use std::sync::Arc;

use kraken_consensus as consensus;
use kraken_execution::Chain;
use kraken_mempool::worker::Held;
use kraken_ordering::{Checkpoint, Entry};
use kraken_storage::{
    Block, Storage,
    log::{Location, RECORD_BYTES_MAX},
};
use kraken_types::{Batch, BatchHead, BatchRef, Commit, CommitIndex, Cursor, Digest, codec};
use starknet_api::block::{BlockNumber, GasPrices};

use crate::{
    StartError, builder::Parent, committer::UNACCEPTED_MAX, journal::Journal, ordering::Ordered,
};

/// The newest blocks of a chain, and what follows them.
#[derive(Debug)]
pub(crate) struct ChainsEnd {
    /// The newest accepted block.
    pub(crate) accepted: BlockNumber,
    /// The place behind it.
    pub(crate) accepted_up_to: Cursor,
    /// The newest block that is accepted on L1.
    pub(crate) accepted_on_l1: Option<BlockNumber>,
    /// The durable ones above the accepted one.
    pub(crate) unaccepted: Vec<Arc<Block>>,
    /// The newest of all.
    pub(crate) tip: Arc<Block>,
    /// The place behind it.
    pub(crate) executed_up_to: Cursor,
    /// Over the state of the order before the commit of that place.
    pub(crate) checkpoint: Digest,
    /// What somebody set gas to cost in the next block.
    gas_prices: Option<GasPrices>,
}

impl ChainsEnd {
    /// What the next block takes from the tip.
    pub(crate) fn parent(&self, chain: &Chain) -> Parent {
        let parent = Parent::of(chain, &self.tip.header);
        match &self.gas_prices {
            Some(next_gas_prices) => Parent { next_gas_prices: next_gas_prices.clone(), ..parent },
            None => parent,
        }
    }

    fn read(storage: &Storage) -> Result<Self, StartError> {
        let reset = storage.newest_reset()?;
        let number = storage.tip().ok_or(StartError::NoGenesisBlock)?;
        let mut end = storage.block(number)?.ok_or(StartError::NoGenesisBlock)?;
        let tip = Arc::clone(&end);
        let mut unaccepted = Vec::new();
        // Block 0 needs no quorum: the genesis is what everyone agreed on. Neither does one that a
        // reset went back to, whose place is one of another order.
        let base = reset.as_ref().map_or(BlockNumber(0), |reset| reset.after);
        // An engine that was made again has lost the proofs, and no block was stored before the one
        // that far below it was accepted.
        let base = base.max(BlockNumber(number.0.saturating_sub(UNACCEPTED_MAX)));
        while base < end.header.number() {
            if storage.acceptance(end.header.number())?.is_some() {
                break;
            }
            unaccepted.push(Arc::clone(&end));
            let before = end.header.number().prev().ok_or(StartError::NoGenesisBlock)?;
            end = storage.block(before)?.ok_or(StartError::NoGenesisBlock)?;
        }
        unaccepted.reverse();
        let accepted = end.header.number();
        let is_at_reset = |number| reset.as_ref().is_some_and(|reset| reset.after == number);
        let place_behind = |block: &Block| match is_at_reset(block.header.number()) {
            true => (Cursor::default(), Digest::default()),
            false => (block.executed_up_to, block.checkpoint),
        };
        let (executed_up_to, checkpoint) = place_behind(&tip);
        Ok(Self {
            accepted,
            accepted_up_to: place_behind(&end).0,
            accepted_on_l1: storage.accepted_on_l1()?,
            unaccepted,
            tip,
            executed_up_to,
            checkpoint,
            gas_prices: reset.filter(|reset| reset.after == number).map(|reset| reset.gas_prices),
        })
    }
}

/// Reads the newest blocks of a chain that has at least block 0.
///
/// # Errors
/// [`StartError`] if the chain cannot be read.
pub(crate) async fn read_end(storage: &Storage) -> Result<ChainsEnd, StartError> {
    let storage = storage.clone();
    let read = tokio::task::spawn_blocking(move || ChainsEnd::read(&storage));
    read.await.expect("reading the chain states its invariants and is never cancelled")
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// The votes log, oldest first.
    pub(crate) entries: Vec<Entry>,
    /// Whether an empty votes log means that something is missing.
    pub(crate) disk_was_lost: bool,
    /// Commits that are not, or not wholly, in durable blocks, oldest first.
    pub(crate) ordered: Vec<Ordered>,
    /// What the newest commit left.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Batches, oldest first; what became of them is news of the journal.
    pub(crate) batches: Vec<Held>,
}

/// Reads both logs and fills the index of the journal. Whatever is before `from` is in durable
/// blocks, whatever is before `accepted` in accepted ones, which nobody will ask us for.
///
/// # Errors
/// If a log cannot be read or holds something else.
pub(crate) fn recover(
    journal: &Journal,
    from: Cursor,
    accepted: CommitIndex,
) -> Result<Recovered, StartError> {
    let batches = read_batches(journal)?;
    let (mut ordered, mut checkpoint) = (Vec::new(), None);
    let mut entries = Vec::new();
    for (location, entry) in read_entries(journal)? {
        Checkpoint::note(&mut checkpoint, &entry);
        if let Some(commit) = commit_of(&entry).filter(|commit| from.commit <= commit.index) {
            ordered.push((commit.clone(), entries.len()));
        }
        journal.note_entry(entry.clone(), location);
        entries.push(entry);
    }
    let ordered = ordered.into_iter().map(|(commit, at)| left_by(commit, &entries[at..])).collect();
    // Whatever is in accepted blocks is let go of at once.
    journal.release(accepted)?;
    journal.release_ordered();
    Ok(Recovered { entries, disk_was_lost: false, ordered, checkpoint, batches })
}

/// A commit with what it left: its record is the first of these entries, and what belongs to it
/// follows before the next commit.
fn left_by(commit: Commit, entries: &[Entry]) -> Ordered {
    let mut checkpoint = None;
    for (at, entry) in entries.iter().enumerate() {
        if 0 < at && commit_of(entry).is_some() {
            break;
        }
        Checkpoint::note(&mut checkpoint, entry);
    }
    let checkpoint = checkpoint.expect("the first entry is that of the commit");
    Ordered { commit, checkpoint: Arc::new(checkpoint) }
}

/// Reads the batches log, oldest first.
///
/// # Errors
/// If it cannot be read or holds something else.
pub(crate) fn read_batches(journal: &Journal) -> Result<Vec<Held>, StartError> {
    let mut batches = Vec::new();
    for record in journal.batches().records(None) {
        let (location, bytes) = record?;
        let BatchHead { author, worker, sequence, .. } = Batch::head_of(&bytes)
            .map_err(|source| StartError::Record { log: "batches", source })?;
        let batch = BatchRef { digest: Batch::digest_of(&bytes), worker, sequence };
        let held = Held { author, batch, bytes: bytes.len() };
        journal.note_batch(&held, location);
        batches.push(held);
    }
    Ok(batches)
}

/// Reads the votes log, oldest first.
///
/// # Errors
/// If it cannot be read or holds something else.
pub(crate) fn read_entries(journal: &Journal) -> Result<Vec<(Location, Entry)>, StartError> {
    let mut entries = Vec::new();
    for record in journal.votes().records(None) {
        let (location, bytes) = record?;
        let entry: Entry = codec::decode(&bytes, RECORD_BYTES_MAX)
            .map_err(|source| StartError::Record { log: "votes", source })?;
        entries.push((location, entry));
    }
    Ok(entries)
}

fn commit_of(entry: &Entry) -> Option<&Commit> {
    match entry {
        Entry::Protocol(consensus::Record::Committed { commit, .. }) => Some(commit),
        Entry::Protocol(consensus::Record::HotStuff(_)) | Entry::Primary(_) => None,
    }
}
