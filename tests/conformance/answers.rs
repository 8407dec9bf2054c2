//! A chain with every kind of transaction: each answer is of the shape that the official documents
//! give it, and each hash is recomputed.

use std::collections::BTreeSet;

use kraken_execution::{genesis::STRK_ADDRESS, testing};
use kraken_tests::{
    Client, Ledger, Node, Verifier, Wallet,
    client::{felt, hex, wait_for},
    verify::class,
    wallet::{CHAIN_ID, broadcasted, call, deploy_call},
};
use serde_json::{Value, json};
use starknet_api::rpc_transaction::RpcTransaction;
use starknet_types_core::felt::Felt;

/// What the scenario made.
pub(crate) struct Scenario {
    pub(crate) wallet: Wallet,
    /// Every transaction, with whether it succeeded.
    transactions: Vec<(Felt, bool)>,
    /// A contract with storage and events.
    ledger: Felt,
    /// An account that was deployed.
    account: Felt,
}

/// Declares, deploys, invokes, reverts and opens an account.
pub(crate) fn play(client: &Client) -> Scenario {
    let wallet = Wallet::new(3);
    let class = Ledger::get();
    let (deploy, ledger) =
        deploy_call(class.class_hash, Felt::THREE, &[wallet.address(0), Felt::from(100)]);
    let (account, open) = wallet.new_account(Felt::from(4_711));
    let gift = testing::transfer_call(STRK_ADDRESS, account.address, 2 * 10_u128.pow(20));
    let add = call(ledger, "add", vec![Felt::ONE, Felt::from(11)]);
    let add_more = call(ledger, "add_through", vec![ledger, Felt::ONE, Felt::from(31)]);
    let refuse = call(ledger, "refuse", vec![Felt::TWO]);
    let from_new = testing::multicall(
        wallet.chain(),
        &account,
        1,
        std::slice::from_ref(&add),
        testing::ample_bounds(),
    );
    let steps = [
        (wallet.declare(0, 0, class.class.clone(), class.compiled_class_hash), true),
        (wallet.multicall(0, 1, &[deploy]), true),
        (wallet.multicall(1, 0, &[add, add_more]), true),
        (wallet.multicall(1, 1, &[refuse]), false),
        (wallet.multicall(2, 0, &[gift]), true),
        (open, true),
        (from_new, true),
        (wallet.transfer(2, 1, 0, 1), true),
    ];
    let submit = |(transaction, succeeds): &(RpcTransaction, bool)| {
        let submitted = client.submit(transaction).expect("it is good");
        // So that what comes next can be checked against its effects.
        wait_for("its execution", || client.receipt(submitted.hash).expect("the node answers"));
        (submitted.hash, *succeeds)
    };
    let transactions = steps.iter().map(submit).collect();
    Scenario { wallet, transactions, ledger, account: account.address.into() }
}

/// Waits until every transaction is in a closed block.
pub(crate) fn wait_for_blocks(client: &Client, scenario: &Scenario) {
    for (hash, _) in &scenario.transactions {
        client.accepted(*hash);
    }
}

/// Asks about every transaction, wherever it is.
pub(crate) fn ask_about_transactions(client: &Client, scenario: &Scenario) {
    for (hash, _) in &scenario.transactions {
        let receipt = client.get("starknet_getTransactionReceipt", json!([hex(*hash)]));
        let id = json!({ "block_number": receipt["block_number"] });
        ask_about_block(client, &id);
    }
}

/// Has an account that has sent nothing declare the ledger.
pub(crate) fn declare_the_ledger(client: &Client, account: usize) {
    let (wallet, class) = (Wallet::new(3), Ledger::get());
    let declare = wallet.declare(account, 0, class.class.clone(), class.compiled_class_hash);
    client.accepted(client.submit(&declare).expect("it is good").hash);
}

/// Asks every read method about a block and everything in it.
pub(crate) fn ask_everything(client: &Client, id: &Value, scenario: &Scenario) {
    ask_about_block(client, id);
    ask_about_contracts(client, id, scenario);
}

