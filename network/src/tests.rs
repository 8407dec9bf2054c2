//! Peers that hold a key of the committee and do not keep to the rules.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use kraken_types::{Digest, ValidatorId, codec};
use libp2p::{
    Swarm,
    swarm::{Config as SwarmConfig, SwarmEvent, dial_opts::DialOpts},
};
use prometheus_client::{encoding::text, metrics::gauge::Gauge, registry::Registry};
use tokio::{task::JoinSet, time};

use crate::{
    Admission, Config, Dialing, Encryption, Inboxes, Keypair, Lane, LaneId, Metrics, Network, Peer,
    Requests, Transport,
    behaviour::{Behaviour, Ends, Purpose},
    connection::Hello,
    frame, key, transport,
};

const TCP: Transport = Transport::Tcp(Encryption::Noise);

/// A swarm that keeps to the rules.
struct Victim {
    network: Network,
    inboxes: Inboxes,
    registry: Registry,
}

/// Two keys, the lower one first. It dials, and is the liar's.
fn keys() -> [Keypair; 2] {
    let mut keys = [1, 2].map(|seed| Keypair::from_seed([seed; 32]));
    keys.sort_by_key(Keypair::public_key);
    keys
}

impl Victim {
    async fn start() -> Self {
        let [liar, own] = keys();
        let lane = |name| Lane {
            name,
            frame_bytes_max: 1_000,
            queue_bytes_max: 10_000,
            inbox_frames_max: 10,
        };
        let config = Config {
            name: "victim".to_owned(),
            key: own,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            transport: TCP,
            chain: Digest::default(),
            protocol: "test".to_owned(),
            peers: vec![Peer {
                id: ValidatorId(0),
                key: liar.public_key(),
                address: "127.0.0.1:9".to_owned(),
            }],
            dialing: Dialing::HigherKeys,
            admission: Admission::Committee,
            lanes: vec![lane("votes"), lane("batches")],
            requests: Requests {
                bytes_max: 100,
                answer_bytes_max: 100,
                timeout: Duration::from_secs(1),
                at_once_max: 1,
                inbox_max: 1,
            },
        };
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let (network, inboxes) = Network::start(config, &metrics).await.expect("it starts");
        Self { network, inboxes, registry }
    }

    /// Waits until a connection has ended for this reason, and checks that nothing came of it.
    async fn ends_it(&mut self, reason: &str) {
        let counted = format!("reason=\"{reason}\"}} 1\n");
        let waiting = time::timeout(Duration::from_secs(20), async {
            let mut exposition = String::new();
            while !exposition.contains(&counted) {
                time::sleep(Duration::from_millis(10)).await;
                exposition.clear();
                text::encode(&mut exposition, &self.registry).expect("text");
            }
        });
        waiting.await.expect("it is noticed in time");
        for lane in &mut self.inboxes.lanes {
            assert!(lane.try_recv().is_err(), "a frame of a liar was delivered");
        }
    }
}

/// A connection to the victim, by hand.
struct Liar {
    ends: Ends,
    _swarm: JoinSet<()>,
}

impl Liar {
    async fn connect(victim: &Victim) -> Self {
        let [own, other] = keys();
        let other = key::peer_id(&other.public_key()).expect("a key");
        let peers = BTreeMap::from([(other, false)]);
        let streams = Behaviour::new(peers, Admission::Committee, 2, Gauge::default());
        let built = transport::build(TCP, &own, 64).expect("a transport");
        let local = own.identity().public().to_peer_id();
        let mut swarm = Swarm::new(built, streams, local, SwarmConfig::with_tokio_executor());
        let address = transport::multiaddr(TCP, victim.network.listening_on());
        swarm.dial(DialOpts::peer_id(other).addresses(vec![address]).build()).expect("it dials");
        let ends = loop {
            if let SwarmEvent::ConnectionEstablished { connection_id, .. } =
                swarm.select_next_some().await
            {
                break swarm.behaviour_mut().take(connection_id).expect("new");
            }
        };
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                swarm.select_next_some().await;
            }
        });
        Self { ends, _swarm: task }
    }

    /// Opens a stream and writes bytes to it.
    async fn say(&self, purpose: Purpose, bytes: &[u8]) -> libp2p::Stream {
        let mut stream = self.ends.opener.open(purpose).await.expect("it opens");
        stream.write_all(bytes).await.expect("it is written");
        stream.flush().await.expect("it is sent");
        stream
    }

    /// What an honest peer says first.
    async fn greet(&self) -> libp2p::Stream {
        self.say(Purpose::Hello, &framed(&hello())).await
    }
}

