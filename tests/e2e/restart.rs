//! An orderly end, and what is there afterwards.

use kraken_tests::{
    Client, Ledger, Node, Verifier, Wallet,
    client::hex,
    wallet::{CHAIN_ID, call, deploy_call},
};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

/// Everything that can be asked of a chain up to its newest block.
fn everything(client: &Client, wallet: &Wallet, hashes: &[Felt], class_hash: Felt) -> Vec<Value> {
    let mut answers = Vec::new();
    for number in 0..=client.block_number() {
        let id = json!({ "block_number": number });
        for method in ["starknet_getBlockWithReceipts", "starknet_getStateUpdate"] {
            answers.push(client.get(method, json!([id])));
        }
        for account in 0..wallet.len() {
            let address = hex(wallet.address(account));
            answers.push(client.get("starknet_getNonce", json!([id, address])));
            answers.push(
                client
                    .get("devnet_getAccountBalance", json!({ "address": address, "block_id": id })),
            );
        }
    }
    for hash in hashes {
        for method in ["starknet_getTransactionReceipt", "starknet_getTransactionByHash"] {
            answers.push(client.get(method, json!([hex(*hash)])));
        }
    }
    answers.push(client.get("starknet_getClass", json!(["latest", hex(class_hash)])));
    answers.push(client.get("starknet_getEvents", json!([{ "chunk_size": 1_000 }])));
    answers
}

#[test]
fn an_orderly_restart_keeps_everything() {
    let wallet = Wallet::new(3);
    let ledger = Ledger::get();
    let mut node = Node::start(&["--block-generation-on", "transaction"]);
    let client = node.client();
    let (deploy, address) =
        deploy_call(ledger.class_hash, Felt::ONE, &[wallet.address(0), Felt::from(7)]);
    let transactions = [
        wallet.declare(0, 0, ledger.class.clone(), ledger.compiled_class_hash),
        wallet.multicall(0, 1, &[deploy]),
        wallet.multicall(1, 0, &[call(address, "add", vec![Felt::TWO, Felt::from(40)])]),
        wallet.multicall(1, 1, &[call(address, "refuse", vec![Felt::TWO])]),
        wallet.transfer(2, 0, 0, 5),
    ];
    let hashes: Vec<_> = transactions
        .iter()
        .map(|transaction| client.submit(transaction).expect("it is good").hash)
        .collect();
    for hash in &hashes {
        client.accepted(*hash);
    }
    let before = everything(&client, &wallet, &hashes, ledger.class_hash);
    let mut verifier = Verifier::new(CHAIN_ID);
    verifier.catch_up(&client).expect("every block is what it claims to be");

    for _ in 0..2 {
        let status = node.stop();
        assert!(status.success(), "{status}");
        node.restart();
        let after = everything(&node.client(), &wallet, &hashes, ledger.class_hash);
        assert_eq!(after.len(), before.len(), "there are other blocks");
        for (after, before) in after.iter().zip(&before) {
            assert_eq!(after, before);
        }
    }

    let client = node.client();
    let add = wallet.multicall(1, 2, &[call(address, "add", vec![Felt::TWO, Felt::TWO])]);
    let receipt = client.accepted(client.submit(&add).expect("it is good").hash);
    assert_eq!(receipt["execution_status"], "SUCCEEDED", "{receipt}");
    let value = client.get(
        "starknet_call",
        json!([{
            "contract_address": hex(address),
            "entry_point_selector": hex(call(address, "value", Vec::new()).selector.0),
            "calldata": ["0x2"],
        }, "latest"]),
    );
    assert_eq!(value, json!(["0x2a"]));
    verifier.catch_up(&client).expect("every block is what it claims to be");
}

#[test]
fn what_waits_in_an_open_block_survives_an_orderly_restart_and_a_crash() {
    let wallet = Wallet::new(2);
    let mut node = Node::start(&["--block-generation-on", "demand"]);
    let client = node.client();
    let hashes: Vec<_> = (0..4)
        .map(|nonce| client.submit(&wallet.transfer(0, nonce, 1, 9)).expect("it is good").hash)
        .collect();
    let last = *hashes.last().expect("four");
    let receipt = |client: &Client| {
        kraken_tests::client::wait_for("the open block", || {
            client.receipt(last).expect("the node answers")
        })
    };
    let before = receipt(&client);
    assert_eq!(before["finality_status"], "PRE_CONFIRMED");

    assert!(node.stop().success());
    node.restart();
    assert_eq!(receipt(&node.client()), before);
    node.kill_9();
    node.restart();
    let client = node.client();
    assert_eq!(receipt(&client), before);
    assert_eq!(client.block_number(), 0);

    client.get("devnet_createBlock", json!([]));
    for hash in hashes {
        assert_eq!(client.accepted(hash)["block_number"], 1);
    }
    Verifier::new(CHAIN_ID).catch_up(&client).expect("every block is what it claims to be");
}