fn ask_about_block(client: &Client, id: &Value) {
    for method in [
        "starknet_getBlockWithTxHashes",
        "starknet_getBlockWithTxs",
        "starknet_getBlockWithReceipts",
        "starknet_getStateUpdate",
        "starknet_getBlockTransactionCount",
    ] {
        client.get(method, json!([id]));
    }
    let hashes = client.get("starknet_getBlockWithTxHashes", json!([id]));
    let hashes = hashes["transactions"].as_array().expect("a list").clone();
    for (index, hash) in hashes.iter().enumerate() {
        let by_index = client.get("starknet_getTransactionByBlockIdAndIndex", json!([id, index]));
        assert_eq!(by_index["transaction_hash"], *hash);
        assert_eq!(client.get("starknet_getTransactionByHash", json!([hash])), by_index);
        let receipt = client.get("starknet_getTransactionReceipt", json!([hash]));
        let status = client.get("starknet_getTransactionStatus", json!([hash]));
        for field in ["finality_status", "execution_status"] {
            assert_eq!(receipt[field], status[field], "{hash}");
        }
    }
}

fn ask_about_contracts(client: &Client, id: &Value, scenario: &Scenario) {
    for contract in [scenario.wallet.address(0), scenario.ledger, scenario.account] {
        let contract = hex(contract);
        client.get("starknet_getNonce", json!([id, contract]));
        let class = client.get("starknet_getClassAt", json!([id, contract]));
        let class_hash = client.get("starknet_getClassHashAt", json!([id, contract]));
        assert_eq!(class::class_hash(&class).expect("a class"), felt(&class_hash));
        assert_eq!(client.get("starknet_getClass", json!([id, class_hash])), class);
        client.get("starknet_getStorageAt", json!([contract, "0x1", id]));
    }
    let total = call(scenario.ledger, "total", Vec::new());
    let request = json!({
        "contract_address": hex(scenario.ledger),
        "entry_point_selector": hex(total.selector.0),
        "calldata": [],
    });
    assert_eq!(client.get("starknet_call", json!([request, id])), json!([hex(Felt::from(153))]));
}

/// All events, by pages.
fn events(client: &Client, filter: &Value) -> Vec<Value> {
    let mut filter = filter.clone();
    let mut events = Vec::new();
    loop {
        let page = client.get("starknet_getEvents", json!([filter]));
        events.extend(page["events"].as_array().expect("a list").iter().cloned());
        match page.get("continuation_token") {
            Some(token) => filter["continuation_token"] = token.clone(),
            None => return events,
        }
    }
}

/// Events are found one by one, all at once, and by what they are about.
pub(crate) fn ask_for_events(client: &Client, scenario: &Scenario) {
    let all = events(client, &json!({ "to_block": "pre_confirmed", "chunk_size": 1_000 }));
    let by_two = events(client, &json!({ "to_block": "pre_confirmed", "chunk_size": 2 }));
    assert_eq!(all, by_two);
    let in_receipts: usize = scenario
        .transactions
        .iter()
        .map(|(hash, _)| {
            let receipt = client.get("starknet_getTransactionReceipt", json!([hex(*hash)]));
            receipt["events"].as_array().expect("a list").len()
        })
        .sum();
    assert_eq!(all.len(), in_receipts);
    let added = hex(call(scenario.ledger, "Added", Vec::new()).selector.0);
    let filter = json!({
        "to_block": "pre_confirmed",
        "address": hex(scenario.ledger),
        "keys": [[added], ["0x1"]],
        "chunk_size": 100,
    });
    let values: Vec<_> =
        events(client, &filter).iter().map(|event| event["data"][1].clone()).collect();
    // 11, then 31 more, then 11 more.
    assert_eq!(values, [json!("0xb"), json!("0x2a"), json!("0x35")]);
}

pub(crate) fn ask_for_estimates(client: &Client, scenario: &Scenario, id: &Value) {
    let wallet = &scenario.wallet;
    let transfers: Vec<_> =
        (2..5).map(|nonce| broadcasted(&wallet.transfer(1, nonce, 0, 1))).collect();
    let estimates = client.get("starknet_estimateFee", json!([transfers, [], id]));
    assert_eq!(estimates.as_array().map(Vec::len), Some(3));
    let mut unsigned = transfers[0].clone();
    unsigned["signature"] = json!([]);
    unsigned["version"] = json!("0x100000000000000000000000000000003");
    client.get("starknet_estimateFee", json!([[unsigned], ["SKIP_VALIDATE"], id]));
}