fn hello() -> Vec<u8> {
    codec::encode(&Hello::new(Digest::default(), "test".to_owned()))
}

fn framed(bytes: &[u8]) -> Vec<u8> {
    [&frame::length_of(bytes), bytes].concat()
}

const VOTES: Purpose = Purpose::Lane(LaneId(0));

#[tokio::test]
async fn who_says_nothing_is_refused_in_time() {
    let mut victim = Victim::start().await;
    let _liar = Liar::connect(&victim).await;
    victim.ends_it("timeout").await;
}

#[tokio::test]
async fn who_opens_a_lane_before_the_handshake_is_refused() {
    let mut victim = Victim::start().await;
    let liar = Liar::connect(&victim).await;
    let _lane = liar.ends.opener.open(VOTES).await;
    victim.ends_it("malformed").await;
}

#[tokio::test]
async fn frames_sent_during_a_handshake_that_fails_are_not_delivered() {
    let mut victim = Victim::start().await;
    let liar = Liar::connect(&victim).await;
    let other = Hello::new(Digest::from_bytes([9; 32]), "test".to_owned());
    let _hello = liar.say(Purpose::Hello, &framed(&codec::encode(&other))).await;
    let _lane = liar.say(VOTES, &framed(b"vote")).await;
    victim.ends_it("wrong_chain").await;
}

#[tokio::test]
async fn hellos_that_are_none_are_refused() {
    let with_more = [&hello()[..], b"more"].concat();
    let of_another_version = [&[2, 0], &hello()[2..]].concat();
    for (said, reason) in [
        (framed(b"x"), "malformed"),
        (framed(&with_more), "malformed"),
        (framed(&of_another_version), "wrong_version"),
        (u32::MAX.to_be_bytes().to_vec(), "malformed"),
    ] {
        let mut victim = Victim::start().await;
        let liar = Liar::connect(&victim).await;
        let _hello = liar.say(Purpose::Hello, &said).await;
        victim.ends_it(reason).await;
    }
}

#[tokio::test]
async fn streams_that_are_not_due_end_the_connection() {
    for second in [Purpose::Hello, VOTES] {
        let mut victim = Victim::start().await;
        let liar = Liar::connect(&victim).await;
        let _hello = liar.greet().await;
        let _lane = liar.say(VOTES, &[]).await;
        // The connection may be gone before the stream is open.
        let _again = liar.ends.opener.open(second).await;
        victim.ends_it("unexpected_stream").await;
    }
}

#[tokio::test]
async fn garbage_on_a_lane_ends_the_connection() {
    let mut victim = Victim::start().await;
    let liar = Liar::connect(&victim).await;
    let _hello = liar.greet().await;
    let _lane = liar.say(VOTES, &[0xff; 100]).await;
    victim.ends_it("oversized_frame").await;
}

#[tokio::test]
async fn a_frame_that_is_cut_short_is_not_delivered() {
    let mut victim = Victim::start().await;
    let liar = Liar::connect(&victim).await;
    let _hello = liar.greet().await;
    let mut lane = liar.say(VOTES, &framed(b"vote")[..6]).await;
    lane.close().await.expect("it closes");
    victim.ends_it("closed").await;
}

#[tokio::test]
async fn a_request_that_is_too_large_harms_nobody() {
    let mut victim = Victim::start().await;
    let liar = Liar::connect(&victim).await;
    let _hello = liar.greet().await;
    let mut stream = liar.say(Purpose::Request, &framed(&[0; 101])).await;
    let mut answer = Vec::new();
    // The stream ends or is reset; either way there is no answer.
    drop(time::timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await);
    assert!(answer.is_empty());
    assert!(victim.inboxes.requests.try_recv().is_err());

    let _lane = liar.say(VOTES, &framed(b"vote")).await;
    let received = time::timeout(Duration::from_secs(10), victim.inboxes.lanes[0].recv()).await;
    assert_eq!(received, Ok(Some((ValidatorId(0), Bytes::from_static(b"vote")))));
}
