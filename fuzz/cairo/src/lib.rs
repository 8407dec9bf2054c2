//! Targets that need the rooms of Starknet: what transactions, blocks, classes and logs are read
//! from, and what a declared class goes through.
//!
//! What they do with their bytes is in the rooms, in `testing`, where ordinary tests run what is
//! kept in `fuzz/corpus`; here it is held to its memory.

mod request_path;

use std::{
    env, panic,
    path::{Path, PathBuf},
    process,
    sync::{Once, OnceLock},
    thread,
};

use kraken_execution::testing::class;
use kraken_fuzz::heap;
use kraken_storage::testing::targets;

/// Each request has an answer, and whatever is wrong with it is the caller's fault.
pub fn request_path(bytes: &[u8]) {
    let_the_compiler_panic();
    request_path::request_path(bytes);
}

/// Whatever is read is written as it was read.
pub fn transaction_codec(bytes: &[u8]) {
    within(|| targets::transaction_codec(bytes));
}

/// A log is read as it was written, or the damage is named.
pub fn log_reader(bytes: &[u8]) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    // In memory where that is possible: a folder is made for each input.
    let folder = FOLDER.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        let temporary = if memory.is_dir() { memory.to_owned() } else { env::temp_dir() };
        temporary.join(format!("kraken-log-reader-{}", process::id()))
    });
    within(|| targets::log_reader(bytes, folder));
}

/// A class compiles or is refused.
pub fn class_path(bytes: &[u8]) {
    let_the_compiler_panic();
    within(|| class::class_path(bytes));
}

/// The compiler panics, which is a refusal like any other; libFuzzer's hook would end it here.
fn let_the_compiler_panic() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if thread::current().name() != Some("sierra-to-casm") {
                hook(info);
            }
        }));
    });
}

/// Does something that says how much memory it may take.
fn within(work: impl FnOnce() -> usize) {
    let (allowed, peak) = heap::peak_of(work);
    assert!(peak <= allowed, "{peak} bytes of memory instead of {allowed}");
}
