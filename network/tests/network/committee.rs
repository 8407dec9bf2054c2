//! Small committees of swarms.

use std::{future::Future, net::SocketAddr, time::Duration};

use bytes::Bytes;
use kraken_network::{
    Admission, Config, Dialing, Encryption, Inboxes, Keypair, Lane, LaneId, Metrics, Network, Peer,
    Requests, Transport,
};
use kraken_types::{Digest, ValidatorId};
use prometheus_client::{encoding::text, registry::Registry};
use tokio::time;

pub(crate) const TCP: Transport = Transport::Tcp(Encryption::Noise);

pub(crate) const VOTES: LaneId = LaneId(0);
pub(crate) const BATCHES: LaneId = LaneId(1);

/// Whatever a test waits for happens within this time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A swarm, and what comes out of it.
pub(crate) struct Node {
    pub(crate) network: Network,
    pub(crate) inboxes: Inboxes,
    registry: Registry,
}

/// The keys of tests, in ascending order: of two nodes the one with the lower number dials.
pub(crate) fn key(number: u16) -> Keypair {
    let mut keys: Vec<_> = (1..=8).map(|seed| Keypair::from_seed([seed; 32])).collect();
    keys.sort_by_key(Keypair::public_key);
    keys.swap_remove(usize::from(number))
}

/// A peer that is dialled there; `None` for one that dials.
pub(crate) fn peer(number: u16, address: Option<SocketAddr>) -> Peer {
    let address = address.map_or("127.0.0.1:9".to_owned(), |address| address.to_string());
    Peer { id: ValidatorId(number), key: key(number).public_key(), address }
}

/// The settings of a node with these peers.
pub(crate) fn config(number: u16, peers: Vec<Peer>) -> Config {
    let lane = |name, frame_bytes_max, queue_bytes_max, inbox_frames_max| Lane {
        name,
        frame_bytes_max,
        queue_bytes_max,
        inbox_frames_max,
    };
    Config {
        name: "test".to_owned(),
        key: key(number),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        transport: TCP,
        chain: Digest::from_bytes([1; 32]),
        protocol: "kraken/1 test".to_owned(),
        peers,
        dialing: Dialing::HigherKeys,
        admission: Admission::Committee,
        lanes: vec![lane("votes", 10_000, 1 << 20, 100), lane("batches", 1 << 20, 8 << 20, 4)],
        requests: Requests {
            bytes_max: 1_000,
            answer_bytes_max: 1 << 20,
            timeout: Duration::from_secs(2),
            at_once_max: 4,
            inbox_max: 16,
        },
    }
}

impl Node {
    pub(crate) async fn start(config: Config) -> Self {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (network, inboxes) = Network::start(config, &metrics).await.expect("it starts");
        Self { network, inboxes, registry }
    }

    /// The sum of all series of a metric whose labels contain this text.
    pub(crate) fn metric(&self, name: &str, labels: &str) -> u64 {
        let mut exposition = String::new();
        text::encode(&mut exposition, &self.registry).expect("text");
        let of_metric = |line: &&str| {
            let rest =
                line.strip_prefix("kraken_network_").and_then(|rest| rest.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with('{') && rest.contains(labels))
        };
        let value =
            |line: &str| line.rsplit(' ').next().and_then(|value| value.parse::<u64>().ok());
        exposition.lines().filter(of_metric).filter_map(value).sum()
    }

    /// Waits until so many peers are connected.
    pub(crate) async fn connected(&self, peers: usize) {
        let mut connected = self.network.connected();
        within(connected.wait_for(|connected| connected.len() == peers)).await.expect("it lives");
    }

    /// Waits until a metric has reached a value.
    pub(crate) async fn reached(&self, name: &str, labels: &str, value: u64) {
        within(async {
            while self.metric(name, labels) < value {
                time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// The next frame of a lane.
    pub(crate) async fn next(&mut self, lane: LaneId) -> (ValidatorId, Bytes) {
        let inbox = &mut self.inboxes.lanes[usize::from(lane.0)];
        within(inbox.recv()).await.expect("the swarm lives")
    }
}

/// Two connected nodes; the first one dials.
pub(crate) async fn pair(change: impl Fn(&mut Config)) -> (Node, Node) {
    let mut higher = config(1, vec![peer(0, None)]);
    change(&mut higher);
    let higher = Node::start(higher).await;
    let mut lower = config(0, vec![peer(1, Some(higher.network.listening_on()))]);
    change(&mut lower);
    let lower = Node::start(lower).await;
    lower.connected(1).await;
    higher.connected(1).await;
    (lower, higher)
}

/// Waits for something that must happen.
pub(crate) async fn within<T>(what: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, what).await.expect("it happens in time")
}
