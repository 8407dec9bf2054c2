//! Binary Merkle-Patricia tries, from all their leaves.
//!
//! The root of a trie of some height over (key, value) pairs, without empty subtries:
//!
//! - one leaf, no levels left: its value;
//! - all keys go on with the same `n > 0` bits, `n` as large as possible: `H(child, bits) + n`;
//! - otherwise: `H(left, right)`, by the next bit.
//!
//! Source: *Starknet documentation, Starknet state, Merkle-Patricia trie*.

use std::collections::BTreeMap;

use starknet_types_core::felt::Felt;

use super::hash::Pair;

/// The height of the tries of contracts, classes and storage.
pub const STATE_HEIGHT: usize = 251;

/// The height of the trees over the transactions, events and receipts of a block.
pub const BLOCK_HEIGHT: usize = 64;

/// The bits of a key below the root, the highest first, and its value.
type Leaf = (Vec<bool>, Felt);

/// The root over leaves by key. Leaves of zero are not there; no leaf at all has the root zero.
pub fn root(leaves: &BTreeMap<Felt, Felt>, height: usize, hash: Pair) -> Felt {
    let leaves: Vec<Leaf> = leaves
        .iter()
        .filter(|(_, value)| **value != Felt::ZERO)
        .map(|(key, value)| (bits(key, height), *value))
        .collect();
    if leaves.is_empty() { Felt::ZERO } else { node(&leaves, 0, hash) }
}

/// The root over values that are numbered from zero. Here a value of zero is there.
pub fn root_of_list(values: &[Felt], hash: Pair) -> Felt {
    let number = |(index, value): (u64, &Felt)| (bits(&Felt::from(index), BLOCK_HEIGHT), *value);
    let leaves: Vec<Leaf> = (0..).zip(values).map(number).collect();
    if leaves.is_empty() { Felt::ZERO } else { node(&leaves, 0, hash) }
}

/// The hash of the subtrie that holds these leaves, which agree in the bits above `depth` and are
/// sorted.
fn node(leaves: &[Leaf], depth: usize, hash: Pair) -> Felt {
    let [(first, value), ..] = leaves else {
        panic!("a subtrie has leaves");
    };
    if depth == first.len() {
        return *value;
    }
    let (last, _) = leaves.last().expect("there is a first one");
    let same = first[depth..].iter().zip(&last[depth..]).take_while(|(a, b)| a == b).count();
    if 0 < same {
        let child = node(leaves, depth + same, hash);
        return hash(&child, &felt(&first[depth..depth + same])) + Felt::from(same);
    }
    let right = leaves.partition_point(|(bits, _)| !bits[depth]);
    let (left, right) = leaves.split_at(right);
    hash(&node(left, depth + 1, hash), &node(right, depth + 1, hash))
}

/// The lowest `height` bits of a key, the highest first.
fn bits(key: &Felt, height: usize) -> Vec<bool> {
    let all = key.to_bits_be();
    let (above, below) = all.split_at(all.len() - height);
    assert!(above.iter().all(|bit| !bit), "key {key:#x} does not fit under a root of {height}");
    below.to_vec()
}

/// Bits as a number.
fn felt(bits: &[bool]) -> Felt {
    bits.iter().fold(Felt::ZERO, |number, bit| number.double() + Felt::from(u8::from(*bit)))
}
