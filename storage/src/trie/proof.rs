//! What shows that something is, or is not, in the state that a root commits to.
//!
//! A proof has the nodes on the ways from a root to what is asked for. Where nothing is there, the
//! way ends early: in an edge that leads elsewhere, or in an empty trie, which has no node.

use std::collections::{BTreeMap, BTreeSet};

use pathfinder_crypto::Felt as Hash;
use starknet_api::{
    core::{ClassHash, ContractAddress, Nonce},
    hash::{HashOutput, StateRoots},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use super::{
    TrieReader, hash,
    node::{Node, Trie},
    path::{Path, Place},
    tree::Tree,
};
use crate::Error;

/// What is to be proven. Nothing need exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Classes in the trie of classes; of a hash beyond 251 bits the lowest ones count.
    pub classes: Vec<ClassHash>,
    /// Contracts in the trie of contracts.
    pub contracts: Vec<ContractAddress>,
    /// Cells in the tries of storage.
    pub storage: Vec<(ContractAddress, Vec<StorageKey>)>,
}

/// The ways to what was wanted, under the roots of one state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The roots, which make up the state root of a block.
    pub roots: StateRoots,
    /// To all wanted classes.
    pub classes: Vec<(Felt, ProofNode)>,
    /// To all wanted contracts.
    pub contracts: Vec<(Felt, ProofNode)>,
    /// What the leaves of the wanted contracts are made of, in their order.
    pub leaves: Vec<ContractLeaf>,
    /// To the cells of each wanted storage, in their order.
    pub storage: Vec<Vec<(Felt, ProofNode)>>,
}

/// A node of a proof. Its hash stands beside it, no node comes twice, and upper ones come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofNode {
    /// Both subtries have leaves.
    Binary {
        /// The hash of the left one.
        left: Felt,
        /// The hash of the right one.
        right: Felt,
    },
    /// A stretch without a fork.
    Edge {
        /// The steps as a number, the last one in the lowest bit; one is right.
        path: Felt,
        /// How many steps; at least one.
        length: u8,
        /// The hash at the lower end.
        child: Felt,
    },
}

/// What the leaf of a contract is made of; all zero for no contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContractLeaf {
    /// The nonce.
    pub nonce: Nonce,
    /// The class.
    pub class_hash: ClassHash,
    /// The root of the trie of storage.
    pub storage_root: Felt,
}

/// Nodes in the order in which they were met. Equal subtries have equal nodes, in whatever places
/// they are.
#[derive(Default)]
struct Nodes {
    list: Vec<(Felt, ProofNode)>,
    hashes: BTreeSet<Felt>,
}

/// Reads the ways to what is wanted.
///
/// # Errors
/// As [`super::compute`].
pub(crate) fn prove(state: &dyn TrieReader, wanted: &Wanted) -> Result<Proof, Error> {
    let tree = |trie| Tree::new(state, trie);
    let root = |trie| Ok::<_, Error>(HashOutput(hash::starknet_felt(tree(trie).root()?)));
    let leaf = |&contract: &ContractAddress| {
        Ok::<_, Error>(ContractLeaf {
            nonce: state.nonce(contract)?,
            class_hash: state.class_hash_at(contract)?.unwrap_or_default(),
            storage_root: hash::starknet_felt(tree(Trie::Storage(contract)).root()?),
        })
    };
    let storage = |(contract, keys): &(ContractAddress, Vec<StorageKey>)| {
        tree(Trie::Storage(*contract)).ways(&paths(keys.iter().map(|key| ***key)))
    };
    Ok(Proof {
        roots: StateRoots {
            contracts_trie_root_hash: root(Trie::Contracts)?,
            classes_trie_root_hash: root(Trie::Classes)?,
        },
        classes: tree(Trie::Classes).ways(&paths(wanted.classes.iter().map(|class| **class)))?,
        contracts: tree(Trie::Contracts)
            .ways(&paths(wanted.contracts.iter().map(|contract| ***contract)))?,
        leaves: wanted.contracts.iter().map(leaf).collect::<Result<_, _>>()?,
        storage: wanted.storage.iter().map(storage).collect::<Result<_, _>>()?,
    })
}

/// The ways to the leaves of keys, sorted, each once.
fn paths(keys: impl Iterator<Item = Felt>) -> Vec<Path> {
    let mut paths: Vec<_> = keys.map(|key| Path::of_key(&key)).collect();
    paths.sort_unstable();
    paths.dedup();
    paths
}

