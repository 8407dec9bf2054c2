//! Segments in files.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, Read as _},
    mem,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::{Bytes, BytesMut};

use super::{
    Durability, Location, Options, Segments,
    format::{self, Damage, RECORD_HEADER_BYTES, RecordHeader, SEGMENT_HEADER_BYTES},
};
use crate::{Error, disk};

/// What is written at once.
const WRITE_BYTES: usize = 1 << 20;

/// Records up to this size are copied together into one write.
const COPIED_MAX: usize = 64 << 10;

/// What a read asks for before it knows the length of the record.
const READ_BYTES: usize = 4 << 10;

/// Files that stay open for reading.
const OPEN_FILES_MAX: usize = 64;

/// Segments in the files of one folder.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    options: Options,
    state: Mutex<State>,
    /// For reading; not all segments, and refilled on demand.
    open: Mutex<BTreeMap<u32, Arc<File>>>,
}

/// What is durable.
#[derive(Debug)]
struct State {
    /// Segment → where it ends.
    ends: BTreeMap<u32, u64>,
    last: Option<Location>,
    /// The last segment.
    file: Arc<File>,
}

impl Files {
    /// Opens or creates the segments of a folder. Cuts off what a crash left unfinished.
    pub(super) fn open(directory: &Path, options: Options) -> Result<Self, Error> {
        disk::make_folder(options.disk.as_ref(), directory)
            .map_err(Error::io("create the folder", directory))?;
        let mut ends = list(directory)?;
        let Some(newest) = ends.last_entry() else {
            let file = create(directory, 0, &options)?;
            let state =
                State { ends: BTreeMap::from([(0, SEGMENT_HEADER_BYTES)]), last: None, file };
            return Ok(Self::new(directory, options, state));
        };
        let newest = *newest.key();
        for &segment in ends.keys().filter(|&&segment| segment != newest) {
            let path = path(directory, segment);
            let file = File::open(&path).map_err(Error::io("open", &path))?;
            check_header(&file, &path, segment)?;
        }
        let (file, end, last) = recover(directory, newest, &options)?;
        ends.insert(newest, end);
        let mut last = last.map(|offset| Location { segment: newest, offset });
        if last.is_none() && 1 < ends.len() {
            last = last_of(directory, newest - 1)?;
        }
        Ok(Self::new(directory, options, State { ends, last, file }))
    }

