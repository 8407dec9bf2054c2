//! The controls of starknet-devnet and katana, as their users call them.

use kraken_execution::{genesis::STRK_ADDRESS, testing};
use kraken_tests::{
    Client, Ledger, Node, Verifier, Wallet,
    client::hex,
    wallet::{CHAIN_ID, submission},
};
use serde_json::{Value, json};
use starknet_api::rpc_transaction::RpcTransaction;
use starknet_types_core::felt::Felt;

fn latest(client: &Client) -> Value {
    client.get("starknet_getBlockWithTxHashes", json!(["latest"]))
}

fn storage(client: &Client, key: &str) -> Value {
    client.get("starknet_getStorageAt", json!([hex(STRK_ADDRESS), key, "latest"]))
}

fn verify(client: &Client) {
    Verifier::new(CHAIN_ID).catch_up(client).expect("every block is what it claims to be");
}

/// A transaction without a signature.
fn unsigned(transaction: &RpcTransaction) -> (&'static str, Value) {
    let (method, mut params) = submission(transaction);
    let body = params.as_object_mut().and_then(|params| params.values_mut().next());
    body.expect("one parameter")["signature"] = json!([]);
    (method, params)
}

#[test]
fn snapshots_and_aborted_blocks_take_the_chain_back_and_a_crash_does_not_bring_it_forth() {
    let wallet = Wallet::new(2);
    let mut node = Node::start(&[]);
    let client = node.client();
    client.submit(&wallet.transfer(0, 0, 1, 1)).expect("it is good");
    let before = latest(&client);
    let snapshot = client.get("devnet_snapshot", json!([]));
    assert_eq!(snapshot, "0x1");
    let lost = client.submit(&wallet.transfer(0, 1, 1, 1)).expect("it is good").hash;
    client.get("devnet_mint", json!({ "address": "0x77", "amount": 5 }));
    assert_eq!(client.block_number(), 3);
    assert_eq!(client.get("devnet_revert", json!({ "snapshot_id": snapshot })), true);
    assert_eq!(latest(&client), before);
    assert_eq!(client.receipt(lost).expect("an answer"), None);
    assert_eq!(client.get("devnet_revert", json!({ "snapshot_id": snapshot })), false);
    let (code, ..) = client.refusal("devnet_revert", json!({ "snapshot_id": "one" }));
    assert_eq!(code, -32602);

    let (kept, aborted): (Vec<_>, Vec<_>) = (1..=4)
        .map(|nonce| {
            client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it is good");
            latest(&client)["block_hash"].clone()
        })
        .enumerate()
        .partition(|(index, _)| *index < 2);
    let answer = client.get("devnet_abortBlocks", json!([{ "block_hash": aborted[0].1 }]));
    assert_eq!(answer, json!({ "aborted": [aborted[1].1, aborted[0].1] }));
    assert_eq!(latest(&client)["block_hash"], kept[1].1);
    let gone = json!([{ "block_hash": aborted[0].1 }]);
    assert_eq!(client.refusal("starknet_getBlockWithTxHashes", gone.clone()).0, 24);
    assert_eq!(client.refusal("devnet_abortBlocks", gone).0, 24);
    let genesis = client.refusal("devnet_abortBlocks", json!([{ "block_number": 0 }]));
    assert!(genesis.1.contains("genesis"), "{genesis:?}");

    node.kill_9();
    node.restart();
    let client = node.client();
    assert_eq!(latest(&client)["block_hash"], kept[1].1);
    client.submit(&wallet.transfer(0, 3, 1, 1)).expect("it is good");
    assert_eq!(client.block_number(), 4);
    verify(&client);

    client.get("devnet_restart", json!({}));
    assert_eq!(client.block_number(), 0);
    client.submit(&wallet.transfer(0, 0, 1, 1)).expect("it is new again");
    verify(&client);
}

