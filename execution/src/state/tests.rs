//! Layers, and diffs between them.

use std::sync::Arc;

use blockifier::state::{errors::StateError, state_api::StateReader};
use proptest::{collection::hash_map, prelude::*};
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, CompiledClassHash, Nonce},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use super::*;
use crate::{Fault, testing::world::address};

fn cell(contract: u64, key: u64) -> (ContractAddress, StorageKey) {
    (address(contract), StorageKey::from(u128::from(key)))
}

fn layer(change: impl FnOnce(&mut Changes)) -> Arc<Changes> {
    let mut changes = Changes::default();
    change(&mut changes);
    Arc::new(changes)
}

#[test]
fn a_read_finds_the_newest_layer_that_knows() {
    let below = layer(|changes| {
        changes.storage.insert(cell(1, 1), Felt::ONE);
        changes.storage.insert(cell(1, 2), Felt::ONE);
        changes.nonces.insert(address(1), Nonce(Felt::ONE));
        changes.class_hashes.insert(address(1), ClassHash(Felt::ONE));
    });
    let above = layer(|changes| {
        changes.storage.insert(cell(1, 1), Felt::ZERO);
        changes.class_hashes.insert(address(1), ClassHash(Felt::TWO));
        changes.compiled_class_hashes.insert(ClassHash(Felt::TWO), CompiledClassHash(Felt::THREE));
    });
    let state = State::empty().with(below).with(above);

    let (contract, key) = cell(1, 1);
    assert_eq!(state.storage_at(contract, key).expect("memory"), Felt::ZERO);
    let (contract, key) = cell(1, 2);
    assert_eq!(state.storage_at(contract, key).expect("memory"), Felt::ONE);
    assert_eq!(state.nonce(address(1)).expect("memory"), Nonce(Felt::ONE));
    let class_hash = state.class_hash_at(address(1)).expect("memory");
    assert_eq!(class_hash, Some(ClassHash(Felt::TWO)));
    let compiled = state.compiled_class_hash(ClassHash(Felt::TWO)).expect("memory");
    assert_eq!(compiled, Some(CompiledClassHash(Felt::THREE)));
}

#[test]
fn nothing_is_zero_or_absent() {
    let state = State::empty();
    let (contract, key) = cell(1, 1);
    assert_eq!(state.storage_at(contract, key).expect("memory"), Felt::ZERO);
    assert_eq!(state.nonce(contract).expect("memory"), Nonce::default());
    assert_eq!(state.class_hash_at(contract).expect("memory"), None);
    assert_eq!(state.class(ClassHash(Felt::ONE)).expect("memory"), None);
    assert_eq!(state.compiled_class_hash(ClassHash(Felt::ONE)).expect("memory"), None);
}

proptest! {
    /// A diff holds what differs and nothing else, in order, and leads from the one state to the
    /// other.
    #[test]
    fn a_diff_is_sorted_without_no_ops_and_leads_to_the_same_state(
        before in hash_map((1_u64..5, 0_u64..5), 0_u64..3, 0..15),
        after in hash_map((1_u64..5, 0_u64..5), 0_u64..3, 0..15),
    ) {
        let storage = |cells: &std::collections::HashMap<(u64, u64), u64>| {
            cells.iter().map(|((a, b), value)| (cell(*a, *b), Felt::from(*value))).collect()
        };
        let before = State::empty().with(layer(|changes| changes.storage = storage(&before)));
        let changes = layer(|changes| changes.storage = storage(&after));
        let diff = changes.to_state_diff(&before).expect("memory");

        prop_assert!(diff.storage_diffs.keys().is_sorted());
        for (contract, cells) in &diff.storage_diffs {
            prop_assert!(cells.keys().is_sorted());
            for (key, value) in cells {
                prop_assert_ne!(before.storage_at(*contract, *key).expect("memory"), *value);
            }
        }
        let direct = before.clone().with(changes);
        let through_diff = before.with(Arc::new(Changes::new(&diff, &[])));
        for (contract, key) in (1..5).flat_map(|a| (0..5).map(move |b| cell(a, b))) {
            prop_assert_eq!(
                direct.storage_at(contract, key).expect("memory"),
                through_diff.storage_at(contract, key).expect("memory")
            );
        }
    }
}

#[test]
fn merged_changes_read_as_two_layers() {
    let first = layer(|changes| {
        changes.storage.insert(cell(1, 1), Felt::ONE);
        changes.nonces.insert(address(1), Nonce(Felt::ONE));
    });
    let second = layer(|changes| {
        changes.storage.insert(cell(1, 1), Felt::TWO);
        changes.class_hashes.insert(address(2), ClassHash(Felt::ONE));
    });
    let mut merged = Changes::clone(&first);
    merged.merge(&second);

    let empty = State::empty();
    let layered = empty.clone().with(first).with(second);
    let diff = merged.to_state_diff(&empty).expect("memory");
    let (contract, key) = cell(1, 1);
    assert_eq!(diff.storage_diffs[&contract][&key], Felt::TWO);
    assert_eq!(diff.nonces[&address(1)], layered.nonce(address(1)).expect("memory"));
    assert_eq!(
        Some(diff.deployed_contracts[&address(2)]),
        layered.class_hash_at(address(2)).expect("memory")
    );
    assert!(merged.to_state_diff(&layered).expect("memory").is_empty());
}

#[test]
fn the_first_failure_of_storage_is_kept_and_told_once() {
    let faults = Faults::default();
    faults.check().expect("nothing went wrong so far");
    let reader = Reader::new(State::empty(), faults.clone());
    let contract = address(1);
    reader.get_nonce_at(contract).expect("memory");

    let told = faults.keep(Error::Failed);
    assert!(matches!(told, StateError::StateReadError(_)));
    let second = Error::OutOfOrder { got: BlockNumber(2), expected: BlockNumber(1) };
    faults.keep(second);
    assert!(matches!(faults.check(), Err(Fault::Storage(Error::Failed))));
    faults.check().expect("it was told");
}
