//! A whole node in a process of its own.

use std::{
    env, fs,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
};

use super::{process, transfers};
use crate::{args::value::BlockGeneration, failure::Failure};

/// A running node in a temporary folder. Dropping it ends the node and removes the folder.
#[derive(Debug)]
pub(super) struct Node {
    process: Child,
    folder: PathBuf,
    url: String,
}

impl Node {
    /// Starts this very program and waits until it serves.
    ///
    /// # Errors
    /// If it does not start; its own error is on the error stream then.
    pub(super) fn start(accounts: u16) -> Result<Self, Failure> {
        let folder = env::temp_dir().join(format!("kraken-bench-{}", std::process::id()));
        let every = BlockGeneration::Every { millis: transfers::BLOCK_MILLIS };
        let spawn = || -> io::Result<Child> {
            fs::create_dir_all(&folder)?;
            Command::new(env::current_exe()?)
                .args(["dev", "--port", "0", "--log", "warn"])
                .args(["--seed", &transfers::SEED.to_string()])
                .args(["--accounts", &accounts.to_string()])
                .args(["--block-generation-on", &every.to_string()])
                .arg("--data-dir")
                .arg(&folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
        };
        let process = spawn().map_err(|error| not_started(&error))?;
        let mut node = Self { process, folder, url: String::new() };
        node.url = node.read_url().map_err(|error| not_started(&error))?;
        Ok(node)
    }

    /// Where it serves JSON-RPC.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Bytes of memory that it holds; `None` where the system does not say.
    pub(super) fn memory(&self) -> Option<u64> {
        process::memory(self.process.id())
    }

    /// Reads what the node prints up to its URL, and keeps reading so that it never blocks.
    fn read_url(&mut self) -> io::Result<String> {
        let output = self.process.stdout.take().expect("the output is piped");
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

fn not_started(error: &io::Error) -> Failure {
    Failure::because("cannot start a node to measure", error, "see above for what it says itself")
}
