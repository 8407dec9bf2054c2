//! Start, restart, end.

use std::time::Duration;

use bytes::Bytes;
use kraken_network::Config;
use kraken_types::ValidatorId;
use tokio::{runtime::Handle, time};

use crate::{
    committee::{Node, VOTES, config, pair, peer, within},
    proxy::Proxy,
};

#[tokio::test]
async fn a_peer_that_restarts_is_reached_again() {
    let first = Node::start(config(1, vec![peer(0, None)])).await;
    let proxy = Proxy::to(first.network.listening_on()).await;
    let lower = Node::start(config(0, vec![peer(1, Some(proxy.address))])).await;
    lower.connected(1).await;

    // The one that is dialled.
    first.network.shut_down().await;
    lower.connected(0).await;
    let mut second = Node::start(config(1, vec![peer(0, None)])).await;
    proxy.point_to(second.network.listening_on());
    lower.connected(1).await;
    second.connected(1).await;

    // The one that dials, without a farewell: the new connection takes the place of the old one.
    std::mem::forget(lower.network.clone());
    let lower_again = Node::start(config(0, vec![peer(1, Some(proxy.address))])).await;
    second.reached("connections_broken_total", "replaced", 1).await;
    lower.network.shut_down().await;
    lower_again.connected(1).await;
    second.connected(1).await;
    assert!(lower_again.network.send(ValidatorId(1), VOTES, Bytes::from_static(b"back")));
    assert_eq!(second.next(VOTES).await, (ValidatorId(0), Bytes::from_static(b"back")));
}

#[tokio::test]
async fn a_shut_down_swarm_leaves_nothing_behind() {
    let tasks_before = Handle::current().metrics().num_alive_tasks();
    let (lower, mut higher) = pair(|_: &mut Config| {}).await;
    let address = higher.network.listening_on();
    assert!(tasks_before + 10 < Handle::current().metrics().num_alive_tasks());

    within(lower.network.shut_down()).await;
    within(higher.network.shut_down()).await;
    within(higher.network.stopped()).await;
    assert!(higher.inboxes.requests.recv().await.is_none());
    assert!(higher.inboxes.lanes[0].recv().await.is_none());
    assert!(!higher.network.send(ValidatorId(0), VOTES, Bytes::new()));
    // A name is looked up on a thread, which ends by itself.
    within(async {
        while tasks_before < Handle::current().metrics().num_alive_tasks() {
            time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let mut again = config(1, vec![peer(0, None)]);
    again.listen = address;
    assert_eq!(Node::start(again).await.network.listening_on(), address);
}

#[tokio::test]
async fn a_swarm_ends_with_its_last_handle() {
    let (lower, higher) = pair(|_: &mut Config| {}).await;
    drop(higher);
    lower.connected(0).await;
}
