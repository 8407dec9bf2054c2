//! `cargo xtask chaos`: the long form of the test that kills validators under load.

use anyhow::{Context as _, Result, bail};

use crate::process;

/// The test, which is part of all tests in its short form.
const TEST: &str = "chaos::a_committee_loses_nothing_to_kills_a_freeze_and_a_wiped_disk";

/// How long a run lasts unless told otherwise.
const MINUTES: &str = "10";

/// Runs it with what the arguments say; it prints a table in the end.
///
/// # Errors
/// If an argument makes no sense, or the committee lost something.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let settings = settings(arguments)?;
    // Together they have the features of all tests, so that nothing is compiled once more. The test
    // finds the binary beside itself.
    let build = ["build", "--workspace", "--bin", "kraken", "--test", "e2e"];
    process::run(&mut process::cargo(build))?;
    let test = ["test", "--workspace", "--test", "e2e", "--", "--exact", TEST, "--nocapture"];
    process::run(process::cargo(test).envs(settings))
}

/// What the arguments say, as the test reads it from its environment.
fn settings<'a>(arguments: &[&'a str]) -> Result<Vec<(&'static str, &'a str)>> {
    let mut settings = vec![("KRAKEN_CHAOS_MINUTES", MINUTES)];
    for pair in arguments.chunks(2) {
        let (name, value) = match *pair {
            ["--minutes", value] => ("KRAKEN_CHAOS_MINUTES", value),
            ["--protocol", value] => ("KRAKEN_CHAOS_PROTOCOL", value),
            ["--seed", value] => ("KRAKEN_SEED", value),
            _ => bail!("cannot make sense of {:?}; see cargo xtask help", pair.join(" ")),
        };
        if name != "KRAKEN_CHAOS_PROTOCOL" {
            value.parse::<u64>().with_context(|| format!("{value:?} is no number"))?;
        }
        settings.push((name, value));
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::settings;

    #[test]
    fn arguments_become_the_environment_of_the_test() {
        assert_eq!(settings(&[]).expect("none"), [("KRAKEN_CHAOS_MINUTES", "10")]);
        let given = ["--protocol", "fcfs", "--minutes", "3", "--seed", "7"];
        let expected = [
            ("KRAKEN_CHAOS_MINUTES", "10"),
            ("KRAKEN_CHAOS_PROTOCOL", "fcfs"),
            ("KRAKEN_CHAOS_MINUTES", "3"),
            ("KRAKEN_SEED", "7"),
        ];
        assert_eq!(settings(&given).expect("known"), expected, "the last one of a name counts");
        assert!(settings(&["--minutes"]).is_err() && settings(&["--minutes", "x"]).is_err());
        assert!(settings(&["--hours", "1"]).is_err());
    }
}
