//! The key of a development validator.

use kraken_types::{Digest, Signer};

/// The validator's key of a development chain: it follows from the seed, like the accounts.
pub(crate) fn dev_validator(seed: u32) -> Signer {
    Signer::from_seed(*Digest::of("kraken development validator key v1", &seed).as_bytes())
}
