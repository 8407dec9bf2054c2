//! The secrets of a validator.
//!
//! Each has one use: a key that signs votes never signs a handshake, so a machine that runs a
//! worker needs nothing that could vote. The genesis binds the public halves together.

pub(crate) mod file;
pub(crate) mod used;

use kraken_sequencer::Seed;
use kraken_types::{
    Digest, PublicKey, Signer, Stake,
    genesis::{Member, MemberNetwork},
};
use rand::{RngCore, rngs::OsRng};

/// The secrets of one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    /// Signs headers, votes and blocks.
    consensus: Seed,
    /// By which its primary is known to its peers.
    pub(crate) primary: Seed,
    /// By which its workers are known, in the order of their ids.
    pub(crate) workers: Vec<Seed>,
}

impl Keys {
    /// New secrets from the operating system, for this many workers.
    pub(crate) fn random(workers: usize) -> Self {
        let workers = (0..workers).map(|_| random_seed()).collect();
        Self { consensus: random_seed(), primary: random_seed(), workers }
    }

    /// What signs as this validator.
    pub(crate) fn signer(&self) -> Signer {
        Signer::from_seed(*self.consensus.expose())
    }

    /// The public half, as the genesis holds it.
    pub(crate) fn member(&self, stake: Stake) -> Member {
        let network = MemberNetwork {
            primary: public(&self.primary).to_string(),
            workers: self.workers.iter().map(|seed| public(seed).to_string()).collect(),
        };
        Member { key: public(&self.consensus).to_string(), stake, network: Some(network) }
    }
}

/// A new secret from the operating system.
pub(crate) fn random_seed() -> Seed {
    let mut bytes = [0; 32];
    OsRng.fill_bytes(&mut bytes);
    Seed::new(bytes)
}

fn public(seed: &Seed) -> PublicKey {
    Signer::from_seed(*seed.expose()).public_key()
}

/// The validator's key of a development chain: it follows from the seed, like the accounts.
pub(crate) fn dev_validator(seed: u32) -> Signer {
    Signer::from_seed(*Digest::of("kraken development validator key v1", &seed).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_validator_differ() {
        let keys = Keys::random(2);
        let member = keys.member(3);
        let network = member.network.expect("a validator of a committee has network keys");
        let mut all = vec![member.key, network.primary];
        all.extend(network.workers);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert_eq!(member.stake, 3);
        assert_ne!(Keys::random(2), keys);
    }

    #[test]
    fn the_signer_has_the_key_that_the_genesis_names() {
        let keys = Keys::random(1);
        assert_eq!(keys.signer().public_key().to_string(), keys.member(1).key);
    }

    #[test]
    fn secrets_are_not_printed() {
        let keys = Keys {
            consensus: Seed::new([0xab; 32]),
            primary: Seed::new([0xcd; 32]),
            workers: vec![Seed::new([0xef; 32])],
        };
        let printed = format!("{keys:?}").to_lowercase();
        for part in ["abab", "cdcd", "efef", "171", "205", "239"] {
            assert!(!printed.contains(part), "{printed}");
        }
    }
}
