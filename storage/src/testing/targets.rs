//! What fuzz targets do with their bytes. The programs are in `fuzz/cairo`; tests of this room run
//! what is kept in `fuzz/corpus`.
//!
//! Each function says how many bytes of memory it may have taken at its worst moment.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use kraken_types::testing::Script;
use starknet_api::block::BlockNumber;

use super::Random;
use crate::{
    Class, Error,
    codec::{self, decode_block, decode_transaction, encode_block, encode_transaction, forms},
    log::{Durability, Location, Log},
};

/// What anything may take.
const ALWAYS: usize = 1 << 20;

/// So many bytes of memory may a decoded byte take: an empty list of JSON is three bytes, and its
/// vector 24, in a vector that may just have doubled; it is held in several forms at once here.
const PER_BYTE: usize = 256;

/// Reads the bytes as a transaction of a batch, as the record of a block, as the body of one, or as
/// a class, and writes again what was read.
///
/// # Panics
/// If it is not what was read.
pub fn transaction_codec(bytes: &[u8]) -> usize {
    let Some((choice, bytes)) = bytes.split_first() else { return ALWAYS };
    let read = match choice % 4 {
        0 => transaction(bytes),
        1 => record(bytes),
        2 => body(bytes),
        _ => class(bytes),
    };
    ALWAYS + PER_BYTE * read
}

fn transaction(bytes: &[u8]) -> usize {
    if let Ok(transaction) = decode_transaction(bytes) {
        assert_eq!(encode_transaction(&transaction), bytes, "another encoding of the same");
    }
    bytes.len()
}

fn record(bytes: &[u8]) -> usize {
    if let Ok(block) = decode_block(bytes) {
        let again = encode_block(&block).expect("what was read can be written");
        assert_eq!(decode_block(&again).expect("what was written can be read"), block);
    }
    let parts = forms::parts(bytes).unwrap_or_default();
    parts.iter().map(|part| forms::decompress(part).len()).sum::<usize>() + bytes.len()
}

fn body(bytes: &[u8]) -> usize {
    let record = forms::block(bytes);
    if let Ok(block) = decode_block(&record) {
        let again = encode_block(&block).expect("what was read can be written");
        let parts = forms::parts(&again).expect("a block of ours");
        assert_eq!(forms::decompress(&parts[0]), bytes, "another encoding of the same");
    }
    bytes.len()
}

fn class(bytes: &[u8]) -> usize {
    if let Ok(class) = codec::decode_class(&forms::compress(bytes)) {
        let again = forms::class(&class);
        assert_eq!(codec::decode_class(&again).expect("what was written can be read"), class);
    }
    bytes.len()
}

/// What was compiled can be stored, and read again.
///
/// # Panics
/// If not.
pub fn class_survives(class: &Class) {
    let form = forms::class(class);
    assert_eq!(&codec::decode_class(&form).expect("what was written can be read"), class);
}

/// Inputs for [`transaction_codec`] that mean something.
pub fn codec_seeds() -> Vec<(String, Vec<u8>)> {
    let mut random = Random::new(1);
    let mut seeds = Vec::new();
    let mut add = |name: &str, choice: u8, bytes: Vec<u8>| {
        seeds.push((name.to_owned(), [vec![choice], bytes].concat()));
    };
    for number in 0..6 {
        let bytes = encode_transaction(&random.transaction());
        add(&format!("transaction-{number}"), 0, bytes);
    }
    let block = encode_block(&random.block(BlockNumber(3))).expect("a block of ours");
    let parts = forms::parts(&block).expect("a block of ours");
    add("body", 2, forms::decompress(&parts[0]));
    add("record", 1, block);
    for number in 0..6 {
        let (_, class) = random.class();
        add(&format!("class-{number}"), 3, forms::decompress(&forms::class(&class)));
    }
    seeds
}

/// Bytes of a segment header and of a record header, as `log/format.rs` describes them.
const HEADER: usize = 16;

/// A log as it lies in its folder, written here again from the description of its bytes.
struct Written {
    files: BTreeMap<u32, Vec<u8>>,
    /// Where each record is, and its payload.
    records: Vec<(Location, Vec<u8>)>,
    /// The first byte of each file that was changed.
    changed: BTreeMap<u32, usize>,
}

