//! Nodes and how they are stored.

use std::fmt::Write as _;

use pathfinder_crypto::Felt;
use starknet_api::core::ContractAddress;

use super::{
    hash,
    path::{HEIGHT, Path, Place},
};
use crate::Error;

/// How many bytes a key of the node table has at most.
const KEY_BYTES_MAX: usize = 66;

/// The first bytes of the keys of each kind of trie.
const CONTRACTS: u8 = 0;
const CLASSES: u8 = 1;
const STORAGE: u8 = 2;

/// Which trie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trie {
    /// Contract address → its class, storage and nonce.
    Contracts,
    /// Class hash → its compiled class hash.
    Classes,
    /// Storage key → value, of one contract.
    Storage(ContractAddress),
}

/// A node above the leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// Two subtrees, both with leaves, by their hashes.
    Binary { left: Felt, right: Felt },
    /// The only way down from here.
    Edge(Edge),
}

/// A stretch without a fork, as long as can be: its lower end is a binary node or a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    /// From the root, not from where the edge starts, to its lower end; so a longer edge is the
    /// same edge, told by somebody further up.
    pub(super) path: Path,
    /// The depth of its lower end.
    pub(super) end: u8,
    /// The hash at its lower end.
    pub(super) child: Felt,
}

impl Trie {
    /// The hash of two numbers.
    pub(super) fn hash(self, left: Felt, right: Felt) -> Felt {
        match self {
            Self::Contracts | Self::Storage(_) => hash::pedersen(left, right),
            Self::Classes => hash::poseidon(left, right),
        }
    }

    /// The hash of an edge that starts at `depth`.
    pub(super) fn hash_edge(self, depth: u8, edge: &Edge) -> Felt {
        let steps = edge.end - depth;
        let path = edge.path.skip(depth).to_felt(steps);
        self.hash(edge.child, path) + Felt::from_u64(u64::from(steps))
    }

    /// The key of the node table: kind of trie ‖ contract, if any ‖ depth ‖ path. A trie's nodes
    /// are neighbours, the upper ones first.
    pub(super) fn key(self, place: Place) -> Vec<u8> {
        let mut key = self.prefix();
        key.push(place.depth);
        key.extend_from_slice(&place.path.to_bytes()[..bytes_of(place.depth)]);
        key
    }

    /// What the keys of a trie begin with, and those of no other.
    pub(super) fn prefix(self) -> Vec<u8> {
        let mut key = Vec::with_capacity(KEY_BYTES_MAX);
        match self {
            Self::Contracts => key.push(CONTRACTS),
            Self::Classes => key.push(CLASSES),
            Self::Storage(contract) => {
                key.push(STORAGE);
                key.extend_from_slice(&contract.to_bytes_be());
            }
        }
        key
    }

    /// Takes a key apart: what the keys of its trie begin with, the depth, and the path that leads
    /// there. `None` for what is no key.
    pub(super) fn split(key: &[u8]) -> Option<(&[u8], u8, Path)> {
        let prefix_bytes = match *key.first()? {
            CONTRACTS | CLASSES => 1,
            STORAGE => 33,
            _ => return None,
        };
        let (prefix, rest) = key.split_at_checked(prefix_bytes)?;
        let (&depth, steps) = rest.split_first()?;
        if HEIGHT < depth || steps.len() != bytes_of(depth) {
            return None;
        }
        let mut path = [0; 32];
        path[..steps.len()].copy_from_slice(steps);
        Some((prefix, depth, Path::from_bytes(path)))
    }
}

impl Node {
    /// The value of the node table: length of the edge, 0 for a binary node ‖ both hashes, or the
    /// lower hash and the path of the edge.
    pub(super) fn encode(&self, depth: u8) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(97);
        match self {
            Self::Binary { left, right } => {
                bytes.push(0);
                bytes.extend_from_slice(left.as_be_bytes());
                bytes.extend_from_slice(right.as_be_bytes());
            }
            Self::Edge(edge) => {
                let steps = edge.end - depth;
                bytes.push(steps);
                bytes.extend_from_slice(edge.child.as_be_bytes());
                bytes.extend_from_slice(&edge.path.skip(depth).to_bytes()[..bytes_of(steps)]);
            }
        }
        bytes
    }

    /// Reads a node back; `None` unless [`Node::encode`] wrote it for this place.
    pub(super) fn decode(bytes: &[u8], place: Place) -> Option<Self> {
        let (&steps, rest) = bytes.split_first()?;
        let (first, rest) = split_felt(rest)?;
        if steps == 0 {
            let (right, rest) = split_felt(rest)?;
            return rest.is_empty().then_some(Self::Binary { left: first, right });
        }
        let end = place.depth.checked_add(steps).filter(|end| *end <= HEIGHT)?;
        if rest.len() != bytes_of(steps) {
            return None;
        }
        let mut path = [0; 32];
        path[..rest.len()].copy_from_slice(rest);
        let path = Path::from_bytes(path);
        if path.take(steps) != path {
            return None;
        }
        Some(Self::Edge(Edge { path: place.path.then(place.depth, path), end, child: first }))
    }
}

/// Reads a hash off the front; `None` if there is none, or it is zero, which no node holds.
pub(super) fn split_felt(bytes: &[u8]) -> Option<(Felt, &[u8])> {
    let (felt, rest) = bytes.split_first_chunk::<32>()?;
    let felt = Felt::from_be_bytes(*felt).ok().filter(|felt| !felt.is_zero())?;
    Some((felt, rest))
}

/// The error for a node that is missing or cannot be.
pub(super) fn damaged(key: &[u8]) -> Error {
    let mut hex = String::with_capacity(2 * key.len());
    for byte in key {
        write!(hex, "{byte:02x}").expect("strings take any text");
    }
    Error::TrieNode { key: hex }
}

/// How many bytes so many steps take.
fn bytes_of(steps: u8) -> usize {
    usize::from(steps).div_ceil(8)
}

#[cfg(test)]
mod tests {
    use pathfinder_crypto::Felt;
    use proptest::{
        collection::vec,
        prelude::{any, prop_assert_eq, proptest},
    };

    use super::{Edge, Node};
    use crate::trie::path::{HEIGHT, Path, Place};

    proptest! {
        #[test]
        fn nodes_survive_their_encoding(path in any::<[u8; 32]>(), a in 0..=HEIGHT, b in 0..=HEIGHT) {
            let (depth, end) = (a.min(b).min(HEIGHT - 1), a.max(b));
            let path = Path::from_bytes(path).take(end.max(depth + 1));
            let place = Place::on(path, depth);
            let (left, right) = (Felt::from_u64(7), Felt::from_u64(8));
            let edge = Edge { path, end: end.max(depth + 1), child: left };
            for node in [Node::Binary { left, right }, Node::Edge(edge)] {
                prop_assert_eq!(Node::decode(&node.encode(depth), place), Some(node));
            }
        }

        #[test]
        fn what_decodes_encodes_to_the_same_bytes(bytes in vec(any::<u8>(), 0..100), steps in 0..4_u8, depth in 0..HEIGHT) {
            let place = Place::on(Path::from_bytes([0xaa; 32]), depth);
            // Small numbers at the front and a hash below the prime make hits likely.
            let mut near = bytes.clone();
            if 2 <= near.len() {
                near[0] = steps;
                near[1] &= 7;
                near.resize([65, 34, 34, 34][usize::from(steps)], 0);
            }
            for bytes in [bytes, near] {
                if let Some(node) = Node::decode(&bytes, place) {
                    prop_assert_eq!(node.encode(depth), bytes);
                }
            }
        }
    }
}
