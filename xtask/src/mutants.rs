//! `cargo xtask mutants`: breaks the rules one at a time and looks who notices.
//!
//! `simulation/mutants.toml` lists the mutants: a file, what to replace there by what, and the tests
//! or simulations that must then fail. Each is applied to a copy of the tracked files, built, and
//! caught – or not, which is a failure of the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::process;

/// The list, as it is on disk.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    mutant: Vec<Mutant>,
}

/// One rule, broken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mutant {
    /// What is broken, in a few words joined by hyphens.
    name: String,
    /// Which rule that is.
    breaks: String,
    /// Where.
    file: String,
    /// What stands there, exactly once.
    find: String,
    /// What the mutant has instead.
    replace: String,
    /// Who must notice: arguments of the simulator (`sim …`) or of the tests (`test …`).
    caught_by: String,
}

/// Runs the mutants whose names contain `chosen`, all if it is empty, and writes the table of the
/// documentation when all ran.
///
/// # Errors
/// If a mutant is not caught, does not build, or no longer fits the code.
pub(crate) fn run(chosen: &str) -> Result<()> {
    let text = fs::read_to_string(process::root().join("simulation/mutants.toml"))
        .context("cannot read the list of mutants")?;
    let list: List = toml::from_str(&text).context("the list of mutants is malformed")?;
    let tree = copy_tree()?;
    let mut missed = Vec::new();
    for mutant in list.mutant.iter().filter(|mutant| mutant.name.contains(chosen)) {
        let started = Instant::now();
        let (word, why) = match mutant.hunt(&tree) {
            Ok(true) => ("caught", String::new()),
            Ok(false) => ("SURVIVED", String::new()),
            Err(error) => ("BROKEN", format!("  {error:#}")),
        };
        println!(
            "  {word:<8}  {:<34}  {:>5.1} s{why}",
            mutant.name,
            started.elapsed().as_secs_f64()
        );
        if word != "caught" {
            missed.push(mutant.name.as_str());
        }
    }
    if !missed.is_empty() {
        bail!("{} mutants were not caught: {}", missed.len(), missed.join(", "));
    }
    if chosen.is_empty() {
        fs::write(process::root().join("docs/mutants.md"), list.table())
            .context("cannot write docs/mutants.md")?;
    }
    println!("every mutant was caught");
    Ok(())
}

impl List {
    fn table(&self) -> String {
        let mut text = String::from(
            "# Mutants\n\n\
             Rules broken on purpose, one at a time, and who notices. Written by `cargo xtask \
             mutants`, which applies each to a copy of the tree and fails if one goes unnoticed; \
             the list with the exact changes is `simulation/mutants.toml`.\n\n\
             | mutant | the rule it breaks | where | caught by |\n|---|---|---|---|\n",
        );
        for mutant in &self.mutant {
            text += &format!(
                "| {} | {} | `{}` | `cargo xtask {}` |\n",
                mutant.name.replace('-', " "),
                mutant.breaks,
                mutant.file,
                mutant.caught_by
            );
        }
        text
    }
}

impl Mutant {
    /// Applies the mutant, asks its catcher, and puts the file back.
    fn hunt(&self, tree: &Path) -> Result<bool> {
        let file = tree.join(&self.file);
        let original = fs::read_to_string(&file)
            .with_context(|| format!("{}: cannot read {}", self.name, self.file))?;
        let places = original.matches(&self.find).count();
        ensure!(places == 1, "{}: fits {places} places of {}, not one", self.name, self.file);
        fs::write(&file, original.replace(&self.find, &self.replace))?;
        let caught = self.is_caught(tree);
        fs::write(&file, original)?;
        caught
    }

    fn is_caught(&self, tree: &Path) -> Result<bool> {
        let (tool, arguments) = self.caught_by.split_once(' ').unwrap_or((&self.caught_by, ""));
        let words = || arguments.split_whitespace();
        let package = ["--release", "-p", "kraken-simulation", "--bin", "sim"];
        let (build, run): (Vec<&str>, Vec<&str>) = match tool {
            "sim" => (
                [&["build"], &package[..]].concat(),
                ["run", "-q"].into_iter().chain(package).chain(["--"]).chain(words()).collect(),
            ),
            "test" => (
                ["test", "--no-run"].into_iter().chain(before_dashes(arguments)).collect(),
                ["test"].into_iter().chain(words()).collect(),
            ),
            other => bail!("{}: nobody is called {other:?}", self.name),
        };
        ensure!(quiet(tree, &build)?, "{}: does not build", self.name);
        Ok(!quiet(tree, &run)?)
    }
}

/// The arguments of cargo, without those of the test program.
fn before_dashes(arguments: &str) -> impl Iterator<Item = &str> {
    arguments.split_whitespace().take_while(|word| *word != "--")
}

/// Runs cargo in the copy without a word; whether it was content.
fn quiet(tree: &Path, arguments: &[&str]) -> Result<bool> {
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        .current_dir(tree)
        .env("CARGO_TARGET_DIR", process::scratch()?.join("mutants-target"))
        .env("RUSTFLAGS", "-Awarnings")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}

/// Copies the tracked files as they are now, so that the real ones stay as they are.
fn copy_tree() -> Result<PathBuf> {
    let tree = process::scratch()?.join("mutants-tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    let mut git = Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"]);
    git.current_dir(process::root());
    let files = process::answer(&mut git)?.context("git does not list the files")?;
    for file in files.lines() {
        let (from, to) = (process::root().join(file), tree.join(file));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        if from.is_file() {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {file}"))?;
        }
    }
    Ok(tree)
}
