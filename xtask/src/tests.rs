//! The Rust tests.

use anyhow::Result;

use crate::process;

/// Runs all tests and then the doc tests, or only what the arguments choose.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    if arguments.is_empty() {
        unit_and_integration(&[])?;
        return documentation();
    }
    unit_and_integration(arguments)
}

/// All tests but those in documentation.
pub(crate) fn unit_and_integration(arguments: &[&str]) -> Result<()> {
    let mut command = if process::has_cargo_command("nextest")? {
        process::cargo(["nextest", "run", "--no-fail-fast"])
    } else {
        println!("cargo-nextest is not installed: using cargo test");
        process::cargo(["test", "--no-fail-fast"])
    };
    if !arguments.iter().any(|argument| chooses_packages(argument)) {
        command.arg("--workspace");
    }
    process::run(command.args(arguments))
}

/// The examples in documentation, which cargo-nextest does not run.
pub(crate) fn documentation() -> Result<()> {
    process::run(&mut process::cargo(["test", "--workspace", "--doc"]))
}

/// Whether an argument says by itself which packages are meant.
fn chooses_packages(argument: &str) -> bool {
    let flags = ["-p", "--package", "--workspace", "--exclude"];
    flags.iter().any(|flag| argument.starts_with(flag))
}
