//! The peers of a swarm, and the way to each of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use kraken_types::ValidatorId;
use libp2p::{PeerId, swarm::ConnectionId};
use tokio::sync::Semaphore;

use crate::{
    Config, Dialing, LaneId, StartError,
    behaviour::Opener,
    key,
    lane::Queue,
    metrics::{LaneMetrics, SwarmMetrics},
    reason::Drop,
};

/// Somebody we know by key.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) id: ValidatorId,
    pub(crate) peer: PeerId,
    pub(crate) address: String,
    /// Whether it is we who dial.
    pub(crate) we_dial: bool,
    /// Whether it may dial us. Of two peers that know each other, the lower key does.
    pub(crate) they_dial: bool,
    /// By [`LaneId`].
    pub(crate) lanes: Vec<LaneMetrics>,
    /// Our own requests take turns.
    pub(crate) turns: Semaphore,
    link: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    link: Option<Arc<Link>>,
    /// How many there were.
    links: u64,
}

/// What a connection offers to senders while it lasts.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: ConnectionId,
    /// By [`LaneId`].
    pub(crate) queues: Vec<Arc<Queue>>,
    pub(crate) opener: Opener,
}

impl Member {
    /// Queues a frame, if the peer is connected and there is room.
    pub(crate) fn send(&self, lane: LaneId, frame: Bytes) -> bool {
        let lane = usize::from(lane.0);
        match self.link() {
            Some(link) => link.queues[lane].push(frame).is_ok(),
            None => {
                self.lanes[lane].dropped(Drop::Away, 1);
                false
            }
        }
    }

    /// The way to the peer, if it is connected.
    pub(crate) fn link(&self) -> Option<Arc<Link>> {
        self.state().link.clone()
    }

    /// Sets the way, and returns its number.
    pub(crate) fn link_with(&self, link: Link) -> u64 {
        let mut state = self.state();
        state.link = Some(Arc::new(link));
        state.links += 1;
        state.links
    }

    /// Removes the way, unless it is another one by now.
    pub(crate) fn unlink(&self, connection: ConnectionId) {
        let mut state = self.state();
        if state.link.as_ref().is_some_and(|link| link.connection == connection) {
            state.link = None;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All peers.
#[derive(Debug)]
pub(crate) struct Roster {
    members: BTreeMap<ValidatorId, Arc<Member>>,
    by_peer: BTreeMap<PeerId, ValidatorId>,
}

impl Roster {
    /// Reads the peers of the settings.
    pub(crate) fn new(config: &Config, metrics: &SwarmMetrics) -> Result<Self, StartError> {
        let ours = config.key.public_key();
        let mut roster = Self { members: BTreeMap::new(), by_peer: BTreeMap::new() };
        for peer in &config.peers {
            let id = key::peer_id(&peer.key).ok_or(StartError::Key { id: peer.id })?;
            let lanes = config.lanes.iter().map(|lane| metrics.lane(peer.id, lane.name)).collect();
            let member = Member {
                id: peer.id,
                peer: id,
                address: peer.address.clone(),
                we_dial: match config.dialing {
                    Dialing::HigherKeys => ours < peer.key,
                    Dialing::Everyone => true,
                    Dialing::Nobody => false,
                },
                they_dial: config.dialing == Dialing::Nobody || peer.key < ours,
                lanes,
                turns: Semaphore::new(config.requests.at_once_max),
                link: Mutex::default(),
            };
            let is_new_key = roster.by_peer.insert(id, peer.id).is_none() && peer.key != ours;
            if !is_new_key || roster.members.insert(peer.id, Arc::new(member)).is_some() {
                return Err(StartError::PeerTwice { id: peer.id });
            }
        }
        Ok(roster)
    }

    pub(crate) fn get(&self, id: ValidatorId) -> Option<&Arc<Member>> {
        self.members.get(&id)
    }

    pub(crate) fn by_peer(&self, peer: &PeerId) -> Option<&Arc<Member>> {
        self.get(*self.by_peer.get(peer)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.members.values()
    }
}
