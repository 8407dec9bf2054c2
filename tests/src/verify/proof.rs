//! What a storage proof proves, from the answer and the header of its block alone.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use super::{
    agree, block_hash, field,
    hash::{Pair, ascii, pedersen, poseidon, poseidon_of},
    trie::STATE_HEIGHT,
};

/// What is asked for with `starknet_getStorageProof`.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Class hashes.
    pub classes: Vec<Felt>,
    /// Contracts.
    pub contracts: Vec<Felt>,
    /// Cells of contracts; each contract is asked for, too, because its leaf has the storage root.
    pub storage: Vec<(Felt, Vec<Felt>)>,
}

/// What was proven. Zero is what is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Class → its leaf.
    pub classes: BTreeMap<Felt, Felt>,
    /// Contract → class and nonce.
    pub contracts: BTreeMap<Felt, (Felt, Felt)>,
    /// Contract and key → value.
    pub cells: BTreeMap<(Felt, Felt), Felt>,
}

impl Request {
    /// The parameters for a block.
    pub fn params(&self, block_id: &Value) -> Value {
        let hex = |felts: &[Felt]| felts.iter().map(|felt| json!(felt)).collect::<Vec<_>>();
        let storage = self.storage.iter().map(
            |(contract, keys)| json!({ "contract_address": contract, "storage_keys": hex(keys) }),
        );
        json!({
            "block_id": block_id,
            "class_hashes": hex(&self.classes),
            "contract_addresses": hex(&self.contracts),
            "contracts_storage_keys": storage.collect::<Vec<_>>(),
        })
    }
}

/// Verifies the answer to a request, up to the hash of a block, as `starknet_getBlockWithTxHashes`
/// shows it.
///
/// # Errors
/// The first thing that is not proven.
pub fn facts(request: &Request, answer: &Value, block: &Value) -> Result<Facts> {
    let roots = field::of(answer, "global_roots")?;
    let contracts_root = field::felt(roots, "contracts_tree_root")?;
    let classes_root = field::felt(roots, "classes_tree_root")?;
    agree("block hash", field::felt(roots, "block_hash")?, block_hash(block)?)?;
    let state_root = poseidon_of(&[ascii("STARKNET_STATE_V0"), contracts_root, classes_root]);
    agree("state root", field::felt(block, "new_root")?, state_root)?;

    let classes = Nodes::read(field::of(answer, "classes_proof")?, poseidon)?;
    let classes = classes.values(classes_root, &request.classes).context("classes")?;
    let mut facts = Facts { classes, ..Facts::default() };

    let proof = field::of(answer, "contracts_proof")?;
    let nodes = Nodes::read(field::of(proof, "nodes")?, pedersen)?;
    let leaves = nodes.values(contracts_root, &request.contracts).context("contracts")?;
    let data = field::items(proof, "contract_leaves_data")?;
    ensure!(data.len() == request.contracts.len(), "{} leaves", data.len());
    let mut storage_roots = BTreeMap::new();
    for (contract, data) in request.contracts.iter().zip(data) {
        let class = field::felt(data, "class_hash")?;
        let nonce = field::felt(data, "nonce")?;
        let storage_root = field::felt(data, "storage_root")?;
        agree("leaf", leaf(class, storage_root, nonce), leaves[contract])?;
        facts.contracts.insert(*contract, (class, nonce));
        storage_roots.insert(*contract, storage_root);
    }

    let proofs = field::items(answer, "contracts_storage_proofs")?;
    ensure!(proofs.len() == request.storage.len(), "{} storage proofs", proofs.len());
    for ((contract, keys), nodes) in request.storage.iter().zip(proofs) {
        let root = storage_roots.get(contract).context("a storage without its contract")?;
        let values = Nodes::read(nodes, pedersen)?.values(*root, keys).context("storage")?;
        facts.cells.extend(values.into_iter().map(|(key, value)| ((*contract, key), value)));
    }
    Ok(facts)
}

fn leaf(class: Felt, storage_root: Felt, nonce: Felt) -> Felt {
    if [class, storage_root, nonce] == [Felt::ZERO; 3] {
        return Felt::ZERO;
    }
    pedersen(&pedersen(&pedersen(&class, &storage_root), &nonce), &Felt::ZERO)
}

/// The nodes of a proof, by their hashes.
struct Nodes(BTreeMap<Felt, Node>);

enum Node {
    Binary([Felt; 2]),
    /// Steps, the first one first, and the hash below them.
    Edge(Vec<bool>, Felt),
}

impl Nodes {
    /// Reads nodes that have the hashes that they say, none twice.
    fn read(list: &Value, hash: Pair) -> Result<Self> {
        let mut nodes = BTreeMap::new();
        for item in list.as_array().context("nodes are no list")? {
            let claimed = field::felt(item, "node_hash")?;
            let (node, computed) = read_node(field::of(item, "node")?, hash)?;
            agree("node hash", claimed, computed)?;
            ensure!(nodes.insert(claimed, node).is_none(), "node {claimed:#x} comes twice");
        }
        Ok(Self(nodes))
    }

    /// The values of keys below a root. Every node leads to one of them.
    fn values(&self, root: Felt, keys: &[Felt]) -> Result<BTreeMap<Felt, Felt>> {
        let mut used = BTreeSet::new();
        let mut values = BTreeMap::new();
        for key in keys {
            let value = self.value(root, key, &mut used).with_context(|| format!("{key:#x}"))?;
            values.insert(*key, value);
        }
        ensure!(used.len() == self.0.len(), "{} nodes, {} used", self.0.len(), used.len());
        Ok(values)
    }

    fn value(&self, root: Felt, key: &Felt, used: &mut BTreeSet<Felt>) -> Result<Felt> {
        let all = key.to_bits_be();
        let (above, mut way) = all.split_at(all.len() - STATE_HEIGHT);
        ensure!(!above.contains(&true), "no key of the trie");
        let mut at = root;
        while !way.is_empty() && at != Felt::ZERO {
            used.insert(at);
            match self.0.get(&at).with_context(|| format!("node {at:#x} is missing"))? {
                Node::Binary(children) => {
                    at = children[usize::from(way[0])];
                    way = &way[1..];
                }
                Node::Edge(steps, child) => match way.strip_prefix(steps.as_slice()) {
                    Some(rest) => (at, way) = (*child, rest),
                    None => return Ok(Felt::ZERO),
                },
            }
        }
        Ok(at)
    }
}

/// Reads a node, and computes its hash.
fn read_node(node: &Value, hash: Pair) -> Result<(Node, Felt)> {
    if node.get("left").is_some() {
        let (left, right) = (field::felt(node, "left")?, field::felt(node, "right")?);
        return Ok((Node::Binary([left, right]), hash(&left, &right)));
    }
    let (path, child) = (field::felt(node, "path")?, field::felt(node, "child")?);
    let length = usize::try_from(field::number(node, "length")?)?;
    if !(1..=STATE_HEIGHT).contains(&length) {
        bail!("an edge of {length} steps");
    }
    let all = path.to_bits_be();
    let (above, steps) = all.split_at(all.len() - length);
    ensure!(!above.contains(&true), "{path:#x} has more than {length} steps");
    Ok((Node::Edge(steps.to_vec(), child), hash(&child, &path) + Felt::from(length)))
}
