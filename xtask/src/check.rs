//! `cargo xtask check`: everything that must hold before a change is good.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{
    clients::{self, Suite},
    contracts, node_js,
    process::{self, Profile},
    tests,
};

/// One step and what it needs.
struct Step {
    name: &'static str,
    needs: Needs,
    run: fn() -> Result<()>,
}

/// What must be installed for a step.
enum Needs {
    /// Only Rust, which is here.
    Nothing,
    /// A subcommand of cargo that nobody has to have.
    CargoCommand(&'static str),
    /// Node.js and npm, which CI must have.
    NodeJs,
    /// What the client suites are written in, which CI must have.
    ClientLanguages,
}

/// How a step ended.
enum Outcome {
    Passed,
    /// Something is missing that nobody has to have.
    Excused(String),
    /// Something is missing that CI must have.
    Skipped(String),
    Failed(anyhow::Error),
}

const STEPS: [Step; 8] = [
    Step { name: "fmt", needs: Needs::Nothing, run: fmt },
    Step { name: "clippy", needs: Needs::Nothing, run: clippy },
    Step { name: "docs", needs: Needs::Nothing, run: docs },
    Step { name: "deny", needs: Needs::CargoCommand("deny"), run: deny },
    Step { name: "tests", needs: Needs::Nothing, run: || tests::unit_and_integration(&[]) },
    Step { name: "doc tests", needs: Needs::Nothing, run: tests::documentation },
    Step { name: "contracts", needs: Needs::NodeJs, run: contracts::check },
    Step { name: "clients", needs: Needs::ClientLanguages, run: clients },
];

/// Runs all steps, whatever happens to the earlier ones, and prints a table at the end.
///
/// # Errors
/// If a step failed, or with `CI=true` was skipped.
pub(crate) fn check() -> Result<()> {
    let mut results = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        println!("\n── {} of {}: {} ──", index + 1, STEPS.len(), step.name);
        let started = Instant::now();
        let outcome = step.outcome();
        let (verdict, detail) = outcome.words();
        println!("── {}: {verdict}{detail} ──", step.name);
        results.push((step.name, outcome, started.elapsed()));
    }
    summary(&results)
}

impl Step {
    fn outcome(&self) -> Outcome {
        match self.missing() {
            Err(error) => return Outcome::Failed(error),
            Ok(Some(outcome)) => return outcome,
            Ok(None) => {}
        }
        match (self.run)() {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(error),
        }
    }

    fn missing(&self) -> Result<Option<Outcome>> {
        Ok(match self.needs {
            Needs::Nothing => None,
            Needs::CargoCommand(name) => {
                let is_here = process::has_cargo_command(name)?;
                (!is_here).then(|| Outcome::Excused(format!("cargo-{name} is not installed")))
            }
            Needs::NodeJs => node_js::missing()?.map(Outcome::Skipped),
            Needs::ClientLanguages => {
                let missing = Suite::ALL.into_iter().map(Suite::missing);
                let missing: Vec<_> = missing.collect::<Result<Vec<_>>>()?;
                missing.into_iter().flatten().next().map(Outcome::Skipped)
            }
        })
    }
}

impl Outcome {
    fn words(&self) -> (&'static str, String) {
        match self {
            Self::Passed => ("ok", String::new()),
            Self::Excused(why) => ("skipped", format!(": {why}")),
            Self::Skipped(why) if process::is_ci() => ("FAILED", format!(": skipped, {why}")),
            Self::Skipped(why) => ("skipped", format!(": {why}")),
            Self::Failed(error) => ("FAILED", format!(": {error:#}")),
        }
    }

    fn is_failure(&self) -> bool {
        match self {
            Self::Passed | Self::Excused(_) => false,
            Self::Skipped(_) => process::is_ci(),
            Self::Failed(_) => true,
        }
    }
}

fn summary(results: &[(&str, Outcome, Duration)]) -> Result<()> {
    println!("\n  step        result     time");
    for (name, outcome, took) in results {
        let (verdict, detail) = outcome.words();
        println!("  {name:<10}  {verdict:<7}  {:>5.1} s{detail}", took.as_secs_f64());
    }
    println!();

    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, outcome, _)| outcome.is_failure())
        .map(|(name, _, _)| *name)
        .collect();
    if !failed.is_empty() {
        bail!("{} of {} steps failed: {}", failed.len(), results.len(), failed.join(", "));
    }
    let passed =
        results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Passed)).count();
    println!("check passed: {passed} steps ok, {} skipped", results.len() - passed);
    Ok(())
}

fn fmt() -> Result<()> {
    process::run(&mut process::cargo(["fmt", "--all", "--check"]))?;
    let manifest = "tests/clients/rust/Cargo.toml";
    process::run(&mut process::cargo(["fmt", "--manifest-path", manifest, "--check"]))
}

fn clients() -> Result<()> {
    clients::run(Profile::Development, &Suite::ALL)
}

fn clippy() -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    process::run(&mut process::cargo(arguments))
}

fn docs() -> Result<()> {
    let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items"];
    process::run(process::cargo(arguments).env("RUSTDOCFLAGS", "-D warnings"))
}

fn deny() -> Result<()> {
    process::run(&mut process::cargo(["deny", "check"]))
}
