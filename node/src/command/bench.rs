//! `kraken bench`: what this program does on this machine.

pub(crate) mod execution;
pub(crate) mod flood;
pub(crate) mod order;
pub(crate) mod rpc;
pub(crate) mod soak;

mod child;
mod load;
mod process;
mod sample;
mod transfers;

use std::{
    fmt::Display,
    future::Future,
    io::{self, Write},
};

use tokio::runtime;

use crate::{failure::Failure, settings};

/// Runs a bench on threads like those of a node.
///
/// # Errors
/// If it fails, or there are no threads.
fn block_on<T>(bench: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(settings::runtime_threads())
        .enable_all()
        .thread_stack_size(settings::THREAD_STACK_BYTES)
        .build()
        .map_err(|error| {
            Failure::because("cannot start threads", &error, "allow this process more of them")
        })?;
    runtime.block_on(bench)
}

/// Prints what a bench found.
///
/// # Errors
/// If nobody takes it.
fn print(table: &impl Display) -> Result<(), Failure> {
    write!(io::stdout(), "{table}").map_err(|error| {
        Failure::because("cannot write the table", &error, "check where the output goes")
    })
}
