//! What survives a crash, for each engine, and how storage is opened on it.

use std::{
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tempfile::TempDir;

use super::{
    super::GENESIS,
    power::{Left, Power, Tear},
};
use crate::{
    Error, Storage,
    disk::Disk,
    engine::{Batch, Engine, Fjall, Memory, OpenError},
    storage::Machine,
    tables::Table,
};

/// Large enough for any two blocks of the scenario, but not for three.
const SEGMENT_BYTES: u64 = 96 << 10;

/// Which engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Memory,
    Fjall,
}

/// A machine: its folder, its power, and what its engine has kept.
#[derive(Debug)]
pub(super) struct World {
    kind: Kind,
    folder: TempDir,
    pub(super) power: Arc<Power>,
    /// The batches that an engine in memory has taken, since it has no other disk.
    batches: Arc<Mutex<Vec<OwnedBatch>>>,
}

type OwnedBatch = Vec<(Table, Vec<u8>, Option<Vec<u8>>)>;

impl World {
    pub(super) fn new(kind: Kind) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self { kind, folder, power: Arc::default(), batches: Arc::default() }
    }

    /// Where storage is; nothing is there at first.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("data/storage")
    }

    pub(super) fn open(&self) -> Result<Storage, Error> {
        let open_engine = |path: &Path| -> Result<Box<dyn Engine>, OpenError> {
            let engine: Box<dyn Engine> = match self.kind {
                Kind::Memory => Box::new(self.remembered()),
                Kind::Fjall => Box::new(Fjall::open(path)?),
            };
            let (power, batches) = (Arc::clone(&self.power), Arc::clone(&self.batches));
            let keeps = self.kind == Kind::Memory;
            Ok(Box::new(Powered { engine, power, batches: keeps.then_some(batches) }))
        };
        let disk: Arc<dyn Disk> = Arc::<Power>::clone(&self.power);
        let machine = Machine { disk, segment_bytes: SEGMENT_BYTES, open_engine: &open_engine };
        Storage::open_on(&machine, &self.path(), GENESIS, &mut |_, _| ())
    }

    /// An engine in memory with what it had taken.
    fn remembered(&self) -> Memory {
        let engine = Memory::new();
        for changes in self.lock().iter() {
            engine.write(batch(changes)).expect("memory does not fail");
        }
        engine
    }

    /// The power comes back after a crash, with so much left of what was not synced. What is left
    /// of the engine is a beginning of its batches, as every engine promises.
    pub(super) fn come_back(&self, left: Left) {
        self.power.come_back(left);
        match self.kind {
            Kind::Memory => {
                let mut batches = self.lock();
                let kept = match left {
                    Left::Everything => batches.len(),
                    Left::Newest => batches.len() / 2,
                    Left::Nothing => 0,
                };
                batches.truncate(kept);
            }
            Kind::Fjall => self.tear_journal(left),
        }
    }

    /// Cuts the journal of the engine, which nobody syncs: in its last batch, or in the middle.
    fn tear_journal(&self, left: Left) {
        let engine = self.path().join("engine");
        let Some(journal) = fs::read_dir(&engine)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|it| it == "jnl"))
        else {
            return;
        };
        let bytes = fs::read(&journal).expect("readable");
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let kept = match left {
            Left::Everything => return,
            Left::Newest => used.saturating_sub(5),
            Left::Nothing => used / 2,
        };
        fs::write(&journal, &bytes[..kept]).expect("writable");
    }

    fn lock(&self) -> MutexGuard<'_, Vec<OwnedBatch>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An engine whose writes are steps.
#[derive(Debug)]
struct Powered {
    engine: Box<dyn Engine>,
    power: Arc<Power>,
    batches: Option<Arc<Mutex<Vec<OwnedBatch>>>>,
}

impl Powered {
    fn write_whole(&self, changes: OwnedBatch) -> Result<(), Error> {
        self.engine.write(batch(&changes))?;
        if let Some(batches) = &self.batches {
            batches.lock().unwrap_or_else(PoisonError::into_inner).push(changes);
        }
        Ok(())
    }
}

impl Engine for Powered {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<bytes::Bytes>, Error> {
        self.engine.get(table, key)
    }

    fn first(
        &self,
        table: Table,
        range: RangeInclusive<&[u8]>,
    ) -> Result<Option<(bytes::Bytes, bytes::Bytes)>, Error> {
        self.engine.first(table, range)
    }

    /// Batches are atomic: half of one is none.
    fn write(&self, batch: Batch<'_>) -> Result<(), Error> {
        let owned = |change: crate::engine::Change<'_>| {
            (change.table, change.key.into_owned(), change.value.map(|it| it.into_owned()))
        };
        let changes: OwnedBatch = batch.into_changes().into_iter().map(owned).collect();
        let stop = || Err(Error::io("write to", "the engine")(std::io::Error::other("no power")));
        match self.power.step() {
            Ok(None) => self.write_whole(changes),
            Ok(Some(Tear::All)) => self.write_whole(changes).and_then(|()| stop()),
            Ok(Some(Tear::Nothing | Tear::Half)) | Err(_) => stop(),
        }
    }

    fn condemn(&self, why: &str) {
        panic!("no crash damages an engine: {why}");
    }
}

fn batch(changes: &OwnedBatch) -> Batch<'_> {
    let mut batch = Batch::default();
    for (table, key, value) in changes {
        match value {
            Some(value) => batch.put(*table, key.as_slice(), value.as_slice()),
            None => batch.remove(*table, key.as_slice()),
        }
    }
    batch
}
