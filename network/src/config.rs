//! What a swarm is told when it starts.

use std::{net::SocketAddr, time::Duration};

use kraken_types::{Digest, PublicKey, ValidatorId};

use crate::Keypair;

/// The most lanes of a swarm.
pub const LANES_MAX: usize = 16;

/// The longest [`Config::protocol`], in bytes.
pub const PROTOCOL_BYTES_MAX: usize = 256;

/// Everything about one swarm.
#[derive(Clone, Debug)]
pub struct Config {
    /// What logs and metrics call this swarm, for example `primary` or `worker 0`.
    pub name: String,
    /// Who we are.
    pub key: Keypair,
    /// Where peers reach us; port 0 is any free one.
    pub listen: SocketAddr,
    /// How bytes travel. All swarms that talk to each other use the same.
    pub transport: Transport,
    /// The digest of the genesis. A peer with another one is refused.
    pub chain: Digest,
    /// Whatever else must be equal, for example `kraken/1 hotstuff worker 0`; at most
    /// [`PROTOCOL_BYTES_MAX`] bytes. A peer with another one is refused.
    pub protocol: String,
    /// Whom we talk to, ourselves not among them.
    pub peers: Vec<Peer>,
    /// Which of the peers we dial.
    pub dialing: Dialing,
    /// Who may connect.
    pub admission: Admission,
    /// The lanes to each peer, at most [`LANES_MAX`], the same on all sides; a [`LaneId`] is a
    /// place in this list.
    pub lanes: Vec<Lane>,
    /// The limits of requests and answers.
    pub requests: Requests,
}

/// Somebody we know by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What we call it.
    pub id: ValidatorId,
    /// The key of its swarm.
    pub key: PublicKey,
    /// `host:port`; the host is a name, an IPv4 address, or an IPv6 address in brackets. A name is
    /// resolved anew at every attempt.
    pub address: String,
}

/// How bytes travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP and yamux.
    Tcp(Encryption),
    /// QUIC, which is always encrypted.
    Quic,
}

/// Whether bytes on TCP are secret, and whether keys are proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Noise.
    Noise,
    /// None: anybody can claim any key. For benches on one machine.
    Plaintext,
}

/// Which of the peers we dial. Two peers have one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialing {
    /// Those whose key is higher than ours; the others dial us. For peers that know each other.
    HigherKeys,
    /// All of them, because they do not dial us.
    Everyone,
    /// None of them: they dial us.
    Nobody,
}

/// Who may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The peers. Others are refused and counted.
    Committee,
    /// The peers, and strangers, who may make requests but have no lanes. A stranger that asks
    /// nothing for a minute loses its place.
    Anyone {
        /// How many strangers may be connected at once; more are refused. A hostile one can keep
        /// up to 256 kB in our memory for each stream it may open, of which there are twice
        /// [`Requests::at_once_max`] and some forty; with QUIC 15 MB.
        connections_max: usize,
        /// How many requests of all strangers together are served at once; more are refused.
        requests_max: usize,
    },
}

/// A stream of frames from every validator to every other.
///
/// Frames of one lane arrive in order while a connection lasts; lanes do not wait for each other,
/// but they share the bandwidth and the task of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lane {
    /// What metrics call it.
    pub name: &'static str,
    /// The largest frame. A peer that announces a larger one loses its connection.
    pub frame_bytes_max: usize,
    /// What may wait for one peer; each frame counts as its length and 64 bytes. When it is full,
    /// the newest frame is dropped and counted.
    pub queue_bytes_max: usize,
    /// How many received frames of all peers together may wait for their reader. When it is full,
    /// the lane is read no further and the senders' queues fill up.
    pub inbox_frames_max: usize,
}

/// A place in [`Config::lanes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LaneId(pub u8);

/// The limits of requests and answers.
#[derive(Clone, Copy, Debug)]
pub struct Requests {
    /// The largest request.
    pub bytes_max: usize,
    /// The largest answer.
    pub answer_bytes_max: usize,
    /// From the first byte of a request to the last byte of its answer, on both sides.
    pub timeout: Duration,
    /// How many requests run at once between us and one peer, in each direction. Our own wait for
    /// their turn; a peer's are refused.
    pub at_once_max: usize,
    /// How many requests of all peers together may wait for somebody to answer them.
    pub inbox_max: usize,
}
