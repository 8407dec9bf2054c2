//! The logs of whoever orders: a pair for the time since each reset.

use std::{fs, path::Path};

use crate::{
    Error,
    log::{Durability, Log},
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
    /// Opens or creates those of the time since a reset, zero for the time before the first, and
    /// removes those of other times. Without a folder they begin empty in memory.
    pub(super) fn open(directory: Option<&Path>, resets: u32) -> Result<Self, Error> {
        let Some(directory) = directory else {
            return Ok(Self { batches: Log::in_memory()?, votes: Log::in_memory()? });
        };
        let kept = [BATCHES, VOTES].map(|log| name(log, resets));
        remove_others(directory, &kept)?;
        let [batches, votes] = kept.map(|name| directory.join(name));
        Ok(Self {
            batches: Log::open(&batches, Durability::Synced)?,
            votes: Log::open(&votes, Durability::Synced)?,
        })
    }
}

fn name(log: &str, resets: u32) -> String {
    if resets == 0 { log.to_owned() } else { format!("{log}-{resets}") }
}

fn remove_others(directory: &Path, kept: &[String]) -> Result<(), Error> {
    for entry in fs::read_dir(directory).map_err(Error::io("list the data folder", directory))? {
        let name = entry.map_err(Error::io("list the data folder", directory))?.file_name();
        let name = name.to_string_lossy();
        if is_log(&name) && !kept.iter().any(|kept| *kept == name) {
            let path = directory.join(&*name);
            fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Whether a name is one of those that this file makes.
fn is_log(name: &str) -> bool {
    [BATCHES, VOTES].iter().any(|log| match name.strip_prefix(log) {
        Some("") => true,
        Some(rest) => rest.strip_prefix('-').is_some_and(|count| count.parse::<u32>().is_ok()),
        None => false,
    })
}
