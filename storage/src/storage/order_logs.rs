//! The logs of whoever orders: a pair for the time since each reset.
//!
//! Those of the time before the first reset stay where they are: a data folder without them has lost
//! something. Later ones go with the reset that follows.

use std::{fs, path::Path};

use crate::{
    Error,
    log::{Log, Options},
};

const BATCHES: &str = "batches";
const VOTES: &str = "votes";

/// The logs of whoever orders.
#[derive(Debug)]
pub(super) struct OrderLogs {
    pub(super) batches: Log,
    pub(super) votes: Log,
}

impl OrderLogs {
    /// Makes empty ones that end with the process.
    pub(super) fn in_memory() -> Result<Self, Error> {
        Ok(Self { batches: Log::in_memory()?, votes: Log::in_memory()? })
    }

    /// Opens or creates those of the time since a reset, zero for the time before the first.
    pub(super) fn open(directory: &Path, options: &Options, resets: u32) -> Result<Self, Error> {
        let [batches, votes] = [BATCHES, VOTES]
            .map(|log| Log::open_with(&directory.join(name(log, resets)), options.clone()));
        Ok(Self { batches: batches?, votes: votes? })
    }

    /// Removes those of the time since any other reset.
    pub(super) fn remove_others(directory: &Path, resets: u32) -> Result<(), Error> {
        let kept = [BATCHES, VOTES].map(|log| name(log, resets));
        let listed = || Error::io("list the data folder", directory);
        for entry in fs::read_dir(directory).map_err(listed())? {
            let name = entry.map_err(listed())?.file_name();
            let name = name.to_string_lossy();
            if is_of_a_reset(&name) && !kept.iter().any(|kept| *kept == name) {
                let path = directory.join(&*name);
                fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
            }
        }
        Ok(())
    }

    /// Whether nothing was ever appended.
    pub(super) fn are_empty(&self) -> bool {
        self.batches.last().is_none() && self.votes.last().is_none()
    }
}

fn name(log: &str, resets: u32) -> String {
    if resets == 0 { log.to_owned() } else { format!("{log}-{resets}") }
}

/// Whether a name is one that this file makes for the time since a reset.
fn is_of_a_reset(name: &str) -> bool {
    [BATCHES, VOTES].iter().any(|log| {
        let count = name.strip_prefix(log).and_then(|rest| rest.strip_prefix('-'));
        count.is_some_and(|count| count.parse::<u32>().is_ok())
    })
}
