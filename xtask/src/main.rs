//! `cargo xtask`: every chore of this repository, nothing to install first.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command line tool: what it prints is what it is for"
)]

mod bench;
mod chaos;
mod check;
mod clients;
mod contracts;
mod fuzz;
mod mutants;
mod net;
mod node;
mod node_js;
mod openrpc;
mod pages;
mod process;
mod python;
mod sim;
mod tests;
mod transfers;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

use crate::process::Profile;

const HELP: &str = "\
Every chore of this repository.

Usage: cargo xtask <COMMAND>

Commands:
  check                 What CI runs, in this order: fmt, clippy, docs, deny (when cargo-deny is
                        installed), tests, doc tests, contracts, clients. Runs all of them, then
                        prints what failed. Where Node.js or Python is missing, what needs them is
                        skipped; with CI=true such a skip is a failure.
  test [ARGS]           All Rust tests, with cargo-nextest where it is installed, else with
                        cargo test; then the doc tests. With ARGS only what they choose:
                        cargo xtask test -p kraken-types
                        cargo xtask test -- merkle
  clients [--release] [js|python|rust]…
                        Starts nodes of its own on free ports and runs the suites of tests/clients
                        against them, for starknet.js, starknet.py and starknet-rust, or for those
                        named: a node with a block for each transaction, one with a block every
                        half second, and a committee of four, where each call of starknet.js goes
                        to another validator; at its end all four must have the same blocks. Brings
                        its packages itself, the Python ones in an environment of their own.
                        --release tests the release build instead of the development build.
  chaos [--minutes N] [--protocol hotstuff|bullshark|fcfs] [--seed N]
                        Ten minutes of transfers through four validators, of whom one is killed
                        every ten seconds, one frozen for thirty, and one loses its disk; then
                        looks for forks and for anything lost, and prints a table. The tests run
                        a minute of it.
  pages                 Writes the tables of docs/bad-inputs.md and docs/conformance.md anew: what a
                        node says, as the tests see it.
  openrpc               Writes openrpc/*.json anew: what the node serves, as its method table and the
                        types of its answers say it.
  contracts [--check]   Compiles contracts/src/*.cairo to contracts/compiled. --check compares
                        with what is committed instead of writing it.
  mutants [NAME]        Breaks the rules of simulation/mutants.toml one at a time, in a copy, and
                        fails if nobody notices; with NAME only those whose names contain it.
  sim [ARGS]            Simulates committees and looks for anything that must never happen:
                        cargo xtask sim --seeds N [--first-seed N] [--validators N] [--trace]
                        [--protocol fcfs|hotstuff|bullshark]; without a protocol, all of them. A
                        failure prints the command that runs it again.
  fuzz [TARGET…] [--seconds N]
                        Arbitrary bytes for every decoder and every step, or for the named targets
                        of fuzz/targets and fuzz/cairo/targets; a minute each unless told otherwise.
                        Those of fuzz/cairo run only when named: building them takes long.
  bench [NAME] [ARGS]   Runs one bench of the node in release mode: execution, order, rpc, soak or
                        flood; without a name, says what there is.
  bench steps           Measures what single steps of mempool and consensus cost, as one table.
  bench events          Measures a search for rare events in 100,000 blocks, with filters and without.
  bench transfers [--protocol P] [--rate N] [--seconds S]
                        Signed transfers of starknet.js through a testnet of four validators: the
                        highest rate that they keep up with, and the time from sending a transfer
                        to ACCEPTED_ON_L2 at half of it; or one rate, if it is given.
  net                   Four validators in containers, with Prometheus and a dashboard: builds the
                        image and runs docker-compose.yml until Ctrl-C. PROTOCOL=bullshark or fcfs
                        orders by another protocol than HotStuff.
  help                  This text.

Needs a Rust toolchain. Contracts, clients and bench transfers also need Node.js 20 or newer
with npm, clients Python 3.10 or newer with venv, and net Docker with Compose.

Environment:
  CI=true               A step that cannot run is a failure.
  CARGO_TARGET_DIR      Where everything is built, as always with cargo.
  KRAKEN_BIN            The node that clients and bench transfers run, instead of a build of it.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] | ["help" | "-h" | "--help", ..] | [_, "-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        ["check"] => check::check(),
        ["test", chosen @ ..] => tests::run(chosen),
        ["clients", "--release", suites @ ..] => clients::run_named(Profile::Release, suites),
        ["clients", suites @ ..] => clients::run_named(Profile::Development, suites),
        ["chaos", arguments @ ..] => chaos::run(arguments),
        ["pages"] => pages::write(),
        ["openrpc"] => openrpc::write(),
        ["contracts"] => contracts::write(),
        ["contracts", "--check"] => contracts::check(),
        ["sim", arguments @ ..] => sim::run(arguments),
        ["mutants"] => mutants::run(""),
        ["mutants", name] => mutants::run(name),
        ["fuzz", chosen @ ..] => fuzz::run(chosen),
        ["bench", "steps"] => bench::steps(),
        ["bench", "events"] => bench::events(),
        ["bench", "transfers", arguments @ ..] => transfers::run(arguments),
        ["bench", arguments @ ..] => bench::node(arguments),
        ["net"] => net::run(),
        ["check" | "contracts" | "mutants" | "net" | "openrpc" | "pages", rest @ ..] => {
            bail!("cannot make sense of {:?}; see cargo xtask help", rest.join(" "))
        }
        [unknown, ..] => bail!("there is no command {unknown:?}; see cargo xtask help"),
    }
}
