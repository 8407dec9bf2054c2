//! Every method of the official documents with its answer and each of its errors.

use std::{collections::BTreeMap, sync::Arc};

use kraken_execution::genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS};
use kraken_openrpc::Documents;
use kraken_tests::{Client, Coverage, Node, client::hex, coverage::mutations, matrix::refusals};
use serde_json::{Value, json};

use crate::{answers, traces};

/// What cannot occur, and why; code 0 is the answer.
const NEVER: [(&str, i64, &str); 7] = [
    ("starknet_blockNumber", 32, NO_BLOCKS),
    ("starknet_blockHashAndNumber", 32, NO_BLOCKS),
    ("starknet_addInvokeTransaction", 63, FULL),
    ("starknet_addDeployAccountTransaction", 63, FULL),
    ("starknet_addDeployAccountTransaction", 58, "its class runs its constructor first: 55"),
    ("starknet_addDeclareTransaction", 64, NEVER_WAITS),
    ("starknet_addDeployAccountTransaction", 64, NEVER_WAITS),
];

const NO_BLOCKS: &str = "block 0 is there before the node listens";
const FULL: &str = "only while the pool is full; see the tests of `sequencer::pool`";
const NEVER_WAITS: &str = "it never waits in the pool, where it could be replaced";

/// A block that is followed by this many is too far back for a subscription.
const FAR_BACK: u64 = 1_025;

/// One validator: all kinds of transactions, and everything that can be asked about them.
fn play(client: &Client) {
    let scenario = answers::play(client);
    for id in [json!("pre_confirmed"), json!("latest")] {
        answers::ask_for_estimates(client, &scenario, &id);
        if id == "pre_confirmed" {
            answers::ask_everything(client, &id, &scenario);
            client.get("devnet_createBlock", json!([]));
        }
    }
    answers::ask_everything(client, &json!({ "block_number": 1 }), &scenario);
    answers::ask_for_events(client, &scenario);
    answers::ask_about_the_chain(client);
    let cells = json!([{ "contract_address": hex(STRK_ADDRESS), "storage_keys": ["0x1", "0x5"] }]);
    let classes = json!([hex(ACCOUNT_CLASS_HASH.0), "0x5"]);
    let contracts = json!([hex(STRK_ADDRESS), "0x5"]);
    client.get("starknet_getStorageProof", json!(["latest", classes, contracts, cells]));
}

/// Subscriptions are had over sockets.
fn subscribe(client: &Client, coverage: &Coverage) {
    let mut socket = client.socket("/");
    while client.block_number() <= FAR_BACK {
        socket.get("devnet_createBlock", json!([]));
    }
    let mut ask = |method: &str, params: Value| {
        let result = socket.call(method, params);
        coverage.note(method, &result);
        result
    };
    let (unknown, far) = (json!({ "block_number": 99_999 }), json!({ "block_number": 0 }));
    let many: Vec<_> = (1..=1_025).map(|number| format!("{number:#x}")).collect();
    for method in ["starknet_subscribeNewHeads", "starknet_subscribeEvents"] {
        let by_block = |id: &Value| json!({ "block_id": id });
        for (id, code) in [(&unknown, 24), (&far, 68)] {
            let refused = ask(method, by_block(id)).expect_err("it is refused");
            assert_eq!(refused.code(), code, "{method}");
        }
        ask(method, json!({})).expect("it is opened");
    }
    let keys = json!({ "keys": [many] });
    assert_eq!(ask("starknet_subscribeEvents", keys).expect_err("too many").code(), 34);
    for method in ["starknet_subscribeNewTransactions", "starknet_subscribeNewTransactionReceipts"]
    {
        let senders = json!({ "sender_address": many });
        assert_eq!(ask(method, senders).expect_err("too many").code(), 67);
        ask(method, json!({})).expect("it is opened");
    }
    let id = ask("starknet_subscribeTransactionStatus", json!(["0x123"])).expect("it is opened");
    assert_eq!(ask("starknet_unsubscribe", json!([id])), Ok(json!(true)));
    assert_eq!(ask("starknet_unsubscribe", json!([id])).expect_err("it is gone").code(), 66);
}

#[test]
#[expect(clippy::print_stderr, reason = "the table is what this test is for")]
fn every_answer_and_every_error_is_of_the_documents() {
    let Some(documents) = Documents::official().map(Arc::new) else {
        let folder = Documents::official_folder();
        return eprintln!("SKIPPED: no official documents in {}", folder.display());
    };
    let coverage = Arc::new(Coverage::default());
    let start = || {
        let flags = ["--block-generation-on", "demand"];
        let node = Node::start_checked(&flags, Some(Arc::clone(&documents)));
        let client = node.client().noted_in(Arc::clone(&coverage));
        (node, client)
    };
    {
        let (_node, client) = start();
        play(&client);
    }
    let (_node, client) = start();
    traces::ask_everything(&client);
    subscribe(&client, &coverage);
    for (method, code) in refusals() {
        coverage.note_error(&method, code);
    }
    match coverage.table(&documents, &NEVER) {
        Ok(table) => eprintln!("{table}"),
        Err(wrong) => panic!("{}", wrong.join("\n")),
    }
    no_mutant_survives(&documents, &coverage.answers());
}

/// A check that lets a wrong answer through is worth nothing.
fn no_mutant_survives(documents: &Documents, answers: &BTreeMap<String, Vec<Value>>) {
    let (mut killed, mut survivors) = (0, Vec::new());
    for (method, answers) in answers.iter().filter(|(method, _)| documents.method(method).is_some())
    {
        for (pointer, mutant) in answers.iter().flat_map(mutations) {
            match documents.check_result(method, &mutant) {
                Err(_) => killed += 1,
                Ok(()) => survivors.push(format!("{method} {pointer}")),
            }
        }
    }
    assert!(survivors.is_empty(), "{} survivors:\n{}", survivors.len(), survivors.join("\n"));
    assert!(1_000 < killed, "{killed} mutants are few");
}