    fn new(directory: &Path, options: Options, state: State) -> Self {
        Self {
            directory: directory.to_owned(),
            options,
            state: Mutex::new(state),
            open: Mutex::new(BTreeMap::new()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state changes only after a write has succeeded, and then as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file of a segment, opened for reading.
    fn file(&self, segment: u32) -> Result<Arc<File>, Error> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let path = path(&self.directory, segment);
        let file = Arc::new(File::open(&path).map_err(Error::io("open", path))?);
        if OPEN_FILES_MAX <= open.len() {
            open.clear();
        }
        open.insert(segment, Arc::clone(&file));
        Ok(file)
    }
}

impl Segments for Files {
    fn append(&self, records: &[Bytes]) -> Result<Vec<Location>, Error> {
        let mut writer = Writer::new(&self.directory, &self.options, &self.lock());
        for record in records {
            writer.append(record)?;
        }
        writer.sync()?;
        let mut state = self.lock();
        state.ends.append(&mut writer.ends);
        state.last = writer.locations.last().copied().or(state.last);
        state.file = writer.file;
        Ok(writer.locations)
    }

    fn read(&self, at: Location) -> Result<Bytes, Error> {
        let damaged = |what| Error::DamagedRecord {
            path: path(&self.directory, at.segment),
            offset: at.offset,
            what,
        };
        let end = self.segment_end(at.segment).ok_or_else(|| damaged("no such segment"))?;
        let available = end.saturating_sub(at.offset);
        if available < RECORD_HEADER_BYTES as u64 {
            return Err(damaged("no record"));
        }
        let file = self.file(at.segment)?;
        let read = |into: &mut [u8], offset| {
            file.read_exact_at(into, offset)
                .map_err(Error::io("read", path(&self.directory, at.segment)))
        };
        let ahead = usize::try_from(available).map_or(READ_BYTES, |it| it.min(READ_BYTES));
        let mut bytes = BytesMut::zeroed(ahead);
        read(&mut bytes, at.offset)?;
        let header = RecordHeader::decode(&bytes, at.segment, at.offset)
            .ok_or_else(|| damaged("its header does not match its checksum"))?;
        let length = RECORD_HEADER_BYTES + header.payload_bytes();
        if available < length as u64 {
            return Err(damaged("it reaches beyond the end"));
        }
        bytes.resize(length, 0);
        if let Some(rest) = bytes.get_mut(ahead..).filter(|rest| !rest.is_empty()) {
            read(rest, at.offset + ahead as u64)?;
        }
        let payload = bytes.freeze().slice(RECORD_HEADER_BYTES..);
        if header.matches(&payload) {
            Ok(payload)
        } else {
            Err(damaged("its bytes do not match its checksum"))
        }
    }

    fn release(&self, before: Location) -> Result<(), Error> {
        let old = {
            let mut state = self.lock();
            let last = *state.ends.last_key_value().expect("the last segment stays").0;
            let kept = state.ends.split_off(&before.segment.min(last));
            mem::replace(&mut state.ends, kept)
        };
        if old.is_empty() {
            return Ok(());
        }
        // Oldest first, so that a crash leaves no gap.
        for &segment in old.keys() {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&segment);
            let path = path(&self.directory, segment);
            self.options.disk.remove(&path).map_err(Error::io("remove", path))?;
        }
        match self.options.durability {
            Durability::Synced => sync_directory(&self.options, &self.directory),
            Durability::Buffered => Ok(()),
        }
    }

    fn start(&self) -> Location {
        let state = self.lock();
        let (&segment, _) = state.ends.first_key_value().expect("the last segment stays");
        Location { segment, offset: SEGMENT_HEADER_BYTES }
    }

    fn end(&self) -> Location {
        let state = self.lock();
        let (&segment, &offset) = state.ends.last_key_value().expect("the last segment stays");
        Location { segment, offset }
    }

    fn last(&self) -> Option<Location> {
        self.lock().last
    }

    fn segment_end(&self, segment: u32) -> Option<u64> {
        self.lock().ends.get(&segment).copied()
    }

    fn path(&self) -> PathBuf {
        self.directory.clone()
    }
}

/// Writes one group of records.
struct Writer<'a> {
    directory: &'a Path,
    options: &'a Options,
    file: Arc<File>,
    segment: u32,
    /// Where the next record goes.
    offset: u64,
    /// Everything of this segment before here is durable.
    group: u64,
    /// Belongs directly before `offset`, and is not written yet.
    buffer: Vec<u8>,
    ends: BTreeMap<u32, u64>,
    locations: Vec<Location>,
}

impl<'a> Writer<'a> {
    fn new(directory: &'a Path, options: &'a Options, state: &State) -> Self {
        let (&segment, &offset) = state.ends.last_key_value().expect("the last segment stays");
        Self {
            directory,
            options,
            file: Arc::clone(&state.file),
            segment,
            offset,
            group: offset,
            buffer: Vec::new(),
            ends: BTreeMap::new(),
            locations: Vec::new(),
        }
    }

    fn append(&mut self, record: &[u8]) -> Result<(), Error> {
        let bytes = format::record_bytes(record.len());
        if format::is_full(self.offset, bytes, self.options.segment_bytes) {
            self.sync()?;
            self.segment += 1;
            self.file = create(self.directory, self.segment, self.options)?;
            self.offset = SEGMENT_HEADER_BYTES;
            self.group = self.offset;
        }
        self.locations.push(Location { segment: self.segment, offset: self.offset });
        let header = RecordHeader::of(record, self.group).encode(self.segment, self.offset);
        self.buffer.extend_from_slice(&header);
        if record.len() <= COPIED_MAX {
            self.buffer.extend_from_slice(record);
            self.offset += bytes;
            return if WRITE_BYTES <= self.buffer.len() { self.write() } else { Ok(()) };
        }
        self.offset += RECORD_HEADER_BYTES as u64;
        self.write()?;
        self.write_at(record, self.offset)?;
        self.offset += record.len() as u64;
        Ok(())
    }

    fn write(&mut self) -> Result<(), Error> {
        self.write_at(&self.buffer, self.offset - self.buffer.len() as u64)?;
        self.buffer.clear();
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let written = self.options.disk.write_at(&self.file, bytes, offset);
        written.map_err(Error::io("write to", path(self.directory, self.segment)))
    }

