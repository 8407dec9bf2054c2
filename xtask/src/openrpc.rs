//! `cargo xtask openrpc`: writes down what the node serves.

use anyhow::Result;

use crate::process;

/// The test that compares the files with what is served, and writes them where this says so.
const TEST: &str = "openrpc::tests::the_files_say_what_is_served";

/// Has the test write `openrpc/*.json`.
///
/// # Errors
/// If the tests cannot be built, or a file cannot be written.
pub(crate) fn write() -> Result<()> {
    let test = ["test", "--workspace", "--lib", "--", "--exact", TEST];
    process::run(process::cargo(test).env("KRAKEN_OPENRPC", "write"))
}
