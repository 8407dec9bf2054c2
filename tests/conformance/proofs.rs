//! Storage proofs, from the answer up to the hash of the block.

use std::collections::{BTreeMap, BTreeSet};

use kraken_execution::genesis::STRK_ADDRESS;
use kraken_tests::{
    Client, Node, Verifier,
    client::felt,
    verify::{
        hash::{ascii, poseidon},
        proof::{Facts, Request, facts},
    },
    wallet::CHAIN_ID,
};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use crate::answers::play;

/// No contract, no class, no cell.
const ABSENT: Felt = Felt::from_hex_unchecked("0x5eed");

/// How many keys a request may have, see the settings of the node.
const KEYS_MAX: usize = 100;

fn block(client: &Client, id: &Value) -> Value {
    client.get("starknet_getBlockWithTxHashes", json!([id]))
}

/// Asks for a proof and verifies it.
fn prove(client: &Client, request: &Request, number: u64) -> Facts {
    let id = json!({ "block_number": number });
    let answer = client.get("starknet_getStorageProof", request.params(&id));
    facts(request, &answer, &block(client, &id))
        .unwrap_or_else(|error| panic!("block {number}: {error:#}"))
}

/// Everything that a chain ever wrote, and some that it never did.
#[derive(Default)]
struct Places {
    classes: BTreeSet<Felt>,
    contracts: BTreeSet<Felt>,
    cells: BTreeMap<Felt, BTreeSet<Felt>>,
}

impl Places {
    fn of(client: &Client) -> Self {
        let mut places = Self::default();
        places.classes.insert(ABSENT);
        places.contracts.insert(ABSENT);
        for contract in [ABSENT, Felt::ONE, STRK_ADDRESS.into()] {
            places.cells.entry(contract).or_default().insert(ABSENT);
        }
        for number in 0..=client.block_number() {
            let id = json!([{ "block_number": number }]);
            places.add(&client.get("starknet_getStateUpdate", id)["state_diff"]);
        }
        places
    }

    fn add(&mut self, diff: &Value) {
        let list = |name: &str| diff[name].as_array().expect("a list").clone();
        self.classes.extend(list("declared_classes").iter().map(|it| felt(&it["class_hash"])));
        self.contracts.extend(list("deployed_contracts").iter().map(|it| felt(&it["address"])));
        for diff in list("storage_diffs") {
            let contract = felt(&diff["address"]);
            let entries = diff["storage_entries"].as_array().expect("a list");
            let cells = self.cells.entry(contract).or_default();
            cells.extend(entries.iter().map(|entry| felt(&entry["key"])));
        }
    }

    /// As few requests as the limit allows, together for all.
    fn requests(&self) -> Vec<Request> {
        let (classes, contracts) = (Vec::from_iter(&self.classes), Vec::from_iter(&self.contracts));
        let classes = classes.chunks(KEYS_MAX).map(|classes| Request {
            classes: classes.iter().copied().copied().collect(),
            ..Request::default()
        });
        let contracts = contracts.chunks(KEYS_MAX).map(|contracts| Request {
            contracts: contracts.iter().copied().copied().collect(),
            ..Request::default()
        });
        let cells = self.cells.iter().flat_map(|(contract, keys)| {
            let keys = Vec::from_iter(keys.iter().copied());
            let request = |keys: &[Felt]| Request {
                contracts: vec![*contract],
                storage: vec![(*contract, keys.to_vec())],
                ..Request::default()
            };
            keys.chunks(KEYS_MAX - 2).map(request).collect::<Vec<_>>()
        });
        classes.chain(contracts).chain(cells).collect()
    }
}

/// What is proven is what the blocks up to here wrote.
fn check(facts: &Facts, verifier: &Verifier) {
    let state = verifier.state();
    for (class, leaf) in &facts.classes {
        let compiled = state.declared().get(class);
        let tag = ascii("CONTRACT_CLASS_LEAF_V0");
        assert_eq!(*leaf, compiled.map_or(Felt::ZERO, |compiled| poseidon(&tag, compiled)));
    }
    for (contract, (class, nonce)) in &facts.contracts {
        assert_eq!(*class, state.class_hash(contract).unwrap_or_default());
        assert_eq!(*nonce, state.nonce(contract));
    }
    for ((contract, key), value) in &facts.cells {
        assert_eq!(*value, state.cell(contract, key), "cell {key:#x} of {contract:#x}");
    }
}

