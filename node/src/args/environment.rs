//! Names in the environment that look like settings and are none.

use std::{collections::BTreeSet, env};

use clap::CommandFactory;

use super::Args;
use crate::failure::Failure;

/// What the names of settings begin with. Others that begin with `KRAKEN_` are for our tools.
const BEGINNINGS: [&str; 8] = [
    "KRAKEN_CONFIG",
    "KRAKEN_DATA",
    "KRAKEN_EXECUTION",
    "KRAKEN_GENESIS",
    "KRAKEN_METRICS",
    "KRAKEN_NETWORK",
    "KRAKEN_ROLE",
    "KRAKEN_RPC",
];

/// What Kubernetes puts around the name of a service, which may well be `kraken-rpc`.
const OF_SERVICES: [&str; 2] = ["_SERVICE_", "_PORT_"];

/// Makes sure that nobody misspelt a setting: it would be as if nothing had been said.
///
/// # Errors
/// If somebody did; names the first.
pub(crate) fn check() -> Result<(), Failure> {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    match first_unknown(names) {
        None => Ok(()),
        Some(name) => Err(Failure::new(
            format!("the environment names {name}, which is no setting"),
            "correct the name or unset it; `kraken run --help` lists what there is",
        )),
    }
}

fn first_unknown(names: impl Iterator<Item = String>) -> Option<String> {
    let known = known();
    let is_unknown = |name: &String| {
        BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
            && !OF_SERVICES.iter().any(|part| name.contains(part))
            && !known.contains(name)
    };
    // The environment has no order.
    names.filter(is_unknown).min()
}

/// Every name that some flag of ours reads.
fn known() -> BTreeSet<String> {
    let command = Args::command();
    let arguments = command.get_subcommands().flat_map(|command| command.get_arguments());
    let names = arguments.filter_map(|argument| argument.get_env()?.to_str().map(str::to_owned));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_setting_is_found() {
        let first = |names: &[&str]| first_unknown(names.iter().map(|&name| name.to_owned()));
        assert_eq!(first(&["KRAKEN_RPC_PORT", "KRAKEN_DATA_DIR", "PATH", "KRAKEN_SEED"]), None);
        assert_eq!(first(&["KRAKEN_RPC_SERVICE_HOST", "KRAKEN_RPC_PORT_5050_TCP"]), None);
        let misspelt = first(&["KRAKEN_RPC_PROT", "KRAKEN_DATADIR"]);
        assert_eq!(misspelt.as_deref(), Some("KRAKEN_DATADIR"));
    }

    #[test]
    fn every_setting_begins_like_one() {
        let known = known();
        assert!(
            BEGINNINGS.iter().all(|beginning| known.iter().any(|it| it.starts_with(beginning)))
        );
    }
}
