//! How a worker runs that is a process of its own: the layers of what was given, over the defaults.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use kraken_sequencer::Transport;

use super::run::{read_text, unusable};
use crate::{
    args::{
        value::{self, LogFilter},
        worker::WorkerGiven,
    },
    failure::Failure,
    settings,
};

/// How a worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerSettings {
    /// Holds its batches.
    pub(crate) data_dir: PathBuf,
    /// The settings of the chain.
    pub(crate) genesis: PathBuf,
    /// Its secret key.
    pub(crate) key: PathBuf,
    /// Where its validator waits for it.
    pub(crate) primary: String,
    /// Where it listens for its likes.
    pub(crate) listen: SocketAddr,
    /// Where they are, in the order of the genesis.
    pub(crate) peers: Vec<String>,
    /// What carries bytes.
    pub(crate) transport: Transport,
    /// Where metrics are served, if they are.
    pub(crate) metrics: Option<SocketAddr>,
    /// What is logged.
    pub(crate) log: LogFilter,
}

impl WorkerSettings {
    /// Reads the file at `path`, if there is one, and layers `flags` over it.
    ///
    /// # Errors
    /// If the file cannot be read, holds what is no setting, or something necessary is not given.
    pub(crate) fn load(path: Option<&Path>, flags: WorkerGiven) -> Result<Self, Failure> {
        let file = path.map(read).transpose()?.unwrap_or_default();
        Self::resolve(flags.or(file))
    }

    fn resolve(given: WorkerGiven) -> Result<Self, Failure> {
        let missing =
            |flag: &str| Failure::new(format!("{flag} is not given"), "see `kraken worker --help`");
        let primary = given.primary.ok_or_else(|| missing("--primary"))?;
        for address in given.peers.iter().chain([&primary]) {
            value::host_and_port(address)
                .map_err(|problem| Failure::new(problem, "give addresses as HOST:PORT"))?;
        }
        Ok(Self {
            data_dir: given.data_dir.ok_or_else(|| missing("--data-dir"))?,
            genesis: given.genesis.ok_or_else(|| missing("--genesis"))?,
            key: given.key.ok_or_else(|| missing("--key"))?,
            primary,
            listen: given.listen.unwrap_or_else(|| settings::worker_listen(0)),
            peers: given.peers,
            transport: given.transport.unwrap_or(settings::TRANSPORT).0,
            metrics: given.metrics.listen,
            log: given.log.filter.unwrap_or_default(),
        })
    }
}

/// Reads a settings file; its paths are relative to its folder.
fn read(path: &Path) -> Result<WorkerGiven, Failure> {
    let text = read_text(path)?;
    let mut given: WorkerGiven =
        toml::from_str(&text).map_err(|error| unusable(path, &error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for path in [&mut given.data_dir, &mut given.genesis, &mut given.key].into_iter().flatten() {
        *path = folder.join(&path);
    }
    Ok(given)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const LEAST: &str = "data_dir = \"data\"\ngenesis = \"../genesis.toml\"\nkey = \"/worker.toml\"\n\
                         primary = \"v:7060\"\npeers = [\"a:1\", \"b:2\"]\n";

    fn load(text: &str, flags: WorkerGiven) -> Result<WorkerSettings, Failure> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("worker.toml");
        fs::write(&path, text).expect("writable");
        let settings = WorkerSettings::load(Some(&path), flags)?;
        assert_eq!(settings.data_dir, folder.path().join("data"), "relative to the file");
        Ok(settings)
    }

    #[test]
    fn flags_win_over_the_file_and_that_over_the_defaults() {
        let flags = WorkerGiven { primary: Some("w:1".to_owned()), ..WorkerGiven::default() };
        let settings = load(LEAST, flags).expect("all that is necessary");
        assert_eq!((settings.primary.as_str(), settings.peers.len()), ("w:1", 2));
        assert_eq!(settings.listen, settings::worker_listen(0));
        assert_eq!(settings.key, Path::new("/worker.toml"));
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (text, part) in [
            (LEAST.replace("primary", "# primary"), "--primary"),
            (LEAST.replace("key", "# key"), "--key"),
            (LEAST.replace("v:7060", "v"), "\"v\""),
            (format!("{LEAST}colour = 1"), "colour"),
        ] {
            let failure = load(&text, WorkerGiven::default()).expect_err("a bad file").to_string();
            assert!(failure.contains(part), "{failure}");
        }
    }
}
