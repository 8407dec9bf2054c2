//! `cargo xtask pages`: writes down what a node was seen to say.

use anyhow::Result;

use crate::process;

/// Tests that keep pages of `docs` true. Each writes its part where this says so, and compares it
/// otherwise.
const TESTS: [&str; 2] = ["errors::", "matrix::"];

/// Where they are.
const BINARIES: [&str; 4] = ["--test", "e2e", "--test", "conformance"];

/// Runs the tests, and has them write `docs/bad-inputs.md` and `docs/conformance.md`.
///
/// # Errors
/// If a node says something that a test does not expect.
pub(crate) fn write() -> Result<()> {
    // Together they have the features of all tests, so that nothing is compiled once more. The test
    // finds the binary beside itself.
    let mut build = process::cargo(["build", "--workspace", "--bin", "kraken"]);
    process::run(build.args(BINARIES))?;
    let mut test = process::cargo(["test", "--workspace"]);
    process::run(test.args(BINARIES).arg("--").args(TESTS).env("KRAKEN_PAGES", "write"))
}
