//! Signatures that cost a hash.
//!
//! A signature is a digest of the public key and of what is signed. Anyone could make it; nobody in
//! a simulation does, because a sin signs through its own [`kraken_types::Identity`].

use std::sync::Arc;

use kraken_types::{Claim, Digest, PublicKey, Scheme, SecretKey, Signature, Signer};

/// Checks cheap signatures.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cheap;

/// Makes cheap signatures.
#[derive(Clone, Copy, Debug)]
struct CheapKey(PublicKey);

/// A cheap key made of a seed.
pub fn cheap_signer(seed: &[u8; 32]) -> Signer {
    let key = *blake3::hash(seed).as_bytes();
    Signer::new(Arc::new(CheapKey(PublicKey::from_bytes(key))))
}

fn seal(key: &PublicKey, digest: &Digest) -> Signature {
    let half = blake3::keyed_hash(key.as_bytes(), digest.as_bytes());
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(half.as_bytes());
    bytes[32..].copy_from_slice(half.as_bytes());
    Signature::from_bytes(bytes)
}

impl SecretKey for CheapKey {
    fn public_key(&self) -> PublicKey {
        self.0
    }

    fn sign(&self, digest: &Digest) -> Signature {
        seal(&self.0, digest)
    }
}

impl Scheme for Cheap {
    fn verify(&self, claims: &[Claim]) -> Result<(), usize> {
        let lie =
            claims.iter().position(|claim| seal(&claim.key, &claim.digest) != claim.signature);
        lie.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cheap_signature_holds_for_its_key_and_digest_only() {
        let (one, two) = (cheap_signer(&[1; 32]), cheap_signer(&[2; 32]));
        let digest = |value: u64| Digest::of("kraken test v1", &value);
        let signature = one.sign(&digest(1));
        let good = Claim { key: one.public_key(), digest: digest(1), signature };
        assert_eq!(Cheap.verify(&[good]), Ok(()));
        assert_eq!(Cheap.verify(&[good, Claim { digest: digest(2), ..good }]), Err(1));
        assert_eq!(Cheap.verify(&[good, Claim { key: two.public_key(), ..good }]), Err(1));
    }
}
