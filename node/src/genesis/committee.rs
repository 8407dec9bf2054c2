//! The genesis of a committee.

use std::{fs, io::ErrorKind, path::Path};

use kraken_execution::genesis::dev_genesis;
use kraken_types::{
    Genesis, PublicKey,
    genesis::{BlockRules, Member},
};
use serde::{Deserialize, Serialize};

use super::{apply_chain, compare};
use crate::{
    args::value::{Interval, Protocol},
    failure::Failure,
    settings::{self, ChainSettings, CommitteeSettings},
};

/// A genesis file with the most validators and workers is far smaller.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Where accounts come from if nothing else is said.
const SEED: u32 = 0;

/// The part of a genesis that holds validators, as `kraken key` prints it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    committee: Vec<Member>,
}

/// A new chain of these validators. What `wishes` leave open comes from the defaults, and `now`
/// (seconds since the Unix epoch).
pub(crate) fn create(wishes: &CommitteeSettings, members: Vec<Member>, now: u64) -> Genesis {
    // The committee of a development chain is replaced at once.
    let nobody = PublicKey::from_bytes([0; 32]);
    let mut genesis = dev_genesis("", SEED, settings::ACCOUNTS, now, &nobody);
    apply_chain(&ChainSettings::defaults(), &mut genesis);
    genesis.committee = members;
    let defaults = CommitteeSettings {
        chain: ChainSettings::default(),
        protocol: Some(settings::PROTOCOL),
        block_interval: Some(settings::BLOCK_INTERVAL),
    };
    apply(&defaults, &mut genesis);
    apply(wishes, &mut genesis);
    genesis
}

/// Makes of `genesis` what `wishes` say; what they leave open stays.
fn apply(wishes: &CommitteeSettings, genesis: &mut Genesis) {
    apply_chain(&wishes.chain, genesis);
    if let Some(Protocol(protocol)) = wishes.protocol {
        genesis.protocol = protocol;
    }
    if let Some(Interval { millis }) = wishes.block_interval {
        genesis.block = BlockRules {
            interval_millis: Some(millis),
            empty_blocks: false,
            transactions_max: settings::BLOCK_TRANSACTIONS_MAX,
            ..genesis.block
        };
    }
}

/// The public half of one validator, as text.
pub(crate) fn member_toml(member: Member) -> String {
    toml::to_string(&Members { committee: vec![member] }).expect("every field has a form in TOML")
}

/// Reads the public halves of validators from a file.
///
/// # Errors
/// If it cannot be read, or holds something else.
pub(crate) fn read_members(path: &Path) -> Result<Vec<Member>, Failure> {
    let remedy = "give --member a file with what `kraken key` prints";
    let text = read_text(path, remedy)?;
    let members: Members = toml::from_str(&text).map_err(|error| {
        Failure::because(format!("{} holds no validator", path.display()), &error, remedy)
    })?;
    Ok(members.committee)
}

/// Reads a genesis file.
///
/// # Errors
/// If it cannot be read, or is no genesis.
pub(crate) fn read(path: &Path) -> Result<Genesis, Failure> {
    let text = read_text(path, "name the genesis file with --genesis; `kraken genesis` makes one")?;
    Genesis::from_toml(&text).map_err(|error| {
        Failure::because(
            format!("cannot use the genesis {}", path.display()),
            &error,
            "get the file from whoever made it; it is the same on all validators",
        )
    })
}

fn read_text(path: &Path, remedy: &str) -> Result<String, Failure> {
    let unreadable = |error: &std::io::Error| {
        Failure::because(format!("cannot read {}", path.display()), error, remedy)
    };
    let bytes = fs::metadata(path).map_err(|error| unreadable(&error))?.len();
    if BYTES_MAX < bytes {
        return Err(unreadable(&std::io::Error::new(
            ErrorKind::FileTooLarge,
            format!("{bytes} bytes are more than {BYTES_MAX}"),
        )));
    }
    fs::read_to_string(path).map_err(|error| unreadable(&error))
}

