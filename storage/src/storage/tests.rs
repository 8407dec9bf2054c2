mod crash;
mod damage;
mod filters;
mod proofs;

use std::{collections::BTreeMap, fs, path::Path};

use kraken_types::Digest;
use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use starknet_api::{
    core::{ClassHash, ContractAddress, GlobalRoot, Nonce},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;
use tempfile::TempDir;

use super::*;
use crate::testing::{Random, commit_next, next_block};

const GENESIS: Digest = Digest::from_bytes([7; 32]);

fn config(directory: &Path) -> Config {
    Config { directory: Some(directory.to_owned()), genesis: GENESIS }
}

fn open(directory: &TempDir) -> Storage {
    Storage::open(config(directory.path())).expect("the storage opens")
}

fn in_memory() -> Storage {
    Storage::open(Config { directory: None, genesis: GENESIS }).expect("the storage opens")
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Stores random blocks on top; returns them.
fn grow(storage: &Storage, seed: u64, blocks: usize) -> Vec<Arc<Block>> {
    let mut random = Random::new(seed);
    (0..blocks)
        .map(|_| commit_next(storage, random.block(BlockNumber(0))).expect("the block is stored"))
        .collect()
}

/// Everything of these blocks, and nothing behind them, can be read.
fn assert_holds(storage: &Storage, blocks: &[Arc<Block>]) {
    let count = u64::try_from(blocks.len()).expect("few");
    assert_eq!(storage.tip(), BlockNumber(count).prev());
    assert_eq!(storage.block(BlockNumber(count)).expect("readable"), None);
    assert!(storage.snapshot(BlockNumber(count)).is_none());
    for (number, block) in (0..).map(BlockNumber).zip(blocks) {
        assert_eq!(storage.block(number).expect("readable").as_ref(), Some(block));
        assert_eq!(storage.number_of(block.header.hash).expect("readable"), Some(number));
        for (index, transaction) in (0..).zip(&block.transactions) {
            let position = storage.position_of(transaction.hash).expect("readable");
            assert_eq!(position, Some((number, index)));
        }
        let snapshot = storage.snapshot(number).expect("the block is there");
        for (contract, cells) in &block.state_diff.storage_diffs {
            for (key, value) in cells {
                assert_eq!(snapshot.storage_at(*contract, *key).expect("readable"), *value);
            }
        }
        for (class_hash, class) in &block.classes {
            let found = snapshot.class(*class_hash).expect("readable").expect("it is declared");
            assert_eq!(&found, class);
            assert_eq!(snapshot.class_declared_at(*class_hash).expect("readable"), Some(number));
            let before = number.prev().and_then(|number| storage.snapshot(number));
            if let Some(before) = before {
                assert_eq!(before.class(*class_hash).expect("readable"), None);
                assert_eq!(before.compiled_class_hash(*class_hash).expect("readable"), None);
            }
        }
    }
}

#[test]
fn blocks_are_read_as_they_were_stored_and_still_after_a_restart() {
    let storage = in_memory();
    assert_holds(&storage, &[]);
    let blocks = grow(&storage, 1, 70);
    assert_holds(&storage, &blocks);

    let directory = directory();
    let storage = open(&directory);
    assert_eq!(grow(&storage, 1, 70), blocks, "the same everywhere");
    assert_holds(&storage, &blocks);
    drop(storage);
    let storage = open(&directory);
    assert_holds(&storage, &blocks);
    let mut blocks = blocks;
    blocks.extend(grow(&storage, 2, 3));
    assert_holds(&storage, &blocks);
}

#[test]
fn a_block_that_does_not_follow_is_refused_and_the_right_one_is_still_taken() {
    let storage = in_memory();
    grow(&storage, 3, 2);
    let mut random = Random::new(4);
    let (good, tries) = next_block(&storage, random.block(BlockNumber(0))).expect("made");
    let refused = |change: &dyn Fn(&mut Block)| {
        let mut block = good.as_ref().clone();
        change(&mut block);
        storage.commit_block(&Arc::new(block), tries.clone()).expect_err("it does not follow")
    };

    let gap = refused(&|block| block.header.info.block_number = BlockNumber(3));
    assert!(matches!(gap, Error::OutOfOrder { expected: BlockNumber(2), .. }));
    let orphan = refused(&|block| block.header.parent_hash = BlockHash(Felt::ONE));
    assert!(matches!(orphan, Error::Contradiction { .. }));
    let root = refused(&|block| block.header.state_root = GlobalRoot(Felt::ONE));
    assert!(matches!(root, Error::WrongRoot { .. }));
    let class = refused(&|block| block.classes.push(Random::new(1).class()));
    assert!(matches!(class, Error::Contradiction { .. }));
    let count = refused(&|block| block.header.transaction_count += 1);
    assert!(matches!(count, Error::Contradiction { .. }));

    storage.commit_block(&good, tries).expect("the right one");
    assert_eq!(storage.tip(), Some(BlockNumber(2)));
}

/// Opens, and tells how many blocks were applied again.
fn reopen(directory: &TempDir) -> (Storage, u64) {
    let mut steps = Vec::new();
    let storage = Storage::open_with_progress(config(directory.path()), &mut |done, total| {
        steps.push((done, total));
    });
    let storage = storage.expect("the storage opens");
    let total = steps.last().map_or(0, |&(_, total)| total);
    if total != 0 {
        assert_eq!(steps, (0..=total).map(|done| (done, total)).collect::<Vec<_>>());
    }
    (storage, total)
}

#[test]
fn a_crash_between_the_log_and_the_tables_loses_nothing() {
    let directory = directory();
    let storage = open(&directory);
    let mut blocks = grow(&storage, 5, 3);
    let (block, _) = next_block(&storage, Random::new(6).block(BlockNumber(0))).expect("made");
    let record = codec::encode_block(&block).expect("encodable");
    storage.inner.chain.append_and_wait(record.into()).expect("durable");
    drop(storage);
    blocks.push(block);

    let (storage, again) = reopen(&directory);
    assert_eq!(again, 1);
    assert_holds(&storage, &blocks);
    blocks.extend(grow(&storage, 7, 2));
    drop(storage);
    let (storage, again) = reopen(&directory);
    assert_eq!(again, 0);
    assert_holds(&storage, &blocks);
}

#[test]
fn an_engine_that_is_gone_or_damaged_or_old_is_brought_up_to_date() {
    let directory = directory();
    let (engine, old) = (directory.path().join("engine"), directory.path().join("old"));
    let mut blocks = grow(&open(&directory), 8, 4);
    copy(&engine, &old);
    blocks.extend(grow(&open(&directory), 9, 5));

    fs::remove_dir_all(&engine).expect("removable");
    fs::rename(&old, &engine).expect("movable");
    let (storage, again) = reopen(&directory);
    assert_eq!(again, 5);
    assert_holds(&storage, &blocks);
    drop(storage);

    fs::remove_dir_all(&engine).expect("removable");
    let (storage, again) = reopen(&directory);
    assert_eq!(again, 9);
    assert_holds(&storage, &blocks);
    drop(storage);

    let journal = fs::read_dir(&engine)
        .expect("listable")
        .map(|entry| entry.expect("listable").path())
        .find(|path| path.extension().is_some_and(|it| it == "jnl"))
        .expect("the engine has a journal");
    let mut bytes = fs::read(&journal).expect("readable");
    bytes[2_000..2_200].fill(0xee);
    fs::write(&journal, bytes).expect("writable");
    let (storage, again) = reopen(&directory);
    assert_ne!(again, 0, "what the journal held is applied again");
    assert_holds(&storage, &blocks);
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("creatable");
    for entry in fs::read_dir(from).expect("listable") {
        let entry = entry.expect("listable");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("copyable");
        }
    }
}

#[test]
fn an_engine_ahead_of_the_log_is_an_error() {
    let directory = directory();
    let chain = directory.path().join("chain");
    let old = directory.path().join("old");
    grow(&open(&directory), 10, 2);
    copy(&chain, &old);
    grow(&open(&directory), 11, 1);
    fs::remove_dir_all(&chain).expect("removable");
    fs::rename(&old, &chain).expect("movable");
    let error = Storage::open(config(directory.path())).expect_err("the engine knows more");
    assert!(matches!(error, Error::EngineAhead { engine: BlockNumber(2), .. }), "{error}");
}

#[test]
fn a_block_in_the_log_with_another_root_is_an_error() {
    let directory = directory();
    let storage = open(&directory);
    grow(&storage, 12, 1);
    let (block, _) = next_block(&storage, Random::new(13).block(BlockNumber(0))).expect("made");
    let mut block = block.as_ref().clone();
    block.header.state_root = GlobalRoot(Felt::ONE);
    let record = codec::encode_block(&block).expect("encodable");
    storage.inner.chain.append_and_wait(record.into()).expect("durable");
    drop(storage);
    let error = Storage::open(config(directory.path())).expect_err("the root is wrong");
    assert!(matches!(error, Error::WrongRoot { number: BlockNumber(1), .. }), "{error}");
}

#[test]
fn batches_and_votes_are_kept_apart() {
    let directory = directory();
    let storage = open(&directory);
    let batch = storage.batches().append_and_wait(Bytes::from_static(b"batch")).expect("durable");
    let vote = storage.votes().append_and_wait(Bytes::from_static(b"vote")).expect("durable");
    drop(storage);
    let storage = open(&directory);
    assert_eq!(storage.batches().read(batch).expect("readable"), &b"batch"[..]);
    assert_eq!(storage.votes().read(vote).expect("readable"), &b"vote"[..]);
    assert_eq!(storage.tip(), None);
}

#[test]
fn a_folder_in_use_is_refused_by_name() {
    let directory = directory();
    let storage = open(&directory);
    let snapshot = {
        grow(&storage, 14, 1);
        storage.snapshot(BlockNumber(0)).expect("stored")
    };
    let refused = || Storage::open(config(directory.path())).expect_err("it is in use");
    assert_eq!(
        refused().to_string(),
        format!(
            "{} is in use by another process; stop that process, or choose another data folder",
            directory.path().display()
        )
    );
    drop(storage);
    assert!(matches!(refused(), Error::Locked { .. }), "a snapshot still reads");
    drop(snapshot);
    open(&directory);
}

#[test]
fn foreign_folders_other_chains_and_other_schemas_are_refused_and_left_as_they_are() {
    let directory = directory();
    fs::write(directory.path().join("letters.txt"), "dear").expect("writable");
    let error = Storage::open(config(directory.path())).expect_err("it is not ours");
    assert!(matches!(error, Error::Foreign { .. }));
    assert_eq!(fs::read_dir(directory.path()).expect("listable").count(), 1);
    fs::remove_file(directory.path().join("letters.txt")).expect("removable");

    drop(open(&directory));
    let genesis = Digest::from_bytes([8; 32]);
    let other = Config { directory: Some(directory.path().to_owned()), genesis };
    let error = Storage::open(other).expect_err("another chain");
    assert!(
        matches!(error, Error::WrongGenesis { found, expected, .. } if (found, expected) == (GENESIS, genesis))
    );

    let identity = directory.path().join("IDENTITY");
    let text = fs::read_to_string(&identity).expect("readable");
    assert_eq!(text, format!("kraken data folder\nschema {}\ngenesis {GENESIS}\n", tables::SCHEMA));
    for found in [1, 999] {
        let schema = format!("schema {}", tables::SCHEMA);
        let other = text.replace(&schema, &format!("schema {found}"));
        fs::write(&identity, other).expect("writable");
        let error = Storage::open(config(directory.path())).expect_err("another schema");
        assert!(matches!(error, Error::WrongSchema { found: was, .. } if was == found));
    }
    for damaged in ["", "kraken data folder\n", &text[..text.len() - 9], "\u{0}\u{0}"] {
        fs::write(&identity, damaged).expect("writable");
        let error = Storage::open(config(directory.path())).expect_err("damaged");
        assert!(matches!(error, Error::DamagedIdentity { .. }), "{error}");
    }
    fs::write(&identity, text).expect("writable");
    open(&directory);
}

#[test]
fn a_folder_whose_making_was_cut_off_is_made_anew() {
    let directory = directory();
    fs::write(directory.path().join("LOCK"), "").expect("writable");
    fs::write(directory.path().join("IDENTITY.new"), "kra").expect("writable");
    open(&directory);
}

#[test]
fn a_place_where_no_folder_can_be_is_named() {
    let directory = directory();
    let file = directory.path().join("file");
    fs::write(&file, "").expect("writable");
    for path in [file.clone(), file.join("below")] {
        let error = Storage::open(config(&path)).expect_err("it is no folder");
        assert_eq!(error.to_string(), format!("cannot create the data folder {}", path.display()));
    }
}

/// A change of the state, over so few places that blocks often meet.
#[derive(Clone, Debug)]
enum Change {
    Cell(u8, u8, u8),
    Nonce(u8, u8),
    Class(u8, u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0_u8..3, 0_u8..3, 0_u8..4).prop_map(|(a, b, c)| Change::Cell(a, b, c)),
        1 => (0_u8..3, 1_u8..9).prop_map(|(a, b)| Change::Nonce(a, b)),
        1 => (0_u8..3, 1_u8..9).prop_map(|(a, b)| Change::Class(a, b)),
    ]
}

