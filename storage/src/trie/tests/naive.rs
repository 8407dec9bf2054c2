//! The roots again, from nothing but all leaves and the definition, with other code for the hashes;
//! and what a proof proves.

use std::collections::BTreeMap;

use starknet_types_core::{
    felt::Felt,
    hash::{Pedersen, Poseidon, StarkHash},
};

use crate::trie::ProofNode;

/// Leaves by key. Zeros are not in it.
pub(crate) type Leaves = BTreeMap<Felt, Felt>;

/// Everything that a state root commits to.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    pub(crate) storage: BTreeMap<Felt, Leaves>,
    pub(crate) nonces: Leaves,
    pub(crate) class_hashes: Leaves,
    pub(crate) compiled_class_hashes: Leaves,
}

/// Sets a leaf; zero deletes it.
pub(crate) fn set(leaves: &mut Leaves, key: Felt, value: Felt) {
    if value == Felt::ZERO {
        leaves.remove(&key);
    } else {
        leaves.insert(key, value);
    }
}

pub(crate) fn pedersen_root(leaves: &Leaves) -> Felt {
    root(leaves, &Pedersen::hash)
}

pub(crate) fn poseidon_root(leaves: &Leaves) -> Felt {
    root(leaves, &Poseidon::hash)
}

impl State {
    pub(crate) fn contracts_root(&self) -> Felt {
        let mut leaves = Leaves::new();
        for maps in [&self.nonces, &self.class_hashes] {
            leaves.extend(maps.keys().map(|address| (*address, Felt::ZERO)));
        }
        leaves.extend(self.storage.keys().map(|address| (*address, Felt::ZERO)));
        for (address, leaf) in &mut leaves {
            let of = |leaves: &Leaves| leaves.get(address).copied().unwrap_or_default();
            let storage_root = self.storage.get(address).map(pedersen_root).unwrap_or_default();
            let parts = [of(&self.class_hashes), storage_root, of(&self.nonces), Felt::ZERO];
            if parts != [Felt::ZERO; 4] {
                *leaf = parts.into_iter().reduce(|a, b| Pedersen::hash(&a, &b)).expect("four");
            }
        }
        leaves.retain(|_, leaf| *leaf != Felt::ZERO);
        pedersen_root(&leaves)
    }

    pub(crate) fn classes_root(&self) -> Felt {
        let tag = Felt::from_bytes_be_slice(b"CONTRACT_CLASS_LEAF_V0");
        let leaves = self
            .compiled_class_hashes
            .iter()
            .map(|(class, compiled)| (*class, Poseidon::hash(&tag, compiled)))
            .collect();
        poseidon_root(&leaves)
    }

    pub(crate) fn state_root(&self) -> Felt {
        let (contracts, classes) = (self.contracts_root(), self.classes_root());
        if contracts == Felt::ZERO && classes == Felt::ZERO {
            return Felt::ZERO;
        }
        let tag = Felt::from_bytes_be_slice(b"STARKNET_STATE_V0");
        Poseidon::hash_array(&[tag, contracts, classes])
    }
}

fn root(leaves: &Leaves, hash: &dyn Fn(&Felt, &Felt) -> Felt) -> Felt {
    let leaves: Vec<_> =
        leaves.iter().map(|(key, value)| (key.to_bits_be()[5..].to_vec(), *value)).collect();
    subtree(&leaves, hash)
}

/// The hash of leaves with the rest of their paths.
fn subtree(leaves: &[(Vec<bool>, Felt)], hash: &dyn Fn(&Felt, &Felt) -> Felt) -> Felt {
    let Some((path, value)) = leaves.first() else {
        return Felt::ZERO;
    };
    let edge = (0..path.len())
        .take_while(|depth| leaves.iter().all(|(other, _)| other[*depth] == path[*depth]))
        .count();
    let below = |leaves: &[(Vec<bool>, Felt)], steps: usize| {
        let rest: Vec<_> =
            leaves.iter().map(|(path, value)| (path[steps..].to_vec(), *value)).collect();
        subtree(&rest, hash)
    };
    if path.is_empty() {
        *value
    } else if edge == 0 {
        let (left, right) = leaves.split_at(leaves.partition_point(|(path, _)| !path[0]));
        hash(&below(left, 1), &below(right, 1))
    } else {
        let way = path[..edge]
            .iter()
            .fold(Felt::ZERO, |way, bit| way * Felt::TWO + Felt::from(u8::from(*bit)));
        hash(&below(leaves, edge), &way) + Felt::from(edge)
    }
}

/// The value of a key that nodes prove under a root; `None` if they do not, or if any of them has
/// another hash than it says.
pub(crate) fn proven(
    root: Felt,
    nodes: &[(Felt, ProofNode)],
    key: Felt,
    hash: &dyn Fn(&Felt, &Felt) -> Felt,
) -> Option<Felt> {
    let of = |node: &ProofNode| match node {
        ProofNode::Binary { left, right } => hash(left, right),
        ProofNode::Edge { path, length, child } => hash(child, path) + Felt::from(*length),
    };
    if nodes.iter().any(|(claimed, node)| *claimed != of(node)) {
        return None;
    }
    let nodes: BTreeMap<_, _> = nodes.iter().copied().collect();
    let bits = &key.to_bits_be()[5..];
    let (mut at, mut depth) = (root, 0);
    while depth < bits.len() && at != Felt::ZERO {
        match nodes.get(&at)? {
            ProofNode::Binary { left, right } => {
                at = if bits[depth] { *right } else { *left };
                depth += 1;
            }
            ProofNode::Edge { path, length, child } => {
                let length = usize::from(*length);
                let way = &path.to_bits_be()[256 - length..];
                if bits.get(depth..depth + length)? != way {
                    return Some(Felt::ZERO);
                }
                at = *child;
                depth += length;
            }
        }
    }
    Some(at)
}
