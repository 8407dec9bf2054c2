//! What can go wrong for a caller.

use std::{io, net::SocketAddr};

use kraken_types::ValidatorId;

use crate::config::{LANES_MAX, PROTOCOL_BYTES_MAX};

/// Why a swarm did not start: the settings are wrong, or the machine does not give what they need.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum StartError {
    /// Somebody else listens there, or the address is not ours.
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    /// The bytes of a peer's key are no ed25519 key.
    #[error("the key of validator {id} is no ed25519 key")]
    Key { id: ValidatorId },
    /// Two peers have one id or one key, or a peer has ours.
    #[error("validator {id} is listed twice, or has the key of another")]
    PeerTwice { id: ValidatorId },
    /// There are places for this many only.
    #[error("{count} lanes are more than the {LANES_MAX} a swarm may have")]
    Lanes { count: usize },
    /// A frame must fit its queue, and its length a `u32`; each queue and inbox holds something.
    #[error("the limits of lane {lane} contradict each other")]
    Lane { lane: &'static str },
    /// A request must fit a frame, and one must be allowed at least.
    #[error("the limits of requests contradict each other")]
    Requests,
    /// The handshake is bounded.
    #[error("a protocol of {bytes} bytes is longer than {PROTOCOL_BYTES_MAX}")]
    Protocol { bytes: usize },
    /// libp2p cannot be set up.
    #[error("cannot set up the transport")]
    Transport(#[source] io::Error),
}

/// Why a request has no answer. Nobody's fault, or the peer's: ask somebody else.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum RequestError {
    /// There is no connection to it now.
    #[error("validator {to} is away")]
    Away { to: ValidatorId },
    /// Our own request is too large to send.
    #[error("a request of {bytes} bytes is larger than {max}")]
    TooLarge { bytes: usize, max: usize },
    /// Waiting for a turn, sending and receiving took too long together.
    #[error("validator {to} did not answer in time")]
    Timeout { to: ValidatorId },
    /// It ended the stream without an answer: it is busy, or does not want to, or went away.
    #[error("validator {to} gave no answer")]
    Refused { to: ValidatorId },
    /// It announced more than it may send.
    #[error("validator {to} announced an answer of {bytes} bytes, more than {max}")]
    AnswerTooLarge { to: ValidatorId, bytes: usize, max: usize },
}
