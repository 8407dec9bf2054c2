//! What libp2p asks of us: who may connect, and where streams go.
//!
//! `libp2p-stream` does nearly this, but it keeps a little of every connection for ever, drops
//! streams when two come at once, and does not say on which connection one came
//! (`docs/decisions/0011-lanes-over-libp2p-streams.md`).

mod handler;

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, StreamProtocol,
    core::{Endpoint, transport::PortUse},
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandlerInEvent, ToSwarm,
        behaviour::{ConnectionClosed, DialFailure, ListenFailure},
    },
};
use prometheus_client::metrics::gauge::Gauge;

pub(crate) use handler::{Ends, Handler, Opener};

use crate::{
    config::{Admission, LaneId},
    reason::Refusal,
};

/// How many streams that the other end opened may wait besides one of each kind.
const WAITING_SPARE: usize = 16;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The handshake, then signs of life.
    Hello,
    /// One request and its answer.
    Request,
    /// Frames, in one direction.
    Lane(LaneId),
}

impl Purpose {
    /// The purposes that come before the lanes.
    const COUNT: u8 = 2;

    pub(crate) fn protocol(self) -> StreamProtocol {
        match self {
            Self::Hello => StreamProtocol::new("/kraken/hello/1"),
            Self::Request => StreamProtocol::new("/kraken/request/1"),
            Self::Lane(LaneId(lane)) => {
                StreamProtocol::try_from_owned(format!("/kraken/lane/{lane}/1"))
                    .expect("the name begins with a slash")
            }
        }
    }

    /// The purpose at a place in the list of all; `None` far beyond it.
    fn at(place: usize) -> Option<Self> {
        let place = u8::try_from(place).ok()?;
        Some(match place {
            0 => Self::Hello,
            1 => Self::Request,
            lane => Self::Lane(LaneId(lane - Self::COUNT)),
        })
    }

    /// The first so many purposes.
    fn first(count: usize) -> Arc<[StreamProtocol]> {
        (0..count).map_while(Self::at).map(Self::protocol).collect()
    }
}

/// Admits connections and gives the ends of each to whoever [takes](Self::take) them.
#[derive(Debug)]
pub(crate) struct Behaviour {
    /// The peers, and whether it is they who dial us.
    peers: BTreeMap<PeerId, bool>,
    admission: Admission,
    /// The connections of strangers that are not closed yet.
    strangers: BTreeSet<ConnectionId>,
    strangers_connected: Gauge,
    for_peers: Arc<[StreamProtocol]>,
    for_strangers: Arc<[StreamProtocol]>,
    /// Of connections that are about to be established.
    ends: BTreeMap<ConnectionId, Ends>,
}

impl Behaviour {
    pub(crate) fn new(
        peers: BTreeMap<PeerId, bool>,
        admission: Admission,
        lanes: usize,
        strangers_connected: Gauge,
    ) -> Self {
        let for_strangers = Purpose::first(usize::from(Purpose::COUNT));
        let for_peers = Purpose::first(usize::from(Purpose::COUNT) + lanes);
        let (strangers, ends) = (BTreeSet::new(), BTreeMap::new());
        Self { peers, admission, strangers, strangers_connected, for_peers, for_strangers, ends }
    }

    /// The ends of a connection that was just established.
    pub(crate) fn take(&mut self, connection: ConnectionId) -> Option<Ends> {
        self.ends.remove(&connection)
    }

    /// Whether somebody may connect.
    fn admit(&mut self, connection: ConnectionId, peer: &PeerId) -> Result<(), Refusal> {
        match (self.peers.get(peer), self.admission) {
            (Some(true), _) => Ok(()),
            (Some(false), _) => Err(Refusal::WrongDirection),
            (None, Admission::Committee) => Err(Refusal::Outsider),
            (None, Admission::Anyone { connections_max, .. }) => {
                if connections_max <= self.strangers.len() {
                    return Err(Refusal::Full);
                }
                self.strangers.insert(connection);
                self.strangers_connected.inc();
                Ok(())
            }
        }
    }

    fn handler(&mut self, connection: ConnectionId, peer: &PeerId) -> Handler {
        let is_peer = self.peers.contains_key(peer);
        let offered = if is_peer { &self.for_peers } else { &self.for_strangers };
        let waiting_max = offered.len() + WAITING_SPARE;
        let (handler, ends) = Handler::new(offered.clone(), waiting_max);
        self.ends.insert(connection, ends);
        handler
    }

    fn forget(&mut self, connection: ConnectionId) {
        self.ends.remove(&connection);
        if self.strangers.remove(&connection) {
            self.strangers_connected.dec();
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        self.admit(connection, &peer).map_err(ConnectionDenied::new)?;
        Ok(self.handler(connection, &peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler(connection, &peer))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are its own, and grow")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. })
            | FromSwarm::ListenFailure(ListenFailure { connection_id, .. })
            | FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.forget(connection_id);
            }
            // What is left tells of addresses and listeners.
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}
