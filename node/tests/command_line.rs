//! The binary, as somebody at a terminal meets it.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::net::UnixListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// The first start in a build folder compiles classes, without optimisation.
const START_MAX: Duration = Duration::from_secs(180);
/// How long a node may take to end.
const END_MAX: Duration = Duration::from_secs(60);

/// The binary with nothing in its environment but a place for compiled classes.
fn kraken(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kraken"));
    command.args(arguments).env_clear().env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

fn run(arguments: &[&str]) -> Output {
    kraken(arguments).output().expect("the binary runs")
}

/// A node that runs until it is dropped.
struct Node {
    process: Child,
    banner: String,
}

impl Node {
    /// Starts `kraken dev` on a free port and waits until it serves.
    fn start(arguments: &[&str]) -> Self {
        let mut command = kraken(&["dev", "--port", "0", "--log", "warn"]);
        let mut process =
            command.args(arguments).stdout(Stdio::piped()).spawn().expect("the binary runs");
        let output = process.stdout.take().expect("the output is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut node = Self { process, banner: String::new() };
        while !node.banner.contains("Listening on ") {
            let line = lines.recv_timeout(START_MAX).expect("a node serves, and in time");
            node.banner.push_str(&line);
            node.banner.push('\n');
        }
        node
    }

    /// What follows `label` in the banner.
    fn told(&self, label: &str) -> &str {
        let line = self.banner.lines().find_map(|line| line.strip_prefix(label));
        line.expect("the banner has this line").trim()
    }

    fn address(&self) -> &str {
        self.told("Listening on http://")
    }

    /// Sends a signal by its name, waits for the end, and returns the exit code.
    fn end(mut self, signal: &str) -> Option<i32> {
        let id = self.process.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill runs");
        assert!(sent.success());
        let began = Instant::now();
        while began.elapsed() < END_MAX {
            if let Some(status) = self.process.try_wait().expect("the process is ours") {
                return status.code();
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the node did not end in time");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs to the end and returns the one line that says what is wrong and what to do.
fn failure(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let mut lines = errors.lines();
    let line = lines.next().expect("a line").to_owned();
    assert_eq!(lines.next(), None, "{errors}");
    assert!(line.starts_with("error: ") && line.contains(" — "), "{line}");
    line
}

/// `failure` of `kraken dev` on a free port with a data folder.
fn folder_failure(folder: &Path, more: &[&str]) -> String {
    let folder = folder.to_str().expect("text");
    let dev = ["dev", "--port", "0", "--log", "off", "--data-dir", folder];
    failure(&[&dev, more].concat())
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .expect("the node reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the node answers");
    answer
}

#[test]
fn help_teaches() {
    for (name, arguments) in [
        ("kraken", &["--help"][..]),
        ("dev", &["dev", "--help"]),
        ("inspect", &["inspect", "--help"]),
        ("bench_execution", &["bench", "execution", "--help"]),
    ] {
        let output = run(arguments);
        assert!(output.status.success(), "{name}");
        insta::assert_snapshot!(name, String::from_utf8(output.stdout).expect("text"));
    }
}

#[test]
fn a_bad_flag_ends_with_code_2() {
    for arguments in [
        &["dev", "--accounts", "many"][..],
        &["dev", "--block-generation-on", "0"],
        &["dev", "--colour", "blue"],
        &["dev", "--log", "kraken=loud"],
        &["inspect"],
        &["walk"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("error: "), "{arguments:?}");
    }
}

#[test]
fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let line = failure(&["dev", "--port", &port, "--log", "off"]);
    assert!(line.contains(&port) && line.contains("--port"), "{line}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("writable");
    let line = folder_failure(&file.join("chain"), &[]);
    assert!(line.contains("file/chain") && line.contains("--data-dir"), "{line}");
}

#[test]
fn a_folder_of_something_else_stays_as_it_is() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    fs::write(directory.path().join("photo.jpg"), "sunset").expect("writable");
    let line = folder_failure(directory.path(), &[]);
    assert!(line.contains("no chain of Kraken"), "{line}");
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
}

#[test]
fn a_chain_outlives_its_node_and_keeps_its_genesis() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("chain");
    let folder = path.to_str().expect("text");
    let command = ["--data-dir", folder, "--accounts", "2"];

    let node = Node::start(&command);
    let seed = node.told("Seed to replicate this account sequence:").to_owned();
    assert!(get(node.address(), "/is_alive").ends_with("Alive!!!"));
    let line = folder_failure(&path, &[]);
    assert!(line.contains("in use by another process"), "{line}");
    assert_eq!(node.end("TERM"), Some(0));

    // The same command goes on, with the seed that the first start drew.
    let node = Node::start(&command);
    assert_eq!(node.told("Seed to replicate this account sequence:"), seed);
    assert_eq!(node.banner.matches("| Private key").count(), 2);
    assert_eq!(node.end("INT"), Some(0));

    let line = folder_failure(&path, &["--accounts", "3"]);
    assert!(line.contains("has --accounts 2, but 3 was asked for"), "{line}");

    let inspected = run(&["inspect", "--data-dir", folder]);
    let text = String::from_utf8(inspected.stdout).expect("text");
    assert!(inspected.status.success() && text.contains("SN_SEPOLIA"), "{text}");

    // A genesis that somebody changed is not the one that the blocks were made with.
    let file = path.join("genesis.toml");
    let genesis = fs::read_to_string(&file).expect("readable");
    let changed = genesis.replace("l2_gas_target = 1040000000", "l2_gas_target = 1040000001");
    assert_ne!(changed, genesis);
    fs::write(&file, changed).expect("writable");
    let line = folder_failure(&path, &[]);
    assert!(line.contains("genesis"), "{line}");
}

#[test]
fn the_port_is_told_to_a_socket() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let socket = directory.path().join("port");
    let listener = UnixListener::bind(&socket).expect("bound");
    let node = Node::start(&["--unix-socket", socket.to_str().expect("text")]);
    let (mut stream, _) = listener.accept().expect("the node calls");
    let mut port = [0; 2];
    stream.read_exact(&mut port).expect("two bytes");
    assert!(node.address().ends_with(&format!(":{}", u16::from_be_bytes(port))));
}

#[test]
fn nothing_to_inspect_is_said_and_nothing_is_made() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("nowhere");
    let line = failure(&["inspect", "--data-dir", path.to_str().expect("text")]);
    assert!(line.contains("no chain in"), "{line}");
    assert!(!path.exists());
}
