//! The genesis of a development chain: made of settings, and compared with what is asked for later.

pub(crate) mod committee;

use std::{fmt::Display, path::Path};

use kraken_execution::genesis::dev_genesis;
use kraken_types::{
    Genesis,
    genesis::{BlockRules, Fees, Member},
};

use crate::{
    args::value::BlockGeneration,
    failure::Failure,
    keys,
    settings::{self, ChainSettings},
};

/// A new chain as `wishes` want it. What they leave open comes from the defaults, `seed` and `now`
/// (seconds since the Unix epoch).
pub(crate) fn create(wishes: &ChainSettings, seed: u32, now: u64) -> Genesis {
    let key = keys::dev_validator(seed).public_key();
    let mut genesis = dev_genesis("", seed, settings::ACCOUNTS, now, &key);
    // Gas costs what the developer says, however full the blocks are.
    genesis.fees.l2_gas_price_change_denominator = 0;
    apply(&ChainSettings::defaults(), &mut genesis);
    apply(wishes, &mut genesis);
    genesis
}

/// Makes of `genesis` what `wishes` say; what they leave open stays.
fn apply(wishes: &ChainSettings, genesis: &mut Genesis) {
    apply_chain(wishes, genesis);
    genesis.committee = committee(genesis.accounts.seed);
}

/// The same for all but the committee.
fn apply_chain(wishes: &ChainSettings, genesis: &mut Genesis) {
    fn set<T, U: From<T>>(to: &mut U, wish: Option<T>) {
        if let Some(value) = wish {
            *to = value.into();
        }
    }
    set(&mut genesis.accounts.seed, wishes.seed);
    set(&mut genesis.accounts.count, wishes.accounts);
    set(&mut genesis.accounts.initial_balance, wishes.initial_balance);
    set(&mut genesis.chain_id, wishes.chain_id.as_ref().map(|name| name.as_str()));
    set(&mut genesis.timestamp_seconds, wishes.start_time);
    if let Some(generation) = wishes.block_generation {
        set_block_generation(generation, &mut genesis.block);
    }
    set(&mut genesis.fees.l1_gas_price_wei, wishes.gas_price_wei);
    set(&mut genesis.fees.l1_gas_price_fri, wishes.gas_price_fri);
    set(&mut genesis.fees.l1_data_gas_price_wei, wishes.data_gas_price_wei);
    set(&mut genesis.fees.l1_data_gas_price_fri, wishes.data_gas_price_fri);
    set(&mut genesis.fees.l2_gas_price_wei_min, wishes.l2_gas_price_wei);
    set(&mut genesis.fees.l2_gas_price_fri_min, wishes.l2_gas_price_fri);
    set(&mut genesis.limits.class_bytes_max, wishes.class_bytes_max);
    set(&mut genesis.limits.bytecode_felts_max, wishes.bytecode_felts_max);
    set(&mut genesis.limits.sierra_felts_max, wishes.sierra_felts_max);
}

/// Makes of `rules` what a flag stands for.
fn set_block_generation(generation: BlockGeneration, rules: &mut BlockRules) {
    let (interval_millis, empty_blocks, transactions_max) = match generation {
        BlockGeneration::Transaction => (None, false, 1),
        BlockGeneration::Demand => (None, false, settings::BLOCK_TRANSACTIONS_MAX),
        BlockGeneration::Every { millis } => (Some(millis), true, settings::BLOCK_TRANSACTIONS_MAX),
    };
    *rules = BlockRules { interval_millis, empty_blocks, transactions_max, ..*rules };
}

/// The flag that rules stand for.
pub(crate) fn block_generation(rules: &BlockRules) -> BlockGeneration {
    match rules.interval_millis {
        Some(millis) => BlockGeneration::Every { millis },
        None if rules.transactions_max == 1 => BlockGeneration::Transaction,
        None => BlockGeneration::Demand,
    }
}

fn committee(seed: u32) -> Vec<Member> {
    vec![Member {
        key: keys::dev_validator(seed).public_key().to_string(),
        stake: 1,
        network: None,
    }]
}

