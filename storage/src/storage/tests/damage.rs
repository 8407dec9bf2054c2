//! Files that are not as they were written: what is said, what is mended, and that nothing wrong is
//! ever served.

use std::{
    collections::BTreeMap,
    panic::{self, AssertUnwindSafe},
    path::PathBuf,
};

use super::{
    crash::scenario::{self, Tables},
    *,
};
use crate::engine::fjall::tests::flush;

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("listable") {
        let path = entry.expect("listable").path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn tables(storage: &Storage) -> Tables {
    scenario::tables(storage).expect("readable")
}

fn flip(path: &Path, byte: usize) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[byte] ^= 1 << (byte % 8);
    fs::write(path, bytes).expect("writable");
}

fn chain(directory: &TempDir) -> PathBuf {
    directory.path().join("chain/0000000000.segment")
}

/// Where the record of a block begins.
fn offset_of(storage: &Storage, number: u64) -> usize {
    let at = apply::location_of(storage.inner.engine.as_ref(), BlockNumber(number));
    usize::try_from(at.expect("readable").expect("stored").offset).expect("small")
}

#[test]
fn a_flipped_bit_in_the_chain_log_is_named_at_the_start_and_nothing_is_cut() {
    let directory = directory();
    let storage = open(&directory);
    grow(&storage, 20, 6);
    let places: Vec<_> = (0..6).map(|number| offset_of(&storage, number)).collect();
    drop(storage);
    let whole = fs::read(chain(&directory)).expect("readable");
    for pair in places.windows(2) {
        // In the header of the record, at its first byte, in the middle.
        for byte in [pair[0] + 5, pair[0] + 16, (pair[0] + pair[1]) / 2] {
            flip(&chain(&directory), byte);
            let error = Storage::open(config(directory.path())).expect_err("it is damaged");
            let expected = format!(
                "damaged record in {} at offset {}: it is unreadable, and was durable once",
                chain(&directory).display(),
                pair[0],
            );
            assert_eq!(error.to_string(), expected);
            assert_eq!(fs::read(chain(&directory)).expect("readable").len(), whole.len());
            fs::write(chain(&directory), &whole).expect("writable");
        }
    }
    open(&directory);
}

#[test]
fn a_bit_that_flips_while_it_runs_is_named_and_never_served() {
    let directory = directory();
    grow(&open(&directory), 21, 4);
    let storage = open(&directory);
    let offset = offset_of(&storage, 1);
    flip(&chain(&directory), offset + 40);
    for _ in 0..2 {
        let read = storage.block(BlockNumber(1)).map(drop);
        let bytes = storage.block_bytes(BlockNumber(1)).map(drop);
        for error in [read.expect_err("damaged"), bytes.expect_err("damaged")] {
            let expected = format!(
                "damaged record in {} at offset {offset}: its bytes do not match its checksum",
                chain(&directory).display(),
            );
            assert_eq!(error.to_string(), expected);
        }
    }
    for other in [0, 2, 3] {
        assert!(storage.block(BlockNumber(other)).expect("readable").is_some());
    }
}

#[test]
fn the_last_block_may_be_lost_to_a_flipped_bit_but_not_in_silence() {
    let directory = directory();
    let storage = open(&directory);
    grow(&storage, 22, 3);
    let last = offset_of(&storage, 2);
    drop(storage);
    flip(&chain(&directory), last + 30);
    let error = Storage::open(config(directory.path())).expect_err("the engine has it");
    assert!(matches!(error, Error::EngineAhead { engine: BlockNumber(2), .. }), "{error}");
}

