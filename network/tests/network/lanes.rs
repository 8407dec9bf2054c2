//! Frames on lanes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use kraken_network::{Config, Encryption, Transport};
use kraken_types::ValidatorId;
use tokio::time;

use crate::committee::{BATCHES, Node, PATIENCE, TCP, VOTES, config, pair, peer};

/// A frame that says which one it is, of any size from eight bytes.
fn frame(number: u64, bytes: usize) -> Bytes {
    let mut frame = vec![0; bytes];
    frame[..8].copy_from_slice(&number.to_be_bytes());
    Bytes::from(frame)
}

/// Sends so many frames each way, as the queue has room for them, and checks what arrives.
async fn exchange(near: &mut Node, far: &mut Node, lane: kraken_network::LaneId, bytes: usize) {
    const FRAMES: u64 = 500;
    let from_near = near.network.clone();
    let from_far = far.network.clone();
    let send = move |network: kraken_network::Network, to| async move {
        for number in 0..FRAMES {
            while !network.send(to, lane, frame(number, bytes)) {
                time::sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let receive = |node: &mut Node, from| {
        let inbox = std::mem::replace(
            &mut node.inboxes.lanes[usize::from(lane.0)],
            tokio::sync::mpsc::channel(1).1,
        );
        async move {
            let mut inbox = inbox;
            for number in 0..FRAMES {
                let received = time::timeout(PATIENCE, inbox.recv()).await.expect("in time");
                assert!(received == Some((from, frame(number, bytes))), "frame {number}");
            }
            inbox
        }
    };
    let near_receives = receive(near, ValidatorId(1));
    let far_receives = receive(far, ValidatorId(0));
    let ((), (), near_inbox, far_inbox) = tokio::join!(
        send(from_near, ValidatorId(1)),
        send(from_far, ValidatorId(0)),
        near_receives,
        far_receives,
    );
    near.inboxes.lanes[usize::from(lane.0)] = near_inbox;
    far.inboxes.lanes[usize::from(lane.0)] = far_inbox;
}

async fn frames_arrive_in_order_over(transport: Transport) {
    let (mut lower, mut higher) = pair(|config| config.transport = transport).await;
    exchange(&mut lower, &mut higher, VOTES, 8).await;
    exchange(&mut lower, &mut higher, VOTES, 9_000).await;
    exchange(&mut lower, &mut higher, BATCHES, 100_000).await;
    // What was sent is counted a moment after it may have arrived.
    lower.reached("frames_sent_total", "votes", 1_000).await;
    higher.reached("frames_received_total", "votes", 1_000).await;
    higher.reached("received_bytes_total", "batches", 50_000_000).await;
    assert_eq!(higher.metric("frames_dropped_total", "lost"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_in_order_both_ways() {
    frames_arrive_in_order_over(TCP).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_in_order_both_ways_without_encryption() {
    frames_arrive_in_order_over(Transport::Tcp(Encryption::Plaintext)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_arrive_in_order_both_ways_over_quic() {
    frames_arrive_in_order_over(Transport::Quic).await;
}

#[tokio::test]
async fn a_broadcast_reaches_every_peer() {
    let mut nodes: Vec<Node> = Vec::new();
    for number in (0..4_u16).rev() {
        let address = |other: u16| {
            let started = (number < other).then(|| &nodes[usize::from(3 - other)]);
            started.map(|node| node.network.listening_on())
        };
        let peers = (0..4).filter(|other| *other != number);
        let peers = peers.map(|other| peer(other, address(other))).collect();
        nodes.push(Node::start(config(number, peers)).await);
    }
    for node in &nodes {
        node.connected(3).await;
    }
    assert_eq!(nodes[0].network.broadcast(VOTES, Bytes::from_static(b"hi")), 3);
    for node in &mut nodes[1..] {
        assert_eq!(node.next(VOTES).await, (ValidatorId(3), Bytes::from_static(b"hi")));
    }
}

#[tokio::test]
async fn a_full_queue_drops_the_newest_frame_counts_it_and_does_not_block() {
    let (lower, mut higher) = pair(|_: &mut Config| {}).await;
    // Nobody takes batches at the other end: the inbox, the windows and the queue fill up.
    let started = Instant::now();
    let (mut sent, mut refused) = (0, 0);
    while refused < 5 {
        if lower.network.send(ValidatorId(1), BATCHES, frame(sent, 1_000_000)) {
            (sent, refused) = (sent + 1, 0);
        } else {
            // Whatever can still move shall do so before we believe that all is full.
            refused += 1;
            time::sleep(Duration::from_millis(100)).await;
        }
        assert!(sent < 1_000 && started.elapsed() < PATIENCE, "the queue has no bound");
    }
    assert!(5 <= lower.metric("frames_dropped_total", "full"));
    let queued = lower.metric("queue_bytes", "batches");
    assert!((7 << 20..=8 << 20).contains(&queued), "{queued}");

    // Votes pass meanwhile, and the batches that were queued all arrive in order.
    assert!(lower.network.send(ValidatorId(1), VOTES, frame(7, 8)));
    assert_eq!(higher.next(VOTES).await.1, frame(7, 8));
    for number in 0..sent {
        assert_eq!(higher.next(BATCHES).await.1, frame(number, 1_000_000));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn votes_pass_while_batches_saturate_their_lane() {
    let (lower, mut higher) = pair(|_: &mut Config| {}).await;
    let network = lower.network.clone();
    let flood = tokio::spawn(async move {
        loop {
            while network.send(ValidatorId(1), BATCHES, frame(0, 1_000_000)) {}
            time::sleep(Duration::from_millis(1)).await;
        }
    });
    let mut batches =
        std::mem::replace(&mut higher.inboxes.lanes[1], tokio::sync::mpsc::channel(1).1);
    let reader = tokio::spawn(async move { while batches.recv().await.is_some() {} });

    // The queue of batches never runs empty meanwhile.
    let mut number = 0;
    while number < 50 || higher.metric("frames_received_total", "batches") < 100 {
        assert!(lower.network.send(ValidatorId(1), VOTES, frame(number, 100)));
        assert_eq!(higher.next(VOTES).await.1, frame(number, 100));
        number += 1;
        time::sleep(Duration::from_millis(5)).await;
    }
    assert!(0 < lower.metric("frames_dropped_total", "full"), "the lane was full");
    flood.abort();
    reader.abort();
}

#[tokio::test]
async fn frames_for_those_who_are_away_and_frames_too_large_are_dropped_and_counted() {
    let alone = Node::start(config(0, vec![peer(1, None)])).await;
    assert!(!alone.network.send(ValidatorId(1), VOTES, frame(0, 8)));
    assert!(!alone.network.send(ValidatorId(1), VOTES, frame(0, 10_001)));
    assert_eq!(alone.metric("frames_dropped_total", "reason=\"away\""), 1);
    assert_eq!(alone.metric("frames_dropped_total", "reason=\"too_large\""), 1);
}
