//! The key of a swarm.

use std::fmt;

use kraken_types::PublicKey;
use libp2p::{PeerId, identity};

/// The secret by which a swarm proves who it is: an ed25519 key. It signs nothing but handshakes.
#[derive(Clone)]
pub struct Keypair(identity::Keypair);

impl Keypair {
    /// Makes the key of 32 secret bytes; the public half is that of the same seed everywhere else.
    ///
    /// # Panics
    /// Never: any 32 bytes are an ed25519 secret.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let key = identity::Keypair::ed25519_from_bytes(seed);
        Self(key.expect("any 32 bytes are an ed25519 secret"))
    }

    /// The public half.
    ///
    /// # Panics
    /// Never: the key is an ed25519 one.
    pub fn public_key(&self) -> PublicKey {
        let key = self.0.public().try_into_ed25519();
        PublicKey::from_bytes(key.expect("the key is an ed25519 one").to_bytes())
    }

    pub(crate) fn identity(&self) -> &identity::Keypair {
        &self.0
    }
}

impl fmt::Debug for Keypair {
    /// The public half; the secret never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.public_key())
    }
}

/// What libp2p calls the holder of a key; `None` if the bytes are no key at all.
pub(crate) fn peer_id(key: &PublicKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use kraken_types::Signer;

    use super::*;

    #[test]
    fn a_seed_makes_the_same_public_key_as_everywhere_else() {
        let seed = [7; 32];
        assert_eq!(Keypair::from_seed(seed).public_key(), Signer::from_seed(seed).public_key());
    }

    #[test]
    fn a_keypair_does_not_print_its_secret() {
        let printed = format!("{:?}", Keypair::from_seed([9; 32]));
        assert!(!printed.contains("09090909"), "{printed}");
    }

    #[test]
    fn bytes_that_are_no_point_are_no_peer() {
        assert!(peer_id(&Keypair::from_seed([1; 32]).public_key()).is_some());
        let mut no_point = [0; 32];
        no_point[0] = 2;
        assert!(peer_id(&PublicKey::from_bytes(no_point)).is_none());
    }
}
