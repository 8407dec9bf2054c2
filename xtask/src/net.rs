//! `cargo xtask net`: four validators with dashboards, in containers.

use std::{os::unix::process::CommandExt as _, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Where everything is, once it runs.
const PLACES: &str = "\
JSON-RPC    http://127.0.0.1:5050 to http://127.0.0.1:5053
Grafana     http://127.0.0.1:3000
Prometheus  http://127.0.0.1:9090
Ctrl-C stops all of it; docker compose down --volumes removes the committee and its chain.
";

/// Builds the image and runs what `docker-compose.yml` says, until Ctrl-C.
///
/// # Errors
/// If something is missing on this machine. What fails later is for Compose to say.
pub(crate) fn run() -> Result<()> {
    if let Some(what) = missing()? {
        bail!("{what}; without containers, `kraken testnet` runs four validators as well");
    }
    print!("{PLACES}");
    // In the place of this process: Ctrl-C is for Compose alone, which stops the services in order.
    let error = docker(&["compose", "up", "--build"]).current_dir(process::root()).exec();
    Err(error).context("cannot start docker compose")
}

/// Says what to do about the container engine, or `None` if there is one.
fn missing() -> Result<Option<String>> {
    if process::answer(&mut docker(&["--version"]))?.is_none() {
        return Ok(Some("docker is missing; install Docker with Compose".to_owned()));
    }
    if process::answer(&mut docker(&["compose", "version"]))?.is_none() {
        return Ok(Some("docker has no command compose; install the Compose plugin".to_owned()));
    }
    // This asks the engine as well, and fails if it does not answer.
    if process::answer(&mut docker(&["version"]))?.is_none() {
        return Ok(Some(
            "no container engine answers; start it, or let this user talk to it (`docker version` \
             says more)"
                .to_owned(),
        ));
    }
    Ok(None)
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}
