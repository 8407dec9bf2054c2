//! Filters over events, against a search through all blocks.

use std::{collections::BTreeSet, sync::OnceLock};

use proptest::{
    collection, option,
    prelude::{ProptestConfig, prop_assert},
};
use starknet_api::transaction::{Event, EventContent, EventKey};

use super::*;
use crate::{
    EventPattern,
    events::{RANGE_BLOCKS, bits_of},
    tables::Table,
};

/// A number that many blocks have events of, or few, or hardly any.
fn felt(random: &mut Random) -> Felt {
    match random.below(8) {
        0 => Felt::from(random.below(3)),
        1..4 => Felt::from(100 + random.below(50)),
        _ => Felt::from(1_000 + random.below(2_000)),
    }
}

fn emitter(felt: Felt) -> ContractAddress {
    ContractAddress(felt.try_into().expect("small"))
}

fn event(random: &mut Random) -> Event {
    let from_address = emitter(felt(random));
    let keys = (0..random.below(3)).map(|_| EventKey(felt(random))).collect();
    Event { from_address, content: EventContent { keys, ..EventContent::default() } }
}

/// Stores blocks with few events on top, some without any.
fn grow_events(storage: &Storage, seed: u64, blocks: u64) {
    let mut random = Random::new(seed);
    let mut block = Random::new(1).block(BlockNumber(0));
    block.classes.clear();
    block.state_diff = ThinStateDiff::default();
    block.header.transaction_count = 1;
    let mut executed = Random::new(1).executed_transaction();
    for _ in 0..blocks {
        executed.receipt.events = (0..random.below(4)).map(|_| event(&mut random)).collect();
        block.transactions = vec![Arc::new(executed.clone())];
        commit_next(storage, block.clone()).expect("the block is stored");
    }
}

/// Whether a block holds something that is looked for.
fn holds(storage: &Storage, number: u64, pattern: &EventPattern) -> bool {
    let block = storage.block(BlockNumber(number)).expect("readable").expect("stored");
    let mut events = block.transactions.iter().flat_map(|executed| &executed.receipt.events);
    events.any(|event| pattern.fits(event))
}

fn found(storage: &Storage, from: u64, to: u64, pattern: &EventPattern) -> Vec<u64> {
    let found = storage.blocks_with_events(BlockNumber(from), BlockNumber(to), pattern);
    found.map(|number| number.expect("readable").0).collect()
}

/// Checks that nothing is missed in a stretch; tells how many blocks were found in vain.
fn check(storage: &Storage, from: u64, to: u64, pattern: &EventPattern) -> usize {
    let found = found(storage, from, to, pattern);
    assert!(found.is_sorted_by(|left, right| left < right), "{found:?}");
    let last = to.min(storage.tip().expect("there are blocks").0);
    assert!(found.iter().all(|number| (from..=last).contains(number)), "{found:?}");
    let found = BTreeSet::from_iter(found);
    let hold = |number: &u64| holds(storage, *number, pattern);
    let hold: BTreeSet<_> = (from..=last).filter(hold).collect();
    assert!(hold.is_subset(&found), "{:?} are missed by {pattern:?}", &hold - &found);
    found.len() - hold.len()
}

/// Two full ranges and the beginning of a third.
fn long() -> &'static Storage {
    static LONG: OnceLock<Storage> = OnceLock::new();
    LONG.get_or_init(|| {
        let storage = in_memory();
        grow_events(&storage, 30, 2 * RANGE_BLOCKS + 300);
        storage
    })
}

fn wanted() -> impl Strategy<Value = Felt> {
    prop_oneof![0..4_u64, 100..160_u64, 1_000..3_100_u64].prop_map(Felt::from)
}

fn pattern() -> impl Strategy<Value = EventPattern> {
    (
        option::of(collection::btree_set(wanted().prop_map(emitter), 0..4)),
        collection::vec(collection::btree_set(wanted(), 0..4), 0..4),
    )
        .prop_map(|(addresses, keys)| EventPattern { addresses, keys })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_block_is_missed_and_hardly_any_is_read_in_vain(
        pattern in pattern(), from in 0..2_300_u64, length in 0..2_600_u64,
    ) {
        let in_vain = check(long(), from, from + length, &pattern);
        let keys = pattern.keys.iter().filter(|wanted| !wanted.is_empty()).count();
        let is_simple = keys + usize::from(pattern.addresses.is_some()) < 2;
        // Else one event may have the emitter, and another one of the block the key.
        prop_assert!(in_vain <= if is_simple { 1 } else { 60 }, "{in_vain} blocks in vain");
    }
}

#[test]
fn too_many_alternatives_miss_nothing() {
    let addresses = Some((0..2_000).map(|number| emitter(Felt::from(number))).collect());
    let keys = vec![(0..2_000).map(Felt::from).collect(), BTreeSet::from([Felt::ONE])];
    check(long(), 1_000, 1_200, &EventPattern { addresses, keys: keys.clone() });
    check(long(), 0, 3_000, &EventPattern { addresses: None, keys });
}

#[test]
fn an_empty_list_of_emitters_is_nobody_and_an_empty_pattern_is_any_event() {
    let nobody = EventPattern { addresses: Some(BTreeSet::new()), keys: Vec::new() };
    assert_eq!(found(long(), 0, u64::MAX, &nobody), Vec::<u64>::new());
    let any = EventPattern::default();
    let blocks = long().tip().expect("there are blocks").0 + 1;
    let with_events: Vec<_> = (0..blocks).filter(|number| holds(long(), *number, &any)).collect();
    assert!(with_events.len() < 2_000, "some have none");
    assert_eq!(found(long(), 0, u64::MAX, &any), with_events);
}

#[test]
fn each_block_has_bits_of_its_own() {
    let block = |number| long().block(BlockNumber(number)).expect("readable").expect("stored");
    let distinct: BTreeSet<_> = (0..50).map(|number| bits_of(&block(number))).collect();
    assert!(30 < distinct.len(), "{} of 50", distinct.len());
}

/// The entries of the tables of filters.
fn filters(storage: &Storage) -> crash::scenario::Tables {
    let ours = [Table::EventFilters, Table::EventRows].map(Table::index);
    let mut tables = crash::scenario::tables(storage).expect("readable");
    tables.retain(|(table, _), _| ours.contains(table));
    tables
}

#[test]
fn filters_go_back_with_their_blocks_across_the_end_of_a_range() {
    for (blocks, kept) in [(RANGE_BLOCKS + 3, RANGE_BLOCKS - 1), (RANGE_BLOCKS, 700), (40, 3)] {
        let storage = in_memory();
        grow_events(&storage, 31, kept);
        let before = filters(&storage);
        grow_events(&storage, 32, blocks - kept);
        let after = filters(&storage);
        storage.reset(BlockNumber(kept - 1), GasPrices::default()).expect("it goes back");
        assert!(filters(&storage) == before, "{blocks} to {kept}");
        check(&storage, 0, blocks, &EventPattern::default());
        grow_events(&storage, 32, blocks - kept);
        assert!(filters(&storage) == after, "{blocks} from {kept}");
        check(&storage, 0, blocks, &EventPattern::default());
    }
}

#[test]
fn filters_of_a_lost_engine_are_made_again() {
    let directory = directory();
    let storage = open(&directory);
    grow_events(&storage, 33, 60);
    let before = filters(&storage);
    drop(storage);
    fs::remove_dir_all(directory.path().join("engine")).expect("removable");
    let storage = open(&directory);
    assert!(filters(&storage) == before);
    check(&storage, 0, 60, &EventPattern::default());
}
