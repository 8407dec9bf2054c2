//! Proofs, verified from nothing but the header of their block, with code of its own.

mod beside;

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use starknet_types_core::hash::{Pedersen, Poseidon, StarkHash};

use super::{crash::scenario::root_after, *};
use crate::{
    ContractLeaf, Proof, ProofNode, Wanted,
    tables::PROOF_BLOCKS,
    trie::tests::naive::{self, proven},
};

/// Contracts that blocks write to, and one that they never do.
const CONTRACTS: u8 = 5;
/// Cells that blocks write to, and one that they never do.
const CELLS: [u8; 6] = [0, 1, 2, 128, 200, 3];

/// A block that writes to a few places, so that blocks often meet.
pub(super) fn block(random: &mut Random) -> Block {
    let mut block = random.block(BlockNumber(0));
    block.transactions.clear();
    block.header.transaction_count = 0;
    block.classes.truncate(usize::try_from(random.below(2)).expect("small"));
    let mut diff = ThinStateDiff::default();
    let mut below = |bound: u64| u8::try_from(random.below(bound)).expect("small");
    for _ in 0..below(5) {
        let id = contract(below(u64::from(CONTRACTS)));
        match below(4) {
            0 => drop(diff.nonces.insert(id, Nonce(Felt::from(below(3))))),
            1 => drop(diff.deployed_contracts.insert(id, ClassHash(Felt::from(1 + below(3))))),
            _ => {
                let cells = diff.storage_diffs.entry(id).or_default();
                let key = CELLS[usize::from(below(5))];
                cells.insert(cell(key), Felt::from(below(3)));
            }
        }
    }
    crate::testing::declare(&mut diff, &block.classes);
    block.state_diff = diff;
    block
}

/// Everything that blocks write to and more.
pub(super) fn everything(state: &naive::State) -> Wanted {
    let contracts: Vec<_> = (0..=CONTRACTS).map(contract).collect();
    let cells = || CELLS.iter().map(|&key| cell(key)).collect();
    let classes = state.compiled_class_hashes.keys().chain(&[Felt::ZERO, Felt::THREE]);
    Wanted {
        classes: classes.map(|class| ClassHash(*class)).collect(),
        storage: contracts.iter().map(|&contract| (contract, cells())).collect(),
        contracts,
    }
}

/// Whether a proof proves what is wanted to be what is in the state, under a root.
pub(super) fn check(
    root: Felt,
    wanted: &Wanted,
    proof: &Proof,
    state: &naive::State,
) -> Result<(), &'static str> {
    let contracts_root = proof.roots.contracts_trie_root_hash.0;
    let classes_root = proof.roots.classes_trie_root_hash.0;
    let tag = Felt::from_bytes_be_slice(b"STARKNET_STATE_V0");
    let commitment = if [contracts_root, classes_root] == [Felt::ZERO; 2] {
        Felt::ZERO
    } else {
        Poseidon::hash_array(&[tag, contracts_root, classes_root])
    };
    let ensure = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
    ensure(commitment == root, "the roots")?;

    let tag = Felt::from_bytes_be_slice(b"CONTRACT_CLASS_LEAF_V0");
    for ClassHash(class) in &wanted.classes {
        let compiled = state.compiled_class_hashes.get(class);
        let leaf = compiled.map_or(Felt::ZERO, |compiled| Poseidon::hash(&tag, compiled));
        let found = proven(classes_root, &proof.classes, *class, &Poseidon::hash);
        ensure(found == Some(leaf), "a class")?;
    }
    ensure(proof.leaves.len() == wanted.contracts.len(), "one leaf for each contract")?;
    for (contract, leaf) in wanted.contracts.iter().zip(&proof.leaves) {
        let found = proven(contracts_root, &proof.contracts, ***contract, &Pedersen::hash);
        ensure(found == Some(hash_of(leaf)), "a contract")?;
        let of = |values: &naive::Leaves| values.get(contract).copied().unwrap_or_default();
        ensure(leaf.nonce.0 == of(&state.nonces), "a nonce")?;
        ensure(leaf.class_hash.0 == of(&state.class_hashes), "the class of a contract")?;
    }
    ensure(proof.storage.len() == wanted.storage.len(), "nodes for each storage")?;
    for ((contract, keys), nodes) in wanted.storage.iter().zip(&proof.storage) {
        let place = wanted.contracts.iter().position(|other| other == contract);
        let storage_root = proof.leaves[place.expect("all are wanted")].storage_root;
        for key in keys {
            let cells = state.storage.get(contract);
            let value = cells.and_then(|cells| cells.get(key)).copied().unwrap_or_default();
            let found = proven(storage_root, nodes, ***key, &Pedersen::hash);
            ensure(found == Some(value), "a cell")?;
        }
    }
    Ok(())
}

