//! `cargo xtask sim`: committees simulated, one per seed.

use anyhow::Result;

use crate::process;

/// Runs the simulator in release mode; the arguments are its own.
///
/// # Errors
/// If a run failed; what it prints says how to run it again.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let simulator = ["run", "--release", "-p", "kraken-simulation", "--bin", "sim", "--"];
    process::run(process::cargo(simulator).args(arguments))
}
