//! The arithmetic of the kit itself, against numbers of Starknet's public networks.

use std::collections::BTreeMap;

use kraken_execution::testing;
use kraken_storage::Class;
use kraken_tests::{
    Wallet,
    verify::{
        block_hash, class, commitment,
        diff::StateDiff,
        hash::{pedersen, poseidon},
        state::State,
        transaction::{self, Transaction},
        trie,
    },
};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

/// Block 63881 of the Sepolia integration network, of Starknet 0.13.4, as JSON-RPC serves it.
const BLOCK: &str = include_str!("vectors/sepolia_integration_63881.json");

/// Transactions of version 3 of public networks, with their hashes.
const TRANSACTIONS: &str = include_str!("vectors/transactions.json");

fn felt(hex: &str) -> Felt {
    Felt::from_hex_unchecked(hex)
}

fn public_block() -> (Value, Vec<Transaction>) {
    let both: Value = serde_json::from_str(BLOCK).expect("JSON");
    let transactions = transaction::read_all(&both["block"]).expect("a block of the specification");
    (both, transactions)
}

fn claimed(block: &Value, name: &str) -> Felt {
    felt(block[name].as_str().expect("a felt"))
}

#[test]
fn a_public_block_has_its_commitments_and_its_hash() {
    let (both, transactions) = public_block();
    let block = &both["block"];
    let computed = [
        ("transaction_commitment", commitment::transactions(&transactions)),
        ("event_commitment", commitment::events(&transactions)),
        ("receipt_commitment", commitment::receipts(&transactions)),
        ("block_hash", block_hash(block).expect("a header")),
    ];
    for (name, computed) in computed {
        assert_eq!(claimed(block, name), computed, "{name}");
    }

    let diff = StateDiff::read(&both["state_update"]["state_diff"]).expect("a state diff");
    assert_eq!(claimed(block, "state_diff_commitment"), diff.commitment());
    assert_eq!(block["state_diff_length"], json!(diff.len()));
}

#[test]
fn every_field_of_a_public_block_is_in_its_hash() {
    let (both, _) = public_block();
    let hash = block_hash(&both["block"]).expect("a header");
    for (pointer, other) in [
        ("/parent_hash", json!("0x1")),
        ("/block_number", json!(1)),
        ("/new_root", json!("0x1")),
        ("/timestamp", json!(1)),
        ("/sequencer_address", json!("0x1")),
        ("/l1_gas_price/price_in_wei", json!("0x2")),
        ("/l1_data_gas_price/price_in_fri", json!("0x2")),
        ("/l2_gas_price/price_in_fri", json!("0x2")),
        ("/l1_da_mode", json!("CALLDATA")),
        ("/starknet_version", json!("0.13.5")),
        ("/transaction_count", json!(1)),
        ("/event_count", json!(1)),
        ("/state_diff_length", json!(1)),
    ] {
        let mut block = both["block"].clone();
        *block.pointer_mut(pointer).expect("the field is there") = other;
        assert_ne!(block_hash(&block).expect("a header"), hash, "{pointer}");
    }
}

#[test]
fn public_transactions_have_their_hashes() {
    let vectors: Value = serde_json::from_str(TRANSACTIONS).expect("JSON");
    for vector in vectors.as_array().expect("a list") {
        let chain_id = vector["chain_id"].as_str().expect("a text");
        let chain_id = Felt::from_bytes_be_slice(chain_id.as_bytes());
        let hash = claimed(vector, "hash");
        let computed = transaction::hash(&vector["transaction"], chain_id).expect("version 3");
        assert_eq!(computed, hash, "{}", vector["from"]);
        assert_ne!(transaction::hash(&vector["transaction"], Felt::ONE).expect("the same"), hash);
    }
}

/// A reverted transaction with messages, from the tests of `starknet_api`.
#[test]
fn a_receipt_with_a_revert_and_messages_has_its_hash() {
    let message = |seed: u64| {
        json!({
            "from_address": format!("{seed:#x}"),
            "to_address": format!("{:#x}", seed + 1),
            "payload": [format!("{:#x}", seed + 2), format!("{:#x}", seed + 3)],
        })
    };
    let block = json!({ "transactions": [{
        "transaction": { "type": "INVOKE", "signature": [] },
        "receipt": {
            "type": "INVOKE",
            "transaction_hash": "0x4d2",
            "actual_fee": { "amount": format!("{:#x}", 99_804), "unit": "FRI" },
            "finality_status": "ACCEPTED_ON_L2",
            "execution_status": "REVERTED",
            "revert_reason": "aborted",
            "messages_sent": [message(34), message(56)],
            "events": [],
            "execution_resources": { "l1_gas": 16_580, "l1_data_gas": 32, "l2_gas": 0 },
        },
    }]});
    let transactions = transaction::read_all(&block).expect("of the specification");
    let hash = felt("0x31963cb891ebb825e83514deb748c89b6967b5368cbc48a9b56193a1464ca87");
    assert_eq!(commitment::receipts(&transactions), hash);
}

