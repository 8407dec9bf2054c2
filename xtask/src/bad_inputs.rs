//! `cargo xtask bad-inputs`: writes down what a node says to input that is wrong.

use anyhow::Result;

use crate::process;

/// Tests of every bad input. Each writes its part of the page where this says so, and compares it
/// otherwise.
const TESTS: &str = "errors::";

/// Runs the tests, and has them write `docs/bad-inputs.md`.
///
/// # Errors
/// If a node says something that a test does not expect.
pub(crate) fn write() -> Result<()> {
    // Together they have the features of all tests, so that nothing is compiled once more. The test
    // finds the binary beside itself.
    let build = ["build", "--workspace", "--bin", "kraken", "--test", "e2e"];
    process::run(&mut process::cargo(build))?;
    let test = ["test", "--workspace", "--test", "e2e", "--", TESTS];
    process::run(process::cargo(test).env("KRAKEN_BAD_INPUTS", "write"))
}
