//! The real binary, in a process of its own.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Once,
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{Client, root};

/// How long a node may take to serve: the first one in a build folder compiles classes.
pub(crate) const START_WITHIN: Duration = Duration::from_secs(180);

/// How long a node may take to end in order.
const END_WITHIN: Duration = Duration::from_secs(60);

/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How much of a log is shown when a test fails, in lines.
const TAIL_LINES: usize = 60;

/// What the node prints once it serves.
const LISTENING: &str = "Listening on ";

/// `kraken dev --seed 0` in a process of its own, with a data folder of its own.
///
/// Dropping it kills that one process and removes the folder. When the test panics, the end of the
/// node's log is shown first.
#[derive(Debug)]
pub struct Node {
    arguments: Vec<String>,
    /// Whether the chain is in the folder.
    is_kept: bool,
    folder: TempDir,
    process: Option<Child>,
    client: Client,
    /// Whether its clients hold every answer against the official documents.
    is_checked: bool,
    /// How often it was started.
    starts: u32,
}

impl Node {
    /// Starts a node on a free port and waits until it serves.
    ///
    /// # Panics
    /// If it does not, or not in time.
    pub fn start(arguments: &[&str]) -> Self {
        Self::begin(arguments, false, true)
    }

    /// The same; its clients hold every answer against the official documents.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn start_checked(arguments: &[&str]) -> Self {
        Self::begin(arguments, true, true)
    }

    /// Starts a node whose chain ends with the process.
    ///
    /// # Panics
    /// As [`Node::start`].
    pub fn start_in_memory(arguments: &[&str]) -> Self {
        Self::begin(arguments, false, false)
    }

    fn begin(arguments: &[&str], is_checked: bool, is_kept: bool) -> Self {
        let mut node = Self {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            is_kept,
            folder: tempfile::tempdir().expect("a temporary folder"),
            process: None,
            client: Client::new("http://127.0.0.1:0"),
            is_checked,
            starts: 0,
        };
        node.restart();
        node
    }

    /// A client of the running node. After a restart it is another one, because the port changes.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The process.
    ///
    /// # Panics
    /// If it is not running.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().expect("the node runs").id()
    }

    /// Its data folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().join("chain")
    }

    /// How it ended by itself, once it has. From then on it does not run.
    ///
    /// # Panics
    /// If it was not running.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        let process = self.process.as_mut().expect("the node runs");
        let status = process.try_wait().expect("the process is ours")?;
        self.process = None;
        Some(status)
    }

    /// What the newest start has logged so far.
    pub fn logged(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// Kills the process on the spot (SIGKILL), as a power cut would.
    ///
    /// # Panics
    /// If it is not running.
    pub fn kill_9(&mut self) {
        let mut process = self.process.take().expect("the node runs");
        process.kill().expect("the process is ours");
        process.wait().expect("the process is ours");
    }

    /// Asks the process to end (SIGTERM) and waits for it.
    ///
    /// # Panics
    /// If it is not running, or does not end in time.
    pub fn stop(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("the node runs");
        let id = process.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status().expect("kill runs");
        assert!(sent.success(), "kill: {sent}");
        let began = Instant::now();
        loop {
            if let Some(status) = process.try_wait().expect("the process is ours") {
                self.process = None;
                return status;
            }
            assert!(began.elapsed() < END_WITHIN, "the node does not end");
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Starts it again on what is in its data folder.
    ///
    /// # Panics
    /// If it runs, or as [`Node::start`].
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the node runs already");
        self.starts += 1;
        let file = |path: PathBuf| File::create(path).expect("the folder is ours");
        let mut command = Command::new(binary());
        command.args(["dev", "--seed", "0", "--port", "0", "--log", "debug"]);
        if self.is_kept {
            command.arg("--data-dir").arg(self.folder());
        }
        let process = command
            .args(&self.arguments)
            .env_clear()
            .env("XDG_CACHE_HOME", cache())
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(file(self.banner()))
            .stderr(file(self.log()))
            .spawn();
        self.process = Some(process.expect("the binary runs"));
        let client = Client::new(&self.wait_for_url());
        self.client = if self.is_checked { client.checked() } else { client };
    }

    /// What the newest start has printed.
    fn banner(&self) -> PathBuf {
        self.folder.path().join(format!("start-{}.txt", self.starts))
    }

    /// What the newest start has logged.
    fn log(&self) -> PathBuf {
        self.folder.path().join(format!("start-{}.log", self.starts))
    }

    fn wait_for_url(&mut self) -> String {
        let began = Instant::now();
        loop {
            let printed = fs::read_to_string(self.banner()).unwrap_or_default();
            let url = printed.lines().find_map(|line| line.strip_prefix(LISTENING));
            // The last line may be half written.
            if let Some(url) = url.filter(|_| printed.ends_with('\n')) {
                return url.trim().to_owned();
            }
            let process = self.process.as_mut().expect("it was started");
            if let Some(status) = process.try_wait().expect("the process is ours") {
                panic!("the node ended before it served: {status}");
            }
            assert!(began.elapsed() < START_WITHIN, "the node does not serve");
            thread::sleep(LOOK_AGAIN);
        }
    }

    fn show_logs(&self) {
        for start in 1..=self.starts {
            let path = self.folder.path().join(format!("start-{start}.log"));
            show_log(&format!("start {start} of the node"), &path);
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
        if thread::panicking() {
            self.show_logs();
        }
    }
}

/// Shows the end of a log.
#[expect(clippy::print_stderr, reason = "for the one who reads why a test failed")]
pub(crate) fn show_log(whose: &str, path: &Path) {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    eprintln!("--- {whose}, last lines\n{}", tail.join("\n"));
}

/// The binary under test: `KRAKEN_BIN`, or the one that was built beside this test.
///
/// A test of this package cannot ask cargo for the binary of another one. Running the tests of the
/// workspace builds it; a test that runs alone takes the one that is there, or builds a missing one.
///
/// # Panics
/// If there is none and none can be built.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("KRAKEN_BIN") {
        return PathBuf::from(path);
    }
    static BUILT: Once = Once::new();
    let path = profile_folder().join(format!("kraken{}", env::consts::EXE_SUFFIX));
    BUILT.call_once(|| {
        if !path.is_file() {
            build();
        }
    });
    path
}

fn build() {
    let folder = profile_folder();
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(profile) => profile,
    };
    let built = Command::new(option_env!("CARGO").unwrap_or("cargo"))
        // With the features of the whole workspace, or everything would be compiled anew.
        .args(["build", "--quiet", "--workspace", "--bin", "kraken", "--profile", profile])
        .arg("--target-dir")
        .arg(build_folder())
        .current_dir(root())
        .status();
    assert!(built.is_ok_and(|status| status.success()), "kraken cannot be built; set KRAKEN_BIN");
}

/// `target/<profile>`: tests run in its folder `deps`.
fn profile_folder() -> PathBuf {
    let test = env::current_exe().expect("the system knows what it runs");
    let folder = test.parent().and_then(Path::parent);
    folder.expect("tests run in a folder of the build folder").to_owned()
}

/// Where compiled classes are kept, for every node of every test.
pub fn cache() -> PathBuf {
    build_folder().join("tmp")
}

/// `target`.
pub(crate) fn build_folder() -> PathBuf {
    profile_folder().parent().expect("a profile has a folder in the build folder").to_owned()
}
