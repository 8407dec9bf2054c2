//! One validator, or a full node: the real binary, in a process of its own.

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::ports::Ports;
use crate::{
    CallError, Client,
    node::{START_WITHIN, binary, build_folder, show_log},
};

/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long somebody waits for an answer who can ask another validator.
const PATIENCE: Duration = Duration::from_secs(5);

/// A validator that lives in a folder, and may be dead or frozen at the moment. A full node is one,
/// with an id that no validator has.
#[derive(Debug)]
pub struct Validator {
    id: usize,
    /// Its keys, settings, data and logs.
    home: PathBuf,
    rpc: SocketAddr,
    metrics: SocketAddr,
    network: [SocketAddr; 3],
    process: Option<Child>,
    is_live: Arc<AtomicBool>,
    /// How often it was started.
    starts: u32,
}

/// A way in for somebody who can go to another validator. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Door {
    /// Gives up soon.
    pub client: Client,
    is_live: Arc<AtomicBool>,
}

impl Door {
    /// Whether the validator was neither killed nor frozen a moment ago.
    pub fn is_live(&self) -> bool {
        self.is_live.load(Ordering::SeqCst)
    }
}

impl Validator {
    pub(super) fn new(id: usize, home: PathBuf, ports: &Ports) -> Self {
        Self {
            id,
            home,
            rpc: ports.rpc,
            metrics: ports.metrics,
            network: ports.network(),
            process: None,
            is_live: Arc::new(AtomicBool::new(false)),
            starts: 0,
        }
    }

    /// Its place in the genesis.
    pub fn id(&self) -> usize {
        self.id
    }

    /// Its keys, settings, data and logs.
    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Where it listens for the others: primary, sync, worker.
    pub fn network(&self) -> [SocketAddr; 3] {
        self.network
    }

    /// A patient client.
    pub fn client(&self) -> Client {
        Client::new(&format!("http://{}", self.rpc))
    }

    /// A way in for the impatient.
    pub fn door(&self) -> Door {
        let client = Client::within(&format!("http://{}", self.rpc), PATIENCE);
        Door { client, is_live: Arc::clone(&self.is_live) }
    }

    /// Starts the process on what is in its folder, and does not wait for it.
    ///
    /// # Panics
    /// If it runs already.
    pub fn launch(&mut self) {
        self.launch_with("kraken.toml");
    }

    /// The same with another settings file of its folder.
    ///
    /// # Panics
    /// As [`Validator::launch`].
    pub fn launch_with(&mut self, settings: &str) {
        assert!(self.process.is_none(), "validator {} runs already", self.id);
        self.starts += 1;
        let log = File::create(self.log(self.starts)).expect("the folder is ours");
        let process = Command::new(binary())
            .args(["run", "--until-stdin-closes", "--log", "info", "--config"])
            .arg(self.home.join(settings))
            .env_clear()
            .env("XDG_CACHE_HOME", build_folder().join("tmp"))
            .env("RUST_BACKTRACE", "1")
            // Closed by the system when we end, however that comes about.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn();
        self.process = Some(process.expect("the binary runs"));
        self.is_live.store(true, Ordering::SeqCst);
    }

    /// Waits until it serves JSON-RPC.
    ///
    /// # Panics
    /// If it ends instead, or takes too long.
    pub fn wait_until_served(&mut self) {
        let began = Instant::now();
        let client = self.door().client;
        while client.call("starknet_chainId", json!([])).is_err() {
            self.assert_runs();
            assert!(began.elapsed() < START_WITHIN, "validator {} does not serve", self.id);
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Whether it has not ended by itself.
    ///
    /// # Panics
    /// If it has, or does not run at all.
    pub fn assert_runs(&mut self) {
        let process = self.process.as_mut().expect("the validator runs");
        if let Some(status) = process.try_wait().expect("the process is ours") {
            panic!("validator {} ended by itself: {status}", self.id);
        }
    }

    /// Kills the process on the spot (SIGKILL), as a power cut would.
    ///
    /// # Panics
    /// If it does not run.
    pub fn kill_9(&mut self) {
        self.assert_runs();
        self.is_live.store(false, Ordering::SeqCst);
        let mut process = self.process.take().expect("the validator runs");
        process.kill().expect("the process is ours");
        process.wait().expect("the process is ours");
    }

    /// Stops the process without its knowledge (SIGSTOP), as a long pause of a machine would.
    ///
    /// # Panics
    /// If it does not run.
    pub fn freeze(&mut self) {
        self.is_live.store(false, Ordering::SeqCst);
        self.signal("STOP");
    }

    /// Lets a frozen process go on (SIGCONT).
    ///
    /// # Panics
    /// If it does not run.
    pub fn thaw(&mut self) {
        self.signal("CONT");
        self.is_live.store(true, Ordering::SeqCst);
    }

    /// Removes all that is on the disk of a dead validator, but its keys and settings.
    ///
    /// # Panics
    /// If it runs, or has no data.
    pub fn wipe(&mut self) {
        assert!(self.process.is_none(), "validator {} runs", self.id);
        fs::remove_dir_all(self.home.join("data")).expect("it has data, which is ours");
    }

    /// The sum of all series of a name whose labels hold this text, absent ones being 0; `None` if
    /// it does not serve metrics now.
    pub fn metric(&self, name: &str, labels: &str) -> Option<u64> {
        match self.watch("/metrics") {
            Ok((200, text)) => Some(sum(&text, name, labels)),
            Ok(_) | Err(_) => None,
        }
    }

    /// What its server for those who watch answers to a GET: the status and the body.
    ///
    /// # Errors
    /// If it does not answer now.
    pub fn watch(&self, path: &str) -> Result<(u16, String), CallError> {
        Client::within(&format!("http://{}", self.metrics), PATIENCE).get_path(path)
    }

    /// The memory that the process holds, in bytes.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resident_bytes(&self) -> u64 {
        let id = self.process.as_ref().expect("the validator runs").id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("the process is ours");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next());
        kilobytes.and_then(|text| text.parse::<u64>().ok()).expect("Linux says it") * 1_024
    }

    fn signal(&mut self, name: &str) {
        self.assert_runs();
        let id = self.process.as_ref().expect("the validator runs").id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(sent.success(), "kill: {sent}");
    }

    /// What the process has printed and logged since a start.
    fn log(&self, start: u32) -> PathBuf {
        self.home.join(format!("start-{start}.log"))
    }
}

impl Drop for Validator {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself; a frozen one ends, too.
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            for start in self.starts.saturating_sub(1).max(1)..=self.starts {
                show_log(&format!("start {start} of validator {}", self.id), &self.log(start));
            }
        }
    }
}

/// The sum of all series of a name whose labels hold this text.
fn sum(text: &str, name: &str, labels: &str) -> u64 {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (said, value) = rest.rsplit_once(' ')?;
        let is_meant = said.is_empty() || said.starts_with('{');
        // What is no whole number is none of those that are asked for.
        if is_meant && said.contains(labels) { value.parse::<u64>().ok() } else { None }
    };
    text.lines().filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn series_of_a_name_are_added() {
        let text = "# TYPE a counter\na_total{swarm=\"x\",reason=\"full\"} 3\n\
                    a_total{swarm=\"y\",reason=\"full\"} 4\na_total_more 9\na_total{reason=\"b\"} 1\nb 7\n";
        assert_eq!(sum(text, "a_total", "reason=\"full\""), 7);
        assert_eq!(sum(text, "a_total", ""), 8);
        assert_eq!(sum(text, "b", ""), 7);
        assert_eq!(sum(text, "c", ""), 0);
    }
}