/// Opens a log folder that the bytes describe: arbitrary files, or a log that was damaged. What is
/// not damaged must be read, and nothing else; `folder` is emptied for it.
///
/// # Panics
/// If something is read that was not written, or not read although it is whole, or if the log
/// cannot go on.
pub fn log_reader(bytes: &[u8], folder: &Path) -> usize {
    let mut script = Script::new(bytes);
    let mut written =
        if script.seldom() { Written::anything(&mut script) } else { Written::log(&mut script) };
    written.spoil(&mut script);
    written.write(folder);
    let size: usize = written.files.values().map(Vec::len).sum();
    match Log::open(folder, Durability::Buffered) {
        Ok(log) => written.check(&log, folder),
        Err(Error::DamagedRecord { path, .. } | Error::MissingSegment { path }) => {
            assert!(path.starts_with(folder), "{} is named", path.display());
        }
        Err(error) => panic!("neither read nor damaged: {error:?}"),
    }
    ALWAYS + 16 * size
}

impl Written {
    /// Files of arbitrary bytes.
    fn anything(script: &mut Script<'_>) -> Self {
        let first = if script.seldom() { u32::MAX - 2 } else { 0 };
        let mut files = BTreeMap::new();
        for segment in 0..=u32::from(script.byte() % 3) {
            let mut bytes = segment_header(first + segment);
            if script.seldom() {
                bytes.clear();
            }
            bytes.extend_from_slice(script.bytes(200));
            files.insert(first + segment, bytes);
        }
        Self { files, records: Vec::new(), changed: BTreeMap::new() }
    }

    /// A log of up to three segments, with records that were written in groups.
    fn log(script: &mut Script<'_>) -> Self {
        let mut log =
            Self { files: BTreeMap::new(), records: Vec::new(), changed: BTreeMap::new() };
        for segment in 0..=u32::from(script.byte() % 3) {
            let mut bytes = segment_header(segment);
            let mut group = bytes.len();
            for _ in 0..script.below(8) {
                let payload = script.bytes(40).repeat(1 + usize::from(script.byte() / 32));
                let at = Location { segment, offset: bytes.len() as u64 };
                bytes.extend_from_slice(&record_header(&payload, group, at));
                bytes.extend_from_slice(&payload);
                log.records.push((at, payload));
                if !script.seldom() {
                    group = bytes.len();
                }
            }
            log.files.insert(segment, bytes);
        }
        log
    }

    /// Changes some bytes.
    fn spoil(&mut self, script: &mut Script<'_>) {
        for _ in 0..script.below(4) {
            let segments: Vec<_> = self.files.keys().copied().collect();
            let Some(&segment) = script.pick(&segments) else { return };
            let Some(bytes) = self.files.get_mut(&segment) else { return };
            let at =
                (usize::from(script.byte()) << 8 | usize::from(script.byte())) % (bytes.len() + 1);
            match script.byte() % 6 {
                0 => bytes.truncate(at),
                1 => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= script.byte().max(1)),
                2 => bytes[at..].iter_mut().take(40).for_each(|byte| *byte = 0),
                3 => drop(bytes.splice(at..at, script.bytes(30).iter().copied())),
                4 => {
                    let payload = script.bytes(20);
                    let group = usize::from(script.byte());
                    let place = Location { segment, offset: at as u64 };
                    bytes.truncate(at);
                    bytes.extend_from_slice(&record_header(payload, group, place));
                    bytes.extend_from_slice(payload);
                }
                _ => {
                    self.files.remove(&segment);
                }
            }
            let first = self.changed.entry(segment).or_insert(at);
            *first = at.min(*first);
        }
    }

    fn write(&self, folder: &Path) {
        // The folder may not be there yet.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).expect("a folder for the log");
        for (segment, bytes) in &self.files {
            fs::write(folder.join(format!("{segment:010}.segment")), bytes).expect("writable");
        }
    }

    /// What is read was written, what is whole is read, and the log goes on behind it.
    fn check(&self, log: &Log, folder: &Path) {
        let mut read = BTreeMap::new();
        let mut is_damaged = false;
        for record in log.records(None) {
            match record {
                Ok((at, payload)) => drop(read.insert(at, payload)),
                Err(Error::DamagedRecord { .. }) => is_damaged = true,
                Err(error) => panic!("neither read nor damaged: {error:?}"),
            }
        }
        for (at, payload) in &read {
            self.is_written(*at, payload);
        }
        let last_segment = self.files.last_key_value().map(|(segment, _)| *segment);
        for (at, payload) in &self.records {
            let end = usize::try_from(at.offset).expect("small") + HEADER + payload.len();
            if self.changed.get(&at.segment).is_none_or(|first| end <= *first)
                && self.files.contains_key(&at.segment)
            {
                assert_eq!(log.read(*at).expect("nobody touched it"), payload);
                assert!(is_damaged || read.contains_key(at), "{at:?} of {last_segment:?}");
            }
        }
        let count = log.records(None).count();
        let at = log.append_and_wait(Bytes::from_static(b"after")).expect("the log goes on");
        let again = Log::open(folder, Durability::Buffered).expect("what was opened opens again");
        assert_eq!(again.last(), Some(at));
        assert_eq!(again.read(at).expect("it was just written"), &b"after"[..]);
        assert_eq!(again.records(None).count(), if is_damaged { count } else { count + 1 });
    }

    /// The bytes in the file are those of such a record.
    fn is_written(&self, at: Location, payload: &[u8]) {
        let start = usize::try_from(at.offset).expect("small");
        let bytes = &self.files[&at.segment][start..][..HEADER + payload.len()];
        let group = u32::from_le_bytes(bytes[4..8].try_into().expect("four bytes"));
        let header = record_header(payload, usize::try_from(group).expect("64 bits"), at);
        assert_eq!(bytes[..HEADER], header, "{at:?}");
        assert_eq!(&bytes[HEADER..], payload, "{at:?}");
    }
}