impl Tree<'_> {
    /// The nodes on the ways to leaves, whose paths are sorted.
    fn ways(&self, paths: &[Path]) -> Result<Vec<(Felt, ProofNode)>, Error> {
        let mut nodes = Nodes::default();
        if !paths.is_empty()
            && let Some((hash, node)) = self.read_root()?
        {
            self.descend(Place::ROOT, (hash, node), paths, &mut nodes)?;
        }
        Ok(nodes.list)
    }

    /// Adds the node at a place, and those below it on the ways.
    fn descend(
        &self,
        place: Place,
        (hash, node): (Hash, Node),
        paths: &[Path],
        nodes: &mut Nodes,
    ) -> Result<(), Error> {
        nodes.add(hash::starknet_felt(hash), ProofNode::of(node, place.depth));
        match node {
            Node::Binary { left, right } => {
                let fork = paths.partition_point(|path| !path.is_right(place.depth));
                let (to_left, to_right) = paths.split_at(fork);
                let [left_place, right_place] = place.children();
                self.go_on(left_place, left, to_left, nodes)?;
                self.go_on(right_place, right, to_right, nodes)
            }
            Node::Edge(edge) => {
                let end = Place::on(edge.path, edge.end);
                let first = paths.partition_point(|path| path.take(edge.end) < end.path);
                let behind = paths.partition_point(|path| path.take(edge.end) <= end.path);
                self.go_on(end, edge.child, &paths[first..behind], nodes)
            }
        }
    }

    /// Adds what is at a place and below, if any way leads there.
    fn go_on(
        &self,
        place: Place,
        hash: Hash,
        paths: &[Path],
        nodes: &mut Nodes,
    ) -> Result<(), Error> {
        if paths.is_empty() || place.is_leaf() {
            return Ok(());
        }
        let node = self.read(place)?;
        self.descend(place, (hash, node), paths, nodes)
    }
}

impl Nodes {
    fn add(&mut self, hash: Felt, node: ProofNode) {
        if self.hashes.insert(hash) {
            self.list.push((hash, node));
        }
    }
}

impl ProofNode {
    /// A node that starts at a depth.
    fn of(node: Node, depth: u8) -> Self {
        match node {
            Node::Binary { left, right } => {
                Self::Binary { left: hash::starknet_felt(left), right: hash::starknet_felt(right) }
            }
            Node::Edge(edge) => {
                let length = edge.end - depth;
                let path = edge.path.skip(depth).to_felt(length);
                let child = hash::starknet_felt(edge.child);
                Self::Edge { path: hash::starknet_felt(path), length, child }
            }
        }
    }
}

/// The places where a proof may have nodes.
#[derive(Debug)]
pub(crate) struct Places {
    /// By what a key of the node table begins with: the ways to the leaves, sorted. The root of each
    /// trie is among the places.
    ways: BTreeMap<Vec<u8>, Vec<Path>>,
}

impl Places {
    /// Those of the proof of what is wanted.
    pub(crate) fn of(wanted: &Wanted) -> Self {
        let mut keys: BTreeMap<Vec<u8>, Vec<Felt>> = BTreeMap::new();
        let mut add = |trie: Trie, more: &mut dyn Iterator<Item = Felt>| {
            keys.entry(trie.prefix()).or_default().extend(more);
        };
        add(Trie::Classes, &mut wanted.classes.iter().map(|class| **class));
        add(Trie::Contracts, &mut wanted.contracts.iter().map(|contract| ***contract));
        for contract in &wanted.contracts {
            add(Trie::Storage(*contract), &mut [].into_iter());
        }
        for (contract, cells) in &wanted.storage {
            add(Trie::Storage(*contract), &mut cells.iter().map(|key| ***key));
        }
        let ways = keys.into_iter().map(|(trie, keys)| (trie, paths(keys.into_iter()))).collect();
        Self { ways }
    }

    /// Whether a key of the node table is that of one of them.
    pub(crate) fn contain(&self, key: &[u8]) -> bool {
        let Some((trie, depth, path)) = Trie::split(key) else {
            return false;
        };
        self.ways.get(trie).is_some_and(|paths| {
            let first = paths.partition_point(|other| *other < path);
            depth == 0 || paths.get(first).is_some_and(|other| other.take(depth) == path)
        })
    }
}
