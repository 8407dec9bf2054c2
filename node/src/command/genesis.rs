//! `kraken genesis`: what the validators of a committee agree on.

use std::{io, path::Path, time::SystemTime};

use kraken_types::Genesis;

use crate::{args::committee::GenesisArgs, failure::Failure, folder, genesis::committee, wiring};

/// Puts the public halves of validators together.
///
/// # Errors
/// If one cannot be read, they make no committee, or the file is there already.
pub(crate) fn run(args: &GenesisArgs) -> Result<(), Failure> {
    let mut members = Vec::new();
    for path in &args.members {
        members.extend(committee::read_members(path)?);
    }
    let now = wiring::seconds_since_epoch(SystemTime::now());
    let genesis = committee::create(&args.chain.settings(), members, now);
    let text = genesis.to_toml();
    // What is written is what validators will read.
    Genesis::from_toml(&text).map_err(|error| {
        Failure::because(
            "these validators make no committee",
            &error,
            "give each validator once, all with as many workers",
        )
    })?;
    write(&args.out, &text)?;
    tracing::info!(
        "{} is the genesis {} of {} validators",
        args.out.display(),
        genesis.digest(),
        genesis.committee.len()
    );
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    folder::write_new(path, text).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return Failure::new(
                format!("{} exists, and a chain may depend on it", path.display()),
                "name another file with --out",
            );
        }
        Failure::because(
            format!("cannot write {}", path.display()),
            &error,
            "name a file in a folder that you may write to with --out",
        )
    })
}