#[test]
fn gas_prices_are_set_and_stay() {
    let wallet = Wallet::new(2);
    let node = Node::start(&[]);
    let client = node.client();
    let prices =
        client.get("devnet_setGasPrice", json!({ "l2_gas_price_fri": 7, "generate_block": true }));
    assert_eq!(prices["l2_gas_price_fri"], 7);
    assert_eq!(prices["gas_price_wei"], 1_000_000_000);
    for number in 1..=3 {
        let block = latest(&client);
        assert_eq!(block["block_number"], number);
        assert_eq!(block["l2_gas_price"]["price_in_fri"], "0x7");
        client.submit(&wallet.transfer(0, number - 1, 1, 1)).expect("it is good");
    }
    let pending = client.get("starknet_getBlockWithTxHashes", json!(["pre_confirmed"]));
    assert_eq!(pending["l2_gas_price"]["price_in_fri"], "0x7");
    let refused = client.refusal("devnet_setGasPrice", json!({ "gas_price_wei": 0 }));
    assert_eq!(refused.0, -32602, "{refused:?}");
    verify(&client);
}

#[test]
fn impersonated_accounts_need_no_key() {
    let wallet = Wallet::new(2);
    let node = Node::start(&[]);
    let client = node.client();
    let transfer = wallet.transfer(0, 0, 1, 1);
    let (method, params) = unsigned(&transfer);
    assert_eq!(client.refusal(method, params.clone()).0, 55);
    let account = json!({ "account_address": hex(wallet.address(0)) });
    assert_eq!(client.get("devnet_impersonateAccount", account.clone()), json!({}));
    let status = client.get("devnet_getStatus", json!([]));
    assert_eq!(status["impersonated_accounts"], json!([hex(wallet.address(0))]));
    client.get(method, params);
    client.get("devnet_stopImpersonateAccount", account);
    let (method, params) = unsigned(&wallet.transfer(0, 1, 1, 1));
    assert_eq!(client.refusal(method, params.clone()).0, 55);
    client.get("devnet_autoImpersonate", json!([]));
    client.get(method, params);
    client.get("devnet_stopAutoImpersonate", json!([]));
    let (method, params) = unsigned(&wallet.transfer(1, 0, 0, 1));
    assert_eq!(client.refusal(method, params).0, 55);
    assert_eq!(client.nonce(wallet.address(0)).expect("an answer"), 2);
}

#[test]
fn a_state_diff_declares_deploys_and_writes() {
    let wallet = Wallet::new(1);
    let node = Node::start(&[]);
    let client = node.client();
    let ledger = Ledger::get();
    let declare = wallet.declare(0, 0, ledger.class.clone(), ledger.compiled_class_hash);
    let class = &submission(&declare).1["declare_transaction"]["contract_class"];
    let request = json!({
        "state_diff": {
            "storage_diffs": [{
                "address": hex(STRK_ADDRESS),
                "storage_entries": [{ "key": "0x5", "value": "0x6" }],
            }],
            "nonces": [{ "contract_address": "0x123", "nonce": "0x9" }],
            "deployed_contracts": [{ "address": "0x123", "class_hash": hex(ledger.class_hash) }],
        },
        "classes": [{ "contract_class": class }],
    });
    let applied = client.get("devnet_applyStateDiff", request);
    let hashes = json!([{
        "class_hash": hex(ledger.class_hash),
        "compiled_class_hash": hex(ledger.compiled_class_hash),
    }]);
    assert_eq!(applied, json!({ "classes": hashes }));
    assert_eq!(storage(&client, "0x5"), "0x6");
    assert_eq!(client.nonce(Felt::from(0x123)).expect("an answer"), 9);
    let class_hash = client.get("starknet_getClassHashAt", json!(["latest", "0x123"]));
    assert_eq!(class_hash, hex(ledger.class_hash));
    let update = client.get("starknet_getStateUpdate", json!(["latest"]));
    assert_eq!(update["state_diff"]["declared_classes"], hashes);

    let nobody = json!({ "state_diff": { "nonces": [
        { "contract_address": "0x777", "nonce": "0x1" }] } });
    assert_eq!(client.refusal("devnet_applyStateDiff", nobody).0, 20);
    let classless = json!({ "state_diff": { "deployed_contracts": [
        { "address": "0x777", "class_hash": "0x1" }] } });
    assert_eq!(client.refusal("devnet_applyStateDiff", classless).0, 28);
    let colour = json!({ "state_diff": { "colour": [] } });
    assert_eq!(client.refusal("devnet_applyStateDiff", colour).0, -32602);
    // The chain goes on. (The verifier would ask which transaction has moved that nonce.)
    client.submit(&wallet.transfer(0, 0, 0, 1)).expect("it is good");
}

