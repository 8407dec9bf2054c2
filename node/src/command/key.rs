//! `kraken key`: the secrets of a validator, and their public half.

use std::io::{self, Write};

use crate::{args::committee::KeyArgs, failure::Failure, genesis::committee, keys::Keys, settings};

/// Makes a key file or reads one, and prints the public half.
///
/// # Errors
/// If the file is there already, or cannot be written or read.
pub(crate) fn run(args: &KeyArgs) -> Result<(), Failure> {
    if let (Some(keys), Some(place), Some(out)) = (&args.worker_of, args.place, &args.out) {
        return Keys::read(keys)?.write_worker(place, out);
    }
    let keys = match (&args.out, &args.show) {
        (Some(out), _) => {
            let keys = Keys::random(args.workers.unwrap_or(settings::WORKERS).into());
            keys.write(out)?;
            keys
        }
        (None, Some(show)) => Keys::read(show)?,
        (None, None) => {
            return Err(Failure::new("nothing to do", "name a file with --out or --show"));
        }
    };
    let text = committee::member_toml(keys.member(args.stake));
    write!(io::stdout(), "{text}").map_err(|error| {
        Failure::because("cannot write the public half", &error, "check where the output goes")
    })
}
