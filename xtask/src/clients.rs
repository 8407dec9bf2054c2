//! `cargo xtask clients`: client libraries of others against a node of ours.

use std::{
    fs::{self, File},
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

/// What the suites run against. They must hold in all ways: each hides mistakes that another one
/// shows.
const WAYS: [Way; 5] = [
    Way::dev("a node that makes a block for each transaction", &[]),
    Way::dev("a node that makes a block every half second", &["--block-generation-on", "0.5"]),
    Way::committee("a committee of four that orders by HotStuff", &["--protocol", "hotstuff"]),
    Way::committee("a committee of four that orders by Bullshark", &["--protocol", "bullshark"]),
    Way::committee("a committee of four, first come, first served", &["--protocol", "fcfs"]),
];

/// Validators of a committee.
const VALIDATORS: usize = 4;

/// How long validators may take until they serve. The first start on a machine compiles the classes
/// of the genesis, in a development build of ours.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// How long they may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// How often they are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of the node's log is shown when something failed.
const LOG_LINES_MAX: usize = 60;

/// Something to run the suites against.
struct Way {
    /// In words.
    what: &'static str,
    /// The command of `kraken` that starts it, on free ports.
    command: &'static [&'static str],
    /// What makes it differ from others.
    arguments: &'static [&'static str],
    /// How many URLs it has.
    validators: usize,
}

impl Way {
    const fn dev(what: &'static str, arguments: &'static [&'static str]) -> Self {
        Self {
            what,
            command: &["dev", "--port", "0", "--until-stdin-closes"],
            arguments,
            validators: 1,
        }
    }

    const fn committee(what: &'static str, arguments: &'static [&'static str]) -> Self {
        let command = &["testnet", "--rpc.port", "0", "--until-stdin-closes"];
        Self { what, command, arguments, validators: VALIDATORS }
    }
}

/// Builds a node, and in each way starts it, runs all suites and stops it.
pub(crate) fn run(profile: Profile) -> Result<()> {
    node_js::require()?;
    let suite = process::root().join("tests/clients/js");
    node_js::install(&suite)?;
    let program = process::build("kraken", profile)?;

    for way in &WAYS {
        println!("starting {}", way.what);
        let mut node = Node::start(&program, way)?;
        let result = node.wait_for_urls(way).and_then(|urls| starknet_js(&suite, &urls));
        if result.is_err() {
            node.print_log_tail();
        }
        result.with_context(|| format!("with {}", way.what))?;
        node.stop()?;
    }
    Ok(())
}

/// The suite for starknet.js.
fn starknet_js(folder: &Path, urls: &[String]) -> Result<()> {
    let mut command = Command::new("node");
    command
        .current_dir(folder)
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(test_files(folder)?)
        .env("KRAKEN_URLS", urls.join(","))
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

/// A node, or several, that live as long as this value.
struct Node {
    child: Child,
    log: PathBuf,
}

impl Node {
    /// Starts a way, with its output in a file.
    fn start(program: &Path, way: &Way) -> Result<Self> {
        let log = process::scratch()?.join("clients-node.txt");
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot share the log file")?;
        let mut command = Command::new(program);
        command
            .current_dir(process::root())
            .args(way.command)
            .args(["--seed", SEED])
            .args(way.arguments)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors);
        println!("its output goes to {}", log.display());
        let child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Waits until everybody serves, and returns where.
    fn wait_for_urls(&mut self, way: &Way) -> Result<Vec<String>> {
        let started = Instant::now();
        let mut announced = 0;
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait().context("cannot watch the node")? {
                bail!("it ended before it served, with {status}");
            }
            let urls = urls(&fs::read_to_string(&self.log).unwrap_or_default());
            if urls.len() == way.validators {
                println!("it serves after {:.1} s", started.elapsed().as_secs_f64());
                return Ok(urls);
            }
            let waited = started.elapsed().as_secs();
            if announced + 10 <= waited {
                announced = waited;
                println!("it does not serve yet, after {waited} s …");
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("it did not serve within {} s", START_TIMEOUT.as_secs())
    }

    /// Ends it in order, so that a committee leaves nothing behind.
    fn stop(mut self) -> Result<()> {
        if self.has_ended()? { Ok(()) } else { bail!("it did not end in time") }
    }

    /// Asks it to end, and waits; whether it did.
    fn has_ended(&mut self) -> Result<bool> {
        drop(self.child.stdin.take());
        let started = Instant::now();
        while started.elapsed() < STOP_TIMEOUT {
            if self.child.try_wait().context("cannot watch the node")?.is_some() {
                return Ok(true);
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(false)
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
        if !self.has_ended().unwrap_or(false) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Where somebody says to serve, in what `kraken` prints.
fn urls(output: &str) -> Vec<String> {
    let url = |line: &str| {
        let (who, url) = line.split_once(" on http://")?;
        let is_served =
            who == "Listening" || (who.starts_with("Validator ") && who.ends_with(" listens"));
        // A line without its end is still being written.
        is_served.then(|| format!("http://{url}"))
    };
    let whole = output.rsplit_once('\n').map_or("", |(whole, _)| whole);
    whole.lines().filter_map(url).collect()
}

#[cfg(test)]
mod tests {
    use super::urls;

    #[test]
    fn urls_are_read_from_whole_lines_of_what_is_printed() {
        let dev = "Data: in memory\n\nListening on http://127.0.0.1:5050\nJSON-RPC at /\n";
        assert_eq!(urls(dev), ["http://127.0.0.1:5050"]);
        let testnet = "Validator 0 listens on http://127.0.0.1:1\n  process 7\n\
                       Validator 1 listens on http://127.0.0.1:2";
        assert_eq!(urls(testnet), ["http://127.0.0.1:1"]);
        assert_eq!(urls("INFO waiting on http://127.0.0.1:3\n"), Vec::<String>::new());
    }
}