#[test]
fn a_log_that_is_gone_is_missed() {
    for log in ["chain", "batches", "votes"] {
        let directory = directory();
        grow(&open(&directory), 23, 1);
        let path = directory.path().join(log);
        for segment in files(&path) {
            fs::remove_file(segment).expect("removable");
        }
        for is_there in [true, false] {
            if !is_there {
                fs::remove_dir(&path).expect("removable");
            }
            let error = Storage::open(config(directory.path())).expect_err("a log is missing");
            let expected = format!(
                "the log {} is missing; \
                 restore it from a backup, or choose another data folder to start anew",
                path.display(),
            );
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[test]
fn a_folder_without_its_identity_is_not_adopted_by_another_chain() {
    let directory = directory();
    grow(&open(&directory), 24, 1);
    let identity = directory.path().join("IDENTITY");
    let text = fs::read(&identity).expect("readable");
    fs::remove_file(&identity).expect("removable");
    fs::remove_dir_all(directory.path().join("engine")).expect("removable");
    let error = Storage::open(config(directory.path())).expect_err("it holds a chain");
    assert!(matches!(error, Error::DamagedIdentity { .. }), "{error}");
    fs::write(&identity, text).expect("writable");
    assert_eq!(open(&directory).tip(), Some(BlockNumber(0)));
}

#[test]
fn an_engine_that_is_far_behind_or_lost_is_brought_up_with_progress() {
    const BLOCKS: u64 = 150;
    let directory = directory();
    let (engine, old) = (directory.path().join("engine"), directory.path().join("old"));
    let mut blocks = grow(&open(&directory), 25, 3);
    copy(&engine, &old);
    blocks.extend(grow(&open(&directory), 26, usize::try_from(BLOCKS).expect("few") - 3));
    fs::remove_dir_all(&engine).expect("removable");
    fs::rename(&old, &engine).expect("movable");
    let (storage, again) = reopen(&directory);
    assert_eq!(again, BLOCKS - 3);
    assert_holds(&storage, &blocks);
    let expected = tables(&storage);
    drop(storage);

    fs::remove_dir_all(&engine).expect("removable");
    let (storage, again) = reopen(&directory);
    assert_eq!(again, BLOCKS);
    assert!(tables(&storage) == expected, "the same is made again");
}

#[test]
fn two_processes_in_a_row_that_end_while_they_open_the_engine_have_it_made_again() {
    let directory = directory();
    let note = directory.path().join("engine.opening");
    let blocks = grow(&open(&directory), 32, 4);
    for (ended, expected) in [(1, 0), (1, 0), (2, 4), (1, 0)] {
        fs::write(&note, "process 17\n".repeat(ended)).expect("writable");
        let (storage, again) = reopen(&directory);
        assert_eq!(again, expected);
        assert_holds(&storage, &blocks);
        assert!(!note.exists(), "it is open");
    }
}

#[test]
fn a_manifest_that_forgets_files_is_not_believed() {
    let directory = directory();
    let storage = open(&directory);
    let blocks = grow(&storage, 31, 4);
    drop(storage);
    let engine = directory.path().join("engine");
    flush(&engine);
    for path in files(&engine) {
        let is_manifest = path.parent().is_some_and(|table| table.join("current").exists())
            && path.file_name().is_some_and(|name| name != "current");
        if is_manifest {
            let mut bytes = fs::read(&path).expect("readable");
            // The one run of a level.
            let run = bytes.iter().position(|byte| *byte == 1).expect("there is one");
            bytes[run] = 0;
            fs::write(&path, bytes).expect("writable");
        }
    }
    let (storage, again) = reopen(&directory);
    assert_eq!(again, 4);
    assert_holds(&storage, &blocks);
}

/// What comes of opening and reading everything.
#[derive(Debug, Default)]
struct Ends {
    /// Nobody missed the bit.
    right: u32,
    /// It was made again at once.
    rebuilt: u32,
    /// It was noticed when it was read, and made again at the next start.
    noticed: u32,
}

#[test]
fn a_flipped_bit_in_the_engine_is_never_served() {
    let directory = directory();
    let storage = open(&directory);
    let blocks = grow(&storage, 27, 12);
    drop(storage);
    let engine = directory.path().join("engine");
    // Some of it in tables, the rest in the journal.
    flush(&engine);
    let blocks: Vec<_> = blocks.into_iter().chain(grow(&open(&directory), 28, 6)).collect();
    let expected = tables(&open(&directory));
    let whole: BTreeMap<_, _> = files(&engine)
        .into_iter()
        .map(|path| (path.clone(), fs::read(path).expect("read")))
        .collect();

    let mut random = Random::new(29);
    let mut ends = Ends::default();
    for (path, bytes) in &whole {
        // A journal is allocated in advance.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        for _ in 0..if used == 0 { 0 } else { 4 } {
            restore(&engine, &whole);
            let byte = usize::try_from(random.below(used as u64)).expect("small");
            flip(path, byte);
            // A panic of the engine ends a node, which serves nothing then.
            let end = panic::catch_unwind(AssertUnwindSafe(|| end_of(&directory, &expected)));
            match end.unwrap_or_else(|_| panic!("{} at {byte}: it panics", path.display())) {
                (0, false) => ends.right += 1,
                (_, false) => ends.rebuilt += 1,
                (_, true) => ends.noticed += 1,
            }
        }
    }
    restore(&engine, &whole);
    assert_holds(&open(&directory), &blocks);
    assert!(0 < ends.right && 0 < ends.rebuilt && 0 < ends.noticed, "{ends:?}");
}

/// Opens, and reads everything: it is right, or an error, after which the next start mends it.
/// Returns how many blocks were applied again, and whether there was an error.
fn end_of(directory: &TempDir, expected: &Tables) -> (u64, bool) {
    let (storage, again) = reopen(directory);
    if let Ok(tables) = scenario::tables(&storage) {
        assert!(tables == *expected, "what is read was not written");
        return (again, false);
    }
    drop(storage);
    let (storage, _) = reopen(directory);
    assert!(tables(&storage) == *expected, "it is made again");
    (again, true)
}

fn restore(folder: &Path, whole: &BTreeMap<PathBuf, Vec<u8>>) {
    fs::remove_dir_all(folder).expect("removable");
    for (path, bytes) in whole {
        fs::create_dir_all(path.parent().expect("below the folder")).expect("creatable");
        fs::write(path, bytes).expect("writable");
    }
}

#[test]
fn an_engine_that_was_condemned_or_half_removed_is_made_again() {
    let directory = directory();
    let storage = open(&directory);
    let blocks = grow(&storage, 30, 5);
    storage.inner.engine.condemn("it is a test");
    drop(storage);
    let engine = directory.path().join("engine");
    assert!(directory.path().join("engine.damaged").exists());
    let (storage, again) = reopen(&directory);
    assert_eq!(again, 5);
    assert_holds(&storage, &blocks);
    drop(storage);
    assert!(!directory.path().join("engine.damaged").exists());

    // A crash while it was removed leaves it under another name.
    fs::rename(&engine, directory.path().join("engine.old")).expect("movable");
    let (storage, again) = reopen(&directory);
    assert_eq!(again, 5);
    assert_holds(&storage, &blocks);
    assert!(!directory.path().join("engine.old").exists());
}
