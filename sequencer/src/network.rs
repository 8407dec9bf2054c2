//! How a validator reaches the others: where it listens, where they listen, and with which keys.

use std::{fmt, net::SocketAddr};

/// How this validator reaches the others; a committee of one has none.
#[derive(Clone, Debug)]
pub struct NetworkConfig {
    /// Headers, votes, certificates and what the protocol says.
    pub primary: SwarmConfig,
    /// Batches: in the order of the workers' ids.
    pub workers: Vec<WorkerConfig>,
    /// Blocks for those who are far behind. Its key is that of the primary, because the genesis
    /// binds no other to this validator.
    pub sync: SwarmConfig,
}

/// Where a worker of a validator runs.
#[derive(Clone, Debug)]
pub enum WorkerConfig {
    /// In the process of the validator, with a swarm of its own.
    Here(SwarmConfig),
    /// In a process of its own, which dials its primary.
    Elsewhere {
        /// Where the primary waits for it, with the key of its own swarm.
        listen: SocketAddr,
    },
}

impl From<SwarmConfig> for WorkerConfig {
    fn from(swarm: SwarmConfig) -> Self {
        Self::Here(swarm)
    }
}

/// One swarm: a key, an address and the addresses of its peers.
#[derive(Clone, Debug)]
pub struct SwarmConfig {
    /// Where its key comes from.
    pub seed: Seed,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where the swarm at the same place of each validator listens, as `host:port`: one for each
    /// validator of the genesis, in order. If one of them is our own, it is ignored.
    pub peers: Vec<String>,
    /// What carries its bytes.
    pub transport: Transport,
}

/// What carries bytes between validators; all of a committee use the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, encrypted by Noise.
    Tcp,
    /// QUIC, over UDP; encrypted by TLS.
    Quic,
    /// TCP as it is: peers are not who they say they are. Only for measuring what encryption costs.
    Plaintext,
}

/// The 32 secret bytes of an ed25519 key. It never prints them.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// Wraps secret bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The secret bytes, for the one place that makes a key of them.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Seed {
    /// Nothing; the secret never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swarm_does_not_print_its_secret() {
        let swarm = SwarmConfig {
            seed: Seed::new([9; 32]),
            listen: SocketAddr::from(([127, 0, 0, 1], 1)),
            peers: vec![],
            transport: Transport::Tcp,
        };
        let printed = format!("{swarm:?}");
        assert!(printed.contains("Seed(secret)") && !printed.contains("9, 9"), "{printed}");
    }
}
