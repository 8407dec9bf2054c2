//! What happens to a storage, step by step, and what must be true after each.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, Nonce},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use super::{
    super::{assert_holds, cell, contract},
    world::World,
};
use crate::{
    Block, Class, Error, Storage, codec,
    log::Log,
    tables::Table,
    testing::{self, Random, next_block},
    trie::tests::naive,
};

/// Something that is done to a storage. Whatever was done already is not done again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Stores the block with this number.
    Commit(u64),
    /// Keeps the proof that a block was accepted.
    Accept(u64),
    /// Appends the record with this number to the log of batches.
    Batch(u64),
    /// Appends the record with this number to the log of votes.
    Vote(u64),
    /// Drops what is before this record of the log of batches.
    Release(u64),
    /// Closes in order and opens again.
    Reopen,
}

use Step::{Accept, Batch, Commit, Release, Reopen, Vote};

/// Declares, deployments, cells that are written, overwritten and deleted, nonces, a class that is
/// replaced, a block of nothing, blocks that fill a segment, and the logs beside the chain.
pub(super) const SCENARIO: [Step; 24] = [
    Commit(0),
    Vote(0),
    Batch(0),
    Commit(1),
    Accept(0),
    Vote(1),
    Commit(2),
    Batch(1),
    Batch(2),
    Commit(3),
    Accept(2),
    Reopen,
    Commit(4),
    Batch(3),
    Release(2),
    Vote(2),
    Commit(5),
    Commit(6),
    Reopen,
    Batch(4),
    Release(4),
    Commit(7),
    Vote(3),
    Commit(8),
];

/// The block with this number, without what follows from the chain it is on.
fn plan(number: u64) -> Block {
    let mut block = Random::new(100 + number).block(BlockNumber(0));
    let mut diff = ThinStateDiff::default();
    let mut write = |id, entries: &[(u8, u8)]| {
        let cells: &mut indexmap::IndexMap<_, _> =
            diff.storage_diffs.entry(contract(id)).or_default();
        cells.extend(entries.iter().map(|&(key, value)| (cell(key), Felt::from(value))));
    };
    match number {
        0 => write(0, &[(0, 1), (1, 2), (200, 3)]),
        1 => write(1, &[(0, 7)]),
        2 => write(0, &[(0, 0), (1, 9), (2, 4)]),
        3 => write(1, &[(0, 0)]),
        5 => (0..60).for_each(|id| write(id, &[(id, 5), (7, 6)])),
        6 => write(0, &[(0, 1), (1, 0), (2, 0), (200, 0)]),
        _ => {}
    }
    match number {
        0 => drop(diff.deployed_contracts.insert(contract(0), ClassHash(Felt::ONE))),
        1 => {
            diff.deployed_contracts.insert(contract(1), ClassHash(Felt::TWO));
            diff.nonces.insert(contract(0), Nonce(Felt::ONE));
        }
        3 => drop(diff.nonces.insert(contract(0), Nonce(Felt::TWO))),
        6 => drop(diff.deployed_contracts.insert(contract(0), ClassHash(Felt::THREE))),
        8 => diff = Random::new(number).state_diff(),
        _ => {}
    }
    match number {
        4 => {
            block.transactions.clear();
            block.classes.clear();
        }
        // Larger than what is copied together, and with the next one larger than a segment.
        5 | 7 => block.classes = vec![large_class(number)],
        _ => {}
    }
    testing::declare(&mut diff, &block.classes);
    block.header.transaction_count = u32::try_from(block.transactions.len()).expect("few");
    block.state_diff = diff;
    block
}

/// A class that does not become small when it is compressed.
fn large_class(seed: u64) -> (ClassHash, Arc<Class>) {
    let mut random = Random::new(seed);
    loop {
        let (_, class) = random.class();
        let Class::Sierra(class) = class.as_ref() else { continue };
        let mut class = class.clone();
        class.sierra.abi = (0..1_700).map(|_| format!("{:x}", random.hash())).collect();
        let hash = class.sierra.calculate_class_hash();
        return (hash, Arc::new(Class::Sierra(class)));
    }
}

/// A record for a log.
fn record(number: u64) -> Bytes {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.extend(Random::new(number).bytes(40_000));
    Bytes::from(bytes)
}

/// The numbers of the records in a log: one after the other, each once, each as it was appended.
fn numbers(log: &Log) -> Vec<u64> {
    let mut numbers = Vec::new();
    for read in log.records(None) {
        let (_, bytes) = read.expect("every record is readable");
        let number = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
        assert_eq!(bytes, record(number), "record {number}");
        numbers.push(number);
    }
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{numbers:?}");
    numbers
}

/// Carries out what is not done yet of the scenario; `done` is called after each step.
pub(super) fn play(world: &World, done: &mut dyn FnMut(Step)) -> Result<Storage, Error> {
    let mut storage = world.open()?;
    for step in SCENARIO {
        if let Reopen = step {
            drop(storage);
            storage = world.open()?;
        } else {
            take(&storage, step)?;
        }
        done(step);
    }
    Ok(storage)
}

