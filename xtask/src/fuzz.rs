//! `cargo xtask fuzz`: arbitrary bytes for every decoder and every `step`.
//!
//! The targets are a workspace of their own, in `fuzz/`, built with coverage counters; libFuzzer,
//! which is linked into each, keeps what reaches new code. Coverage counters without a sanitizer
//! need no nightly compiler. Those that need Starknet's crates are another workspace, in
//! `fuzz/cairo`, because building it takes long; they run when they are named.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// What the compiler is told besides: count how often each edge is taken, show libFuzzer what is
/// compared, and `cfg(fuzzing)`, which some dependencies know.
const RUSTFLAGS: &str = "\
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1 \
    --cfg fuzzing";

/// The workspace of the targets that run unless told otherwise.
const LIGHT: &str = "fuzz";

/// The workspace of those that need Starknet's crates.
const HEAVY: &str = "fuzz/cairo";

/// How long each target runs unless told otherwise.
const SECONDS: u64 = 60;

/// What holds for every target: memory in megabytes, and seconds that one input may take. A target
/// that needs more has found something.
const LIMITS: [&str; 2] = ["-rss_limit_mb=512", "-timeout=10"];

/// The same for a target that is a whole node, which executes Cairo with counters.
const NODE: &str = "request_path";
const LIMITS_OF_A_NODE: [&str; 2] = ["-rss_limit_mb=2048", "-timeout=60"];

/// Bytes of one input, which may be up to some thousand events.
const LIGHT_BYTES_MAX: u32 = 4_096;

/// The same where it may be a block.
const HEAVY_BYTES_MAX: u32 = 16_384;

/// Where things are, below the folder that cargo builds in.
struct Folders {
    /// The programs.
    built: PathBuf,
    /// What was found to reach new code, the reports, and the inputs that broke something.
    found: PathBuf,
    /// How large inputs of these programs may be.
    bytes_max: u32,
}

/// What the report of one run says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    runs: String,
    runs_per_second: String,
    /// Edges of the program that some input reached.
    edges: String,
    /// How many inputs it took.
    inputs: String,
    /// At the worst moment, in megabytes.
    memory: String,
}

/// Runs the named targets, or all, one after the other, and prints a table.
///
/// # Errors
/// If a target broke: the report and the input are named.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (chosen, seconds) = parse(arguments)?;
    let (light, heavy) = (targets(LIGHT)?, targets(HEAVY)?);
    let all = [light.as_slice(), heavy.as_slice()].concat();
    if let Some(unknown) = chosen.iter().find(|name| !all.iter().any(|target| target == *name)) {
        bail!("there is no target {unknown}; there are {}", all.join(", "));
    }
    let is_chosen = |target: &&String| chosen.contains(&target.as_str());
    let light = light.iter().filter(|target| chosen.is_empty() || is_chosen(target));
    let mut rows = Vec::new();
    for (workspace, targets) in
        [(LIGHT, light.collect::<Vec<_>>()), (HEAVY, heavy.iter().filter(is_chosen).collect())]
    {
        if targets.is_empty() {
            continue;
        }
        let folders = build(workspace)?;
        for target in targets {
            let (report, broke) = fuzz(target, seconds, &folders)?;
            println!("  {target}: {}", broke.as_deref().unwrap_or("ok"));
            rows.push((target, report, broke));
        }
    }
    table(&rows);
    let broken = rows.iter().filter(|(_, _, broke)| broke.is_some()).count();
    if 0 < broken {
        bail!("{broken} of {} targets broke", rows.len());
    }
    Ok(())
}

/// The names of targets, and how many seconds each.
fn parse<'a>(arguments: &[&'a str]) -> Result<(Vec<&'a str>, u64)> {
    match arguments {
        [names @ .., "--seconds", seconds] => {
            let seconds = seconds.parse().with_context(|| format!("{seconds} seconds"))?;
            Ok((names.to_vec(), seconds))
        }
        names => Ok((names.to_vec(), SECONDS)),
    }
}

/// All targets of a workspace, in alphabetical order: one for each file.
fn targets(workspace: &str) -> Result<Vec<String>> {
    let folder = process::root().join(workspace).join("targets");
    let unreadable = || format!("cannot read {}", folder.display());
    let mut targets = Vec::new();
    for entry in fs::read_dir(&folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let name = path.file_stem().context("a target has a name")?;
        targets.push(name.to_string_lossy().into_owned());
    }
    targets.sort();
    Ok(targets)
}

fn build(workspace: &str) -> Result<Folders> {
    // A folder of its own, or every change of flags would build everything again; and a target
    // triple, or build scripts and macros would be instrumented too.
    let folder = process::target()?.join("fuzz");
    let triple = host()?;
    let manifest = process::root().join(workspace).join("Cargo.toml");
    let mut command = process::cargo(["build", "--release", "--bins", "--target", &triple]);
    command.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&folder);
    process::run(command.env("RUSTFLAGS", RUSTFLAGS))?;
    let bytes_max = if workspace == HEAVY { HEAVY_BYTES_MAX } else { LIGHT_BYTES_MAX };
    let (built, found) = (folder.join(triple).join("release"), folder.join("found"));
    Ok(Folders { built, found, bytes_max })
}