#[test]
fn blocks_are_accepted_on_l1_when_a_developer_says_so() {
    let wallet = Wallet::new(2);
    let node = Node::start(&[]);
    let client = node.client();
    let hash = client.submit(&wallet.transfer(0, 0, 1, 1)).expect("it is good").hash;
    client.submit(&wallet.transfer(0, 1, 1, 1)).expect("it is good");
    let l1 = json!(["l1_accepted"]);
    assert_eq!(client.refusal("starknet_getBlockWithTxHashes", l1.clone()).0, 24);
    let first = json!([{ "block_number": 1 }]);
    let accepted = client.get("devnet_acceptOnL1", first.clone());
    assert_eq!(accepted["accepted"].as_array().map(Vec::len), Some(2));
    let block = client.get("starknet_getBlockWithTxHashes", l1);
    assert_eq!((&block["block_number"], &block["status"]), (&json!(1), &json!("ACCEPTED_ON_L1")));
    assert_eq!(latest(&client)["status"], "ACCEPTED_ON_L2");
    let receipt = client.receipt(hash).expect("an answer").expect("it is in a block");
    assert_eq!(receipt["finality_status"], "ACCEPTED_ON_L1");
    let status = client.get("starknet_getTransactionStatus", json!([hex(hash)]));
    assert_eq!(status["finality_status"], "ACCEPTED_ON_L1");
    let again = client.refusal("devnet_acceptOnL1", first);
    assert!(again.1.contains("already"), "{again:?}");
}

#[test]
fn a_dump_makes_the_same_chain_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("dump.json");
    let path = path.to_str().expect("a readable name");
    let wallet = Wallet::new(2);
    let mut node = Node::start_in_memory(&["--dump-on", "exit", "--dump-path", path]);
    let client = node.client();
    client.submit(&wallet.transfer(0, 0, 1, 5)).expect("it is good");
    client.get("devnet_mint", json!({ "address": "0x77", "amount": 5 }));
    client.get("devnet_setGasPrice", json!({ "gas_price_wei": 77 }));
    client.get("devnet_createBlock", json!([]));
    let inline = client.get("devnet_dump", json!({ "inline": true }));
    assert_eq!(inline.as_array().map(Vec::len), Some(4));
    let balance = client.balance(wallet.address(1));
    assert!(node.stop().success());
    let written: Value =
        serde_json::from_slice(&std::fs::read(path).expect("a dump")).expect("JSON");
    assert_eq!(written, inline);

    node.restart();
    let client = node.client();
    assert_eq!(client.block_number(), 3);
    assert_eq!(client.balance(wallet.address(1)), balance);
    assert_eq!(latest(&client)["l1_gas_price"]["price_in_wei"], "0x4d");
    client.submit(&wallet.transfer(0, 1, 1, 5)).expect("it is good");
    // What is loaded takes the place of all that was.
    client.get("devnet_load", json!({ "events": inline }));
    assert_eq!(client.block_number(), 3);
    assert_eq!(client.balance(wallet.address(1)), balance);
    for params in [json!({}), json!({ "path": path, "events": [] })] {
        assert_eq!(client.refusal("devnet_load", params).0, -32602);
    }
    let missing = client.refusal("devnet_load", json!({ "path": "/nowhere" }));
    assert!(missing.1.contains("/nowhere"), "{missing:?}");

    let unasked = Node::start_in_memory(&[]);
    let refused = unasked.client().refusal("devnet_dump", json!([]));
    assert!(refused.1.contains("--dump-on"), "{refused:?}");
}

