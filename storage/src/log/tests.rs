use std::{
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::prelude::{any, prop_assert_eq, proptest};
use tempfile::TempDir;

use super::*;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

fn open(directory: &TempDir) -> Log {
    Log::open(directory.path(), Durability::Synced).expect("the log opens")
}

fn append(log: &Log, record: &[u8]) -> Location {
    log.append_and_wait(Bytes::copy_from_slice(record)).expect("the log appends")
}

fn all(log: &Log) -> Vec<Vec<u8>> {
    log.records(None).map(|it| it.expect("every record is readable").1.to_vec()).collect()
}

fn segment(directory: &TempDir, segment: u32) -> PathBuf {
    directory.path().join(format!("{segment:010}.segment"))
}

/// What a log promises wherever its records are.
fn keeps_its_promises(log: &Log) {
    assert_eq!(log.last(), None);
    assert_eq!(log.records(None).count(), 0);
    let records: Vec<Vec<u8>> = (0_u8..50).map(|it| vec![it; usize::from(it) * 300]).collect();
    let locations: Vec<_> = records.iter().map(|record| append(log, record)).collect();
    assert!(locations.is_sorted_by(|left, right| left < right));
    assert_eq!(log.last(), locations.last().copied());
    for (at, record) in locations.iter().zip(&records) {
        assert_eq!(log.read(*at).expect("readable"), record);
    }
    assert_eq!(all(log), records);
    let late: Vec<_> = log.records(Some(locations[47])).map(|it| it.expect("readable")).collect();
    assert_eq!(late.len(), 3);
    assert_eq!(late[0], (locations[47], Bytes::from(records[47].clone())));

    let between = Location { offset: locations[3].offset + 1, ..locations[3] };
    let beyond = Location { segment: 7, ..locations[3] };
    for nowhere in [between, beyond] {
        assert!(matches!(log.read(nowhere), Err(Error::DamagedRecord { .. })));
    }
}

#[test]
fn a_log_in_files_keeps_its_promises_and_so_does_it_when_opened_again() {
    let directory = directory();
    keeps_its_promises(&open(&directory));
    let log = open(&directory);
    assert_eq!(log.records(None).count(), 50);
    append(&log, b"one more");
    assert_eq!(log.records(None).count(), 51);
}

#[test]
fn a_log_in_memory_keeps_its_promises() {
    keeps_its_promises(&Log::in_memory().expect("a log in memory"));
}

/// Three records of which no two fit into one segment.
fn fills_segments(log: &Log) {
    let large = |byte: u8| Bytes::from(vec![byte; 40 << 20]);
    let first = log.append_and_wait(large(1)).expect("appends");
    let second = log.append_and_wait(large(2)).expect("appends");
    let third = log.append_and_wait(large(3)).expect("appends");
    let segments = [first, second, third].map(|at| at.segment);
    assert_eq!(segments, [0, 1, 2]);
    assert_eq!(log.records(None).count(), 3);

    log.release(second).expect("releases");
    assert!(matches!(log.read(first), Err(Error::DamagedRecord { .. })));
    assert_eq!(log.read(second).expect("kept"), large(2));
    assert_eq!(log.records(None).count(), 2);
    log.release(Location { segment: 9, offset: 0 }).expect("releases");
    assert_eq!(log.last(), Some(third));
    assert_eq!(log.records(None).count(), 1);
}

#[test]
fn segments_end_and_are_released_but_never_the_last() {
    fills_segments(&Log::in_memory().expect("a log in memory"));
    let directory = directory();
    fills_segments(&open(&directory));
    assert_eq!(fs::read_dir(directory.path()).expect("listable").count(), 1);
    let log = open(&directory);
    assert_eq!(log.last().map(|at| at.segment), Some(2));
}

#[test]
fn damage_in_an_old_segment_and_a_missing_segment_are_errors() {
    let directory = directory();
    let log = open(&directory);
    let large = Bytes::from(vec![1; 40 << 20]);
    let old = log.append_and_wait(large.clone()).expect("appends");
    log.append_and_wait(large.clone()).expect("appends");
    log.append_and_wait(large).expect("appends");
    drop(log);
    // Without a record in the newest segment, the last one is in the segment before.
    let header = fs::read(segment(&directory, 2)).expect("readable")[..16].to_vec();
    fs::write(segment(&directory, 2), header).expect("writable");
    assert_eq!(open(&directory).last(), Some(Location { segment: 1, offset: 16 }));

    flip(&segment(&directory, 0), 1_000, 0);
    let log = open(&directory);
    assert_is_damage(log.read(old).map(drop), &segment(&directory, 0), 16);
    assert!(log.records(None).next().is_some_and(|it| it.is_err()));
    assert_eq!(log.records(None).count(), 1, "the walk ends at the damage");
    drop(log);

    fs::remove_file(segment(&directory, 1)).expect("removable");
    let error = Log::open(directory.path(), Durability::Synced).expect_err("a segment is missing");
    assert!(matches!(error, Error::MissingSegment { path } if path == segment(&directory, 1)));
}

#[test]
fn callbacks_come_in_the_order_of_the_appends_and_closing_flushes() {
    let directory = directory();
    let log = open(&directory);
    let seen = Arc::new(Mutex::new(Vec::new()));
    for number in 0..2_000_u32 {
        let seen = Arc::clone(&seen);
        log.append(Bytes::copy_from_slice(&number.to_le_bytes()), move |at| {
            seen.lock().expect("no panic").push((number, at.expect("durable")));
        });
    }
    drop(log);
    let seen = seen.lock().expect("no panic");
    assert_eq!(seen.len(), 2_000);
    assert!(seen.is_sorted_by(|left, right| left.0 < right.0 && left.1 < right.1));
    let records: Vec<_> = (0..2_000_u32).map(|it| it.to_le_bytes().to_vec()).collect();
    assert_eq!(all(&open(&directory)), records);
}

#[test]
fn the_last_clone_may_go_in_a_callback() {
    let log = Log::in_memory().expect("a log in memory");
    let (done, waiting) = mpsc::channel();
    let clone = log.clone();
    log.append(Bytes::new(), move |_| {
        drop(clone);
        done.send(()).expect("the test waits");
    });
    drop(log);
    waiting.recv().expect("the callback ran");
}

#[test]
fn a_record_that_is_too_large_is_refused_and_the_log_goes_on() {
    let log = Log::in_memory().expect("a log in memory");
    let refused = log.append_and_wait(Bytes::from(vec![0; RECORD_BYTES_MAX + 1]));
    assert!(matches!(refused, Err(Error::RecordTooLarge { .. })));
    let at = log.append_and_wait(Bytes::from(vec![0; RECORD_BYTES_MAX])).expect("just fits");
    assert_eq!(log.read(at).expect("readable").len(), RECORD_BYTES_MAX);
}

/// Segments that refuse the second append.
#[derive(Debug)]
struct Broken(Memory, AtomicUsize);

impl Segments for Broken {
    fn append(&self, records: &[Bytes]) -> Result<Vec<Location>, Error> {
        match self.1.fetch_add(1, Ordering::Relaxed) {
            1 => Err(Error::io("sync", "a disk")(io::Error::from_raw_os_error(5))),
            _ => self.0.append(records),
        }
    }
    fn read(&self, at: Location) -> Result<Bytes, Error> {
        self.0.read(at)
    }
    fn release(&self, before: Location) -> Result<(), Error> {
        self.0.release(before)
    }
    fn start(&self) -> Location {
        self.0.start()
    }
    fn end(&self) -> Location {
        self.0.end()
    }
    fn last(&self) -> Option<Location> {
        self.0.last()
    }
    fn segment_end(&self, segment: u32) -> Option<u64> {
        self.0.segment_end(segment)
    }
    fn path(&self) -> PathBuf {
        self.0.path()
    }
}

#[test]
fn after_a_failed_write_every_append_fails_and_reads_go_on() {
    let log = Log::start(Box::new(Broken(Memory::new(), AtomicUsize::new(0)))).expect("starts");
    let at = append(&log, b"good");
    let failed = log.append_and_wait(Bytes::from_static(b"lost"));
    assert!(
        matches!(failed, Err(Error::Io { source, .. }) if source.raw_os_error() == Some(5)),
        "the first failure says why"
    );
    for _ in 0..3 {
        let refused = log.append_and_wait(Bytes::from_static(b"late"));
        assert!(matches!(refused, Err(Error::LogFailed { .. })));
    }
    assert_eq!(log.read(at).expect("readable"), &b"good"[..]);
    assert_eq!(all(&log), [b"good"]);
}

fn flip(path: &Path, byte: usize, bit: u32) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[byte] ^= 1 << bit;
    fs::write(path, bytes).expect("writable");
}

