//! Why things end: the words of logs and metrics.

use std::{error::Error, fmt};

/// Why a frame was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// There is no connection to the peer.
    Away,
    /// Its queue is full.
    Full,
    /// It waited in the queue when the connection broke.
    Lost,
    /// It is larger than the lane allows: our own mistake.
    TooLarge,
}

impl Drop {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Full => "full",
            Self::Lost => "lost",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why a connection came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its key is nobody's that we know.
    Outsider,
    /// There are as many strangers as may be.
    Full,
    /// It is ours to dial it.
    WrongDirection,
    /// It broke the rules a moment ago.
    Penalty,
    /// Too many connections of one peer, or too many unfinished ones.
    Crowded,
    /// What it said at first was not libp2p, or not in time, or it went away.
    NotLibp2p,
    /// Another version of our handshake.
    WrongVersion,
    /// Another genesis.
    WrongChain,
    /// The same chain, but something else differs.
    WrongProtocol,
    /// The handshake took too long.
    HandshakeTimeout,
    /// The handshake was not one.
    Malformed,
    /// The peer ended the connection during the handshake; its log says why.
    ClosedByPeer,
}

impl Refusal {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Outsider => "outsider",
            Self::Full => "full",
            Self::WrongDirection => "wrong_direction",
            Self::Penalty => "penalty",
            Self::Crowded => "crowded",
            Self::NotLibp2p => "not_libp2p",
            Self::WrongVersion => "wrong_version",
            Self::WrongChain => "wrong_chain",
            Self::WrongProtocol => "wrong_protocol",
            Self::HandshakeTimeout => "timeout",
            Self::Malformed => "malformed",
            Self::ClosedByPeer => "closed_by_peer",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Error for Refusal {}

/// Why a connection ended after its handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The other end, or the network, closed it.
    Closed,
    /// Nothing was heard for too long.
    Silent,
    /// A frame was announced that is larger than its lane allows.
    OversizedFrame,
    /// A stream that nobody may open, or may not open again.
    UnexpectedStream,
    /// The other end does not take one of our lanes.
    LaneRefused,
    /// A new connection of the same peer took its place.
    Replaced,
    /// A stranger asked nothing for too long.
    Idle,
    /// We stop.
    ShutDown,
}

impl Broken {
    /// Whether the other end did what nobody may.
    pub(crate) const fn breaks_rules(self) -> bool {
        match self {
            Self::OversizedFrame | Self::UnexpectedStream => true,
            Self::Closed
            | Self::Silent
            | Self::LaneRefused
            | Self::Replaced
            | Self::Idle
            | Self::ShutDown => false,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Silent => "silent",
            Self::OversizedFrame => "oversized_frame",
            Self::UnexpectedStream => "unexpected_stream",
            Self::LaneRefused => "lane_refused",
            Self::Replaced => "replaced",
            Self::Idle => "idle",
            Self::ShutDown => "shut_down",
        }
    }
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    Away,
    Busy,
    Refused,
    Timeout,
    TooLarge,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Away => "away",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
        }
    }
}