#[test]
fn katanas_names_do_what_devnets_do() {
    let node = Node::start(&["--block-generation-on", "demand"]);
    let client = node.client();
    assert_eq!(client.get("dev_generateBlock", json!([])), Value::Null);
    assert_eq!(client.block_number(), 1);
    let far = 4_000_000_000_u64;
    client.get("dev_setNextBlockTimestamp", json!([far]));
    assert_eq!(client.get("dev_nextBlockTimestamp", json!([])), far);
    client.get("dev_increaseNextBlockTimestamp", json!([10]));
    client.get("dev_generateBlock", json!([]));
    assert_eq!(latest(&client)["timestamp"], far + 10);
    client.get("dev_setStorageAt", json!([hex(STRK_ADDRESS), "0x5", "0x6"]));
    assert_eq!(storage(&client, "0x5"), "0x6");
    let accounts = client.get("dev_predeployedAccounts", json!([]));
    let theirs = client.get("devnet_getPredeployedAccounts", json!([]));
    assert_eq!(accounts[0]["privateKey"], theirs[0]["private_key"]);
    assert_eq!(accounts.as_array().map(Vec::len), theirs.as_array().map(Vec::len));
}

#[test]
fn without_an_l1_the_postman_says_so_and_restricted_methods_are_refused() {
    let node = Node::start(&["--restrictive-mode", "devnet_mint", "--predeclare-argent"]);
    let client = node.client();
    for (method, params) in [
        ("devnet_postmanFlush", json!({})),
        ("devnet_postmanLoad", json!({ "network_url": "http://127.0.0.1:8545" })),
        (
            "devnet_postmanConsumeMessageFromL2",
            json!({ "from_address": "0x1", "to_address": "0x2", "payload": [] }),
        ),
    ] {
        let (code, message, _) = client.refusal(method, params);
        assert_eq!(code, -1);
        assert!(message.contains("no L1 is connected"), "{message}");
    }
    let mint = json!({ "address": "0x77", "amount": 5 });
    assert_eq!(client.refusal("devnet_mint", mint).0, -32604);
    let argent = "0x36078334509b514626504edc9fb252328d1a240e4e948bef8d0c08dff45927f";
    let class = client.get("starknet_getClass", json!(["latest", argent]));
    assert!(class["sierra_program"].is_array());
    let config = client.get("devnet_getConfig", json!([]));
    assert_eq!(config["server_config"]["restricted_methods"], json!(["devnet_mint"]));
}

#[test]
fn accounts_may_have_a_class_of_ones_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("account.json");
    let reference = Node::start(&[]);
    let class_hash = hex(kraken_execution::genesis::ACCOUNT_CLASS_HASH.0);
    // The same account with another ABI is another class.
    let mut class = reference.client().get("starknet_getClass", json!(["latest", class_hash]));
    class["abi"] = json!("[]");
    std::fs::write(&path, class.to_string()).expect("writable");
    let path = path.to_str().expect("a readable name");
    let node = Node::start(&["--account-class-custom", path]);
    let client = node.client();
    let config = client.get("devnet_getConfig", json!([]));
    let own = config["account_contract_class_hash"].clone();
    assert_ne!(own, class_hash);
    let wallet = Wallet::new(2);
    let at = client.get("starknet_getClassHashAt", json!(["latest", hex(wallet.address(0))]));
    assert_eq!(at, own);
    let transfer = testing::transfer_call(STRK_ADDRESS, wallet.account(1).address, 1);
    client.submit(&wallet.multicall(0, 0, &[transfer])).expect("the account works");
}
