//! `cargo xtask clients`: client libraries of others against nodes of ours.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    node::{Node, SEED, VALIDATORS},
    node_js,
    process::{self, Profile},
    python,
};

/// What the suites run against. They must hold in all ways: each hides mistakes that another one
/// shows.
const WAYS: [Way; 6] = [
    Way::dev("a node that makes a block for each transaction", &[]),
    Way::dev("a node that makes a block every half second", &["--block-generation-on", "0.5"]),
    Way::committee("a committee of four that orders by HotStuff", &["hotstuff"], &Suite::ALL),
    Way::committee("a committee of four that orders by Bullshark", &["bullshark"], &[Suite::Js]),
    Way::committee("a committee of four, first come, first served", &["fcfs"], &[Suite::Js]),
    Way {
        path: "/rpc/v0_9",
        spec: "0.9.0",
        suites: &[Suite::Js],
        ..Way::dev("a node that speaks version 0.9", &[])
    },
];

/// The version of the specification that is spoken unless a path says otherwise.
const NEWEST: &str = "0.10.2";

/// Where the packages of the suite for starknet.py are.
const PYTHON_ENVIRONMENT: &str = "clients-python";

/// A client library, each with the whole scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suite {
    /// starknet.js.
    Js,
    /// starknet.py.
    Python,
    /// starknet-rust.
    Rust,
}

/// Something to run suites against.
struct Way {
    /// In words.
    what: &'static str,
    /// The command of `kraken` that starts it, on free ports.
    command: &'static [&'static str],
    /// What makes it differ from others.
    arguments: &'static [&'static str],
    /// How many URLs it has.
    validators: usize,
    /// Where at each of them, and what is spoken there.
    path: &'static str,
    spec: &'static str,
    /// Which suites; each finds a new chain.
    suites: &'static [Suite],
}

impl Way {
    const fn dev(what: &'static str, arguments: &'static [&'static str]) -> Self {
        // starknet.py asks for a dump, so what changes the chain has to be recorded.
        let command = &["dev", "--port", "0", "--dump-on", "request"];
        let (validators, suites) = (1, &Suite::ALL);
        Self { what, command, arguments, validators, path: "", spec: NEWEST, suites }
    }

    const fn committee(
        what: &'static str,
        arguments: &'static [&'static str],
        suites: &'static [Suite],
    ) -> Self {
        let command = &["testnet", "--rpc.port", "0", "--protocol"];
        let validators = VALIDATORS;
        Self { what, command, arguments, validators, path: "", spec: NEWEST, suites }
    }
}

/// Runs the suites of these names, or all of them.
pub(crate) fn run_named(profile: Profile, names: &[&str]) -> Result<()> {
    let suite = |name: &&str| {
        Suite::of(name)
            .with_context(|| format!("there is no suite {name:?}; there are js, python and rust"))
    };
    let chosen: Vec<_> = names.iter().map(suite).collect::<Result<_>>()?;
    run(profile, if chosen.is_empty() { &Suite::ALL } else { &chosen })
}

/// Builds a node, and in each way starts it for each of the chosen suites, runs that and stops it.
pub(crate) fn run(profile: Profile, chosen: &[Suite]) -> Result<()> {
    for suite in chosen {
        suite.prepare()?;
    }
    let kraken = process::kraken(profile)?;
    for way in &WAYS {
        for suite in chosen.iter().filter(|suite| way.suites.contains(suite)) {
            let what = || format!("{} with {}", suite.library(), way.what);
            println!("\n{}", what());
            way.run(&kraken, *suite).with_context(what)?;
        }
    }
    Ok(())
}

impl Way {
    fn run(&self, kraken: &Path, suite: Suite) -> Result<()> {
        let arguments = [self.command, self.arguments].concat();
        let mut node = Node::start(kraken, &arguments, "clients-node.txt")?;
        let urls = node.wait_for_urls(self.validators);
        let result = urls.and_then(|urls| suite.run(&self.places(&urls), self.spec));
        if result.is_err() {
            node.print_log_tail();
        }
        result?;
        node.stop()
    }

    /// Where a suite finds validators that serve at these URLs.
    fn places(&self, urls: &[String]) -> Vec<String> {
        urls.iter().map(|url| format!("{url}{}", self.path)).collect()
    }
}

impl Suite {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Js, Self::Python, Self::Rust];

    /// The one that is called so, if any is.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name() == name)
    }

    /// Its name, which its folder has too.
    fn name(self) -> &'static str {
        match self {
            Self::Js => "js",
            Self::Python => "python",
            Self::Rust => "rust",
        }
    }

    fn library(self) -> &'static str {
        match self {
            Self::Js => "starknet.js",
            Self::Python => "starknet.py",
            Self::Rust => "starknet-rust",
        }
    }

    fn folder(self) -> PathBuf {
        process::root().join("tests/clients").join(self.name())
    }

    /// Says what to install before this suite can run, or `None` if all of it is here.
    pub(crate) fn missing(self) -> Result<Option<String>> {
        match self {
            Self::Js => node_js::missing(),
            Self::Python => python::missing(),
            Self::Rust => Ok(None),
        }
    }

    /// Installs or builds what it needs.
    fn prepare(self) -> Result<()> {
        match self {
            Self::Js => {
                node_js::require()?;
                node_js::install(&self.folder())
            }
            Self::Python => {
                python::require()?;
                python::install(&self.folder(), PYTHON_ENVIRONMENT)
            }
            Self::Rust => {
                println!("building the suite for starknet-rust, at first for some minutes …");
                process::run(self.cargo_test()?.arg("--no-run"))
            }
        }
    }

    /// Runs it, and afterwards looks whether all validators of a committee have the same chain.
    fn run(self, urls: &[String], spec: &str) -> Result<()> {
        let run = |command: &mut Command| {
            command.current_dir(self.folder()).env("KRAKEN_URLS", urls.join(","));
            command.env("KRAKEN_SPEC", spec);
            process::run(command.env("KRAKEN_SEED", SEED))
        };
        match self {
            Self::Js => {
                let mut tests = Command::new("node");
                tests.args(["--test", "--test-reporter=spec", "--test-concurrency=1"]);
                run(tests.args(test_files(&self.folder())?))?;
                if 1 < urls.len() {
                    run(Command::new("node").arg("same-chain.mjs"))?;
                }
                Ok(())
            }
            Self::Python => {
                let mut tests = Command::new(python::interpreter(PYTHON_ENVIRONMENT)?);
                tests.args(["-m", "unittest", "--verbose", "--failfast"]);
                run(tests.env("PYTHONDONTWRITEBYTECODE", "1"))
            }
            Self::Rust => run(self.cargo_test()?.args(["--", "--test-threads=1"])),
        }
    }

    /// What builds and runs a suite that is a workspace of its own, beside what is ours.
    fn cargo_test(self) -> Result<Command> {
        let mut cargo = process::cargo(["test", "--locked", "--quiet", "--test", "suite"]);
        cargo.arg("--manifest-path").arg(self.folder().join("Cargo.toml"));
        cargo.arg("--target-dir").arg(process::scratch()?.join("clients-rust"));
        Ok(cargo)
    }
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
