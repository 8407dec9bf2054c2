//! What a search for events costs, with and without filters.
//!
//! `cargo xtask bench steps` prints these as a table.

use std::{collections::BTreeSet, hint::black_box, sync::Arc};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use kraken_storage::{
    Block, Config, EventPattern, Storage,
    testing::{Random, commit_next},
};
use kraken_types::Digest;
use starknet_api::{
    block::BlockNumber,
    core::ContractAddress,
    state::ThinStateDiff,
    transaction::{Event, EventContent, EventKey},
};
use starknet_types_core::felt::Felt;

/// Blocks of the chain.
const BLOCKS: u64 = 100_000;

/// Blocks that are searched one by one; all of them would take too long.
const SCANNED: u64 = 2_000;

/// One block in so many holds what is looked for.
const ONE_IN: u64 = 10_000;

/// Transactions of a block, each with one event like that of a transfer.
const TRANSACTIONS: u64 = 10;

/// Who emits what is looked for.
const RARE: u128 = 7;

fn event(emitter: u128, random: &mut Random) -> Event {
    let keys = [Felt::ONE, random.hash(), random.hash()].map(EventKey).to_vec();
    let content = EventContent { keys, ..EventContent::default() };
    Event { from_address: ContractAddress::from(emitter), content }
}

fn block(template: &Block, number: u64, random: &mut Random) -> Block {
    let mut block = template.clone();
    let is_rare = number % ONE_IN == ONE_IN / 2;
    let emitter = |index| if is_rare && index == 0 { RARE } else { 1_000 };
    block.transactions = (0..TRANSACTIONS)
        .map(|index| {
            let mut executed = random.executed_transaction();
            executed.receipt.events = vec![event(emitter(index), random)];
            Arc::new(executed)
        })
        .collect();
    block.header.transaction_count = u32::try_from(TRANSACTIONS).expect("few");
    block
}

/// A chain in a folder.
fn chain(directory: &std::path::Path) -> Storage {
    let config = Config { directory: Some(directory.to_owned()), genesis: Digest::default() };
    let storage = Storage::open(config).expect("the storage opens");
    let mut random = Random::new(1);
    let mut template = random.block(BlockNumber(0));
    template.classes.clear();
    template.state_diff = ThinStateDiff::default();
    for number in 0..BLOCKS {
        let block = block(&template, number, &mut random);
        commit_next(&storage, block).expect("the block is stored");
    }
    storage
}

/// Reads blocks and counts the events that fit.
fn count(
    storage: &Storage,
    pattern: &EventPattern,
    blocks: impl Iterator<Item = BlockNumber>,
) -> usize {
    let count = |number| {
        let block = storage.block(number).expect("readable").expect("stored");
        let events = block.transactions.iter().flat_map(|executed| &executed.receipt.events);
        events.filter(|event| pattern.fits(event)).count()
    };
    blocks.map(count).sum()
}

fn search(criterion: &mut Criterion, storage: &Storage) {
    let mut group = criterion.benchmark_group("events::search");
    group.sampling_mode(SamplingMode::Flat);
    let addresses = Some(BTreeSet::from([ContractAddress::from(RARE)]));
    let pattern = EventPattern { addresses, keys: Vec::new() };

    group.throughput(Throughput::Elements(SCANNED));
    group.bench_function(BenchmarkId::from_parameter("blocks=all"), |bencher| {
        let first = ONE_IN / 2;
        bencher.iter(|| {
            let blocks = (first..first + SCANNED).map(BlockNumber);
            assert_eq!(count(storage, black_box(&pattern), blocks), 1);
        });
    });
    group.throughput(Throughput::Elements(BLOCKS));
    group.bench_function(BenchmarkId::from_parameter("blocks=filtered"), |bencher| {
        bencher.iter(|| {
            let last = BlockNumber(BLOCKS - 1);
            let blocks = storage.blocks_with_events(BlockNumber(0), last, black_box(&pattern));
            let blocks = blocks.map(|number| number.expect("readable"));
            assert_eq!(count(storage, &pattern, blocks), 10);
        });
    });
}

fn main() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let storage = chain(directory.path());
    let mut criterion = Criterion::default().configure_from_args();
    search(&mut criterion, &storage);
    criterion.final_summary();
}