fn assert_is_damage(result: Result<(), Error>, path: &Path, offset: u64) {
    let error = result.expect_err("damage is an error");
    let Error::DamagedRecord { path: at, offset: got, .. } = &error else {
        panic!("not damage: {error}");
    };
    assert_eq!((at.as_path(), *got), (path, offset));
}

/// A log of three acknowledged records, and the place of the last.
fn three_records() -> (TempDir, Vec<u8>, usize) {
    let directory = directory();
    let log = open(&directory);
    append(&log, b"the first");
    append(&log, b"");
    let last = append(&log, b"the last of them");
    drop(log);
    let bytes = fs::read(segment(&directory, 0)).expect("readable");
    let last = usize::try_from(last.offset).expect("small");
    (directory, bytes, last)
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_and_the_log_goes_on() {
    let (directory, bytes, last) = three_records();
    for length in last..bytes.len() {
        // What the system did not write may be missing, or zero.
        let mut zeros = bytes[..length].to_vec();
        zeros.resize(bytes.len() + 100, 0);
        for torn in [bytes[..length].to_vec(), zeros] {
            fs::write(segment(&directory, 0), torn).expect("writable");
            let log = open(&directory);
            assert_eq!(all(&log), [&b"the first"[..], b""], "cut at {length}");
            append(&log, b"after");
            drop(log);
            assert_eq!(all(&open(&directory)), [&b"the first"[..], b"", b"after"]);
        }
    }
}

#[test]
fn a_flipped_bit_in_the_last_record_cuts_it_and_nothing_else() {
    let (directory, bytes, last) = three_records();
    for byte in last..bytes.len() {
        fs::write(segment(&directory, 0), &bytes).expect("writable");
        flip(&segment(&directory, 0), byte, u32::try_from(byte % 8).expect("small"));
        assert_eq!(all(&open(&directory)), [&b"the first"[..], b""], "flipped in {byte}");
    }
}

#[test]
fn a_flipped_bit_before_the_last_record_is_damage() {
    let (directory, bytes, last) = three_records();
    let path = segment(&directory, 0);
    for byte in 16..last {
        fs::write(&path, &bytes).expect("writable");
        flip(&path, byte, u32::try_from(byte % 8).expect("small"));
        let start = if byte < 16 + 16 + b"the first".len() { 16 } else { 16 + 16 + 9 };
        assert_is_damage(Log::open(directory.path(), Durability::Synced).map(drop), &path, start);
        assert_eq!(fs::read(&path).expect("readable").len(), bytes.len(), "nothing is cut");
    }
}

#[test]
fn a_segment_that_was_just_created_is_made_again_and_another_header_is_damage() {
    let (directory, bytes, _) = three_records();
    let path = segment(&directory, 0);
    for unfinished in [vec![], vec![0; 5], vec![0; 16]] {
        fs::write(&path, unfinished).expect("writable");
        let log = open(&directory);
        append(&log, b"new");
        drop(log);
        assert_eq!(all(&open(&directory)), [b"new"]);
    }
    for byte in 0..16 {
        fs::write(&path, &bytes).expect("writable");
        flip(&path, byte, 3);
        assert_is_damage(Log::open(directory.path(), Durability::Synced).map(drop), &path, 0);
    }
}

/// One segment with records of these groups.
fn segment_of(records: &[(&[u8], u64)]) -> Vec<u8> {
    let mut bytes = format::segment_header(4).to_vec();
    for (payload, group) in records {
        let header = format::RecordHeader::of(payload, *group).encode(4, bytes.len() as u64);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(payload);
    }
    bytes
}

#[test]
fn an_unreadable_record_is_damage_only_if_a_later_one_proves_that_it_was_durable() {
    // Written by one group commit, in which the disk is free to begin with the end.
    let mut together = segment_of(&[(b"one", 16), (b"two", 16), (b"three", 16)]);
    together[16] ^= 1;
    assert_eq!(format::scan(4, &together), Ok(format::Scan { end: 16, last: None }));

    let mut apart = segment_of(&[(b"one", 16), (b"two", 16), (b"three", 54)]);
    apart[16] ^= 1;
    assert_eq!(format::scan(4, &apart), Err(format::Damage { offset: 16 }));
}

#[test]
fn a_record_elsewhere_is_no_record() {
    let bytes = segment_of(&[(b"one", 16)]);
    assert!(format::scan(5, &bytes).expect("no damage").last.is_none());
    let mut shifted = bytes[..16].to_vec();
    shifted.push(0);
    shifted.extend_from_slice(&bytes[16..]);
    assert!(format::scan(4, &shifted).expect("no damage").last.is_none());
}

proptest! {
    /// Whatever follows the records, opening keeps them and never panics.
    #[test]
    fn garbage_behind_the_records_is_cut(
        records in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5),
        garbage in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let records: Vec<_> = records.iter().map(|it| (it.as_slice(), 16)).collect();
        let mut bytes = segment_of(&records);
        let end = bytes.len() as u64;
        bytes.extend_from_slice(&garbage);
        let scan = format::scan(4, &bytes).expect("garbage proves nothing");
        prop_assert_eq!(scan.end, end);
        prop_assert_eq!(scan.last.is_some(), !records.is_empty());
    }
}

#[test]
fn what_is_only_buffered_survives_the_end_of_the_process() {
    let directory = directory();
    let open = || Log::open(directory.path(), Durability::Buffered).expect("the log opens");
    let log = open();
    // Copied together, and written by itself.
    let records = [vec![1; 10], vec![2; 100_000], vec![3; 10]];
    for record in &records {
        append(&log, record);
    }
    drop(log);
    assert_eq!(all(&open()), records);
}