fn hash_of(leaf: &ContractLeaf) -> Felt {
    let parts = [leaf.class_hash.0, leaf.storage_root, leaf.nonce.0, Felt::ZERO];
    if parts == [Felt::ZERO; 4] {
        return Felt::ZERO;
    }
    parts.into_iter().reduce(|left, right| Pedersen::hash(&left, &right)).expect("four")
}

/// A chain, and the state after each of its blocks.
struct History {
    storage: Storage,
    states: Vec<naive::State>,
    random: Random,
}

impl History {
    fn new(storage: Storage, seed: u64) -> Self {
        Self { storage, states: Vec::new(), random: Random::new(seed) }
    }

    fn grow(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let block = commit_next(&self.storage, block(&mut self.random)).expect("stored");
            let mut state = self.states.last().cloned().unwrap_or_default();
            assert_eq!(block.header.state_root.0, root_after(&mut state, &block));
            self.states.push(state);
        }
    }

    fn reset(&mut self, after: usize) {
        let number = BlockNumber(u64::try_from(after).expect("small"));
        self.storage.reset(number, GasPrices::default()).expect("it goes back");
        self.states.truncate(after + 1);
    }

    /// The proof of everything after a block, checked; `None` if there is none.
    fn proof(&self, number: usize) -> Option<(Felt, Wanted, Proof)> {
        let state = &self.states[number];
        let wanted = everything(state);
        let number = BlockNumber(u64::try_from(number).expect("small"));
        let proof = self.storage.proof(number, &wanted).expect("readable")?;
        let header = &self.storage.block(number).expect("readable").expect("stored").header;
        check(header.state_root.0, &wanted, &proof, state)
            .unwrap_or_else(|what| panic!("block {number}: {what}"));
        Some((header.state_root.0, wanted, proof))
    }

    /// Checks the proofs of the blocks from one on, and that there are none of those before: of all,
    /// or, where they are many, of those at the ends and some between them.
    fn check_from(&self, first: usize) {
        let blocks = self.states.len();
        let is_checked = |number: &usize| {
            let from_ends = number.abs_diff(first).min(blocks - number);
            blocks < 20 || from_ends <= 2 || number.is_multiple_of(40)
        };
        for number in (0..blocks).filter(is_checked) {
            assert_eq!(self.proof(number).is_some(), first <= number, "block {number}");
        }
        let next = BlockNumber(u64::try_from(self.states.len()).expect("small"));
        assert_eq!(self.storage.proof(next, &Wanted::default()).expect("readable"), None);
    }
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(30))]

    #[test]
    fn what_was_there_after_any_late_block_is_proven_and_so_is_what_was_not(
        seed in any::<u64>(), first in 1_usize..12, kept in any::<proptest::sample::Index>(),
        more in 0_usize..6,
    ) {
        let mut history = History::new(in_memory(), seed);
        history.grow(first);
        history.check_from(0);
        history.reset(kept.index(first));
        history.check_from(0);
        history.grow(more);
        history.check_from(0);
    }

    #[test]
    fn a_proof_in_which_anything_is_changed_proves_nothing(seed in any::<u64>()) {
        let mut history = History::new(in_memory(), seed);
        history.grow(8);
        let (root, wanted, proof) = history.proof(5).expect("it is late enough");
        let state = &history.states[5];
        let mut count = 0;
        mutated(&proof, &mut |changed| {
            assert_ne!(*changed, proof);
            assert!(check(root, &wanted, changed, state).is_err(), "{changed:?}");
            count += 1;
        });
        prop_assert!(8 <= count);
        prop_assert_eq!(check(root, &wanted, &proof, state), Ok(()));
        prop_assert!(check(root + Felt::ONE, &wanted, &proof, state).is_err());
    }
}

