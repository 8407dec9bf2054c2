//! An append-only log of records in segment files.
//!
//! Appends that wait at the same time are written and synced together by the log's own thread. A
//! record exists once its callback ran without an error; records that a crash cut off before that
//! are dropped when the log is opened again. Anything else that is not as it was written is an
//! error that names the file and the offset: nothing that was durable is dropped in silence.
//!
//! `log/format.rs` describes the bytes.

mod files;
mod format;
mod memory;
mod queue;
#[cfg(test)]
mod tests;

use std::{
    ffi::OsStr,
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

use bytes::Bytes;

use self::{
    files::Files,
    memory::Memory,
    queue::{Append, Queue},
};
use crate::{
    Error,
    disk::{Disk, System},
};

/// The largest record. Anything larger is refused.
pub const RECORD_BYTES_MAX: usize = 64 << 20;

/// A segment ends before a record that would make it larger than this.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// What a record has survived once its callback has run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the machine: it was synced to the disk.
    #[default]
    Synced,
    /// The end of the process: the system has it. Only for measuring what syncing costs.
    Buffered,
}

/// How a log in files is kept.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) durability: Durability,
    /// As [`SEGMENT_BYTES`]; tests have smaller ones.
    pub(crate) segment_bytes: u64,
    pub(crate) disk: Arc<dyn Disk>,
}

/// Where a record is; grows with every append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The file.
    pub segment: u32,
    /// Where the record starts in it.
    pub offset: u64,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "offset {} of segment {}", self.offset, self.segment)
    }
}

/// An append-only log of records. Cheap to clone; clones are the same log.
///
/// The last clone to go waits until everything that was appended is durable.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    /// Dropped with the last clone; the thread has no share of it.
    _closer: Arc<Closer>,
}

/// What the clones and the thread have in common.
struct Shared {
    queue: Queue,
    segments: Box<dyn Segments>,
}

/// Ends the thread.
struct Closer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Where the records are kept: in files or in memory.
trait Segments: fmt::Debug + Send + Sync {
    /// Appends the records and makes them durable, all or none acknowledged. Called by the log's
    /// thread only, and never again after an error.
    fn append(&self, records: &[Bytes]) -> Result<Vec<Location>, Error>;
    /// Reads a record.
    fn read(&self, at: Location) -> Result<Bytes, Error>;
    /// Drops whole segments before the one that `before` is in.
    fn release(&self, before: Location) -> Result<(), Error>;
    /// The oldest place where a record may be.
    fn start(&self) -> Location;
    /// The place of the next record.
    fn end(&self) -> Location;
    /// The newest record.
    fn last(&self) -> Option<Location>;
    /// Where a segment ends, `None` if it is no more.
    fn segment_end(&self, segment: u32) -> Option<u64>;
    /// What errors call the log.
    fn path(&self) -> PathBuf;
}

impl Log {
    /// Opens or creates the log in a folder, which nobody else may write to. Cuts off what a crash
    /// left unfinished. Whatever these docs call durable is so as far as `durability` goes.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::DamagedRecord`] and [`Error::MissingSegment`] if something that
    /// was durable is damaged or gone.
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, Error> {
        let disk = Arc::new(System);
        Self::open_with(directory, Options { durability, segment_bytes: SEGMENT_BYTES, disk })
    }

    /// Like [`Log::open`].
    pub(crate) fn open_with(directory: &Path, options: Options) -> Result<Self, Error> {
        Self::start(Box::new(Files::open(directory, options)?))
    }

    /// Whether a file in the folder of a log is a segment of it, by its name.
    pub(crate) fn is_segment(name: &OsStr) -> bool {
        files::segment_of(name).is_some()
    }

    /// Makes an empty log that ends with the process.
    ///
    /// # Errors
    /// [`Error::Io`] if the system has no thread to give.
    pub fn in_memory() -> Result<Self, Error> {
        Self::start(Box::new(Memory::new()))
    }

    fn start(segments: Box<dyn Segments>) -> Result<Self, Error> {
        let path = segments.path();
        let shared = Arc::new(Shared { queue: Queue::new(), segments });
        let thread = thread::Builder::new()
            .name("kraken-log".to_owned())
            .spawn({
                let shared = Arc::clone(&shared);
                move || shared.write()
            })
            .map_err(Error::io("start the thread of the log", path))?;
        let closer = Closer { shared: Arc::clone(&shared), thread: Mutex::new(Some(thread)) };
        Ok(Self { shared, _closer: Arc::new(closer) })
    }

