//! What those see who watch a node.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kraken_rpc::{Error, Ready, serve_metrics};
use serde_json::json;

use crate::node::{any_port, start, wishes};

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_seen_in_the_metrics() {
    let node = start(wishes()).await;
    let watched = serve_metrics(any_port(), Arc::clone(&node.registry), Ready::default()).await;
    let watched = watched.expect("listens");
    node.ask("starknet_blockNumber", json!([])).await;
    node.ask("starknet_blockNumber", json!([])).await;
    node.fail("starknet_getBlockWithTxs", json!([{"block_number": 99}])).await;
    node.fail("starknet_fly", json!([])).await;

    let url = format!("http://{}/metrics", watched.address());
    let response = reqwest::get(url).await.expect("an answer");
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = response.text().await.expect("text");
    for line in [
        "kraken_rpc_requests_total{method=\"starknet_blockNumber\"} 2",
        "kraken_rpc_errors_total{method=\"starknet_getBlockWithTxs\",code=\"24\"} 1",
        "kraken_rpc_errors_total{method=\"unknown\",code=\"-32601\"} 1",
        "kraken_rpc_request_duration_seconds_count{method=\"starknet_blockNumber\"} 2",
        "# EOF",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    watched.shut_down().await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_healthy_before_it_is_ready() {
    let is_ready = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&is_ready);
    let ready = move || match asked.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err("applying blocks".to_owned()),
    };
    let watched =
        serve_metrics(any_port(), Arc::default(), Ready::new(ready)).await.expect("listens");
    let ask = async |path: &str| {
        let url = format!("http://{}{path}", watched.address());
        let response = reqwest::get(url).await.expect("an answer");
        (response.status().as_u16(), response.text().await.expect("text"))
    };
    assert_eq!(ask("/health").await, (200, "alive\n".to_owned()));
    assert_eq!(ask("/ready").await, (503, "applying blocks\n".to_owned()));
    is_ready.store(true, Ordering::Relaxed);
    assert_eq!(ask("/ready").await, (200, "ready\n".to_owned()));
    assert_eq!(ask("/nothing").await.0, 404);

    let taken = serve_metrics(watched.address(), Arc::default(), Ready::default()).await;
    assert!(matches!(taken, Err(Error::Listen { .. })));
    watched.shut_down().await;
}
