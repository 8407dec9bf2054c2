//! A node of ours, or several, for programs of others.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The seed of the accounts that the node funds and others use.
pub(crate) const SEED: &str = "0";

/// Validators of a committee.
pub(crate) const VALIDATORS: usize = 4;

/// How long validators may take until they serve. The first start on a machine compiles the classes
/// of the genesis, in a development build of ours.
const START_TIMEOUT: Duration = Duration::from_secs(300);

/// How long they may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// How often they are looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How much of the node's log is shown when something failed.
const LOG_LINES_MAX: usize = 60;

/// A node, or several, that live as long as this value.
#[derive(Debug)]
pub(crate) struct Node {
    child: Child,
    log: PathBuf,
}

impl Node {
    /// Starts `kraken` with these arguments, until its input closes, with its output in a file.
    pub(crate) fn start(program: &Path, arguments: &[&str], log: &str) -> Result<Self> {
        let log = process::scratch()?.join(log);
        let output =
            File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let errors = output.try_clone().context("cannot share the log file")?;
        let mut command = Command::new(program);
        command
            .current_dir(process::root())
            .args(arguments)
            .args(["--seed", SEED, "--until-stdin-closes"])
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors);
        println!("its output goes to {}", log.display());
        let child =
            command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// Waits until so many serve, and returns where.
    pub(crate) fn wait_for_urls(&mut self, count: usize) -> Result<Vec<String>> {
        let started = Instant::now();
        let mut announced = 0;
        while started.elapsed() < START_TIMEOUT {
            if let Some(status) = self.child.try_wait().context("cannot watch the node")? {
                bail!("it ended before it served, with {status}");
            }
            let urls = urls(&fs::read_to_string(&self.log).unwrap_or_default());
            if urls.len() == count {
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
    pub(crate) fn stop(mut self) -> Result<()> {
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

    pub(crate) fn print_log_tail(&self) {
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
