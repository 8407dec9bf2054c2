//! The versions of the specification that are served, by path.

/// A version of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    /// 0.9.0: a view of the other, with less in it.
    V0_9,
    /// 0.10.2.
    V0_10,
}

impl Version {
    /// All of them, the oldest first.
    pub(crate) const ALL: [Self; 2] = [Self::V0_9, Self::V0_10];

    /// The one that is meant where nobody says so.
    pub(crate) const NEWEST: Self = Self::V0_10;

    /// What `starknet_specVersion` says.
    pub(crate) const fn spec(self) -> &'static str {
        match self {
            Self::V0_9 => "0.9.0",
            Self::V0_10 => "0.10.2",
        }
    }
}

/// Where each version is served, over HTTP and WebSocket.
pub(crate) const PATHS: [(&str, Version); 12] = [
    ("/", Version::V0_10),
    ("/rpc", Version::V0_10),
    ("/rpc/v0_10", Version::V0_10),
    ("/v0_10", Version::V0_10),
    ("/ws", Version::V0_10),
    ("/ws/rpc", Version::V0_10),
    ("/ws/rpc/v0_10", Version::V0_10),
    ("/ws/v0_10", Version::V0_10),
    ("/rpc/v0_9", Version::V0_9),
    ("/v0_9", Version::V0_9),
    ("/ws/rpc/v0_9", Version::V0_9),
    ("/ws/v0_9", Version::V0_9),
];
