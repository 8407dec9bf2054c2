//! Digests and signatures.
//!
//! A digest or a signature always covers a *domain*: the kind of thing it is about. So the bytes of
//! a vote can never pass for those of a header. Digests are BLAKE3 in its key-derivation mode, the
//! domain being the context; signatures are ed25519 over such a digest, checked by the rules of
//! ZIP-215, under which checking one by one and checking a batch always agree.

use std::{fmt, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_zebra::batch;
use rand_core::{CryptoRng, RngCore};

/// A 32-byte BLAKE3 digest.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Digests one value in a domain. Domains are constants such as `"kraken batch v1"`.
    pub fn of(domain: &'static str, value: &impl BorshSerialize) -> Self {
        let mut hasher = Hasher::new(domain);
        hasher.update(value);
        hasher.finish()
    }

    /// Wraps raw bytes, as read from the wire or the disk.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    /// The first four bytes, which is what a reader of a log can remember.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Digests several values in one domain, in order.
#[derive(Debug)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a digest in `domain`.
    pub fn new(domain: &'static str) -> Self {
        Self(blake3::Hasher::new_derive_key(domain))
    }

    /// Adds a value in its canonical encoding.
    ///
    /// # Panics
    /// Never: writing to a hasher cannot fail.
    pub fn update(&mut self, value: &impl BorshSerialize) {
        value.serialize(&mut self.0).expect("a hasher accepts every byte");
    }

    /// The digest of everything added.
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// The public half of a validator's consensus key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads 64 hexadecimal digits, with or without `0x`; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 32];
        if digits.len() != 64 || !digits.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }

    /// Wraps raw bytes, which need not be a key that anything can be checked with.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Digest(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Digest(self.0))
    }
}

/// An ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Signature([u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Signature {
    /// Wraps raw bytes, as a [`SecretKey`] made them.
    pub const fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// Somebody is said to have signed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose signature it is said to be.
    pub key: PublicKey,
    /// Over what.
    pub digest: Digest,
    /// The proof.
    pub signature: Signature,
}

/// How signatures are checked. Validators use [`Ed25519`]; the simulator has a cheaper one.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// Checks claims together, with the same verdict as one by one.
    ///
    /// # Errors
    /// The place of the first claim that does not hold.
    fn verify(&self, claims: &[Claim]) -> Result<(), usize>;
}

/// Ed25519 by the rules of ZIP-215.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ed25519;

impl Ed25519 {
    fn item(claim: &Claim) -> batch::Item {
        let key = ed25519_zebra::VerificationKeyBytes::from(claim.key.0);
        let signature = ed25519_zebra::Signature::from(claim.signature.0);
        batch::Item::from((key, signature, claim.digest.as_bytes()))
    }
}

impl Scheme for Ed25519 {
    fn verify(&self, claims: &[Claim]) -> Result<(), usize> {
        // Two signatures are not cheaper together than one by one.
        const BATCH_MIN: usize = 3;
        if BATCH_MIN <= claims.len() {
            let mut together = batch::Verifier::new();
            for claim in claims {
                together.queue(Self::item(claim));
            }
            if together.verify(Coefficients::of(claims)).is_ok() {
                return Ok(());
            }
        }
        // Somebody lied: find out who.
        let lie = claims.iter().position(|claim| Self::item(claim).verify_single().is_err());
        lie.map_or(Ok(()), Err)
    }
}

/// The factors by which the equations of a batch are weighed before they are added.
///
/// They must be out of the reach of whoever made the signatures, and need no secret: a digest of
/// all the claims serves, and keeps checking a pure function.
struct Coefficients(blake3::OutputReader);

impl Coefficients {
    fn of(claims: &[Claim]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("kraken batch verification v1");
        for claim in claims {
            hasher.update(&claim.key.0).update(&claim.digest.0).update(&claim.signature.0);
        }
        Self(hasher.finalize_xof())
    }
}

impl RngCore for Coefficients {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Coefficients {}

/// What signs. Signing is a pure function of key and digest.
pub trait SecretKey: Send + Sync {
    /// The public half.
    fn public_key(&self) -> PublicKey;