/// The triple of this machine, as rustc calls it.
fn host() -> Result<String> {
    let version = process::answer(Command::new("rustc").arg("-vV"))?.context("rustc is missing")?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say which host it is for")?.to_owned())
}

/// Runs one target: what it reports, and how it broke if it did.
fn fuzz(target: &str, seconds: u64, folders: &Folders) -> Result<(Report, Option<String>)> {
    let corpus = make(&folders.found.join("corpus").join(target))?;
    let broken = make(&folders.found.join("broken"))?;
    let log = folders.found.join(format!("{target}.log"));
    let output = File::create(&log).with_context(|| format!("cannot make {}", log.display()))?;

    println!("  {target}: {seconds} s; see {}", log.display());
    let mut command = Command::new(folders.built.join(target));
    // What is new goes to the first folder; those that are committed are only read.
    command.arg(corpus).arg(process::root().join("fuzz/corpus").join(target));
    command.arg(format!("-max_len={}", folders.bytes_max));
    let limits = if target == NODE { LIMITS_OF_A_NODE } else { LIMITS };
    command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1").args(limits);
    command.arg(format!("-artifact_prefix={}/{target}-", broken.display()));
    let status =
        command.stderr(output).status().with_context(|| format!("cannot start {target}"))?;

    let text = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let text = String::from_utf8_lossy(&text);
    let broke = (!status.success()).then(|| how(&text, &log));
    Ok((Report::read(&text), broke))
}

/// What a log says about the end of a target that broke.
fn how(text: &str, log: &Path) -> String {
    let telling = ["panicked at", "SUMMARY", "Test unit written"];
    let lines = text.lines().skip_while(|line| !telling.iter().any(|word| line.contains(word)));
    let mut told: Vec<_> = lines.take(3).map(str::trim).collect();
    if told.is_empty() {
        told.extend(text.lines().last());
    }
    format!("BROKE: {}; see {}", told.join(" / "), log.display())
}

impl Report {
    /// Reads what libFuzzer prints; what it did not print stays empty.
    fn read(log: &str) -> Self {
        let mut report = Self::default();
        for line in log.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("stat::number_of_executed_units:") => report.runs = owned(words.next()),
                Some("stat::average_exec_per_sec:") => report.runs_per_second = owned(words.next()),
                Some("stat::peak_rss_mb:") => report.memory = owned(words.next()),
                Some(first) if first.starts_with('#') => report.read_progress(line),
                Some(_) | None => {}
            }
        }
        report
    }

    /// Reads a line like `#512 NEW cov: 41 ft: 41 corp: 4/5b lim: 4 …`.
    fn read_progress(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            match pair {
                ["cov:", edges] => (*edges).clone_into(&mut self.edges),
                ["corp:", corpus] => self.inputs = owned(corpus.split('/').next()),
                _ => {}
            }
        }
    }
}

fn owned(word: Option<&str>) -> String {
    word.unwrap_or_default().to_owned()
}

fn table(rows: &[(&String, Report, Option<String>)]) {
    println!("\n  target                 runs   runs/s  edges  inputs  peak MB  result");
    for (target, report, broke) in rows {
        let Report { runs, runs_per_second, edges, inputs, memory } = report;
        let result = broke.as_deref().unwrap_or("ok");
        println!(
            "  {target:<16} {runs:>10} {runs_per_second:>8} {edges:>6} {inputs:>7} {memory:>8}  {result}"
        );
    }
    println!();
}

fn make(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_from_what_libfuzzer_prints() {
        let log = "\
INFO: Loaded 1 modules
#2\tINITED cov: 25 ft: 25 corp: 1/1b exec/s: 0 rss: 27Mb
#15\tNEW    cov: 44 ft: 44 corp: 5/7b lim: 4 exec/s: 0 rss: 27Mb L: 2/2 MS: 3 InsertByte-
stat::number_of_executed_units: 2605
stat::average_exec_per_sec:     130
stat::peak_rss_mb:              79
";
        let [runs, runs_per_second, edges, inputs, memory] =
            ["2605", "130", "44", "5", "79"].map(str::to_owned);
        let expected = Report { runs, runs_per_second, edges, inputs, memory };
        assert_eq!(Report::read(log), expected);
    }

    #[test]
    fn targets_come_first_and_seconds_last() {
        let parsed = parse(&["decoders", "--seconds", "5"]).expect("well formed");
        assert_eq!(parsed, (vec!["decoders"], 5));
        assert_eq!(parse(&[]).expect("nothing chosen"), (vec![], SECONDS));
        assert!(parse(&["--seconds", "many"]).is_err());
    }
}