/// Each flag about the chain, with its value in `genesis`.
fn flags(genesis: &Genesis) -> [(&'static str, String); 15] {
    let Fees {
        l1_gas_price_fri,
        l1_gas_price_wei,
        l1_data_gas_price_fri,
        l1_data_gas_price_wei,
        l2_gas_price_fri_min,
        l2_gas_price_wei_min,
        l2_gas_target: _,
        l2_gas_price_change_denominator: _,
    } = &genesis.fees;
    [
        ("--seed", genesis.accounts.seed.to_string()),
        ("--accounts", genesis.accounts.count.to_string()),
        ("--initial-balance", genesis.accounts.initial_balance.to_string()),
        ("--chain-id", genesis.chain_id.clone()),
        ("--start-time", genesis.timestamp_seconds.to_string()),
        ("--block-generation-on", block_generation(&genesis.block).to_string()),
        ("--gas-price", l1_gas_price_wei.to_string()),
        ("--gas-price-fri", l1_gas_price_fri.to_string()),
        ("--data-gas-price", l1_data_gas_price_wei.to_string()),
        ("--data-gas-price-fri", l1_data_gas_price_fri.to_string()),
        ("--l2-gas-price", l2_gas_price_wei_min.to_string()),
        ("--l2-gas-price-fri", l2_gas_price_fri_min.to_string()),
        ("--maximum-contract-class-size", genesis.limits.class_bytes_max.to_string()),
        ("--maximum-contract-bytecode-size", genesis.limits.bytecode_felts_max.to_string()),
        ("--maximum-sierra-length", genesis.limits.sierra_felts_max.to_string()),
    ]
}

/// Whether the chain in `folder` is what `wishes` ask for.
///
/// # Errors
/// Names the first flag that asks for something else, or says that the chain is none that
/// `kraken dev` made.
pub(crate) fn check(
    stored: &Genesis,
    wishes: &ChainSettings,
    folder: &Path,
) -> Result<(), Failure> {
    let folder = folder.display();
    if stored.committee != committee(stored.accounts.seed) {
        return Err(Failure::new(
            format!("the chain in {folder} is not one of `kraken dev`"),
            "name another folder with --data-dir",
        ));
    }
    let mut asked = stored.clone();
    apply(wishes, &mut asked);
    compare(&flags(stored), &flags(&asked), &folder)
}

/// Whether all flags have the same values.
///
/// # Errors
/// Names the first that has not.
fn compare(
    stored: &[(&str, String)],
    asked: &[(&str, String)],
    folder: &dyn Display,
) -> Result<(), Failure> {
    let mut pairs = stored.iter().zip(asked);
    match pairs.find(|(stored, asked)| stored != asked) {
        None => Ok(()),
        Some(((flag, stored), (_, asked))) => Err(Failure::new(
            format!("the chain in {folder} has {flag} {stored}, but {asked} was asked for"),
            format!("leave {flag} out to go on with that chain, or name an empty folder"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(seed: Option<u32>, accounts: Option<u16>) -> ChainSettings {
        ChainSettings { seed, accounts, ..ChainSettings::default() }
    }

    #[test]
    fn what_is_left_open_comes_from_the_defaults_and_the_moment() {
        let genesis = create(&wishes(None, Some(3)), 42, 1_000);
        assert_eq!((genesis.accounts.seed, genesis.accounts.count), (42, 3));
        assert_eq!(genesis.chain_id, "SN_SEPOLIA");
        assert_eq!(genesis.timestamp_seconds, 1_000);
        assert_eq!(genesis.block.transactions_max, 1);
        assert!(genesis.committee().is_ok());
    }

    #[test]
    fn the_same_wishes_agree_with_the_chain_they_made() {
        let folder = Path::new("chain");
        let stored = create(&wishes(None, Some(3)), 42, 1_000);
        assert!(check(&stored, &wishes(None, Some(3)), folder).is_ok());
        assert!(check(&stored, &wishes(None, None), folder).is_ok());
        assert!(check(&stored, &wishes(Some(42), None), folder).is_ok());
    }

    #[test]
    fn a_contradiction_names_the_flag_and_both_values() {
        let stored = create(&wishes(None, None), 42, 1_000);
        let failure = check(&stored, &wishes(Some(7), None), Path::new("chain"));
        assert_eq!(
            failure.expect_err("another seed").to_string(),
            "the chain in chain has --seed 42, but 7 was asked for — leave --seed out to go on with \
             that chain, or name an empty folder"
        );
    }

    #[test]
    fn a_committee_of_others_is_no_development_chain() {
        let mut stored = create(&wishes(None, None), 42, 1_000);
        stored.committee = committee(43);
        assert!(check(&stored, &wishes(None, None), Path::new("chain")).is_err());
    }

    #[test]
    fn block_generation_survives_its_rules() {
        for generation in [
            BlockGeneration::Transaction,
            BlockGeneration::Demand,
            BlockGeneration::Every { millis: 250 },
        ] {
            let mut genesis = create(&ChainSettings::default(), 42, 1_000);
            set_block_generation(generation, &mut genesis.block);
            assert_eq!(block_generation(&genesis.block), generation);
        }
    }
}
