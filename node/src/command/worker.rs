//! `kraken worker`: one worker of a validator, in a process of its own.

use crate::{
    args::{environment, value::LogFilter, worker::WorkerArgs},
    failure::Failure,
    service::{self, Parent},
    settings::worker::WorkerSettings,
    telemetry,
    wiring::worker::Worker,
};

/// Runs until a signal asks for the end. Starts the log, because the settings say what is in it.
///
/// # Errors
/// If the settings make no sense, the worker cannot start, or one of its tasks ended.
pub(crate) fn run(args: &WorkerArgs, log: Option<&LogFilter>) -> Result<(), Failure> {
    environment::check()?;
    let settings = WorkerSettings::load(args.config.as_deref(), args.given.clone())?;
    telemetry::start(log.unwrap_or(&settings.log));
    let start = async { Worker::start(&settings).await };
    let tell = |worker: &Worker| tracing::info!("{}", worker.who());
    service::run(start, tell, Parent::watched_if(args.until_stdin_closes))
}
