//! One worker of a validator: the real binary, in a process of its own.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Client,
    node::{START_WITHIN, binary, show_log},
};

/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A worker whose files are in the folder of its validator; it may be dead at the moment.
#[derive(Debug)]
pub struct Worker {
    validator: usize,
    home: PathBuf,
    metrics: SocketAddr,
    process: Option<Child>,
    /// How often it was started.
    starts: u32,
}

impl Worker {
    pub(super) fn new(validator: usize, home: &Path, metrics: SocketAddr) -> Self {
        Self { validator, home: home.to_owned(), metrics, process: None, starts: 0 }
    }

    /// Starts the process on what is in its folder, and does not wait for it.
    ///
    /// # Panics
    /// If it runs already.
    pub fn launch(&mut self) {
        assert!(self.process.is_none(), "the worker of validator {} runs", self.validator);
        self.starts += 1;
        let log = File::create(self.log(self.starts)).expect("the folder is ours");
        let process = Command::new(binary())
            .args(["worker", "--until-stdin-closes", "--log", "info", "--config"])
            .arg(self.home.join("worker.toml"))
            .env_clear()
            .env("RUST_BACKTRACE", "1")
            // Closed by the system when we end, however that comes about.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("the binary runs"));
    }

    /// Waits until its validator is there.
    ///
    /// # Panics
    /// If it ends instead, or takes too long.
    pub fn wait_until_linked(&mut self) {
        let began = Instant::now();
        let client = Client::within(&format!("http://{}", self.metrics), ANSWER_WITHIN);
        while !matches!(client.get_path("/ready"), Ok((200, _))) {
            let process = self.process.as_mut().expect("the worker runs");
            if let Some(status) = process.try_wait().expect("the process is ours") {
                panic!("the worker of validator {} ended by itself: {status}", self.validator);
            }
            assert!(began.elapsed() < START_WITHIN, "the worker of {} waits", self.validator);
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Kills the process on the spot (SIGKILL).
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill_9(&mut self) {
        let mut process = self.process.take().expect("the worker runs");
        process.kill().expect("the process is ours");
        process.wait().expect("the process is ours");
    }

    /// What the process has logged since a start.
    fn log(&self, start: u32) -> PathBuf {
        self.home.join(format!("worker-start-{start}.log"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            let name = format!("the worker of validator {}", self.validator);
            show_log(&name, &self.log(self.starts.max(1)));
        }
    }
}