fn take(storage: &Storage, step: Step) -> Result<(), Error> {
    match step {
        Commit(number) => {
            if storage.tip().is_none_or(|tip| tip.0 < number) {
                let (block, tries) = next_block(storage, plan(number))?;
                assert_eq!(block.header.number(), BlockNumber(number));
                storage.commit_block(&block, tries)?;
            }
        }
        Accept(number) => storage.keep_acceptance(BlockNumber(number), &number.to_le_bytes())?,
        Batch(number) => append(&storage.batches(), number)?,
        Vote(number) => append(&storage.votes(), number)?,
        Release(number) => {
            let batches = storage.batches();
            let mut records = batches.records(None).map(|it| it.expect("readable"));
            if let Some((at, _)) = records.find(|(_, bytes)| *bytes == record(number)) {
                batches.release(at)?;
            }
        }
        Reopen => {}
    }
    Ok(())
}

fn append(log: &Log, number: u64) -> Result<(), Error> {
    if numbers(log).last().is_none_or(|last| *last < number) {
        log.append_and_wait(record(number))?;
    }
    Ok(())
}

/// What must be there after some steps.
#[derive(Debug)]
pub(super) struct Expected {
    blocks: Vec<Arc<Block>>,
    /// By an independent computation, from all that the blocks wrote.
    roots: Vec<Felt>,
    /// All tables.
    pub(super) tables: Tables,
}

impl Expected {
    /// Reads it from a storage that nothing has happened to.
    pub(super) fn of(storage: &Storage) -> Self {
        let tip = storage.tip().expect("there are blocks");
        let block = |number| storage.block(BlockNumber(number)).expect("readable").expect("there");
        let blocks: Vec<_> = (0..=tip.0).map(block).collect();
        let mut state = naive::State::default();
        let roots = blocks.iter().map(|block| root_after(&mut state, block)).collect();
        Self { blocks, roots, tables: tables(storage).expect("readable") }
    }

    /// Whatever was done is there, once, and nothing else but the step that was under way.
    pub(super) fn check(&self, storage: &Storage, done: &[Step]) {
        let commits = done.iter().filter(|step| matches!(step, Commit(_))).count();
        let count = storage.tip().map_or(0, |tip| usize::try_from(tip.0).expect("few") + 1);
        assert!((commits..=commits + 1).contains(&count), "{count} blocks of {commits}");
        assert_holds(storage, &self.blocks[..count]);
        check_chain(storage, count);
        let root = storage.update_tries(&ThinStateDiff::default()).expect("the tries are whole");
        let expected = count.checked_sub(1).map_or(Felt::ZERO, |last| self.roots[last]);
        assert_eq!(root.state_root().0, expected);
        for (block, root) in self.blocks.iter().zip(&self.roots) {
            assert_eq!(block.header.state_root.0, *root);
        }
        let last = |find: fn(&Step) -> Option<u64>| done.iter().filter_map(find).max();
        let batch = last(|step| if let Batch(number) = step { Some(*number) } else { None });
        let vote = last(|step| if let Vote(number) = step { Some(*number) } else { None });
        for (log, last) in [(storage.batches(), batch), (storage.votes(), vote)] {
            let (got, last) = (numbers(&log).last().copied(), last);
            let next = Some(last.map_or(0, |last| last + 1));
            assert!(got == last || got == next, "the newest record is {got:?}, not {last:?}");
        }
        assert_eq!(numbers(&storage.votes()).first().copied().unwrap_or_default(), 0);
        let released = last(|step| if let Release(number) = step { Some(*number) } else { None });
        if let Some(oldest) = numbers(&storage.batches()).first() {
            let released = released.unwrap_or(0).max(if batch == Some(4) { 4 } else { 2 });
            assert!(*oldest <= released, "{oldest} is the oldest batch");
        }
    }
}

/// The chain log holds each block once.
fn check_chain(storage: &Storage, count: usize) {
    let records = storage.inner.chain.records(None);
    let numbers: Vec<_> = records
        .map(|read| codec::decode_block(&read.expect("readable").1).expect("a block"))
        .map(|block| block.header.number().0)
        .collect();
    assert_eq!(numbers, (0..u64::try_from(count).expect("few")).collect::<Vec<_>>());
}

fn root_after(state: &mut naive::State, block: &Block) -> Felt {
    let diff = &block.state_diff;
    for (address, cells) in &diff.storage_diffs {
        let leaves = state.storage.entry(***address).or_default();
        for (key, value) in cells {
            naive::set(leaves, ***key, *value);
        }
    }
    for (address, nonce) in &diff.nonces {
        naive::set(&mut state.nonces, ***address, nonce.0);
    }
    for (address, class_hash) in &diff.deployed_contracts {
        naive::set(&mut state.class_hashes, ***address, class_hash.0);
    }
    for (class_hash, compiled) in &diff.class_hash_to_compiled_class_hash {
        naive::set(&mut state.compiled_class_hashes, class_hash.0, compiled.0);
    }
    state.state_root()
}

/// All that the engine holds: the place of a table and a key, and its value.
pub(crate) type Tables = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

/// Reads all that the engine holds.
pub(crate) fn tables(storage: &Storage) -> Result<Tables, Error> {
    let mut entries = BTreeMap::new();
    for table in Table::ALL {
        let mut from = Vec::new();
        let engine = storage.inner.engine.as_ref();
        while let Some((key, value)) = engine.first(table, &from[..]..=&[0xff; 100][..])? {
            from = [&key[..], &[0]].concat();
            entries.insert((table.index(), key.to_vec()), value.to_vec());
        }
    }
    Ok(entries)
}
