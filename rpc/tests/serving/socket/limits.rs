//! What a socket may not do, and what becomes of one that does.

use std::time::Duration;

use kraken_rpc::Limits;
use serde_json::json;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Error;

use super::{Client, grow};
use crate::node::{Node, Wishes, limits, start, wishes};

async fn limited(change: impl FnOnce(&mut Limits)) -> Node {
    let mut limits = limits();
    change(&mut limits);
    start(Wishes { limits, on_demand: true, ..wishes() }).await
}

/// Waits until a series shows this.
async fn shows(node: &Node, series: &str, value: &str) {
    let shows = async {
        while node.shown(series) != value {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = timeout(Duration::from_secs(30), shows).await;
    assert!(in_time.is_ok(), "{series} shows {}", node.shown(series));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_has_so_many_subscriptions_and_no_more() {
    let node = limited(|limits| limits.subscriptions_max = 2).await;
    let mut client = Client::connect(&node, "/").await;
    let first = client.subscribe("starknet_subscribeNewHeads", json!([])).await;
    client.subscribe("starknet_subscribeNewHeads", json!([])).await;
    let error = client.fail("starknet_subscribeNewHeads", json!([])).await;
    assert_eq!(
        (&error["code"], &error["data"]["reason"]),
        (&json!(-32002), &json!("a socket may have 2"))
    );
    client.ask("starknet_unsubscribe", json!([first])).await;
    client.subscribe("starknet_subscribeNewHeads", json!([])).await;
    drop(client);
    shows(&node, "subscriptions", "0").await;
    shows(&node, "sockets", "0").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_sockets_are_open_and_others_are_refused() {
    let node = limited(|limits| limits.sockets_max = 1).await;
    let client = Client::connect(&node, "/").await;
    let refused = Client::try_connect(&node, "/").await.err().expect("there is one");
    assert!(matches!(&refused, Error::Http(answer) if answer.status() == 503), "{refused}");
    drop(client);
    shows(&node, "sockets", "0").await;
    Client::connect(&node, "/").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_too_long_ends_the_socket_with_a_reason() {
    let node = limited(|limits| limits.message_bytes_max = 1_000).await;
    let mut client = Client::connect(&node, "/").await;
    client.send(&format!("\"{}\"", "x".repeat(1_001))).await;
    let (code, reason) = client.closed().await;
    assert_eq!(code, 1009);
    assert!(reason.contains("too long"), "{reason}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_socket_that_answers_pings_stays_and_a_dead_one_does_not() {
    let change = |limits: &mut Limits| {
        limits.request_timeout = Duration::from_millis(200);
        limits.idle_timeout = Duration::from_millis(600);
    };
    let node = limited(change).await;
    let mut alive = Client::connect(&node, "/").await;
    let dead = Client::connect(&node, "/").await;
    alive.subscribe("starknet_subscribeNewHeads", json!([])).await;
    // Whoever reads answers pings.
    let nothing = timeout(Duration::from_secs(3), alive.message()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    assert_eq!(alive.ask("starknet_blockNumber", json!([])).await, 0);
    shows(&node, "sockets_cut_total{reason=\"silent\"}", "1").await;
    assert_eq!(node.shown("sockets"), "1");
    drop(dead);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_cut_off_with_a_reason_and_others_do_not_notice() {
    let change = |limits: &mut Limits| {
        limits.subscriptions_max = 200;
        limits.stall_timeout = Duration::from_millis(500);
        limits.ping_interval = Duration::from_secs(60);
    };
    let node = limited(change).await;
    let (mut slow, mut other) =
        (Client::connect(&node, "/").await, Client::connect(&node, "/").await);
    for _ in 0..200 {
        slow.subscribe("starknet_subscribeNewHeads", json!([])).await;
    }
    let id = other.subscribe("starknet_subscribeNewHeads", json!([])).await;
    let mut number = 0_u64;
    while node.shown("sockets_cut_total{reason=\"slow\"}") != "1" {
        grow(&node, 1).await;
        number += 1;
        assert_eq!(other.notice("NewHeads", &id).await["block_number"], number);
        assert!(number < 1_000, "nobody is cut off");
    }
    let (code, reason) = slow.closed().await;
    assert_eq!(code, 1008);
    assert!(reason.contains("read too slowly: nothing was read for 500ms"), "{reason}");
    grow(&node, 1).await;
    assert_eq!(other.notice("NewHeads", &id).await["block_number"], number + 1);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_falls_too_far_behind_is_cut_off() {
    let change = |limits: &mut Limits| {
        limits.subscriptions_max = 200;
        limits.behind_blocks_max = 3;
    };
    let node = limited(change).await;
    let mut slow = Client::connect(&node, "/").await;
    for _ in 0..200 {
        slow.subscribe("starknet_subscribeNewHeads", json!([])).await;
    }
    // More than the network holds; the stall timeout is far away.
    grow(&node, 60).await;
    let (code, reason) = slow.closed().await;
    assert_eq!(code, 1008);
    assert!(reason.contains("blocks behind, the limit is 3"), "{reason}");
    node.stop().await;
}
