use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest},
    prop_oneof,
};
use starknet_api::{
    core::{ClassHash, CompiledClassHash, Nonce},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use super::{
    Tip, contract,
    naive::{Leaves, State, pedersen_root, poseidon_root, set},
    storage_key,
};
use crate::trie::{
    Writes, compute, hash,
    node::Trie,
    path::Path,
    tree::{Change, Tree},
};

/// Keys that often are the same, share a long prefix, differ in the first or only in the last step.
fn key() -> impl Strategy<Value = Felt> {
    let near = |base: Felt| (0..12_u8).prop_map(move |low| base + Felt::from(low));
    let stripes = Felt::from_hex_unchecked(
        "0x2aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    );
    let last = Felt::from_hex_unchecked(
        "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0",
    );
    prop_oneof![
        near(Felt::ZERO),
        near(stripes),
        near(last),
        // One bit alone, so that paths part at any depth.
        (0..251_u64).prop_map(|bit| Felt::TWO.pow(bit)),
        any::<[u8; 32]>().prop_map(|mut bytes| {
            bytes[0] &= 7;
            Felt::from_bytes_be(&bytes)
        }),
    ]
}

/// Values that often are zero and often the same.
fn value() -> impl Strategy<Value = Felt> {
    prop_oneof![
        Just(Felt::ZERO),
        (1..4_u8).prop_map(Felt::from),
        any::<[u8; 32]>().prop_map(|bytes| Felt::from_bytes_be(&bytes)),
    ]
}

fn changes(count_max: usize) -> impl Strategy<Value = Vec<(Felt, Felt)>> {
    vec((key(), value()), 0..count_max).prop_map(|mut changes| {
        // A diff names a key once.
        changes.sort_by_key(|(key, _)| *key);
        changes.dedup_by_key(|(key, _)| *key);
        changes
    })
}

fn block() -> impl Strategy<Value = ThinStateDiff> {
    // Few contracts, the system's own among them, so that blocks meet them again.
    let address = || {
        (1..7_u8)
            .prop_map(|low| contract(Felt::from(low) * Felt::TWO.pow(u64::from(low / 3) * 120)))
    };
    let nonzero = || (1..1000_u16).prop_map(Felt::from);
    (
        vec((address(), changes(20)), 0..4),
        vec((address(), nonzero()), 0..3),
        vec((address(), nonzero()), 0..3),
        vec((key(), nonzero()), 0..3),
        vec(nonzero(), 0..2),
    )
        .prop_map(|(storage, deployed, nonces, classes, deprecated)| ThinStateDiff {
            storage_diffs: storage
                .into_iter()
                .map(|(address, entries)| {
                    (address, entries.into_iter().map(|(k, v)| (storage_key(k), v)).collect())
                })
                .collect(),
            deployed_contracts: deployed
                .into_iter()
                .map(|(a, class)| (a, ClassHash(class)))
                .collect(),
            nonces: nonces.into_iter().map(|(a, nonce)| (a, Nonce(nonce))).collect(),
            class_hash_to_compiled_class_hash: classes
                .into_iter()
                .map(|(class, compiled)| (ClassHash(class), CompiledClassHash(compiled)))
                .collect(),
            deprecated_declared_classes: deprecated.into_iter().map(ClassHash).collect(),
        })
}

impl State {
    fn apply(&mut self, diff: &ThinStateDiff) {
        for (address, entries) in &diff.storage_diffs {
            let leaves = self.storage.entry(***address).or_default();
            for (key, value) in entries {
                set(leaves, ***key, *value);
            }
        }
        self.nonces.extend(diff.nonces.iter().map(|(address, nonce)| (***address, **nonce)));
        self.class_hashes
            .extend(diff.deployed_contracts.iter().map(|(address, class)| (***address, **class)));
        let compiled = &diff.class_hash_to_compiled_class_hash;
        self.compiled_class_hashes.extend(compiled.iter().map(|(class, hash)| (**class, hash.0)));
    }
}

/// Updates one trie and returns its root.
fn update(tip: &mut Tip, trie: Trie, changes: &[(Felt, Felt)]) -> Felt {
    let changes = changes
        .iter()
        .map(|(key, value)| Change { path: Path::of_key(key), value: hash::felt(value) })
        .collect();
    let mut writes = Writes::new();
    let new = Tree::new(tip, trie).update(changes, &mut writes).expect("the nodes are whole");
    if new.is_none() {
        assert!(writes.is_empty(), "nothing changed, but something is written");
    }
    writes.sort_unstable();
    tip.write(&writes);
    let root = Tree::new(tip, trie).root().expect("the root is whole");
    assert!(new.is_none_or(|new| new == root), "the root is not stored");
    hash::starknet_felt(root)
}

/// Any history leads to the same root and the same nodes as all leaves at once.
fn check_history(trie: Trie, naive_root: fn(&Leaves) -> Felt, blocks: &[Vec<(Felt, Felt)>]) {
    let (mut tip, mut leaves) = (Tip::default(), Leaves::new());
    for block in blocks {
        let before = leaves.clone();
        for (key, value) in block {
            set(&mut leaves, *key, *value);
        }
        let written = tip.nodes.clone();
        let root = update(&mut tip, trie, block);
        assert_eq!(root, naive_root(&leaves));
        if before == leaves {
            assert_eq!(tip.nodes, written);
        }
        let mut anew = Tip::default();
        let all: Vec<_> = leaves.iter().map(|(key, value)| (*key, *value)).collect();
        update(&mut anew, trie, &all);
        assert_eq!(tip.nodes, anew.nodes);
    }
    let deletions: Vec<_> = leaves.into_keys().map(|key| (key, Felt::ZERO)).collect();
    assert_eq!(update(&mut tip, trie, &deletions), Felt::ZERO);
    assert!(tip.nodes.is_empty(), "an empty trie has nodes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_pedersen_trie_is_that_of_its_leaves(blocks in vec(changes(24), 1..6)) {
        check_history(Trie::Storage(contract(Felt::THREE)), pedersen_root, &blocks);
    }

    #[test]
    fn a_poseidon_trie_is_that_of_its_leaves(blocks in vec(changes(60), 1..6)) {
        check_history(Trie::Classes, poseidon_root, &blocks);
    }

    #[test]
    fn the_state_root_is_that_of_the_state(blocks in vec(block(), 1..6)) {
        let (mut tip, mut state) = (Tip::default(), State::default());
        for diff in &blocks {
            let update = tip.commit(diff);
            state.apply(diff);
            let roots = update.roots();
            prop_assert_eq!(roots.contracts_trie_root_hash.0, state.contracts_root());
            prop_assert_eq!(roots.classes_trie_root_hash.0, state.classes_root());
            prop_assert_eq!(update.state_root().0, state.state_root());
        }
    }

    #[test]
    fn what_is_the_case_already_is_not_written(blocks in vec(block(), 1..4)) {
        let mut tip = Tip::default();
        for diff in &blocks {
            let first = tip.commit(diff);
            for again in [diff, &ThinStateDiff::default()] {
                let update = compute(&tip, again).expect("the nodes are whole");
                prop_assert!(update.writes().is_empty());
                prop_assert_eq!(update.roots(), first.roots());
            }
        }
    }

    #[test]
    fn the_order_of_a_diff_does_not_matter(before in block(), diff in block()) {
        let mut tip = Tip::default();
        tip.commit(&before);
        let mut reversed = diff.clone();
        reversed.storage_diffs.reverse();
        reversed.storage_diffs.values_mut().for_each(|entries| entries.reverse());
        reversed.deployed_contracts.reverse();
        reversed.nonces.reverse();
        reversed.class_hash_to_compiled_class_hash.reverse();

        let [one, other] = [diff, reversed].map(|diff| compute(&tip, &diff).expect("whole"));
        prop_assert_eq!(one.roots(), other.roots());
        prop_assert_eq!(one.writes(), other.writes());
    }

    /// Threads change neither roots nor writes: one thread, four, and a leaf at a time agree.
    #[test]
    fn the_number_of_threads_does_not_matter(before in changes(60), diff in changes(60)) {
        let diff_of = |changes: &[(Felt, Felt)]| ThinStateDiff {
            storage_diffs: [(
                contract(Felt::ONE),
                changes.iter().map(|(key, value)| (storage_key(*key), *value)).collect(),
            )]
            .into(),
            ..ThinStateDiff::default()
        };
        let mut tip = Tip::default();
        tip.commit(&diff_of(&before));
        let diff = diff_of(&diff);
        let [one, four] = [1, 4].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| compute(&tip, &diff)).expect("the nodes are whole")
        });
        prop_assert_eq!(one.roots(), four.roots());
        prop_assert_eq!(one.writes(), four.writes());

        let mut stepwise = tip.clone();
        for (address, entries) in &diff.storage_diffs {
            for (key, value) in entries {
                stepwise.commit(&ThinStateDiff {
                    storage_diffs: [(*address, [(*key, *value)].into())].into(),
                    ..ThinStateDiff::default()
                });
            }
        }
        tip.commit(&diff);
        prop_assert_eq!(stepwise, tip);
    }

    /// A node may be lost, cut short or replaced by any bytes: an error perhaps, never a panic.
    #[test]
    fn damaged_nodes_never_panic(
        before in block(),
        diff in block(),
        victim in any::<prop::sample::Index>(),
        bytes in vec(any::<u8>(), 0..100),
        cut in 0..100_usize,
    ) {
        let mut tip = Tip::default();
        tip.commit(&before);
        if tip.nodes.is_empty() {
            return Ok(());
        }
        let key = tip.nodes.keys().nth(victim.index(tip.nodes.len())).expect("in bounds").clone();
        let shortened = tip.nodes[&key].iter().copied().take(cut).collect();
        let other = tip.nodes.values().nth(cut % tip.nodes.len()).expect("in bounds").clone();
        for damage in [bytes, shortened, other] {
            let mut tip = tip.clone();
            tip.nodes.insert(key.clone(), damage);
            drop(compute(&tip, &diff));
        }
        tip.nodes.remove(&key);
        drop(compute(&tip, &diff));
    }
}
