//! Bytes to validators and back: libp2p.
//!
//! A [`Network`] is one swarm: one key, one port, one connection to each peer. A validator runs one
//! for its primary, one for each worker, and one for whoever wants blocks, because all streams of a
//! connection share a task, and votes must not wait behind batches. On a connection, *lanes* carry
//! frames in one direction each, and requests are for what is missing.
//!
//! Delivery is best effort: a frame may be dropped where it is sent, or be lost with its
//! connection, and is counted then; frames of one lane never arrive twice or out of order. Whoever
//! needs more says things again. What frames mean is for the rooms that make them; every byte that
//! comes in is hostile until they have decoded it.
//!
//! # On the wire
//! libp2p over TCP (noise, yamux) or QUIC. After connecting, each end opens `/kraken/hello/1` and
//! says there, as one frame, what must be equal: a version, the digest of the genesis, and a text.
//! Until both are content nothing else is read. Then each end opens `/kraken/lane/<number>/1` for
//! each lane and writes frames to it. `/kraken/request/1` carries one frame there and one back. A
//! frame is its length, four bytes big-endian, and as many bytes. The streams of the handshake stay
//! open for signs of life, a byte every five seconds.
//!
//! # What is bounded
//! Queues in bytes, inboxes in frames, frames and answers in bytes before memory is taken for them,
//! connections per peer, connections of strangers, unfinished connections, requests at once, and
//! the time that handshakes and requests take.

mod behaviour;
mod config;
mod connection;
mod driver;
mod error;
mod frame;
mod key;
mod lane;
mod metrics;
mod network;
mod reason;
mod request;
mod roster;
#[cfg(test)]
mod tests;
mod transport;

pub use config::{
    Admission, Config, Dialing, Encryption, LANES_MAX, Lane, LaneId, PROTOCOL_BYTES_MAX, Peer,
    Requests, Transport,
};
pub use error::{RequestError, StartError};
pub use key::Keypair;
pub use metrics::Metrics;
pub use network::{Connected, Inboxes, Network, Request};