/// From the tests of `starknet_api`.
#[test]
fn a_state_diff_with_everything_has_its_hash() {
    let pair = |key: &str, a: &str, value: &str, b: &str| json!({ key: a, value: b });
    let diff = json!({
        "storage_diffs": [
            { "address": "0x9", "storage_entries": [pair("key", "0xa", "value", "0xb")] },
            { "address": "0x4", "storage_entries": [
                pair("key", "0x7", "value", "0x8"),
                pair("key", "0x5", "value", "0x6"),
            ] },
        ],
        "deprecated_declared_classes": ["0x10"],
        "declared_classes": [
            pair("class_hash", "0xe", "compiled_class_hash", "0xf"),
            pair("class_hash", "0xc", "compiled_class_hash", "0xd"),
        ],
        "deployed_contracts": [
            pair("address", "0x13", "class_hash", "0x14"),
            pair("address", "0x0", "class_hash", "0x1"),
        ],
        "replaced_classes": [pair("contract_address", "0x2", "class_hash", "0x3")],
        "nonces": [pair("contract_address", "0x11", "nonce", "0x12")],
    });
    let diff = StateDiff::read(&diff).expect("a state diff");
    let hash = felt("0x281f5966e49ad7dad9323826d53d1d27c0c4e6ebe5525e2e2fbca549bfa0a67");
    assert_eq!(diff.commitment(), hash);
}

/// A contract of block 0 of the Goerli network, and a deletion; both from the tests of pathfinder.
#[test]
fn tries_have_their_roots() {
    let map = |leaves: &[(&str, &str)]| -> BTreeMap<Felt, Felt> {
        leaves.iter().map(|(key, value)| (felt(key), felt(value))).collect()
    };
    let goerli = map(&[
        ("0x5", "0x66"),
        ("0x1bf95d4b58f0741fea29f94ee5a118d0847c8b7ae0173c2a570c9f74cca9ea1", "0x7e5"),
        ("0x3c75c20765d020b0ec41b48bb8c5338ac4b619fc950d59994e844e1e1b9d2a9", "0x7c7"),
        (
            "0x4065b936c56f5908a981084dafa66dc17600937dc80c52eeb834693bb811792",
            "0x7970c532b764bb36faf5696b8bc1317505b8a4dc9eee5df4994671757975e4d",
        ),
        (
            "0x4b5fbb4904167e2e8195c35f7d4e78501a3fe95896794367c85b60b39aeffc2",
            "0x232c969eafc5b30c20648759d7fa1e2f4256ac6604e1921578101dce4dfdf48",
        ),
    ]);
    assert_eq!(
        trie::root(&goerli, trie::STATE_HEIGHT, pedersen),
        felt("0x6ee9a8202b40f3f76f1a132f953faa2df78b3b33ccb2b4406431abdc99c2dfe")
    );
    let classes = map(&[("0xdeadbeef", "0xfeeddefeed"), ("0x5", "0x0")]);
    assert_eq!(
        trie::root(&classes, trie::STATE_HEIGHT, poseidon),
        felt("0x497f5ca0b5989a6fafa83ebc60c7427a78456d38ea716f8bbfa74972a39a7d")
    );
    assert_eq!(trie::root(&BTreeMap::new(), trie::STATE_HEIGHT, poseidon), Felt::ZERO);
}

/// Block 0 of a network that started with Starknet 0.14, from the tests of pathfinder and madara.
#[test]
fn a_state_has_its_root() {
    let mut state = State::default();
    assert_eq!(state.root(), Felt::ZERO);
    let cells = BTreeMap::from([(Felt::ZERO, felt("0x80"))]);
    let diff = StateDiff { storage: BTreeMap::from([(Felt::TWO, cells)]), ..StateDiff::default() };
    state.apply(&diff).expect("a system contract");
    assert_eq!(
        state.root(),
        felt("0x68bcf9e9257ab6bffd9425833a208aaab6b85649fd21c787a546cb7cb9abf")
    );
    assert!(state.apply(&diff).is_err(), "a change that changes nothing");
}

/// The classes of block 0 have the hashes that they have on public networks.
#[test]
fn classes_have_their_hashes() {
    let genesis = Wallet::new(1).chain().genesis().clone();
    let classes = testing::genesis_state(&genesis).classes;
    let mut checked = 0;
    for (hash, class) in classes {
        if let Class::Sierra(class) = class.as_ref() {
            let json = serde_json::to_value(&class.sierra).expect("JSON");
            assert_eq!(class::class_hash(&json).expect("a class"), hash.0);
            checked += 1;
        }
    }
    assert!(4 <= checked, "{checked} classes of Cairo 1");
}