/// Answers that are about no block.
pub(crate) fn ask_about_the_chain(client: &Client) {
    assert_eq!(client.get("starknet_specVersion", json!([])), "0.10.2");
    let chain_id = Felt::from_bytes_be_slice(CHAIN_ID.as_bytes());
    assert_eq!(felt(&client.get("starknet_chainId", json!([]))), chain_id);
    assert_eq!(client.get("starknet_syncing", json!([])), json!(false));
    let newest = client.get("starknet_blockHashAndNumber", json!([]));
    assert_eq!(newest["block_number"], json!(client.block_number()));
}

/// Every class that was declared is served whole, under the hash that it has.
fn check_classes(client: &Client, verifier: &Verifier) {
    for class_hash in verifier.state().declared().keys() {
        let class = client.get("starknet_getClass", json!(["latest", hex(*class_hash)]));
        assert_eq!(class::class_hash(&class).expect("a class"), *class_hash);
    }
}

fn check_receipts(client: &Client, scenario: &Scenario, finality: &str) {
    for (hash, succeeds) in &scenario.transactions {
        let receipt = client.get("starknet_getTransactionReceipt", json!([hex(*hash)]));
        assert_eq!(receipt["finality_status"], finality, "{receipt}");
        let status = if *succeeds { "SUCCEEDED" } else { "REVERTED" };
        assert_eq!(receipt["execution_status"], status, "{receipt}");
        if !succeeds {
            let reason = receipt["revert_reason"].as_str().expect("a reason");
            assert!(reason.contains("Ledger: refused"), "{reason}");
        }
    }
}

#[test]
fn an_open_block_and_then_the_closed_one_are_of_the_specification() {
    let node = Node::start_checked(&["--block-generation-on", "demand"]);
    let client = node.client();
    let scenario = play(&client);
    check_receipts(&client, &scenario, "PRE_CONFIRMED");
    let open = json!("pre_confirmed");
    ask_everything(&client, &open, &scenario);
    ask_for_events(&client, &scenario);
    ask_for_estimates(&client, &scenario, &open);
    let before = client.get("starknet_getStateUpdate", json!([open]));

    client.get("devnet_createBlock", json!([]));
    check_receipts(&client, &scenario, "ACCEPTED_ON_L2");
    let newest = client.get("starknet_blockHashAndNumber", json!([]));
    for id in [
        json!("latest"),
        json!({ "block_number": 1 }),
        json!({ "block_hash": newest["block_hash"] }),
    ] {
        ask_everything(&client, &id, &scenario);
    }
    ask_for_events(&client, &scenario);
    ask_for_estimates(&client, &scenario, &json!("latest"));
    ask_about_the_chain(&client);

    let mut verifier = Verifier::new(CHAIN_ID);
    verifier.catch_up(&client).expect("every block is what it claims to be");
    assert_eq!(verifier.transactions(), scenario.transactions.len() as u64);
    check_classes(&client, &verifier);
    check_state(&client, &verifier, &before);
}

/// What is read cell by cell is what the blocks say; what was open became closed as it was.
fn check_state(client: &Client, verifier: &Verifier, open: &Value) {
    let closed = client.get("starknet_getStateUpdate", json!(["latest"]));
    for name in ["declared_classes", "deployed_contracts", "nonces"] {
        assert_eq!(open["state_diff"][name], closed["state_diff"][name], "{name}");
    }
    let diffs = closed["state_diff"]["storage_diffs"].as_array().expect("a list");
    let mut read = BTreeSet::new();
    for diff in diffs {
        for entry in diff["storage_entries"].as_array().expect("a list") {
            let (contract, key) = (&diff["address"], &entry["key"]);
            let value = client.get("starknet_getStorageAt", json!([contract, key, "latest"]));
            assert_eq!(felt(&value), verifier.state().cell(&felt(contract), &felt(key)));
            read.insert((felt(contract), felt(key)));
        }
    }
    assert!(10 < read.len(), "{} cells", read.len());
}