/// Hands on the proof with one thing changed, for each thing in it.
fn mutated(proof: &Proof, visit: &mut dyn FnMut(&Proof)) {
    type Lists = fn(&mut Proof) -> Vec<&mut Vec<(Felt, ProofNode)>>;
    let lists: [Lists; 3] = [
        |proof| vec![&mut proof.classes],
        |proof| vec![&mut proof.contracts],
        |proof| proof.storage.iter_mut().collect(),
    ];
    for list in lists {
        for index in 0..list(&mut proof.clone()).len() {
            for place in 0..list(&mut proof.clone())[index].len() {
                for field in 0..4 {
                    let mut changed = proof.clone();
                    mutate_node(&mut list(&mut changed)[index][place], field);
                    visit(&changed);
                }
                let mut changed = proof.clone();
                list(&mut changed)[index].remove(place);
                visit(&changed);
            }
        }
    }
    for index in 0..proof.leaves.len() {
        let fields: [fn(&mut ContractLeaf) -> &mut Felt; 3] = [
            |leaf| &mut leaf.nonce.0,
            |leaf| &mut leaf.class_hash.0,
            |leaf| &mut leaf.storage_root,
        ];
        for field in fields {
            let mut changed = proof.clone();
            *field(&mut changed.leaves[index]) += Felt::ONE;
            visit(&changed);
        }
    }
    let roots: [fn(&mut Proof) -> &mut Felt; 2] = [
        |proof| &mut proof.roots.contracts_trie_root_hash.0,
        |proof| &mut proof.roots.classes_trie_root_hash.0,
    ];
    for root in roots {
        let mut changed = proof.clone();
        *root(&mut changed) += Felt::ONE;
        visit(&changed);
    }
}

fn mutate_node((hash, node): &mut (Felt, ProofNode), field: u8) {
    match (field, node) {
        (0, _) => *hash += Felt::ONE,
        (1, ProofNode::Binary { left, .. }) => *left += Felt::ONE,
        (_, ProofNode::Binary { right, .. }) => *right += Felt::TWO,
        (1, ProofNode::Edge { path, .. }) => *path += Felt::ONE,
        (2, ProofNode::Edge { length, .. }) => *length -= 1,
        (_, ProofNode::Edge { child, .. }) => *child += Felt::ONE,
    }
}

#[test]
fn proofs_go_back_so_many_blocks_and_no_further_after_restarts_and_resets_too() {
    let directory = directory();
    let window = usize::try_from(PROOF_BLOCKS).expect("small");
    let mut history = History::new(open(&directory), 1);
    history.grow(window + 1);
    history.check_from(0);
    history.grow(4);
    history.check_from(4);

    let engine = directory.path().join("engine");
    for is_lost in [false, true] {
        let tables = crash::scenario::tables(&history.storage).expect("readable");
        history.storage = in_memory();
        if is_lost {
            fs::remove_dir_all(&engine).expect("removable");
        }
        history.storage = open(&directory);
        history.check_from(4);
        assert!(crash::scenario::tables(&history.storage).expect("readable") == tables);
    }
    // What is too old for a block stays so when the block is no more.
    history.reset(20);
    history.check_from(4);
    history.grow(2);
    history.check_from(4);
}