fn segment_header(segment: u32) -> Vec<u8> {
    [&b"krakenlg"[..], &1_u32.to_le_bytes(), &segment.to_le_bytes()].concat()
}

fn record_header(payload: &[u8], group: usize, at: Location) -> [u8; HEADER] {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes();
    let checksum = crc32fast::hash(payload).to_le_bytes();
    let fields = [number(payload.len()), number(group), checksum].concat();
    let covered = [&at.segment.to_le_bytes()[..], &at.offset.to_le_bytes(), &fields].concat();
    let mut header = [0; HEADER];
    header[..12].copy_from_slice(&fields);
    header[12..].copy_from_slice(&crc32fast::hash(&covered).to_le_bytes());
    header
}

/// Inputs for [`log_reader`] that mean something.
pub fn log_seeds() -> Vec<(String, Vec<u8>)> {
    let log = |segments: u8| {
        let mut bytes = vec![0, segments];
        for segment in 0..=segments {
            bytes.push(3);
            for record in 0..3 {
                bytes.extend([10, segment, record, 2, 3, 4, 5, 6, 7, 8, 9, 40, record]);
            }
        }
        bytes
    };
    let mut seeds = vec![("arbitrary".to_owned(), [vec![255, 0, 2], vec![7; 90]].concat())];
    for segments in 0..3 {
        seeds.push((format!("whole-{segments}"), log(segments)));
        for way in 0..6 {
            let name = format!("spoiled-{segments}-{way}");
            seeds.push((name, [log(segments), vec![1, 0, 0, 60, way, 1, 2, 3]].concat()));
        }
    }
    seeds
}

/// Runs what is kept of a target in `fuzz/corpus`, of which these seeds are a part, and the seeds as
/// they are today. With `KRAKEN_WRITE_SEEDS=1` they are written there first. (They are not compared:
/// a class of Cairo 0 holds a map whose order is another one in every process.)
///
/// # Panics
/// If a seed is not kept.
pub fn run_corpus(target: &str, seeds: Vec<(String, Vec<u8>)>, run: impl Fn(&[u8])) {
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let folder = package.join("../fuzz/corpus").join(target);
    for (name, bytes) in seeds {
        let path = folder.join(name);
        if env::var_os("KRAKEN_WRITE_SEEDS").is_some() {
            fs::create_dir_all(&folder).expect("the folder of the target");
            fs::write(&path, &bytes).expect("writable");
        }
        assert!(path.is_file(), "{}: test again with KRAKEN_WRITE_SEEDS=1", path.display());
        run(&bytes);
    }
    for file in fs::read_dir(folder).expect("there is a corpus") {
        run(&fs::read(file.expect("listable").path()).expect("readable"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inputs_that_are_kept_for_the_codec_hold() {
        run_corpus("transaction_codec", codec_seeds(), |bytes| {
            transaction_codec(bytes);
        });
    }

    #[test]
    fn the_inputs_that_are_kept_for_the_log_hold() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        run_corpus("log_reader", log_seeds(), |bytes| {
            log_reader(bytes, &folder.path().join("log"));
        });
    }
}
