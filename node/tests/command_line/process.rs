//! The binary in a process of its own.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

/// The first start in a build folder compiles classes, without optimisation.
pub(crate) const START_MAX: Duration = Duration::from_secs(180);
/// How long a node may take to end.
pub(crate) const END_MAX: Duration = Duration::from_secs(60);

/// The binary with nothing in its environment but a place for compiled classes.
pub(crate) fn kraken(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kraken"));
    command.args(arguments).env_clear().env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    kraken(arguments).output().expect("the binary runs")
}

/// A node that runs until it is dropped.
pub(crate) struct Node {
    process: Child,
    /// What it printed until it served.
    pub(crate) banner: String,
}

impl Node {
    /// Starts `kraken dev` on a free port and waits until it serves.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let dev = ["dev", "--port", "0", "--log", "warn"];
        Self::until(kraken(&dev).args(arguments), "Listening on ")
    }

    /// Starts a command and waits until it prints this.
    pub(crate) fn until(command: &mut Command, end: &str) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("the binary runs");
        let output = process.stdout.take().expect("the output is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut node = Self { process, banner: String::new() };
        while !node.banner.contains(end) {
            let line = lines.recv_timeout(START_MAX).expect("a node serves, and in time");
            node.banner.push_str(&line);
            node.banner.push('\n');
        }
        node
    }

    /// What follows `label` in the banner.
    pub(crate) fn told(&self, label: &str) -> &str {
        let line = self.banner.lines().find_map(|line| line.strip_prefix(label));
        line.expect("the banner has this line").trim()
    }

    pub(crate) fn address(&self) -> &str {
        self.told("Listening on http://")
    }

    /// Sends a signal by its name, waits for the end, and returns the exit code.
    pub(crate) fn end(self, signal: &str) -> Option<i32> {
        send(signal, self.process.id());
        self.ended()
    }

    /// Waits for the end, and returns the exit code.
    pub(crate) fn ended(mut self) -> Option<i32> {
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

/// Sends a signal by its name.
pub(crate) fn send(signal: &str, process: u32) {
    let id = process.to_string();
    let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill runs");
    assert!(sent.success());
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs to the end and returns the one line that says what is wrong and what to do.
pub(crate) fn failure(arguments: &[&str]) -> String {
    let output = run(arguments);
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let mut lines = errors.lines();
    let line = lines.next().expect("a line").to_owned();
    assert_eq!(lines.next(), None, "{errors}");
    assert!(line.starts_with("error: ") && line.contains(" — "), "{line}");
    line
}

pub(crate) fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the node listens");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")
        .expect("the node reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the node answers");
    answer
}