    /// Appends a record; `durable` is called, from the log's own thread, once it is on disk. Calls
    /// come in the order of the appends. Appends that wait at the same time share one fsync.
    ///
    /// Waits while too many bytes are queued, except in a `durable`. After a failed write every
    /// append fails with [`Error::LogFailed`].
    pub fn append(
        &self,
        record: Bytes,
        durable: impl FnOnce(Result<Location, Error>) + Send + 'static,
    ) {
        let append = Append { record, durable: Box::new(durable) };
        if let Err(append) = self.shared.queue.push(append) {
            (append.durable)(Err(Error::LogFailed { path: self.shared.segments.path() }));
        }
    }

    /// Appends a record and waits until it is on disk. Must not be called in a `durable`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::LogFailed`] or [`Error::RecordTooLarge`].
    pub fn append_and_wait(&self, record: Bytes) -> Result<Location, Error> {
        let (done, waiting) = mpsc::sync_channel(1);
        self.append(record, move |result| {
            // The receiver waits below, so it is there.
            let _ = done.send(result);
        });
        let gone = |_| Err(Error::LogFailed { path: self.shared.segments.path() });
        waiting.recv().unwrap_or_else(gone)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::DamagedRecord`] if the bytes there are not a record; the end of
    /// the log and released segments hold none.
    pub fn read(&self, at: Location) -> Result<Bytes, Error> {
        self.shared.segments.read(at)
    }

    /// Every record from `from` on, or from the oldest one, in order, up to the newest at the time
    /// of the call. `from` must be the location of a record. Holds one record at a time.
    pub fn records(
        &self,
        from: Option<Location>,
    ) -> impl Iterator<Item = Result<(Location, Bytes), Error>> + '_ {
        Records {
            segments: self.shared.segments.as_ref(),
            next: from.unwrap_or_else(|| self.shared.segments.start()),
            end: self.shared.segments.end(),
        }
    }

    /// The newest record.
    pub fn last(&self) -> Option<Location> {
        self.shared.segments.last()
    }

    /// Drops whole segments that hold only records before `before`, but never the last segment.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be removed.
    pub fn release(&self, before: Location) -> Result<(), Error> {
        self.shared.segments.release(before)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.shared.segments).finish()
    }
}

impl Shared {
    /// The log's thread: writes what is queued until the log is closed and everything is written.
    fn write(&self) {
        let _closed = self.queue.close_on_drop();
        let mut failed = false;
        while let Some(group) = self.queue.take() {
            let fits = |append: &&Append| append.record.len() <= RECORD_BYTES_MAX;
            let records: Vec<_> = group.iter().filter(fits).map(|it| it.record.clone()).collect();
            let written = if failed {
                Err(Error::LogFailed { path: self.segments.path() })
            } else {
                self.segments.append(&records)
            };
            failed |= written.is_err();
            let mut locations = written.map(Vec::into_iter);
            for append in group {
                let got = append.record.len();
                (append.durable)(match &mut locations {
                    _ if RECORD_BYTES_MAX < got => {
                        Err(Error::RecordTooLarge { got, max: RECORD_BYTES_MAX })
                    }
                    Ok(locations) => Ok(locations.next().expect("each record has a location")),
                    Err(error) => Err(self.copy(error)),
                });
            }
        }
    }

    /// The same error for each append of a group; a source keeps its kind and its text.
    fn copy(&self, error: &Error) -> Error {
        if let Error::Io { action, path, source } = error {
            let source = source.raw_os_error().map_or_else(
                || io::Error::new(source.kind(), source.to_string()),
                io::Error::from_raw_os_error,
            );
            return Error::Io { action, path: path.clone(), source };
        }
        Error::LogFailed { path: self.segments.path() }
    }
}

impl Drop for Closer {
    fn drop(&mut self) {
        self.shared.queue.close();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The last clone may go in a callback, and a thread cannot wait for itself.
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // A panic of a callback was reported where it happened.
            let _ = thread.join();
        }
    }
}

/// Walks over records.
struct Records<'a> {
    segments: &'a dyn Segments,
    next: Location,
    end: Location,
}

impl Iterator for Records<'_> {
    type Item = Result<(Location, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.next < self.end
            && self.segments.segment_end(self.next.segment) == Some(self.next.offset)
        {
            self.next =
                Location { segment: self.next.segment + 1, offset: format::SEGMENT_HEADER_BYTES };
        }
        if self.end <= self.next {
            return None;
        }
        let at = self.next;
        let read = self.segments.read(at);
        match &read {
            Ok(record) => self.next.offset += format::record_bytes(record.len()),
            Err(_) => self.next = self.end,
        }
        Some(read.map(|record| (at, record)))
    }
}
