//! Kraken, a decentralised sequencer for Starknet: the command line.
//!
//! Flags become settings ([`args`], [`settings`]), settings become running tasks ([`wiring`]). The
//! work is done in the rooms below; a command that cannot go on says why in one line.

mod args;
mod banner;
mod command;
mod failure;
mod folder;
mod genesis;
mod keys;
mod ports;
mod progress;
mod service;
mod settings;
mod telemetry;
mod wiring;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use crate::args::{Args, Command, bench::BenchCommand, value::LogFilter};

/// Execution allocates much and in small pieces, from many threads.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let log = args.log;
    // Settings may say what is logged; so who has some starts the log itself.
    // A compiling process says what it has to say to its node.
    if !matches!(args.command, Command::Run(_) | Command::Worker(_) | Command::CompileClass(_)) {
        telemetry::start(log.as_ref().unwrap_or(&LogFilter::default()));
    }
    let done = match args.command {
        Command::Dev(dev) => command::dev::run(&dev),
        Command::Testnet(testnet) => command::testnet::run(&testnet, log.as_ref()),
        Command::Run(run) => command::run::run(&run, log.as_ref()),
        Command::Worker(worker) => command::worker::run(&worker, log.as_ref()),
        Command::Key(key) => command::key::run(&key),
        Command::Genesis(genesis) => command::genesis::run(&genesis),
        Command::Init(init) => command::init::run(&init),
        Command::Inspect(inspect) => command::inspect::run(&inspect),
        Command::CompileClass(compile) => command::compile_class::run(&compile),
        Command::Bench(BenchCommand::Execution(bench)) => command::bench::execution::run(bench),
        Command::Bench(BenchCommand::Flood(bench)) => command::bench::flood::run(bench),
        Command::Bench(BenchCommand::Rpc(bench)) => command::bench::rpc::run(bench),
        Command::Bench(BenchCommand::RpcYardstick) => command::bench::rpc::yardstick::run(),
        Command::Bench(BenchCommand::Soak(bench)) => command::bench::soak::run(bench),
        Command::Bench(BenchCommand::Order(bench)) => {
            command::bench::order::run(&bench, log.as_ref())
        }
        Command::Bench(BenchCommand::OrderValidator(validator)) => {
            command::bench::order::validator::run(&validator)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nothing is left to tell if the error stream is gone.
            let _ = writeln!(io::stderr(), "error: {failure}");
            ExitCode::FAILURE
        }
    }
}
