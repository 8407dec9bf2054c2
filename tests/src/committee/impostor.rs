//! Somebody who speaks our protocol to the validators, and is none, or not the one he should be.

use std::{fs, net::SocketAddr, time::Duration};

use bytes::Bytes;
use kraken_network::{
    Admission, Config, Dialing, Encryption, Inboxes, Keypair, Lane, LaneId, Metrics, Network, Peer,
    Requests, Transport,
};
use kraken_types::{Genesis, PublicKey, ValidatorId};

use super::Committee;
use crate::client::runtime;

/// The lanes of every swarm of a validator.
const LANES: [&str; 2] = ["first", "second"];

/// A swarm of ours among those of a committee.
#[derive(Debug)]
pub struct Impostor {
    pub(super) network: Network,
    /// What validators send.
    pub(super) inboxes: Inboxes,
}

impl Impostor {
    /// More than a frame on the first lane of a primary or a worker may be.
    pub const OVERSIZED_BYTES: usize = 40 << 20;

    /// One whose key nobody knows; its swarm is named like those that it dials.
    ///
    /// # Panics
    /// If it cannot listen, or the committee has no such swarm.
    pub fn outsider(committee: &Committee, swarm: &str) -> Self {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self::start(committee, swarm, None, (Keypair::from_seed([7; 32]), anywhere))
    }

    /// One with the key of a validator, in its place. The validator must be dead.
    ///
    /// # Panics
    /// If it cannot listen, or the committee has no such swarm.
    pub fn of_validator(committee: &Committee, id: usize, swarm: &str) -> Self {
        let [primary, _, worker] = committee.validators()[id].network();
        let (name, listen) = match swarm {
            "primary" => ("network", primary),
            _ => ("workers", worker),
        };
        let key = Keypair::from_seed(seed(committee, id, name));
        Self::start(committee, swarm, Some(id), (key, listen))
    }

    /// Sends a frame on a lane to a validator, if there is a connection to it now.
    pub fn send(&self, to: usize, lane: u8, frame: Vec<u8>) {
        // Whoever was told to end the connection comes back, and sends again.
        let _ = self.network.send(validator_id(to), LaneId(lane), Bytes::from(frame));
    }

    fn start(
        committee: &Committee,
        swarm: &str,
        own: Option<usize>,
        (key, listen): (Keypair, SocketAddr),
    ) -> Self {
        let genesis = genesis(committee);
        let config = Config {
            name: swarm.to_owned(),
            key,
            listen,
            transport: Transport::Tcp(Encryption::Noise),
            chain: genesis.digest(),
            protocol: format!("kraken/1 {:?} {swarm}", genesis.protocol),
            peers: peers(committee, &genesis, swarm, own),
            dialing: if own.is_some() { Dialing::HigherKeys } else { Dialing::Everyone },
            admission: Admission::Committee,
            lanes: LANES.map(lane).to_vec(),
            requests: REQUESTS,
        };
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let started = runtime().block_on(Network::start(config, &metrics));
        let (network, inboxes) = started.expect("its settings are right");
        Self { network, inboxes }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        runtime().block_on(self.network.shut_down());
    }
}

/// It makes none.
const REQUESTS: Requests = Requests {
    bytes_max: 1_024,
    answer_bytes_max: 1_024,
    timeout: Duration::from_secs(1),
    at_once_max: 1,
    inbox_max: 1,
};

fn lane(name: &'static str) -> Lane {
    Lane {
        name,
        frame_bytes_max: Impostor::OVERSIZED_BYTES,
        queue_bytes_max: 2 * Impostor::OVERSIZED_BYTES,
        inbox_frames_max: 1_024,
    }
}

/// The swarms of the others.
fn peers(committee: &Committee, genesis: &Genesis, swarm: &str, own: Option<usize>) -> Vec<Peer> {
    let keys = genesis.network().expect("a committee has a network");
    let peer = |(id, keys): (usize, &kraken_types::genesis::NetworkKeys)| {
        let [primary, _, worker] = committee.validators()[id].network();
        let (key, address): (PublicKey, _) = match swarm {
            "primary" => (keys.primary, primary),
            _ => (keys.workers[0], worker),
        };
        Peer { id: validator_id(id), key, address: address.to_string() }
    };
    keys.iter().enumerate().filter(|(id, _)| Some(*id) != own).map(peer).collect()
}

pub(super) fn validator_id(id: usize) -> ValidatorId {
    ValidatorId(u16::try_from(id).expect("few validators"))
}

/// What the validators of a committee share.
pub(super) fn genesis(committee: &Committee) -> Genesis {
    let text = fs::read_to_string(committee.folder().join("genesis.toml")).expect("it is ours");
    Genesis::from_toml(&text).expect("it is a genesis")
}

/// The secret of a validator with this name in its key file; of workers the first.
pub(super) fn seed(committee: &Committee, id: usize, name: &str) -> [u8; 32] {
    let path = committee.validators()[id].home().join("key.toml");
    let keys = fs::read_to_string(path).expect("it is ours");
    let line = keys.lines().find(|line| line.starts_with(name)).expect("a key of each kind");
    let digits = line.split('"').nth(1).expect("a key in quotes");
    // 32 bytes are 64 digits.
    let byte = |place: usize| u8::from_str_radix(&digits[2 * place..2 * place + 2], 16);
    std::array::from_fn(|place| byte(place).expect("a key is written in hexadecimal digits"))
}