#[test]
fn proofs_of_every_block_lead_to_its_hash_for_what_is_there_and_what_is_not_yet() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    play(&client);
    let requests = Places::of(&client).requests();
    let mut verifier = Verifier::new(CHAIN_ID);
    let mut absent = 0;
    for number in 0..=client.block_number() {
        let id = json!([{ "block_number": number }]);
        let with_receipts = client.get("starknet_getBlockWithReceipts", id.clone());
        let update = client.get("starknet_getStateUpdate", id);
        verifier.block(&with_receipts, &update).expect("it is what it claims to be");
        for request in &requests {
            let facts = prove(&client, request, number);
            check(&facts, &verifier);
            absent += facts.cells.values().filter(|value| **value == Felt::ZERO).count();
        }
    }
    assert!(20 < absent, "{absent} cells proven to be absent");

    // By tag and by hash, the answer is the same.
    let newest = client.get("starknet_blockHashAndNumber", json!([]));
    let proof = |id: &Value| client.get("starknet_getStorageProof", requests[0].params(id));
    let by_number = proof(&json!({ "block_number": newest["block_number"] }));
    assert_eq!(proof(&json!("latest")), by_number);
    assert_eq!(proof(&json!({ "block_hash": newest["block_hash"] })), by_number);
    assert_eq!(by_number["global_roots"]["block_hash"], newest["block_hash"]);
}

/// The verifier is worth something: it notices when anything in a proof is another.
#[test]
fn a_changed_proof_is_noticed() {
    let node = Node::start(&[]);
    let client = node.client();
    play(&client);
    let latest = json!("latest");
    let block = block(&client, &latest);
    let mut places = Places::of(&client);
    places.cells.retain(|contract, _| *contract == Felt::from(STRK_ADDRESS));
    // Each change is verified anew.
    for cells in places.cells.values_mut() {
        *cells = cells.iter().copied().take(8).chain([ABSENT]).collect();
    }
    for request in places.requests() {
        let answer = client.get("starknet_getStorageProof", request.params(&latest));
        facts(&request, &answer, &block).expect("unchanged, it is right");
        let mut paths = Vec::new();
        leaves(&answer, String::new(), &mut paths);
        for path in &paths {
            let mut changed = answer.clone();
            let value = changed.pointer_mut(path).expect("it is there");
            *value = match value.as_u64() {
                Some(number) => json!(number + 1),
                None => json!(felt(value) + Felt::ONE),
            };
            assert!(facts(&request, &changed, &block).is_err(), "{path}");
        }
    }
}

/// The paths of all values that hold no others.
fn leaves(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                leaves(item, format!("{path}/{index}"), paths);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                leaves(field, format!("{path}/{name}"), paths);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => paths.push(path),
    }
}

#[test]
fn blocks_without_proofs_are_refused_by_the_codes_of_the_specification() {
    let node = Node::start_checked(&["--block-generation-on", "demand"]);
    let client = node.client();
    let request = Request { contracts: vec![STRK_ADDRESS.into()], ..Request::default() };
    let code = |id: &Value| {
        let answer = client.call("starknet_getStorageProof", request.params(id));
        answer.map(drop).map_err(|error| error.code())
    };
    let number = |number: u64| json!({ "block_number": number });
    // Block 1 is open and has no hash.
    for (id, expected) in [
        (json!("latest"), Ok(())),
        (number(0), Ok(())),
        (json!("pre_confirmed"), Err(-32602)),
        (number(1), Err(24)),
        (number(2), Err(24)),
        (json!({ "block_hash": "0x1" }), Err(24)),
        (json!("l1_accepted"), Err(24)),
    ] {
        assert_eq!(code(&id), expected, "{id}");
    }
    let too_many = json!(["latest", vec!["0x1"; KEYS_MAX + 1]]);
    let error = client.call("starknet_getStorageProof", too_many).expect_err("too many");
    assert_eq!(error.code(), -32602);
    assert!(error.to_string().contains("class_hashes: expected at most 100 keys"), "{error}");

    while client.block_number() < 200 {
        client.get("devnet_createBlock", json!([]));
    }
    assert_eq!(code(&number(0)), Err(42));
    assert_eq!(code(&number(200 - 128 - 33)), Err(42));
    for behind in [128, 127, 1, 0] {
        let facts = prove(&client, &request, 200 - behind);
        assert_eq!(facts.contracts.len(), 1, "{behind}");
    }
}