    /// Signs a digest.
    fn sign(&self, digest: &Digest) -> Signature;
}

impl SecretKey for ed25519_zebra::SigningKey {
    fn public_key(&self) -> PublicKey {
        PublicKey(ed25519_zebra::VerificationKey::from(self).into())
    }

    fn sign(&self, digest: &Digest) -> Signature {
        Signature(Self::sign(self, digest.as_bytes()).into())
    }
}

/// A validator's consensus key. Cheap to clone.
#[derive(Clone)]
pub struct Signer(Arc<dyn SecretKey>);

impl Signer {
    /// Makes the ed25519 key of 32 secret bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self::new(Arc::new(ed25519_zebra::SigningKey::from(seed)))
    }

    /// Signs with any kind of key.
    pub fn new(key: Arc<dyn SecretKey>) -> Self {
        Self(key)
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        self.0.public_key()
    }

    /// Signs a digest.
    pub fn sign(&self, digest: &Digest) -> Signature {
        self.0.sign(digest)
    }
}

impl fmt::Debug for Signer {
    /// The public half; the secret never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(seed: u8, value: u64) -> Claim {
        let signer = Signer::from_seed([seed; 32]);
        let digest = Digest::of("kraken test v1", &value);
        Claim { key: signer.public_key(), digest, signature: signer.sign(&digest) }
    }

    #[test]
    fn a_signature_holds_for_its_key_and_digest_only() {
        let good = claim(7, 1);
        assert_eq!(Ed25519.verify(&[good]), Ok(()));
        assert_eq!(Ed25519.verify(&[Claim { digest: claim(7, 2).digest, ..good }]), Err(0));
        assert_eq!(Ed25519.verify(&[Claim { key: claim(8, 1).key, ..good }]), Err(0));
        assert_eq!(Ed25519.verify(&[Claim { key: PublicKey([0xff; 32]), ..good }]), Err(0));
    }

    #[test]
    fn a_lie_among_many_is_found() {
        let honest: Vec<_> = (1..=9).map(|seed| claim(seed, u64::from(seed))).collect();
        assert_eq!(Ed25519.verify(&honest), Ok(()));
        for lie in 0..honest.len() {
            let mut claims = honest.clone();
            claims[lie].signature = honest[(lie + 1) % honest.len()].signature;
            assert_eq!(Ed25519.verify(&claims), Err(lie));
        }
    }

    /// A key and a commitment of order 8: cofactored rules accept it, strict ones do not. Whatever
    /// the verdict, all validators must reach it, alone and in a batch.
    #[test]
    fn single_and_batch_agree_on_crafted_signatures() {
        let small = {
            let mut point = [0; 32];
            point[0] = 1; // The neutral element.
            point
        };
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&small);
        let digest = Digest::of("kraken test v1", &3_u64);
        let crafted = Claim { key: PublicKey(small), digest, signature: Signature(signature) };
        assert_eq!(Ed25519.verify(&[crafted]), Ok(()), "ZIP-215 accepts points of small order");
        assert_eq!(Ed25519.verify(&[crafted; 5]), Ok(()));
        assert_eq!(Ed25519.verify(&[claim(1, 1), crafted, claim(2, 2)]), Ok(()));
    }

    #[test]
    fn a_domain_separates_equal_values() {
        assert_ne!(Digest::of("kraken batch v1", &1_u8), Digest::of("kraken header v1", &1_u8));
    }

    #[test]
    fn a_public_key_survives_its_text() {
        let key = Signer::from_seed([1; 32]).public_key();
        assert_eq!(PublicKey::from_hex(&key.to_string()), Some(key));
        assert_eq!(PublicKey::from_hex("0x12"), None);
        assert_eq!(PublicKey::from_hex(&"é".repeat(32)), None);
    }

    #[test]
    fn a_signer_does_not_print_its_secret() {
        let printed = format!("{:?}", Signer::from_seed([9; 32]));
        assert!(!printed.contains("09090909"), "{printed}");
    }
}
