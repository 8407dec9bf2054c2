//! `cargo xtask clients`: client libraries of others against a node of ours.

use std::{
    fs::{self, File},
    io::{ErrorKind, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    node_js,
    process::{self, Profile},
};

/// The seed of the accounts that the node funds and the suites use.
const SEED: &str = "0";

/// When the node makes blocks, in words and as arguments. The suites must hold in both ways: each
/// hides mistakes that the other one shows.
const WAYS: [(&str, &[&str]); 2] = [
    ("a block for each transaction", &[]),
    ("a block every half second", &["--block-generation-on", "0.5"]),
];

/// How long a node may take until it answers. The first start on a machine compiles the classes
/// of the genesis, in a development build of ours.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// How long to wait for one answer while the node starts.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How much of the node's log is shown when something failed.
const LOG_LINES_MAX: usize = 60;

/// Builds a node, and for each way of making blocks starts it, runs all suites and stops it.
pub(crate) fn run(profile: Profile) -> Result<()> {
    node_js::require()?;
    let suite = process::root().join("tests/clients/js");
    node_js::install(&suite)?;
    let program = process::build("kraken", profile)?;

    for (way, arguments) in WAYS {
        println!("starting a node that makes {way}");
        let mut node = Node::start(&program, arguments)?;
        let result = node.wait_until_alive().and_then(|()| starknet_js(&suite, &node));
        if result.is_err() {
            node.print_log_tail();
        }
        result.with_context(|| format!("with {way}"))?;
    }
    Ok(())
}

/// The suite for starknet.js.
fn starknet_js(folder: &Path, node: &Node) -> Result<()> {
    let mut command = Command::new("node");
    command
        .current_dir(folder)
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(test_files(folder)?)
        .env("KRAKEN_URL", node.url())
        .env("KRAKEN_SEED", SEED);
    process::run(&mut command)
}

/// The files of a suite, by name: left to itself, Node.js would search the packages as well.
fn test_files(folder: &Path) -> Result<Vec<String>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let name = entry.with_context(unreadable)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("{} holds no test", folder.display());
    }
    Ok(names)
}

/// A node that lives as long as this value.
struct Node {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Node {
    /// Starts a development node on a free port, with its output in a file.
    fn start(program: &Path, arguments: &[&str]) -> Result<Self> {
        let address = free_address()?;
        let log = process::scratch()?.join("clients-node.txt");
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot share the log file")?;
        let port = address.port().to_string();
        let mut command = Command::new(program);
        command
            .current_dir(process::root())
            .args(["dev", "--seed", SEED, "--host", "127.0.0.1", "--port", &port])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        println!("it listens on {address} and logs to {}", log.display());
        let child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, address, log })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for the first answer to a plain GET.
    fn wait_until_alive(&mut self) -> Result<()> {
        let started = Instant::now();
        let mut announced = 0;
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait().context("cannot watch the node")? {
                bail!("the node ended before it answered, with {status}");
            }
            if is_alive(self.address) {
                println!("the node answers after {:.1} s", started.elapsed().as_secs_f64());
                return Ok(());
            }
            let waited = started.elapsed().as_secs();
            if announced + 10 <= waited {
                announced = waited;
                println!("the node does not answer yet, after {waited} s …");
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("the node did not answer within {} s", START_TIMEOUT.as_secs())
    }

    fn print_log_tail(&self) {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(LOG_LINES_MAX);
        eprintln!("── the end of the node's log ({}) ──", self.log.display());
        for line in &lines[skipped..] {
            eprintln!("{line}");
        }
        eprintln!("── end of log ──");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone and reaped afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address of this machine that nobody listens on.
///
/// Somebody else could take it before the node does; the node then says so and the run fails.
fn free_address() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    listener.local_addr().context("cannot find a free port")
}

/// Whether `GET /is_alive` is answered with 200.
fn is_alive(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&address, PROBE_TIMEOUT)?;
        stream.set_read_timeout(Some(PROBE_TIMEOUT))?;
        stream.write_all(
            format!("GET /is_alive HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        )?;
        let mut start = [0; 12];
        match stream.read_exact(&mut start) {
            Ok(()) => Ok(start == *b"HTTP/1.1 200"),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    };
    ask().unwrap_or(false)
}
