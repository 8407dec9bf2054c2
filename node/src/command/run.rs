//! `kraken run`: one validator of a committee, or a full node that follows it.

use std::path::Path;

use kraken_types::{Genesis, ValidatorId};

use crate::{
    args::{committee::RunArgs, environment, value::LogFilter},
    banner::{self, validator::Banner},
    failure::Failure,
    genesis::committee,
    service::{self, Parent},
    settings::{self, run::RunSettings},
    telemetry,
    wiring::{
        Node, full,
        validator::{self, Files},
    },
};

/// Runs until a signal asks for the end. Starts the log, because the settings say what is in it.
///
/// # Errors
/// If the settings make no sense, the node cannot start, or one of its tasks ended.
pub(crate) fn run(args: &RunArgs, log: Option<&LogFilter>) -> Result<(), Failure> {
    environment::check()?;
    let config = args.config.as_deref().unwrap_or(Path::new(settings::CONFIG_FILE));
    let settings = RunSettings::load(config, args.given.clone())?;
    telemetry::start(log.unwrap_or(&settings.log));
    match &settings.key {
        Some(key) => run_validator(args, &settings, key),
        None => run_full_node(args, &settings),
    }
}

fn run_validator(args: &RunArgs, settings: &RunSettings, key: &Path) -> Result<(), Failure> {
    let files = Files::read(&settings.genesis, key)?;
    let start = async {
        let plan = validator::plan(settings, key, &files, args.restored_key).await?;
        Node::start(plan).await
    };
    let tell = |node: &Node| print(node, settings, &files.genesis, Some(files.id));
    service::run(start, tell, Parent::watched_if(args.until_stdin_closes))
}

fn run_full_node(args: &RunArgs, settings: &RunSettings) -> Result<(), Failure> {
    let genesis = committee::read(&settings.genesis)?;
    let start = async { Node::start(full::plan(settings, &genesis).await?).await };
    let tell = |node: &Node| print(node, settings, &genesis, None);
    service::run(start, tell, Parent::watched_if(args.until_stdin_closes))
}

fn print(node: &Node, settings: &RunSettings, genesis: &Genesis, id: Option<ValidatorId>) {
    banner::print(&Banner {
        genesis,
        id,
        peers: &settings.network.peers,
        address: node.address(),
        metrics: node.metrics_address(),
        folder: &settings.data_dir,
    });
}