fn contract(id: u8) -> ContractAddress {
    ContractAddress::from(u128::from(id) + 100)
}

fn cell(id: u8) -> StorageKey {
    StorageKey::from(u128::from(id))
}

/// All there is to know after a block.
#[derive(Clone, Debug, Default)]
struct Model {
    cells: BTreeMap<(u8, u8), (u8, u64)>,
    nonces: BTreeMap<u8, u8>,
    classes: BTreeMap<u8, u8>,
}

/// Stores a block per list of changes; returns what is true after each.
fn play(storage: &Storage, blocks: &[Vec<Change>]) -> Vec<Model> {
    let mut model = Model::default();
    let mut after = Vec::new();
    for (number, changes) in (0..).zip(blocks) {
        let mut block = Random::new(number).block(BlockNumber(0));
        block.classes.clear();
        let mut diff = ThinStateDiff::default();
        for change in changes {
            match *change {
                Change::Cell(id, key, value) => {
                    let cells = diff.storage_diffs.entry(contract(id)).or_default();
                    cells.insert(cell(key), Felt::from(value));
                    model.cells.insert((id, key), (value, number));
                }
                Change::Nonce(id, nonce) => {
                    diff.nonces.insert(contract(id), Nonce(Felt::from(nonce)));
                    model.nonces.insert(id, nonce);
                }
                Change::Class(id, class) => {
                    diff.deployed_contracts.insert(contract(id), ClassHash(Felt::from(class)));
                    model.classes.insert(id, class);
                }
            }
        }
        block.state_diff = diff;
        commit_next(storage, block).expect("the block is stored");
        after.push(model.clone());
    }
    after
}