#[test]
fn a_chain_of_one_transaction_a_block_is_what_it_claims_to_be() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    let scenario = play(&client);
    check_receipts(&client, &scenario, "ACCEPTED_ON_L2");
    ask_everything(&client, &json!("latest"), &scenario);
    ask_for_events(&client, &scenario);
    // More than ten blocks, so that blocks know hashes of older ones.
    for nonce in 2..8 {
        client.submit(&scenario.wallet.transfer(2, nonce, 1, 5)).expect("it is good");
    }
    let mut verifier = Verifier::new(CHAIN_ID);
    verifier.catch_up(&client).expect("every block is what it claims to be");
    assert_eq!(verifier.transactions(), scenario.transactions.len() as u64 + 6);
    assert!(12 < verifier.next_number());
    check_classes(&client, &verifier);

    // History: the first state is still there.
    let nonce = |id: Value| {
        felt(&client.get("starknet_getNonce", json!([id, hex(scenario.wallet.address(2))])))
    };
    assert_eq!(nonce(json!({ "block_number": 0 })), Felt::ZERO);
    assert_eq!(nonce(json!("latest")), Felt::from(8));
    assert_eq!(client.balance(scenario.account), {
        let id = json!({ "address": hex(scenario.account), "block_id": "latest" });
        let answer = client.get("devnet_getAccountBalance", id);
        answer["amount"].as_str().and_then(|text| text.parse().ok()).expect("a number")
    });
}

/// The verifier is worth something: it notices when one field of a block is another.
#[test]
fn a_changed_block_is_noticed() {
    let node = Node::start(&["--block-generation-on", "demand"]);
    let client = node.client();
    play(&client);
    client.get("devnet_createBlock", json!([]));
    let fetch = |number: u64| {
        let id = json!([{ "block_number": number }]);
        let block = client.get("starknet_getBlockWithReceipts", id.clone());
        (block, client.get("starknet_getStateUpdate", id))
    };
    let verify = |change: &dyn Fn(&mut Value, &mut Value)| {
        let mut verifier = Verifier::new(CHAIN_ID);
        let (block, update) = fetch(0);
        verifier.block(&block, &update)?;
        let (mut block, mut update) = fetch(1);
        change(&mut block, &mut update);
        verifier.block(&block, &update)
    };
    verify(&|_, _| ()).expect("unchanged, it is right");
    for (pointer, other) in [
        ("/timestamp", json!(1)),
        ("/new_root", json!("0x1")),
        ("/parent_hash", json!("0x1")),
        ("/event_commitment", json!("0x1")),
        ("/transactions/2/transaction/calldata/0", json!("0x5")),
        ("/transactions/2/transaction/nonce", json!("0x5")),
        ("/transactions/2/transaction/signature/0", json!("0x5")),
        ("/transactions/2/transaction/tip", json!("0x5")),
        ("/transactions/2/receipt/events/0/data/0", json!("0x5")),
        ("/transactions/2/receipt/actual_fee/amount", json!("0x5")),
        ("/transactions/3/receipt/revert_reason", json!("no")),
        ("/transactions/5/receipt/contract_address", json!("0x5")),
    ] {
        let change = |block: &mut Value, _: &mut Value| {
            *block.pointer_mut(pointer).expect("the field is there") = other.clone();
        };
        assert!(verify(&change).is_err(), "{pointer}");
    }
    for (pointer, other) in [
        ("/state_diff/storage_diffs/0/storage_entries/0/value", json!("0x5555")),
        ("/state_diff/nonces/0/nonce", json!("0x5")),
        ("/state_diff/declared_classes/0/compiled_class_hash", json!("0x5")),
        ("/old_root", json!("0x5")),
    ] {
        let change = |_: &mut Value, update: &mut Value| {
            *update.pointer_mut(pointer).expect("the field is there") = other.clone();
        };
        assert!(verify(&change).is_err(), "{pointer}");
    }
}
