//! Sockets: what is asked over them, and what they are told.

mod client;
mod limits;
mod streams;

use std::time::Duration;

use serde_json::{Value, json};

use self::client::Client;
use crate::node::{Node, Wishes, start, wishes};

/// Every path, and the version that is served there.
const PATHS: [(&str, &str); 12] = [
    ("/", "0.10.2"),
    ("/rpc", "0.10.2"),
    ("/rpc/v0_10", "0.10.2"),
    ("/v0_10", "0.10.2"),
    ("/ws", "0.10.2"),
    ("/ws/rpc", "0.10.2"),
    ("/ws/rpc/v0_10", "0.10.2"),
    ("/ws/v0_10", "0.10.2"),
    ("/rpc/v0_9", "0.9.0"),
    ("/v0_9", "0.9.0"),
    ("/ws/rpc/v0_9", "0.9.0"),
    ("/ws/v0_9", "0.9.0"),
];

/// A node that closes blocks when it is asked to.
async fn on_demand() -> Node {
    start(Wishes { on_demand: true, ..wishes() }).await
}

/// Makes so many blocks without transactions.
async fn grow(node: &Node, blocks: usize) {
    for _ in 0..blocks {
        node.ask("devnet_createBlock", json!([])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_serves_sockets_and_ordinary_methods_over_them() {
    let node = start(wishes()).await;
    for (path, version) in PATHS {
        let mut client = Client::connect(&node, path).await;
        assert_eq!(client.ask("starknet_specVersion", json!([])).await, version, "{path}");
        let block = client.ask("starknet_getBlockTransactionCount", json!(["latest"])).await;
        assert_eq!(block, node.ask("starknet_getBlockTransactionCount", json!(["latest"])).await);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_notifications_and_malformed_messages_are_as_over_http() {
    let node = start(wishes()).await;
    let mut client = Client::connect(&node, "/").await;
    let request = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch = json!([request(3, "starknet_chainId"), request(1, "starknet_nothing")]);
    client.send(&json!({"jsonrpc": "2.0", "method": "starknet_chainId"}).to_string()).await;
    client.send(&batch.to_string()).await;
    let answers = client.message().await;
    assert_eq!((&answers[0]["id"], &answers[1]["error"]["code"]), (&json!(3), &json!(-32601)));
    for (text, code) in [("{", -32700), ("[]", -32600), (r#"{"id": 1}"#, -32600)] {
        client.send(text).await;
        assert_eq!(client.message().await["error"]["code"], code, "{text}");
    }
    client.send_bytes(request(9, "starknet_blockNumber").to_string().into_bytes()).await;
    assert_eq!(client.message().await, json!({"jsonrpc": "2.0", "id": 9, "result": 0}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_subscribes_over_http() {
    let node = start(wishes()).await;
    let hash = json!({"transaction_hash": "0x1"});
    for (method, params) in [
        ("starknet_subscribeNewHeads", json!([])),
        ("starknet_subscribeTransactionStatus", hash),
        ("starknet_unsubscribe", json!(["1"])),
    ] {
        let error = node.fail(method, params).await;
        assert_eq!(error["code"], -32601, "{method}");
        let reason = error["data"]["reason"].as_str().expect("a reason");
        assert!(reason.contains("WebSocket only"), "{reason}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_subscribed_to_is_refused_with_the_code_of_the_specification() {
    let node = start(wishes()).await;
    let mut client = Client::connect(&node, "/").await;
    let many = |count: u64| (0..count).map(|it| json!(format!("{it:#x}"))).collect::<Vec<_>>();
    let heads = "starknet_subscribeNewHeads";
    let (events, receipts) =
        ("starknet_subscribeEvents", "starknet_subscribeNewTransactionReceipts");
    let transactions = "starknet_subscribeNewTransactions";
    for (method, params, code) in [
        (heads, json!([{"block_number": 9}]), 24),
        (heads, json!([{"block_hash": "0x9"}]), 24),
        (heads, json!(["pre_confirmed"]), -32602),
        (heads, json!(["l1_accepted"]), -32602),
        (heads, json!({"block": "latest"}), -32602),
        (events, json!({"block_id": {"block_number": 9}}), 24),
        (events, json!({"block_id": "pre_confirmed"}), -32602),
        (events, json!({"keys": [many(1_025)]}), 34),
        (events, json!({"finality_status": "RECEIVED"}), -32602),
        (receipts, json!({"sender_address": many(1_025)}), 67),
        (receipts, json!({"finality_status": ["CANDIDATE"]}), -32602),
        (receipts, json!({"finality_status": ["ACCEPTED_ON_L1"]}), -32602),
        (transactions, json!({"sender_address": many(1_025)}), 67),
        (transactions, json!({"finality_status": ["ACCEPTED_ON_L1"]}), -32602),
        (transactions, json!({"tags": ["INCLUDE_EVERYTHING"]}), -32602),
        ("starknet_subscribeTransactionStatus", json!([]), -32602),
        ("starknet_unsubscribe", json!(["1000000"]), 66),
        ("starknet_unsubscribe", json!(["01"]), 66),
        ("starknet_unsubscribe", json!(["it"]), 66),
    ] {
        let error = client.fail(method, params.clone()).await;
        assert_eq!(error["code"], code, "{method} {params:.80}: {error}");
    }
    assert_eq!(node.shown("subscriptions"), "0");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_get_says_that_somebody_is_here_and_a_bad_upgrade_is_refused() {
    let node = start(wishes()).await;
    for (path, _) in PATHS {
        let health: Value = node.get(path).await.json().await.expect("JSON");
        assert_eq!(health["health"], true, "{path}");
    }
    let request = reqwest::Client::new().get(node.url("/ws")).header("upgrade", "websocket");
    let refused = request.send().await.expect("an answer").status();
    assert!(refused.is_client_error(), "{refused}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_announced_to_every_socket() {
    let node = start(wishes()).await;
    let mut client = Client::connect(&node, "/").await;
    client.subscribe("starknet_subscribeNewHeads", json!([])).await;
    tokio::time::timeout(Duration::from_secs(4), node.stop()).await.expect("nobody holds it up");
    let (code, reason) = client.closed().await;
    assert_eq!((code, reason.as_str()), (1001, "the node shuts down"));
}