fn check_snapshot(snapshot: &Snapshot, model: &Model) {
    for id in 0..3 {
        for key in 0..3 {
            let (value, block) = match model.cells.get(&(id, key)) {
                Some(&(value, block)) => (value, Some(BlockNumber(block))),
                None => (0, None),
            };
            let read = snapshot.storage_at(contract(id), cell(key)).expect("readable");
            assert_eq!(read, Felt::from(value));
            let updated = snapshot.last_update_block(contract(id), cell(key)).expect("readable");
            assert_eq!(updated, block);
        }
        let nonce = model.nonces.get(&id).copied().unwrap_or_default();
        assert_eq!(snapshot.nonce(contract(id)).expect("readable"), Nonce(Felt::from(nonce)));
        let class = model.classes.get(&id).map(|&class| ClassHash(Felt::from(class)));
        assert_eq!(snapshot.class_hash_at(contract(id)).expect("readable"), class);
        assert_eq!(snapshot.is_contract(contract(id)).expect("readable"), class.is_some());
    }
}

fn check_history(storage: &Storage, blocks: &[Vec<Change>]) {
    let after = play(storage, blocks);
    for (number, model) in (0..).zip(&after) {
        check_snapshot(&storage.snapshot(BlockNumber(number)).expect("stored"), model);
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    #[test]
    fn every_past_state_stays_as_it_was(
        blocks in proptest::collection::vec(proptest::collection::vec(change(), 0..6), 1..12),
    ) {
        check_history(&in_memory(), &blocks);
    }
}

proptest! {
    // A folder costs many fsyncs.
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4))]

    #[test]
    fn every_past_state_stays_as_it_was_on_disk_too(
        blocks in proptest::collection::vec(proptest::collection::vec(change(), 0..6), 1..12),
    ) {
        check_history(&open(&directory()), &blocks);
    }
}

proptest! {
    #[test]
    fn a_snapshot_does_not_see_what_is_stored_later(seed in any::<u64>(), first in Just(1_u64)) {
        let storage = in_memory();
        let blocks = [vec![Change::Cell(0, 0, 1), Change::Nonce(0, 1)]];
        let model = play(&storage, &blocks).remove(0);
        let snapshot = storage.snapshot(BlockNumber(0)).expect("stored");
        let mut block = Random::new(seed).block(BlockNumber(first));
        block.state_diff.storage_diffs.entry(contract(0)).or_default()
            .insert(cell(0), Felt::from(9));
        block.state_diff.nonces.insert(contract(0), Nonce(Felt::from(9)));
        block.state_diff.deployed_contracts.insert(contract(0), ClassHash(Felt::from(9)));
        commit_next(&storage, block).expect("stored");
        prop_assert_eq!(storage.tip(), Some(BlockNumber(first)));
        check_snapshot(&snapshot, &model);
    }
}
