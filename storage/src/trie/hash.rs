//! The hashes of the tries.
//!
//! Hashing is nearly all the work of a trie, so it is done by the fastest Pedersen at hand, whose
//! numbers ([`Felt`] here) are canonical bytes and need no conversion on the way to the disk.

use pathfinder_crypto::{Felt, MontFelt, hash};
use starknet_api::core::{ClassHash, CompiledClassHash, Nonce};
use starknet_types_core::felt::Felt as StarknetFelt;

/// `b"CONTRACT_CLASS_LEAF_V0"`.
const CLASS_LEAF: Felt = match Felt::from_be_slice(b"CONTRACT_CLASS_LEAF_V0") {
    Ok(felt) => felt,
    Err(_) => panic!("22 bytes are below the prime"),
};

/// The Pedersen hash of two numbers.
pub(super) fn pedersen(left: Felt, right: Felt) -> Felt {
    hash::pedersen_hash(left, right)
}

/// The Poseidon hash of two numbers.
pub(super) fn poseidon(left: Felt, right: Felt) -> Felt {
    hash::poseidon_hash(MontFelt::from(left), MontFelt::from(right)).into()
}

/// The leaf of a contract: zero, so none, if it has neither class nor storage nor nonce.
pub(super) fn contract_leaf(class_hash: ClassHash, storage_root: Felt, nonce: Nonce) -> Felt {
    let (class_hash, nonce) = (felt(&class_hash.0), felt(&nonce.0));
    if class_hash.is_zero() && storage_root.is_zero() && nonce.is_zero() {
        return Felt::ZERO;
    }
    // The last zero is the version of the leaf.
    pedersen(pedersen(pedersen(class_hash, storage_root), nonce), Felt::ZERO)
}

/// The leaf of a class; none for a class that is not declared, which compiles to zero.
pub(super) fn class_leaf(compiled_class_hash: CompiledClassHash) -> Felt {
    if compiled_class_hash == CompiledClassHash::default() {
        return Felt::ZERO;
    }
    poseidon(CLASS_LEAF, felt(&compiled_class_hash.0))
}

/// A number as we hash it.
pub(super) fn felt(number: &StarknetFelt) -> Felt {
    Felt::from_be_bytes(number.to_bytes_be()).expect("felts are below the prime")
}

/// A number as the other rooms know it.
pub(super) fn starknet_felt(number: Felt) -> StarknetFelt {
    StarknetFelt::from_bytes_be(number.as_be_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use starknet_types_core::{
        felt::Felt as StarknetFelt,
        hash::{Pedersen, Poseidon, StarkHash},
    };

    use super::{felt, pedersen, poseidon, starknet_felt};

    proptest! {
        #[test]
        fn hashes_are_those_of_starknet(left in any::<[u8; 32]>(), right in any::<[u8; 32]>()) {
            let (left, right) = (StarknetFelt::from_bytes_be(&left), StarknetFelt::from_bytes_be(&right));
            prop_assert_eq!(
                starknet_felt(pedersen(felt(&left), felt(&right))),
                Pedersen::hash(&left, &right)
            );
            prop_assert_eq!(
                starknet_felt(poseidon(felt(&left), felt(&right))),
                Poseidon::hash(&left, &right)
            );
        }
    }

    #[test]
    fn hashes_of_the_edges_of_the_field_are_those_of_starknet() {
        let numbers = [StarknetFelt::ZERO, StarknetFelt::ONE, StarknetFelt::MAX];
        for left in &numbers {
            for right in &numbers {
                assert_eq!(
                    starknet_felt(pedersen(felt(left), felt(right))),
                    Pedersen::hash(left, right)
                );
                assert_eq!(
                    starknet_felt(poseidon(felt(left), felt(right))),
                    Poseidon::hash(left, right)
                );
            }
        }
    }
}