    /// Makes what was appended durable.
    fn sync(&mut self) -> Result<(), Error> {
        self.write()?;
        if self.options.durability == Durability::Synced {
            let synced = self.options.disk.sync(&self.file);
            synced.map_err(Error::io("sync", path(self.directory, self.segment)))?;
        }
        self.ends.insert(self.segment, self.offset);
        Ok(())
    }
}

fn path(directory: &Path, segment: u32) -> PathBuf {
    directory.join(format!("{segment:010}.segment"))
}

/// The segment that a file is, by its name.
pub(super) fn segment_of(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_suffix(".segment")?;
    // No other name of the same number.
    let is_ours = digits.len() == 10 && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_ours.then_some(digits)?.parse().ok()
}

/// Every segment of the folder and how long its file is. There must be no gap.
fn list(directory: &Path) -> Result<BTreeMap<u32, u64>, Error> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        if let Some(segment) = segment_of(&entry.file_name()) {
            let metadata = entry.metadata().map_err(Error::io("examine", entry.path()))?;
            segments.insert(segment, metadata.len());
        }
    }
    for (&segment, &next) in segments.keys().zip(segments.keys().skip(1)) {
        if segment + 1 != next {
            return Err(Error::MissingSegment { path: path(directory, segment + 1) });
        }
    }
    Ok(segments)
}

/// Makes a durable segment without records.
fn create(directory: &Path, segment: u32, options: &Options) -> Result<Arc<File>, Error> {
    let path = path(directory, segment);
    let file = options.disk.create(&path).map_err(Error::io("create", &path))?;
    let header = format::segment_header(segment);
    options.disk.write_at(&file, &header, 0).map_err(Error::io("write to", &path))?;
    if options.durability == Durability::Synced {
        options.disk.sync(&file).map_err(Error::io("sync", path))?;
        sync_directory(options, directory)?;
    }
    Ok(Arc::new(file))
}

/// Makes names durable.
fn sync_directory(options: &Options, directory: &Path) -> Result<(), Error> {
    options.disk.sync_folder(directory).map_err(Error::io("sync", directory))
}

fn check_header(file: &File, path: &Path, segment: u32) -> Result<(), Error> {
    let mut header = [0; 16];
    let what = match file.read_exact_at(&mut header, 0) {
        Ok(()) if header == format::segment_header(segment) => return Ok(()),
        Ok(()) => "not the header of this segment, or of another version",
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => "the file is too short",
        Err(error) => return Err(Error::io("read", path)(error)),
    };
    Err(Error::DamagedRecord { path: path.to_owned(), offset: 0, what })
}

/// Opens the last segment for appending: its file, its end, and its last record.
fn recover(
    directory: &Path,
    segment: u32,
    options: &Options,
) -> Result<(Arc<File>, u64, Option<u64>), Error> {
    let path = path(directory, segment);
    let mut file =
        OpenOptions::new().read(true).write(true).open(&path).map_err(Error::io("open", &path))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    // A segment holds records only after its header was durable.
    if bytes.len() as u64 <= SEGMENT_HEADER_BYTES && bytes != format::segment_header(segment) {
        return Ok((create(directory, segment, options)?, SEGMENT_HEADER_BYTES, None));
    }
    check_header(&file, &path, segment)?;
    let scan = format::scan(segment, &bytes).map_err(|damage| damaged(&path, damage))?;
    if scan.end < bytes.len() as u64 {
        tracing::warn!(
            path = %path.display(),
            offset = scan.end,
            bytes = bytes.len() as u64 - scan.end,
            "cut off what a crash left unfinished",
        );
        options.disk.cut(&file, scan.end).map_err(Error::io("cut", &path))?;
    }
    // Whatever is read from now on may be acted upon, so it must be durable first.
    options.disk.sync(&file).map_err(Error::io("sync", path))?;
    Ok((Arc::new(file), scan.end, scan.last))
}

/// The last record of a segment that is not the last one.
fn last_of(directory: &Path, segment: u32) -> Result<Option<Location>, Error> {
    let path = path(directory, segment);
    let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
    let scan = format::scan(segment, &bytes).map_err(|damage| damaged(&path, damage))?;
    if scan.end != bytes.len() as u64 {
        return Err(damaged(&path, Damage { offset: scan.end }));
    }
    Ok(scan.last.map(|offset| Location { segment, offset }))
}

fn damaged(path: &Path, damage: Damage) -> Error {
    Error::DamagedRecord {
        path: path.to_owned(),
        offset: damage.offset,
        what: "it is unreadable, and was durable once",
    }
}
