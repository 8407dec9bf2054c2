//! The engine on disk: [fjall](https://docs.rs/fjall), a log-structured merge tree.
//!
//! A batch is atomic over all keyspaces, because fjall writes it to its one journal first; and it
//! flushes no table before the journal up to there is durable. So without any fsync of ours, even a
//! power cut leaves a prefix of the batches.

use std::{
    io,
    ops::RangeInclusive,
    panic,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode, config::HashRatioPolicy};

use super::{Batch, Engine, OpenError, folder, manifest};
use crate::{
    Error,
    tables::{Access, Table},
};

/// Blocks of tables that stay in memory, over all tables.
const CACHE_BYTES: u64 = 64 << 20;

/// What old journals may take before idle tables are flushed to drop them. The smallest that fjall
/// takes: a start reads all journals.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;

/// Fresh entries of one table that stay in memory.
const MEMTABLE_BYTES: u64 = 8 << 20;

/// Threads that flush and compact.
const THREADS: usize = 2;

/// Index entries per key of a data block, in tables that are read by key.
const HASH_RATIO: f32 = 0.75;

/// The engine on disk.
pub(crate) struct Fjall {
    path: PathBuf,
    database: Database,
    /// In the order of [`Table::ALL`].
    keyspaces: Vec<Keyspace>,
    is_condemned: AtomicBool,
}

impl Fjall {
    /// Opens or creates the engine in a folder.
    ///
    /// Some damaged files make fjall panic while it reads them. If it holds a lock then, closing what
    /// was open panics again, which aborts the process: the third one in a row finds the engine
    /// damaged without opening it.
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        manifest::check(path)?;
        folder::begin_to_open(path)?;
        let opened = panic::catch_unwind(|| Self::open_or_panic(path))
            .unwrap_or_else(|_| Err(OpenError::Damaged("reading its files panicked".to_owned())));
        folder::end_opening(path)?;
        opened
    }

    fn open_or_panic(path: &Path) -> Result<Self, OpenError> {
        let sort = |error| sort(path, error);
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(THREADS)
            .open()
            .map_err(sort)?;
        let keyspaces = Table::ALL
            .iter()
            .map(|&table| database.keyspace(table.name(), || options(table)))
            .collect::<Result<_, _>>()
            .map_err(sort)?;
        Ok(Self {
            path: path.to_owned(),
            database,
            keyspaces,
            is_condemned: AtomicBool::new(false),
        })
    }

    /// Says what went wrong, and sees to it that a damaged engine is not opened again.
    fn failed(&self, error: fjall::Error) -> Error {
        // Where a thread of the engine gave up, which does not say why, damage shows when read.
        let error = if matches!(error, fjall::Error::Poisoned) {
            self.read_all().err().unwrap_or(error)
        } else {
            error
        };
        if !is_damage(&error) {
            return Error::Engine { path: self.path.clone(), source: Box::new(error) };
        }
        let what = error.to_string();
        self.condemn(&what);
        Error::DamagedEngine { path: self.path.clone(), what }
    }

    /// Reads everything, which checks all checksums.
    fn read_all(&self) -> Result<(), fjall::Error> {
        for keyspace in &self.keyspaces {
            for entry in keyspace.iter() {
                entry.into_inner()?;
            }
        }
        Ok(())
    }

    fn keyspace(&self, table: Table) -> &Keyspace {
        &self.keyspaces[table.index()]
    }
}

fn options(table: Table) -> KeyspaceCreateOptions {
    let options = KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
    match table.access() {
        Access::ByKey => options.data_block_hash_ratio_policy(HashRatioPolicy::all(HASH_RATIO)),
        Access::BySeek => options,
    }
}

/// Tells damage from everything else that keeps an engine from opening.
fn sort(path: &Path, error: fjall::Error) -> OpenError {
    if is_damage(&error) {
        return OpenError::Damaged(error.to_string());
    }
    let (fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))) = error
    else {
        return OpenError::Other(Error::Engine { path: path.to_owned(), source: Box::new(error) });
    };
    OpenError::Other(Error::io("open the storage engine in", path)(source))
}

/// Whether files are not as they were written.
fn is_damage(error: &fjall::Error) -> bool {
    use fjall::{Error as Outer, LsmError as Inner};

    // A file that is gone, or ends too early, is damage; all else is the system's refusal.
    if let Outer::Io(source) | Outer::Storage(Inner::Io(source)) = error {
        return matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::UnexpectedEof);
    }
    matches!(
        error,
        Outer::JournalRecovery(_)
            // Another version says which one it is.
            | Outer::InvalidVersion(None)
            | Outer::InvalidTrailer
            | Outer::InvalidTag(_)
            | Outer::Decompress(_)
            | Outer::Unrecoverable
            | Outer::Storage(
                Inner::Decompress(_)
                    | Inner::Unrecoverable
                    | Inner::ChecksumMismatch { .. }
                    | Inner::InvalidTag(_)
                    | Inner::InvalidTrailer
                    | Inner::InvalidHeader(_)
                    | Inner::Utf8(_)
            )
    )
}

impl Engine for Fjall {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let value = self.keyspace(table).get(key).map_err(|error| self.failed(error))?;
        Ok(value.map(Bytes::from_owner))
    }

    fn first(
        &self,
        table: Table,
        range: RangeInclusive<&[u8]>,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        if range.end() < range.start() {
            return Ok(None);
        }
        let Some(guard) = self.keyspace(table).range(range).next() else {
            return Ok(None);
        };
        let (key, value) = guard.into_inner().map_err(|error| self.failed(error))?;
        Ok(Some((Bytes::from_owner(key), Bytes::from_owner(value))))
    }

    fn write(&self, batch: Batch<'_>) -> Result<(), Error> {
        let mut write = self.database.batch();
        for change in batch.into_changes() {
            let keyspace = self.keyspace(change.table);
            match change.value {
                Some(value) => write.insert(keyspace, change.key.as_ref(), value.as_ref()),
                None => write.remove(keyspace, change.key.as_ref()),
            }
        }
        write.commit().map_err(|error| self.failed(error))
    }

    fn condemn(&self, why: &str) {
        if self.is_condemned.swap(true, Ordering::Relaxed) {
            return;
        }
        folder::condemn(&self.path, why);
    }
}

impl std::fmt::Debug for Fjall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fjall").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Fjall {
    /// Saves the next start some work; nothing depends on it.
    fn drop(&mut self) {
        if let Err(error) = self.database.persist(PersistMode::SyncData) {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot sync the engine");
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Moves everything that the engine in a folder holds from its journal into tables.
    pub(crate) fn flush(path: &Path) {
        let engine = Fjall::open(path).expect("the engine opens");
        for keyspace in &engine.keyspaces {
            keyspace.rotate_memtable_and_wait().expect("the engine flushes");
        }
    }
}
