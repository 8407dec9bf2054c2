//! What happens to a storage, step by step, and what must be true after each.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use starknet_api::{
    block::{BlockNumber, GasPrices},
    core::{ClassHash, Nonce},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use super::{
    super::{assert_holds, cell, contract},
    world::World,
};
use crate::{
    Block, Class, Error, Storage,
    codec::{self, Record},
    log::Log,
    tables::Table,
    testing::{self, Random, commit_next},
    trie::tests::naive,
};

/// Something that is done to a storage. Whatever was done already is not done again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Stores the block of this plan on top.
    Commit(u64),
    /// Keeps the proof that a block was accepted.
    Accept(u64),
    /// Appends the record with this number to the log of batches.
    Batch(u64),
    /// Appends the record with this number to the log of votes.
    Vote(u64),
    /// Drops what is before this record of the log of batches.
    Release(u64),
    /// Makes this block the newest one again.
    GoBack(u64),
    /// Closes in order and opens again.
    Reopen,
}

use Step::{Accept, Batch, Commit, GoBack, Release, Reopen, Vote};

/// Declares, deployments, cells that are written, overwritten and deleted, nonces, a class that is
/// replaced, a block of nothing, blocks that fill a segment, ways back, and the logs beside the
/// chain, which begin anew with each way back.
pub(super) const SCENARIO: [Step; 33] = [
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
    GoBack(4),
    Vote(4),
    Commit(8),
    Batch(5),
    Reopen,
    GoBack(5),
    Vote(5),
    Reopen,
    Commit(9),
    Commit(10),
];

/// The block of a plan, without what follows from the chain it is on.
fn plan(number: u64) -> Block {
    // Every run needs the same ones, and the hashes of classes take their time.
    static MADE: Mutex<BTreeMap<u64, Block>> = Mutex::new(BTreeMap::new());
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(number).or_insert_with(|| make(number)).clone()
}

fn make(number: u64) -> Block {
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

/// Carries out the scenario from a step on, on what is there; `done` is told after each.
pub(super) fn play(
    world: &World,
    from: usize,
    done: &mut dyn FnMut(&Storage),
) -> Result<Storage, Error> {
    let mut storage = world.open()?;
    // An engine may lose these with a crash, and whoever wants them keeps them again.
    for step in SCENARIO[..from].iter().filter(|step| matches!(step, Accept(_))) {
        take(&storage, *step)?;
    }
    for step in &SCENARIO[from..] {
        if let Reopen = step {
            drop(storage);
            storage = world.open()?;
        } else {
            take(&storage, *step)?;
        }
        done(&storage);
    }
    Ok(storage)
}

fn take(storage: &Storage, step: Step) -> Result<(), Error> {
    match step {
        Commit(number) => drop(commit_next(storage, plan(number))?),
        Accept(number) => storage.keep_acceptance(BlockNumber(number), &number.to_le_bytes())?,
        Batch(number) => drop(storage.batches().append_and_wait(record(number))?),
        Vote(number) => drop(storage.votes().append_and_wait(record(number))?),
        Release(number) => {
            let batches = storage.batches();
            let mut records = batches.records(None).map(|it| it.expect("readable"));
            if let Some((at, _)) = records.find(|(_, bytes)| *bytes == record(number)) {
                batches.release(at)?;
            }
        }
        GoBack(number) => storage.reset(BlockNumber(number), GasPrices::default())?,
        Reopen => {}
    }
    Ok(())
}

/// All that somebody outside sees, but for what nobody promised to keep.
#[derive(Clone, Debug, PartialEq)]
struct View {
    blocks: Vec<Arc<Block>>,
    resets: u32,
    batches: Vec<u64>,
    votes: Vec<u64>,
}

impl View {
    fn of(storage: &Storage) -> Self {
        let count = storage.tip().map_or(0, |tip| tip.0 + 1);
        let block = |number| storage.block(BlockNumber(number)).expect("readable").expect("there");
        let reset = storage.newest_reset().expect("readable");
        Self {
            blocks: (0..count).map(block).collect(),
            resets: reset.map_or(0, |reset| reset.count),
            batches: numbers(&storage.batches()),
            votes: numbers(&storage.votes()),
        }
    }
}

/// What must be there before the scenario and after each of its steps.
#[derive(Debug)]
pub(super) struct Expected {
    views: Vec<View>,
    /// All tables, at the end.
    pub(super) tables: Tables,
}

impl Expected {
    /// Plays the scenario in a world where nothing happens.
    pub(super) fn of(world: &World) -> Self {
        let empty = View { blocks: Vec::new(), resets: 0, batches: Vec::new(), votes: Vec::new() };
        let mut views = vec![empty];
        let played = play(world, 0, &mut |storage| views.push(View::of(storage)));
        let storage = played.expect("nothing happens");
        views.iter().for_each(|view| check_roots(&view.blocks));
        Self { views, tables: tables(&storage).expect("readable") }
    }

    /// Whatever was done is there, once, and nothing else but the step that was under way. Says how
    /// many steps that are.
    pub(super) fn check(&self, storage: &Storage, done: usize) -> usize {
        let view = View::of(storage);
        // Segments are removed one by one.
        let may_be = |expected: &View| {
            let released = expected.batches.ends_with(&view.batches)
                || view.batches.ends_with(&expected.batches);
            View { batches: view.batches.clone(), ..expected.clone() } == view
                && if matches!(SCENARIO.get(done), Some(Release(_))) {
                    released
                } else {
                    expected.batches == view.batches
                }
        };
        let found = (done..self.views.len().min(done + 2)).find(|&step| may_be(&self.views[step]));
        let found = found.unwrap_or_else(|| {
            let told = |view: &View| {
                (view.blocks.len(), view.resets, view.batches.clone(), view.votes.clone())
            };
            panic!(
                "after {done} steps there is {:?} instead of {:?}",
                told(&view),
                told(&self.views[done])
            )
        });
        assert_holds(storage, &view.blocks);
        check_chain(storage, &view);
        let tries = storage.update_tries(&ThinStateDiff::default()).expect("the tries are whole");
        // That of the block is right: see `Expected::of`.
        let root = view.blocks.last().map(|block| block.header.state_root);
        assert_eq!(tries.state_root(), root.unwrap_or_default());
        found
    }
}

/// The roots are those of all that the blocks wrote, by an independent computation.
fn check_roots(blocks: &[Arc<Block>]) {
    let mut state = naive::State::default();
    for block in blocks {
        let root = root_after(&mut state, block);
        assert_eq!(block.header.state_root.0, root, "block {}", block.header.number());
    }
}

/// The chain log holds each block and each reset once.
fn check_chain(storage: &Storage, view: &View) {
    let mut blocks = Vec::new();
    let mut resets = 0;
    for read in storage.inner.chain.records(None) {
        match codec::decode_record(&read.expect("readable").1).expect("a record") {
            Record::Block(block) => {
                assert_eq!(block.header.number().0, blocks.len() as u64, "once, in order");
                blocks.push(Arc::from(block));
            }
            Record::Reset(reset) => {
                resets += 1;
                assert_eq!(reset.count, resets);
                blocks.truncate(usize::try_from(reset.after.0).expect("few") + 1);
            }
        }
    }
    assert!(blocks == view.blocks && resets == view.resets, "the log is another chain");
}

/// Takes a block into a state; returns its root.
pub(crate) fn root_after(state: &mut naive::State, block: &Block) -> Felt {
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
