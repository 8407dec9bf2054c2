//! Peers and wires that misbehave.

use std::time::Duration;

use bytes::Bytes;
use kraken_types::ValidatorId;
use tokio::{net::TcpStream, time};

use crate::{
    committee::{BATCHES, Node, VOTES, config, pair, peer, within},
    proxy::Proxy,
};

/// Sends a frame until it arrives.
async fn a_frame_passes(from: &Node, to: &mut Node, id: u16) {
    within(async {
        loop {
            from.network.send(ValidatorId(id), VOTES, Bytes::from_static(b"vote"));
            let inbox = &mut to.inboxes.lanes[0];
            let received = time::timeout(Duration::from_millis(50), inbox.recv());
            if received.await.is_ok() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_oversized_frame_ends_the_connection_and_others_go_on() {
    let mut victim = config(2, vec![peer(0, None), peer(1, None)]);
    victim.lanes[1].frame_bytes_max = 1_000;
    let mut victim = Node::start(victim).await;
    let address = Some(victim.network.listening_on());
    let liar = Node::start(config(0, vec![peer(2, address)])).await;
    let honest = Node::start(config(1, vec![peer(2, address)])).await;
    victim.connected(2).await;
    liar.connected(1).await;

    assert!(liar.network.send(ValidatorId(2), BATCHES, Bytes::from(vec![0; 1_001])));
    victim.reached("connections_broken_total", "oversized_frame", 1).await;
    assert_eq!(victim.metric("frames_received_total", "batches"), 0);
    a_frame_passes(&honest, &mut victim, 2).await;
    assert_eq!(honest.metric("connections_broken_total", ""), 0);
    // The liar is let in again, as it might be somebody who has learnt, but not at once.
    victim.reached("connections_refused_total", "penalty", 1).await;
    victim.reached("connections_total", "peer=\"0\"", 2).await;
}

#[tokio::test]
async fn garbage_and_silence_on_raw_connections_are_survived() {
    let (lower, mut higher) = pair(|_| {}).await;
    let address = higher.network.listening_on();
    let mut silent = Vec::new();
    for seed in 0..40_u8 {
        let raw = TcpStream::connect(address).await.expect("it listens");
        if seed.is_multiple_of(2) {
            let garbage: Vec<u8> = (0..=255).map(|byte: u8| byte.wrapping_mul(seed)).collect();
            raw.writable().await.expect("connected");
            assert_eq!(raw.try_write(&garbage).expect("there is room"), garbage.len());
        }
        silent.push(raw);
    }
    higher.reached("connections_refused_total", "not_libp2p", 20).await;
    a_frame_passes(&lower, &mut higher, 1).await;
    assert_eq!(higher.metric("connections_broken_total", ""), 0);
    // The silent ones do not stay for ever either.
    higher.reached("connections_refused_total", "not_libp2p", 40).await;
}

#[tokio::test]
async fn a_cut_connection_is_made_anew() {
    let mut higher = Node::start(config(1, vec![peer(0, None)])).await;
    let proxy = Proxy::to(higher.network.listening_on()).await;
    let lower = Node::start(config(0, vec![peer(1, Some(proxy.address))])).await;
    lower.connected(1).await;
    a_frame_passes(&lower, &mut higher, 1).await;
    let before = lower.network.connected().borrow()[&ValidatorId(1)];
    proxy.cut();
    let mut connected = lower.network.connected();
    let again = |connected: &kraken_network::Connected| {
        connected.get(&ValidatorId(1)).is_some_and(|number| before < *number)
    };
    within(connected.wait_for(again)).await.expect("it lives");
    a_frame_passes(&lower, &mut higher, 1).await;
}

/// As after SIGSTOP, or behind a firewall that lost its memory.
#[tokio::test]
async fn a_frozen_peer_is_noticed_and_found_again() {
    let mut higher = Node::start(config(1, vec![peer(0, None)])).await;
    let proxy = Proxy::to(higher.network.listening_on()).await;
    let lower = Node::start(config(0, vec![peer(1, Some(proxy.address))])).await;
    lower.connected(1).await;
    higher.connected(1).await;
    a_frame_passes(&lower, &mut higher, 1).await;
    proxy.freeze();
    for node in [&lower, &higher] {
        node.connected(0).await;
        node.reached("connections_broken_total", "silent", 1).await;
    }
    proxy.thaw();
    a_frame_passes(&lower, &mut higher, 1).await;
}
