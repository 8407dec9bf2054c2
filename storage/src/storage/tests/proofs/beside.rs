//! A proof is read while a block is applied, change by change.

use std::{
    mem,
    ops::RangeInclusive,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use super::*;
use crate::{engine::Change, storage::proofs::read, tables::Table};

type OwnedChange = (Table, Vec<u8>, Option<Vec<u8>>);

fn owned(change: Change<'_>) -> OwnedChange {
    (change.table, change.key.into_owned(), change.value.map(|value| value.into_owned()))
}

fn batch(changes: &[OwnedChange]) -> Batch<'_> {
    let mut batch = Batch::default();
    for (table, key, value) in changes {
        match value {
            Some(value) => batch.put(*table, key.as_slice(), value.as_slice()),
            None => batch.remove(*table, key.as_slice()),
        }
    }
    batch
}

/// Keeps what is written.
#[derive(Debug)]
struct Recorder {
    engine: Memory,
    batches: Arc<Mutex<Vec<Vec<OwnedChange>>>>,
}

impl Engine for Recorder {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.engine.get(table, key)
    }

    fn first(
        &self,
        table: Table,
        range: RangeInclusive<&[u8]>,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.engine.first(table, range)
    }

    fn write(&self, batch: Batch<'_>) -> Result<(), Error> {
        let changes: Vec<_> = batch.into_changes().into_iter().map(owned).collect();
        self.engine.write(self::batch(&changes))?;
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).push(changes);
        Ok(())
    }

    fn condemn(&self, why: &str) {
        panic!("nothing is damaged: {why}");
    }
}

/// Writes the changes of blocks as it is read: so many before each read.
#[derive(Debug)]
struct Busy {
    engine: Memory,
    /// How many reads go before the first change.
    quiet: AtomicU64,
    /// How many changes go with each read from then on.
    at_once: usize,
    changes: Mutex<Vec<OwnedChange>>,
}

impl Busy {
    fn work(&self) {
        let next = |quiet: u64| quiet.checked_sub(1);
        if self.quiet.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
            return;
        }
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let count = self.at_once.min(changes.len());
        let rest = changes.split_off(count);
        let now = mem::replace(&mut *changes, rest);
        self.engine.write(batch(&now)).expect("memory does not fail");
    }
}

impl Engine for Busy {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        self.work();
        self.engine.get(table, key)
    }

    fn first(
        &self,
        table: Table,
        range: RangeInclusive<&[u8]>,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        self.work();
        self.engine.first(table, range)
    }

    fn write(&self, batch: Batch<'_>) -> Result<(), Error> {
        self.engine.write(batch)
    }

    fn condemn(&self, why: &str) {
        panic!("nothing is damaged: {why}");
    }
}

#[test]
fn a_proof_is_that_of_its_block_whatever_is_applied_meanwhile() {
    const BLOCKS: usize = 4;
    const LATER: usize = 2;

    let batches = Arc::default();
    let engine = Box::new(Recorder { engine: Memory::new(), batches: Arc::clone(&batches) });
    let chain = Log::in_memory().expect("memory");
    let order = OrderLogs::in_memory().expect("memory");
    let storage = Storage::new(Parts { chain, order, engine, blocks: 0, kept: None });
    let mut history = History::new(storage, 12);
    history.grow(BLOCKS + LATER);
    let batches = mem::take(&mut *batches.lock().expect("nobody panicked"));
    let (before, later) = batches.split_at(BLOCKS);

    let mut finished = 0;
    for number in [BLOCKS - 3, BLOCKS - 1] {
        let wanted = everything(&history.states[number]);
        for at_once in [1, 2, 5, 1_000] {
            for quiet in 0.. {
                let engine = Memory::new();
                before.iter().for_each(|changes| {
                    engine.write(batch(changes)).expect("memory does not fail");
                });
                let changes = Mutex::new(later.concat());
                let engine = Busy { engine, quiet: AtomicU64::new(quiet), at_once, changes };
                let next = || BlockNumber(u64::try_from(BLOCKS).expect("small"));
                let at = BlockNumber(u64::try_from(number).expect("small"));
                let proof = read(&engine, at, &wanted, &next);
                let proof = proof.expect("readable").expect("late enough");
                let root = history.states[number].state_root();
                check(root, &wanted, &proof, &history.states[number])
                    .unwrap_or_else(|what| panic!("{number} {at_once} {quiet}: {what}"));
                if engine.changes.lock().expect("nobody panicked").len() == later.concat().len() {
                    // All was read before anything happened.
                    break;
                }
                finished += 1;
            }
        }
    }
    assert!(200 < finished, "only {finished} readings met a block");
}
