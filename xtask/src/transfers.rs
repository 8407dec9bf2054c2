//! `cargo xtask bench transfers`: transfers of starknet.js through four validators.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{
    node::{Node, VALIDATORS},
    node_js,
    process::{self, Profile},
};

/// Accounts that send, spread over the validators.
const ACCOUNTS: &str = "100";

/// What is measured.
#[derive(Debug, PartialEq)]
struct Wishes<'a> {
    protocol: &'a str,
    /// Transfers a second; without it, the highest that is kept up with.
    rate: Option<&'a str>,
    /// How long each rate lasts.
    seconds: &'a str,
}

/// Starts a committee, sends to it, and prints a table.
///
/// # Errors
/// If an argument makes no sense, or something fails.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let wishes = Wishes::of(arguments)?;
    node_js::require()?;
    let folder = process::root().join("tests/clients/js");
    node_js::install(&folder)?;
    let committee = ["testnet", "--rpc.port", "0", "--accounts", ACCOUNTS, "--log", "warn"];
    let arguments = [&committee[..], &["--protocol", wishes.protocol]].concat();
    let mut node =
        Node::start(&process::kraken(Profile::Release)?, &arguments, "transfers-node.txt")?;
    let result = node.wait_for_urls(VALIDATORS).and_then(|urls| {
        let mut command = Command::new("node");
        command.current_dir(&folder).arg("transfers.mjs");
        command.env("KRAKEN_URLS", urls.join(",")).env("KRAKEN_SECONDS", wishes.seconds);
        command.envs(wishes.rate.map(|rate| ("KRAKEN_RATE", rate)));
        process::run(&mut command)
    });
    if result.is_err() {
        node.print_log_tail();
    }
    result?;
    node.stop()
}

impl<'a> Wishes<'a> {
    fn of(arguments: &[&'a str]) -> Result<Self> {
        let mut wishes = Self { protocol: "hotstuff", rate: None, seconds: "20" };
        for pair in arguments.chunks(2) {
            match *pair {
                ["--protocol", protocol] => wishes.protocol = protocol,
                ["--rate", rate] => wishes.rate = Some(number(rate)?),
                ["--seconds", seconds] => wishes.seconds = number(seconds)?,
                _ => bail!("cannot make sense of {:?}; see cargo xtask help", pair.join(" ")),
            }
        }
        Ok(wishes)
    }
}

/// A number from 1 on, as it was given.
fn number(text: &str) -> Result<&str> {
    let number = text.parse::<u32>().with_context(|| format!("{text:?} is no number"))?;
    if number == 0 {
        bail!("{text:?} is not enough");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::Wishes;

    #[test]
    fn arguments_say_what_is_measured() {
        let all = Wishes { protocol: "hotstuff", rate: None, seconds: "20" };
        assert_eq!(Wishes::of(&[]).expect("none"), all);
        let given = ["--seconds", "5", "--protocol", "fcfs", "--rate", "30"];
        let one = Wishes { protocol: "fcfs", rate: Some("30"), seconds: "5" };
        assert_eq!(Wishes::of(&given).expect("known"), one);
        for bad in [&["--rate"][..], &["--rate", "0"], &["--rate", "x"], &["--hours", "1"]] {
            assert!(Wishes::of(bad).is_err(), "{bad:?}");
        }
    }
}
