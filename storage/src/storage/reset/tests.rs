use std::{fs, path::Path, sync::Arc};

use kraken_types::Digest;
use proptest::prelude::{any, prop_assert_eq, proptest};
use starknet_api::block::{GasPrice, GasPrices, NonzeroGasPrice};
use tempfile::TempDir;

use super::*;
use crate::{
    Config, Storage,
    testing::{Random, commit_next},
};

fn open(directory: Option<&Path>) -> Storage {
    let directory = directory.map(Path::to_owned);
    Storage::open(Config { directory, genesis: Digest::default() }).expect("the storage opens")
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Stores random blocks on top; returns them.
fn grow(storage: &Storage, seed: u64, blocks: usize) -> Vec<Arc<Block>> {
    let mut random = Random::new(seed);
    let block = |_| commit_next(storage, random.block(BlockNumber(0))).expect("it is stored");
    (0..blocks).map(block).collect()
}

fn prices(l2_gas: u128) -> GasPrices {
    let mut prices = GasPrices::default();
    prices.strk_gas_prices.l2_gas_price = NonzeroGasPrice::new(GasPrice(l2_gas)).expect("not zero");
    prices
}

/// Everything that a caller can ask about the values that these blocks wrote, at the tip.
fn values(storage: &Storage, blocks: &[Arc<Block>]) -> Vec<Felt> {
    let tip = storage.tip().expect("there are blocks");
    let state = storage.snapshot(tip).expect("the tip is there");
    let mut values = Vec::new();
    for block in blocks {
        let diff = &block.state_diff;
        for (contract, cells) in &diff.storage_diffs {
            for key in cells.keys() {
                values.push(state.storage_at(*contract, *key).expect("readable"));
                let block = state.last_update_block(*contract, *key).expect("readable");
                values.push(block.map_or(Felt::MAX, |block| Felt::from(block.0)));
            }
        }
        for contract in diff.nonces.keys().chain(diff.deployed_contracts.keys()) {
            values.push(state.nonce(*contract).expect("readable").0);
            let class_hash = state.class_hash_at(*contract).expect("readable");
            values.push(class_hash.map_or(Felt::MAX, |class_hash| class_hash.0));
        }
        for (class_hash, _) in &block.classes {
            let is_there = state.class(*class_hash).expect("readable").is_some();
            values.push(Felt::from(is_there));
        }
        for transaction in &block.transactions {
            let position = storage.position_of(transaction.hash).expect("readable");
            values.push(position.map_or(Felt::MAX, |(number, _)| Felt::from(number.0)));
        }
        values.push(
            storage
                .number_of(block.header.hash)
                .expect("readable")
                .map_or(Felt::MAX, |number| Felt::from(number.0)),
        );
    }
    values
}

proptest! {
    #[test]
    fn behind_a_reset_all_is_as_if_the_later_blocks_had_never_been(
        seed in any::<u64>(), kept in 1_usize..4, dropped in 0_usize..4,
    ) {
        let storage = open(None);
        let mut blocks = grow(&storage, seed, kept);
        let after = storage.tip().expect("there are blocks");
        blocks.extend(grow(&storage, !seed, dropped));
        storage.reset(after, prices(1)).expect("it goes back");

        let other = open(None);
        grow(&other, seed, kept);
        prop_assert_eq!(storage.tip(), other.tip());
        prop_assert_eq!(values(&storage, &blocks), values(&other, &blocks));
        // New blocks follow on both, to the same roots.
        let (ours, theirs) = (grow(&storage, 7, 2), grow(&other, 7, 2));
        prop_assert_eq!(&ours, &theirs);
        blocks.extend(ours);
        prop_assert_eq!(values(&storage, &blocks), values(&other, &blocks));
    }
}

#[test]
fn a_reset_survives_a_restart_with_and_without_its_engine() {
    let directory = folder();
    let storage = open(Some(directory.path()));
    let mut all = grow(&storage, 1, 3);
    all.extend(grow(&storage, 2, 4));
    storage.reset(BlockNumber(2), prices(5)).expect("it goes back");
    storage.votes().append_and_wait(Bytes::from_static(b"vote")).expect("durable");
    let expected = values(&storage, &all);
    drop(storage);
    for is_lost in [false, true] {
        if is_lost {
            fs::remove_dir_all(directory.path().join("engine")).expect("removable");
        }
        let storage = open(Some(directory.path()));
        assert_eq!(storage.tip(), Some(BlockNumber(2)));
        assert_eq!(values(&storage, &all), expected);
        let reset = storage.newest_reset().expect("readable").expect("there was one");
        assert_eq!(reset, Reset { after: BlockNumber(2), count: 1, gas_prices: prices(5) });
        assert_eq!(storage.votes().records(None).count(), 1);
    }
    let storage = open(Some(directory.path()));
    all.extend(grow(&storage, 3, 3));
    storage.reset(BlockNumber(4), prices(6)).expect("it goes back again");
    let expected = values(&storage, &all);
    drop(storage);
    fs::remove_dir_all(directory.path().join("engine")).expect("removable");
    let storage = open(Some(directory.path()));
    assert_eq!(values(&storage, &all), expected);
    assert_eq!(storage.newest_reset().expect("readable").map(|reset| reset.count), Some(2));
}

#[test]
fn an_order_begins_anew_with_every_reset() {
    let directory = folder();
    let storage = open(Some(directory.path()));
    grow(&storage, 1, 2);
    for log in [storage.batches(), storage.votes()] {
        log.append_and_wait(Bytes::from_static(b"old")).expect("durable");
    }
    storage.reset(BlockNumber(1), prices(1)).expect("it stays where it is");
    assert_eq!(storage.tip(), Some(BlockNumber(1)));
    assert_eq!(storage.batches().records(None).count(), 0);
    assert_eq!(storage.votes().records(None).count(), 0);
    drop(storage);
    let names = || {
        let entries = fs::read_dir(directory.path()).expect("listable");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.expect("listable").file_name();
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    };
    drop(open(Some(directory.path())));
    assert_eq!(
        names(),
        ["IDENTITY", "LOCK", "batches", "batches-1", "chain", "engine", "votes", "votes-1",]
    );
}

#[test]
fn a_reset_to_a_block_that_is_not_there_is_refused() {
    let storage = open(None);
    assert!(storage.reset(BlockNumber(0), prices(1)).is_err());
    grow(&storage, 1, 1);
    assert!(storage.reset(BlockNumber(1), prices(1)).is_err());
    storage.reset(BlockNumber(0), prices(1)).expect("storage is as before");
}

#[test]
fn what_is_accepted_on_l1_goes_back_with_the_blocks() {
    let storage = open(None);
    grow(&storage, 1, 4);
    assert_eq!(storage.accepted_on_l1().expect("readable"), None);
    storage.accept_on_l1(BlockNumber(2)).expect("written");
    storage.reset(BlockNumber(3), prices(1)).expect("it goes back");
    assert_eq!(storage.accepted_on_l1().expect("readable"), Some(BlockNumber(2)));
    storage.reset(BlockNumber(1), prices(1)).expect("it goes back");
    assert_eq!(storage.accepted_on_l1().expect("readable"), Some(BlockNumber(1)));
}
