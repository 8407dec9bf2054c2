//! Hashes of lists.

use std::{cell::RefCell, collections::HashMap};

use starknet_types_core::{
    felt::Felt,
    hash::{Pedersen, Poseidon, StarkHash},
};

/// A hash of two felts.
pub type Pair = fn(&Felt, &Felt) -> Felt;

/// How many results of [`pedersen`] a thread remembers.
const REMEMBERED_MAX: usize = 1 << 19;

thread_local! {
    static REMEMBERED: RefCell<HashMap<(Felt, Felt), Felt>> = RefCell::default();
}

/// Pedersen of two felts. What was hashed before is remembered: tries are computed anew from all
/// their leaves for each block, and from block to block most of it is the same.
pub fn pedersen(left: &Felt, right: &Felt) -> Felt {
    REMEMBERED.with_borrow_mut(|remembered| {
        if remembered.len() == REMEMBERED_MAX {
            remembered.clear();
        }
        *remembered.entry((*left, *right)).or_insert_with(|| Pedersen::hash(left, right))
    })
}

/// Poseidon of two felts.
pub fn poseidon(left: &Felt, right: &Felt) -> Felt {
    Poseidon::hash(left, right)
}

/// Poseidon of any number of felts.
pub fn poseidon_of(felts: &[Felt]) -> Felt {
    Poseidon::hash_array(felts)
}

/// Up to 31 ASCII characters as a felt.
pub fn ascii(text: &str) -> Felt {
    Felt::from_bytes_be_slice(text.as_bytes())
}

/// A list with its length in front.
pub fn counted(felts: &[Felt]) -> impl Iterator<Item = Felt> + '_ {
    std::iter::once(Felt::from(felts.len())).chain(felts.iter().copied())
}

/// Keccak-256 of bytes, cut to its lower 250 bits.
pub fn starknet_keccak(bytes: &[u8]) -> Felt {
    starknet_api::hash::starknet_keccak_hash(bytes)
}
