//! Storage proofs.

use kraken_storage::{ContractLeaf, Proof, ProofNode};
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::block::BlockHash;
use starknet_types_core::felt::Felt;

use crate::schema;

/// The result of `starknet_getStorageProof`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "STORAGE_PROOF")]
pub(crate) struct StorageProof {
    classes_proof: Vec<NamedNode>,
    contracts_proof: ContractsProof,
    /// In the order of the request.
    contracts_storage_proofs: Vec<Vec<NamedNode>>,
    global_roots: GlobalRoots,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ContractsProof {
    nodes: Vec<NamedNode>,
    /// In the order of the request.
    contract_leaves_data: Vec<Leaf>,
}

/// What the leaf of a contract is made of; all zero for no contract.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Leaf {
    #[schemars(with = "schema::Felt")]
    nonce: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    #[schemars(with = "schema::Felt")]
    storage_root: Felt,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct GlobalRoots {
    #[schemars(with = "schema::Felt")]
    contracts_tree_root: Felt,
    #[schemars(with = "schema::Felt")]
    classes_tree_root: Felt,
    #[schemars(with = "schema::BlockHash")]
    block_hash: Felt,
}

/// An entry of NODE_HASH_TO_NODE_MAPPING.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NODE_HASH_TO_NODE")]
struct NamedNode {
    #[schemars(with = "schema::Felt")]
    node_hash: Felt,
    node: Node,
}

/// MERKLE_NODE.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "MERKLE_NODE")]
enum Node {
    /// BINARY_NODE.
    Binary {
        #[schemars(with = "schema::Felt")]
        left: Felt,
        #[schemars(with = "schema::Felt")]
        right: Felt,
    },
    /// EDGE_NODE.
    Edge {
        #[schemars(with = "schema::Felt")]
        path: Felt,
        length: u8,
        #[schemars(with = "schema::Felt")]
        child: Felt,
    },
}

impl StorageProof {
    /// The proof of what was in the state after the block with this hash.
    pub(crate) fn new(proof: Proof, block_hash: BlockHash) -> Self {
        let Proof { roots, classes, contracts, leaves, storage } = proof;
        Self {
            classes_proof: nodes(classes),
            contracts_proof: ContractsProof {
                nodes: nodes(contracts),
                contract_leaves_data: leaves.into_iter().map(Leaf::from).collect(),
            },
            contracts_storage_proofs: storage.into_iter().map(nodes).collect(),
            global_roots: GlobalRoots {
                contracts_tree_root: roots.contracts_trie_root_hash.0,
                classes_tree_root: roots.classes_trie_root_hash.0,
                block_hash: block_hash.0,
            },
        }
    }
}

fn nodes(nodes: Vec<(Felt, ProofNode)>) -> Vec<NamedNode> {
    let named = |(node_hash, node)| NamedNode { node_hash, node: Node::from(node) };
    nodes.into_iter().map(named).collect()
}

impl From<ProofNode> for Node {
    fn from(node: ProofNode) -> Self {
        match node {
            ProofNode::Binary { left, right } => Self::Binary { left, right },
            ProofNode::Edge { path, length, child } => Self::Edge { path, length, child },
        }
    }
}

impl From<ContractLeaf> for Leaf {
    fn from(leaf: ContractLeaf) -> Self {
        Self { nonce: leaf.nonce.0, class_hash: leaf.class_hash.0, storage_root: leaf.storage_root }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use starknet_api::{
        core::{ClassHash, Nonce},
        hash::{HashOutput, StateRoots},
    };

    use super::*;

    #[test]
    fn a_proof_is_written_as_the_specification_says() {
        let edge = ProofNode::Edge { path: Felt::ZERO, length: 251, child: Felt::from(10) };
        let binary = ProofNode::Binary { left: Felt::from(11), right: Felt::from(12) };
        let proof = Proof {
            roots: StateRoots {
                contracts_trie_root_hash: HashOutput(Felt::from(1)),
                classes_trie_root_hash: HashOutput(Felt::from(2)),
            },
            classes: vec![(Felt::from(2), edge)],
            contracts: vec![(Felt::from(1), binary), (Felt::from(11), edge)],
            leaves: vec![ContractLeaf {
                nonce: Nonce(Felt::from(3)),
                class_hash: ClassHash(Felt::from(4)),
                storage_root: Felt::from(5),
            }],
            storage: vec![vec![], vec![(Felt::from(5), edge)]],
        };
        let edge = json!({ "path": "0x0", "length": 251, "child": "0xa" });
        let shown = StorageProof::new(proof, BlockHash(Felt::from(6)));
        assert_eq!(
            serde_json::to_value(shown).expect("JSON"),
            json!({
                "classes_proof": [{ "node_hash": "0x2", "node": edge }],
                "contracts_proof": {
                    "nodes": [
                        { "node_hash": "0x1", "node": { "left": "0xb", "right": "0xc" } },
                        { "node_hash": "0xb", "node": edge },
                    ],
                    "contract_leaves_data": [
                        { "nonce": "0x3", "class_hash": "0x4", "storage_root": "0x5" },
                    ],
                },
                "contracts_storage_proofs": [[], [{ "node_hash": "0x5", "node": edge }]],
                "global_roots": {
                    "contracts_tree_root": "0x1",
                    "classes_tree_root": "0x2",
                    "block_hash": "0x6",
                },
            })
        );
    }
}
