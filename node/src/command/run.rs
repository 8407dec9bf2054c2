//! `kraken run`: one validator of a committee.

use std::path::Path;

use crate::{
    args::{committee::RunArgs, value::LogFilter},
    banner::{self, validator::Banner},
    failure::Failure,
    service::{self, Parent},
    settings::{self, validator::ValidatorSettings},
    telemetry,
    wiring::{
        Node,
        validator::{self, Files},
    },
};

/// Runs until a signal asks for the end. Starts the log, because the settings say what is in it.
///
/// # Errors
/// If the settings make no sense, the node cannot start, or one of its tasks ended.
pub(crate) fn run(args: &RunArgs, log: Option<&LogFilter>) -> Result<(), Failure> {
    let config = args.config.as_deref().unwrap_or(Path::new(settings::CONFIG_FILE));
    let settings = ValidatorSettings::load(config, args.given.clone())?;
    telemetry::start(log.unwrap_or(&settings.log));

    let files = Files::read(&settings.genesis, &settings.key)?;
    let start =
        async { Node::start(validator::plan(&settings, &files, args.restored_key).await?).await };
    let tell = |node: &Node| {
        banner::print(&Banner {
            genesis: &files.genesis,
            id: files.id,
            peers: &settings.network.peers,
            address: node.address(),
            metrics: node.metrics_address(),
            folder: &settings.data_dir,
        });
    };
    let parent = Parent::watched_if(args.until_stdin_closes);
    service::run(start, tell, parent)
}
