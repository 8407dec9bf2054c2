//! `cargo xtask clients`: client libraries of others against a node of ours.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    node::{Node, SEED, VALIDATORS},
    node_js,
    process::{self, Profile},
};

/// What the suites run against. They must hold in all ways: each hides mistakes that another one
/// shows.
const WAYS: [Way; 5] = [
    Way::dev("a node that makes a block for each transaction", &[]),
    Way::dev("a node that makes a block every half second", &["--block-generation-on", "0.5"]),
    Way::committee("a committee of four that orders by HotStuff", &["--protocol", "hotstuff"]),
    Way::committee("a committee of four that orders by Bullshark", &["--protocol", "bullshark"]),
    Way::committee("a committee of four, first come, first served", &["--protocol", "fcfs"]),
];

/// Something to run the suites against.
struct Way {
    /// In words.
    what: &'static str,
    /// The command of `kraken` that starts it, on free ports.
    command: &'static [&'static str],
    /// What makes it differ from others.
    arguments: &'static [&'static str],
    /// How many URLs it has.
    validators: usize,
}

impl Way {
    const fn dev(what: &'static str, arguments: &'static [&'static str]) -> Self {
        Self { what, command: &["dev", "--port", "0"], arguments, validators: 1 }
    }

    const fn committee(what: &'static str, arguments: &'static [&'static str]) -> Self {
        let command = &["testnet", "--rpc.port", "0"];
        Self { what, command, arguments, validators: VALIDATORS }
    }
}

/// Builds a node, and in each way starts it, runs all suites and stops it.
pub(crate) fn run(profile: Profile) -> Result<()> {
    node_js::require()?;
    let suite = process::root().join("tests/clients/js");
    node_js::install(&suite)?;
    let program = process::build("kraken", profile)?;

    for way in &WAYS {
        println!("starting {}", way.what);
        let arguments = [way.command, way.arguments].concat();
        let mut node = Node::start(&program, &arguments, "clients-node.txt")?;
        let result = node.wait_for_urls(way.validators).and_then(|urls| suites(&suite, &urls));
        if result.is_err() {
            node.print_log_tail();
        }
        result.with_context(|| format!("with {}", way.what))?;
        node.stop()?;
    }
    Ok(())
}

/// All suites; and when they are done, whether all validators of a committee have the same chain.
fn suites(folder: &Path, urls: &[String]) -> Result<()> {
    starknet_js(folder, urls)?;
    if 1 < urls.len() {
        let mut command = Command::new("node");
        command.current_dir(folder).arg("same-chain.mjs").env("KRAKEN_URLS", urls.join(","));
        process::run(&mut command)?;
    }
    Ok(())
}

/// The suite for starknet.js.
fn starknet_js(folder: &Path, urls: &[String]) -> Result<()> {
    let mut command = Command::new("node");
    command
        .current_dir(folder)
        .args(["--test", "--test-reporter=spec", "--test-concurrency=1"])
        .args(test_files(folder)?)
        .env("KRAKEN_URLS", urls.join(","))
        .env("KRAKEN_SEED", SEED);
    process::run(&mut command)
}

/// The files of a suite, by name: left to itself, Node.js would search the packages as well.
fn test_files(folder: &Path) -> Result<Vec<String>> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let name = entry.with_context(unreadable)?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            names.push(name);
        }
    }
    names.sort();
    if names.is_empty() {
        bail!("{} holds no test", folder.display());
    }
    Ok(names)
}
