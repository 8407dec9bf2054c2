//! Each kind of subscription on a real chain.

use serde_json::{Value, json};

use super::{Client, grow, on_demand};
use crate::{
    chain::executed,
    node::{Node, account, start, wishes},
};

const HEADS: &str = "starknet_subscribeNewHeads";
const EVENTS: &str = "starknet_subscribeEvents";
const STATUS: &str = "starknet_subscribeTransactionStatus";
const RECEIPTS: &str = "starknet_subscribeNewTransactionReceipts";
const TRANSACTIONS: &str = "starknet_subscribeNewTransactions";

async fn block(node: &Node, number: u64) -> Value {
    node.ask("starknet_getBlockWithTxs", json!([{"block_number": number}])).await
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_those_of_the_blocks_without_gap_or_doublet_at_the_seam() {
    let node = on_demand().await;
    grow(&node, 5).await;
    let mut client = Client::connect(&node, "/").await;
    let second = block(&node, 2).await;
    let by_hash = json!({"block_id": {"block_hash": second["block_hash"]}});
    let (one, other) =
        tokio::join!(async { client.subscribe(HEADS, by_hash).await }, grow(&node, 10),);
    let () = other;
    grow(&node, 5).await;
    for number in 2..=20_u64 {
        let head = client.notice("NewHeads", &one).await;
        assert_eq!(head["block_number"], number);
        let block = block(&node, number).await;
        for (name, value) in head.as_object().expect("an object") {
            assert_eq!(*value, block[name], "{name}");
        }
    }
    client.no_notice().await;

    let latest = client.subscribe(HEADS, json!([])).await;
    assert_eq!(client.ask("starknet_unsubscribe", json!([one])).await, true);
    grow(&node, 1).await;
    assert_eq!(client.notice("NewHeads", &latest).await["block_number"], 21);
    assert_eq!(client.fail("starknet_unsubscribe", json!([one])).await["code"], 66);
    client.no_notice().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_goes_back_1024_blocks_and_no_further() {
    let node = on_demand().await;
    grow(&node, 1_025).await;
    let mut client = Client::connect(&node, "/").await;
    for method in [HEADS, EVENTS] {
        let error = client.fail(method, json!({"block_id": {"block_number": 0}})).await;
        assert_eq!(error["code"], 68, "{method}");
    }
    let id = client.subscribe(HEADS, json!([{"block_number": 1}])).await;
    for number in 1..=1_025_u64 {
        assert_eq!(client.notice("NewHeads", &id).await["block_number"], number);
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_those_of_the_filter_from_the_block_on() {
    let node = on_demand().await;
    node.send(0, 0).await;
    grow(&node, 1).await;
    node.send(1, 0).await;
    executed(&node, 1).await;
    let mut client = Client::connect(&node, "/").await;
    let all = client.subscribe(EVENTS, json!({"block_id": {"block_number": 0}})).await;
    let filter = json!({"to_block": "pre_confirmed", "chunk_size": 100});
    let early = json!({"finality_status": "PRE_CONFIRMED"});
    let expected = node.ask("starknet_getEvents", json!([filter])).await["events"].clone();
    let expected = expected.as_array().expect("a list");
    let (old, new): (Vec<_>, Vec<_>) = expected.iter().partition(|it| it["block_number"] == 1);
    assert!(!old.is_empty() && !new.is_empty());

    let told = |mut told: Value| {
        let finality = told["finality_status"].take();
        told.as_object_mut().expect("an object").remove("finality_status");
        (told, finality)
    };
    for event in &old {
        let (told, finality) = told(client.notice("Events", &all).await);
        assert_eq!((&told, finality), (*event, json!("ACCEPTED_ON_L2")));
    }
    let at_once = client.subscribe(EVENTS, early).await;
    let mut pre_confirmed = 0;
    while pre_confirmed < new.len() {
        let (told, finality) = told(client.notice("Events", &at_once).await);
        assert_eq!((told["block_number"].clone(), finality), (json!(2), json!("PRE_CONFIRMED")));
        assert!(told.get("block_hash").is_none());
        pre_confirmed += 1;
    }
    client.ask("starknet_unsubscribe", json!([all])).await;
    let nobody = json!({"from_address": ["0x1234", "0x1235"], "keys": [["0x1"]]});
    client.subscribe(EVENTS, nobody).await;
    grow(&node, 1).await;
    for place in 0..pre_confirmed {
        let (told, finality) = told(client.notice("Events", &at_once).await);
        assert_eq!(
            (&finality, &told["block_number"]),
            (&json!("ACCEPTED_ON_L2"), &json!(2)),
            "{place}"
        );
        assert!(told["block_hash"].is_string());
    }
    client.no_notice().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_is_told_at_once_and_whenever_it_rises() {
    let node = on_demand().await;
    // Its nonce is too high, so it stays in the pool.
    let waiting = node.send(0, 1).await;
    let mut client = Client::connect(&node, "/").await;
    let unknown = client.subscribe(STATUS, json!(["0x1234"])).await;
    let id =
        client.subscribe(STATUS, json!({"transaction_hash": waiting, "block_id": "latest"})).await;
    let status = |told: Value| {
        assert_eq!(told["transaction_hash"], waiting);
        told["status"]["finality_status"].as_str().expect("text").to_owned()
    };
    assert_eq!(status(client.notice("TransactionStatus", &id).await), "RECEIVED");
    node.send(0, 0).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "PRE_CONFIRMED") {
        seen.push(status(client.notice("TransactionStatus", &id).await));
    }
    assert_eq!(seen, ["CANDIDATE", "PRE_CONFIRMED"]);
    grow(&node, 1).await;
    assert_eq!(status(client.notice("TransactionStatus", &id).await), "ACCEPTED_ON_L2");
    node.ask("devnet_acceptOnL1", json!(["latest"])).await;
    assert_eq!(status(client.notice("TransactionStatus", &id).await), "ACCEPTED_ON_L1");

    let late = client.subscribe(STATUS, json!([waiting])).await;
    assert_eq!(status(client.notice("TransactionStatus", &late).await), "ACCEPTED_ON_L1");
    client.no_notice().await;
    assert_ne!(unknown, id);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_and_transactions_are_told_at_every_time_that_is_wanted() {
    let node = start(wishes()).await;
    let mut client = Client::connect(&node, "/").await;
    let sender = json!(account(1).address);
    let all = json!(["RECEIVED", "CANDIDATE", "PRE_CONFIRMED", "ACCEPTED_ON_L2"]);
    let transactions = json!({"finality_status": all, "sender_address": [sender]});
    let transactions = client.subscribe(TRANSACTIONS, transactions).await;
    node.send(0, 0).await;
    let hash = node.send(1, 0).await;
    for expected in ["RECEIVED", "CANDIDATE", "PRE_CONFIRMED", "ACCEPTED_ON_L2"] {
        let mut told = client.notice("NewTransaction", &transactions).await;
        assert_eq!(told["finality_status"], expected);
        told.as_object_mut().expect("an object").remove("finality_status");
        assert_eq!(told, node.ask("starknet_getTransactionByHash", json!([hash])).await);
    }
    client.ask("starknet_unsubscribe", json!([transactions])).await;

    let both = json!({"finality_status": ["PRE_CONFIRMED", "ACCEPTED_ON_L2"]});
    let receipts = client.subscribe(RECEIPTS, both).await;
    let hash = node.send(0, 1).await;
    let early = client.notice("NewTransactionReceipts", &receipts).await;
    assert_eq!(
        (&early["finality_status"], &early["transaction_hash"]),
        (&json!("PRE_CONFIRMED"), &hash)
    );
    let late = client.notice("NewTransactionReceipts", &receipts).await;
    assert_eq!(late, node.ask("starknet_getTransactionReceipt", json!([hash])).await);
    client.no_notice().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subscription_is_told_of_blocks_that_are_taken_back() {
    let node = on_demand().await;
    let hash = node.send(0, 0).await;
    grow(&node, 4).await;
    let mut client = Client::connect(&node, "/").await;
    let mut ids = Vec::new();
    for (method, params) in [
        (HEADS, json!([])),
        (EVENTS, json!([])),
        (RECEIPTS, json!([])),
        (TRANSACTIONS, json!([])),
        (STATUS, json!([hash])),
    ] {
        ids.push(client.subscribe(method, params).await);
    }
    client.notice("TransactionStatus", &ids[4]).await;
    let aborted = client.ask("devnet_abortBlocks", json!([{"block_number": 3}])).await;
    let expected = json!({
        "starting_block_hash": aborted["aborted"][1],
        "starting_block_number": 3,
        "ending_block_hash": aborted["aborted"][0],
        "ending_block_number": 4,
    });
    let mut told = Vec::new();
    for _ in 0..5 {
        let (method, id, result) = client.any_notice().await;
        assert_eq!((method.as_str(), &result), ("starknet_subscriptionReorg", &expected));
        told.push(id);
    }
    told.sort_by_key(|id| id.parse::<u64>().expect("a number"));
    assert_eq!(told, ids);
    grow(&node, 1).await;
    let head = client.notice("NewHeads", &ids[0]).await;
    assert_eq!(head["block_hash"], block(&node, 3).await["block_hash"]);
    client.no_notice().await;
    assert_eq!(node.shown("subscriptions"), "5");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_other_things_meanwhile_is_told_everything() {
    let node = on_demand().await;
    let mut client = Client::connect(&node, "/").await;
    let id = client.subscribe(HEADS, json!([])).await;
    let asking = async {
        for _ in 0..300 {
            client.ask("starknet_chainId", json!([])).await;
        }
        client
    };
    let (mut client, ()) = tokio::join!(asking, grow(&node, 30));
    for number in 1..=30_u64 {
        assert_eq!(client.notice("NewHeads", &id).await["block_number"], number);
    }
    client.no_notice().await;
    node.stop().await;
}
