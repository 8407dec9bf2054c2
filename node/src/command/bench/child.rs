//! A whole node in a process of its own.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    mem,
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use super::{process, transfers};
use crate::{args::value::BlockGeneration, failure::Failure};

/// A running node in a temporary folder. Dropping it ends the node and removes the folder.
#[derive(Debug)]
pub(super) struct Node {
    process: Child,
    folder: PathBuf,
    url: String,
    blocks: Arc<Mutex<Vec<NewBlock>>>,
}

/// What a node says of a block when it is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NewBlock {
    /// How many are in it.
    pub(super) transactions: u32,
    /// Tries, commitments and hash, to the millisecond.
    pub(super) hashing: Duration,
    /// Until it was durable, to the millisecond.
    pub(super) writing: Duration,
}

impl NewBlock {
    /// Reads a line of the log; `None` if it is about something else.
    fn read(line: &str) -> Option<Self> {
        let (_, fields) = line.split_once(": new block ")?;
        let field = |name: &str| {
            let mut pairs = fields.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name)?.1.parse().ok()
        };
        Some(Self {
            transactions: u32::try_from(field("transactions")?).ok()?,
            hashing: Duration::from_millis(field("hashing_ms")?),
            writing: Duration::from_millis(field("writing_ms")?),
        })
    }
}

impl Node {
    /// Starts this very program with a block a second, and waits until it serves.
    ///
    /// # Errors
    /// As [`Self::start_with`].
    pub(super) fn start(accounts: u16) -> Result<Self, Failure> {
        Self::start_with(accounts, BlockGeneration::Every { millis: transfers::BLOCK_MILLIS })
    }

    /// Starts this very program and waits until it serves.
    ///
    /// # Errors
    /// If it does not start; its own error is on the error stream then.
    pub(super) fn start_with(accounts: u16, blocks: BlockGeneration) -> Result<Self, Failure> {
        let folder = env::temp_dir().join(format!("kraken-bench-{}", std::process::id()));
        let spawn = || -> io::Result<Child> {
            fs::create_dir_all(&folder)?;
            Command::new(env::current_exe()?)
                .args(["dev", "--port", "0", "--log", "info"])
                .args(["--seed", &transfers::SEED.to_string()])
                .args(["--accounts", &accounts.to_string()])
                .args(["--block-generation-on", &blocks.to_string()])
                .arg("--data-dir")
                .arg(&folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
        };
        let mut process = spawn().map_err(|error| not_started(&error))?;
        let log = process.stderr.take().expect("the error stream is piped");
        let blocks = Arc::default();
        watch(log, Arc::clone(&blocks));
        let mut node = Self { process, folder, url: String::new(), blocks };
        node.url = read_url(&mut node.process).map_err(|error| not_started(&error))?;
        Ok(node)
    }

    /// By which the system knows it.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it serves JSON-RPC.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes of memory that it holds; `None` where the system does not say.
    pub(super) fn memory(&self) -> Option<u64> {
        process::memory(self.process.id())
    }

    /// Bytes of all files in its folder.
    ///
    /// # Errors
    /// If they cannot be seen.
    pub(super) fn disk(&self) -> Result<u64, Failure> {
        bytes(&self.folder).map_err(|error| {
            let what = format!("cannot look into {}", self.folder.display());
            Failure::because(&what, &error, "check the place for temporary files")
        })
    }

    /// The blocks that became durable since the last call.
    pub(super) fn new_blocks(&self) -> Vec<NewBlock> {
        mem::take(&mut *self.blocks.lock().expect("nobody panics with this lock"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The chain is thrown away, so it need not be closed in order. A failure leaves a folder in
        // the place for temporary ones.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Reads what a server prints up to its URL, and keeps reading so that it never blocks.
///
/// # Errors
/// If it ends before.
pub(super) fn read_url(process: &mut Child) -> io::Result<String> {
    let output = process.stdout.take().expect("the output is piped");
    let mut lines = BufReader::new(output).lines();
    let url = loop {
        match lines.next() {
            Some(line) => {
                if let Some(url) = line?.strip_prefix("Listening on ") {
                    break url.to_owned();
                }
            }
            None => return Err(io::Error::other("it ended before it served")),
        }
    };
    thread::spawn(move || lines.for_each(drop));
    Ok(url)
}

/// Keeps what the log says of blocks, and shows what it warns of.
fn watch(log: ChildStderr, blocks: Arc<Mutex<Vec<NewBlock>>>) {
    thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            if let Some(block) = NewBlock::read(&line) {
                blocks.lock().expect("nobody panics with this lock").push(block);
            } else if !line.contains(" INFO ") {
                // Whoever cannot be told cannot be told that either.
                let _ = writeln!(io::stderr(), "{line}");
            }
        }
    });
}

/// Bytes of all files in a folder and the folders below.
fn bytes(folder: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => sum += bytes(&entry.path())?,
            Ok(metadata) => sum += metadata.len(),
            // The engine merges its files while somebody looks.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(sum)
}

/// A server to measure did not start.
pub(super) fn not_started(error: &io::Error) -> Failure {
    Failure::because("cannot start a node to measure", error, "see above for what it says itself")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_from_the_log() {
        let line = "2026-01-01T00:00:00.000001Z  INFO kraken_sequencer::committer: new block \
                    block=7 transactions=331 hash=0x12 hashing_ms=45 writing_ms=6";
        let block = NewBlock {
            transactions: 331,
            hashing: Duration::from_millis(45),
            writing: Duration::from_millis(6),
        };
        assert_eq!(NewBlock::read(line), Some(block));
        assert_eq!(NewBlock::read("INFO kraken_rpc::server: serving JSON-RPC"), None);
    }
}
