//! Logs, for a person at a terminal.

use std::io::{self, IsTerminal};

use crate::args::value::LogFilter;

/// Sends logs to the error stream, so that the output stream holds results only.
pub(crate) fn start(filter: &LogFilter) {
    tracing_subscriber::fmt()
        .compact()
        .with_env_filter(filter.filter())
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
