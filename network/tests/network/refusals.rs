//! Who may not take part.

use kraken_network::{Admission, Config, Dialing, Metrics, Network, StartError};
use kraken_types::{Digest, ValidatorId};
use prometheus_client::registry::Registry;

use crate::committee::{Node, config, peer};

/// A listener and a dialler whose settings differ.
async fn strange_pair(change: impl Fn(&mut Config)) -> (Node, Node) {
    let higher = Node::start(config(1, vec![peer(0, None)])).await;
    let mut lower = config(0, vec![peer(1, Some(higher.network.listening_on()))]);
    change(&mut lower);
    (Node::start(lower).await, higher)
}

#[tokio::test]
async fn another_chain_is_refused_and_counted_on_both_ends() {
    let (lower, higher) = strange_pair(|config| config.chain = Digest::from_bytes([2; 32])).await;
    for node in [&lower, &higher] {
        node.reached("connections_refused_total", "wrong_chain", 1).await;
        assert!(node.network.connected().borrow().is_empty());
        assert_eq!(node.metric("connections_total", ""), 0);
    }
}

#[tokio::test]
async fn another_protocol_is_refused_and_counted_on_both_ends() {
    let (lower, higher) =
        strange_pair(|config| config.protocol = "kraken/1 other".to_owned()).await;
    for node in [&lower, &higher] {
        node.reached("connections_refused_total", "wrong_protocol", 1).await;
        assert!(node.network.connected().borrow().is_empty());
    }
}

#[tokio::test]
async fn an_outsider_is_refused_and_counted() {
    let member = Node::start(config(1, vec![peer(0, None)])).await;
    let mut outsider = config(2, vec![peer(1, Some(member.network.listening_on()))]);
    outsider.dialing = Dialing::Everyone;
    let outsider = Node::start(outsider).await;
    member.reached("connections_refused_total", "outsider", 2).await;
    assert!(member.network.connected().borrow().is_empty());
    assert_eq!(outsider.metric("connections_total", ""), 0);
}

#[tokio::test]
async fn a_peer_whose_turn_to_dial_it_is_not_is_refused() {
    let lower = Node::start(config(0, vec![peer(1, None)])).await;
    let mut eager = config(1, vec![peer(0, Some(lower.network.listening_on()))]);
    eager.dialing = Dialing::Everyone;
    let _eager = Node::start(eager).await;
    lower.reached("connections_refused_total", "wrong_direction", 1).await;
}

#[tokio::test]
async fn strangers_are_admitted_up_to_their_number() {
    let mut open = config(0, Vec::new());
    open.admission = Admission::Anyone { connections_max: 1, requests_max: 4 };
    open.lanes.clear();
    let open = Node::start(open).await;
    let stranger = |number| {
        let mut stranger = config(number, vec![peer(0, Some(open.network.listening_on()))]);
        stranger.dialing = Dialing::Everyone;
        stranger.lanes.clear();
        stranger
    };
    let first = Node::start(stranger(1)).await;
    first.connected(1).await;
    assert_eq!(open.metric("strangers_connected", ""), 1);
    let _second = Node::start(stranger(2)).await;
    open.reached("connections_refused_total", "full", 1).await;
    first.network.shut_down().await;
    // There is room again.
    _second.connected(1).await;
}

#[tokio::test]
async fn a_stranger_gets_no_lane() {
    let mut open = config(0, Vec::new());
    open.admission = Admission::Anyone { connections_max: 1, requests_max: 4 };
    let open = Node::start(open).await;
    let mut stranger = config(1, vec![peer(0, Some(open.network.listening_on()))]);
    stranger.dialing = Dialing::Everyone;
    let stranger = Node::start(stranger).await;
    stranger.reached("connections_broken_total", "lane_refused", 1).await;
    assert_eq!(open.metric("frames_received_total", ""), 0);
}

#[tokio::test]
async fn bad_settings_are_named() {
    let start = async |config: Config| {
        let metrics = Metrics::register(&mut Registry::default());
        Network::start(config, &metrics).await.map(drop)
    };
    let taken = Node::start(config(0, Vec::new())).await;
    let mut same_port = config(1, Vec::new());
    same_port.listen = taken.network.listening_on();
    let error = start(same_port).await.expect_err("the port is taken");
    assert_eq!(error.to_string(), format!("cannot listen on {}", taken.network.listening_on()));

    let twice = start(config(0, vec![peer(1, None), peer(1, None)])).await;
    assert!(matches!(twice, Err(StartError::PeerTwice { id: ValidatorId(1) })), "{twice:?}");
    let ourselves = start(config(1, vec![peer(1, None)])).await;
    assert!(matches!(ourselves, Err(StartError::PeerTwice { .. })), "{ourselves:?}");

    let mut tight = config(0, Vec::new());
    tight.lanes[0].queue_bytes_max = tight.lanes[0].frame_bytes_max;
    let tight = start(tight).await;
    assert!(matches!(tight, Err(StartError::Lane { lane: "votes" })), "{tight:?}");
}