/// Each flag about a committee, with its value in `genesis`.
fn flags(genesis: &Genesis) -> [(&'static str, String); 6] {
    let interval = genesis.block.interval_millis;
    let interval = interval.map_or("none".to_owned(), |millis| Interval { millis }.to_string());
    [
        ("--protocol", Protocol(genesis.protocol).to_string()),
        ("--block-interval", interval),
        ("--chain-id", genesis.chain_id.clone()),
        ("--seed", genesis.accounts.seed.to_string()),
        ("--accounts", genesis.accounts.count.to_string()),
        ("--initial-balance", genesis.accounts.initial_balance.to_string()),
    ]
}

/// How many validators a genesis has, and how many workers each, with their flags.
fn sizes(genesis: &Genesis) -> [(&'static str, String); 2] {
    let network = genesis.committee.first().and_then(|member| member.network.as_ref());
    let workers = network.map_or(1, |network| network.workers.len());
    [("--validators", genesis.committee.len().to_string()), ("--workers", workers.to_string())]
}

/// Whether the committee in `folder` is what was asked for.
///
/// # Errors
/// Names the first flag that asks for something else.
pub(crate) fn check(
    stored: &Genesis,
    wishes: &CommitteeSettings,
    (validators, workers): (Option<u16>, Option<u16>),
    folder: &Path,
) -> Result<(), Failure> {
    let mut asked = stored.clone();
    apply(wishes, &mut asked);
    compare(&flags(stored), &flags(&asked), &folder.display())?;
    let stored_sizes = sizes(stored);
    let mut asked_sizes = stored_sizes.clone();
    for ((_, size), asked) in asked_sizes.iter_mut().zip([validators, workers]) {
        if let Some(asked) = asked {
            *size = asked.to_string();
        }
    }
    compare(&stored_sizes, &asked_sizes, &folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;

    fn members(count: usize) -> Vec<Member> {
        (0..count).map(|_| Keys::random(1).member(1)).collect()
    }

    #[test]
    fn a_committee_agrees_on_the_defaults() {
        let genesis = create(&CommitteeSettings::default(), members(4), 1_000);
        assert_eq!(Genesis::from_toml(&genesis.to_toml()).expect("valid"), genesis);
        assert_eq!(genesis.protocol, kraken_types::genesis::Protocol::HotStuff);
        assert_eq!(genesis.block.interval_millis, Some(1_000));
        assert!(!genesis.block.empty_blocks);
        assert_eq!(genesis.block.transactions_max, settings::BLOCK_TRANSACTIONS_MAX);
        assert_eq!((genesis.accounts.seed, genesis.timestamp_seconds), (0, 1_000));
    }

    #[test]
    fn a_member_survives_its_text() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("member.toml");
        let member = Keys::random(2).member(5);
        fs::write(&path, member_toml(member.clone())).expect("writable");
        assert_eq!(read_members(&path).expect("own text"), [member]);
        fs::write(&path, "committee = 1").expect("writable");
        assert!(read_members(&path).is_err());
    }

    #[test]
    fn a_committee_that_is_kept_is_compared_with_what_is_asked_for() {
        let stored = create(&CommitteeSettings::default(), members(2), 1_000);
        let check = |wishes: &CommitteeSettings, sizes| {
            check(&stored, wishes, sizes, Path::new("net")).map_err(|failure| failure.to_string())
        };
        let nothing = CommitteeSettings::default();
        assert_eq!(check(&nothing, (None, None)), Ok(()));
        assert_eq!(check(&nothing, (Some(2), Some(1))), Ok(()));
        let failure = check(&nothing, (Some(4), None)).expect_err("there are 2");
        assert!(failure.contains("--validators 2, but 4 was asked for"), "{failure}");
        let protocol = Some("fcfs".parse().expect("a protocol"));
        let fcfs = CommitteeSettings { protocol, ..nothing };
        let failure = check(&fcfs, (None, None)).expect_err("it is HotStuff");
        assert!(failure.contains("--protocol hotstuff, but fcfs"), "{failure}");
    }
}
