//! Digests and signatures.
//!
//! A digest or a signature always covers a *domain*: the kind of thing it is about. So the bytes of
//! a vote can never pass for those of a header. Digests are BLAKE3 in its key-derivation mode, the
//! domain being the context; signatures are ed25519 over such a digest, checked by the rules of
//! ZIP-215, under which checking one by one and checking a batch always agree.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

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

    /// Checks a signature over `digest`.
    ///
    /// # Errors
    /// [`SignatureError`] if the key or the signature is malformed, or they do not match.
    pub fn verify(&self, digest: &Digest, signature: &Signature) -> Result<(), SignatureError> {
        let key = ed25519_zebra::VerificationKey::try_from(self.0).map_err(|_| SignatureError)?;
        key.verify(&ed25519_zebra::Signature::from(signature.0), digest.as_bytes())
            .map_err(|_| SignatureError)
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

/// A signature does not belong to this key and these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid signature")]
pub struct SignatureError;

/// A validator's consensus key. Signing is a pure function of key and bytes.
#[derive(Clone)]
pub struct Signer(ed25519_zebra::SigningKey);

impl Signer {
    /// Makes the key of 32 secret bytes.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(ed25519_zebra::SigningKey::from(seed))
    }

    /// The public half.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(ed25519_zebra::VerificationKey::from(&self.0).into())
    }

    /// Signs a digest.
    pub fn sign(&self, digest: &Digest) -> Signature {
        Signature(self.0.sign(digest.as_bytes()).into())
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

    #[test]
    fn a_signature_holds_for_its_key_and_digest_only() {
        let signer = Signer::from_seed([7; 32]);
        let digest = Digest::of("kraken test v1", &1_u64);
        let signature = signer.sign(&digest);

        assert_eq!(signer.public_key().verify(&digest, &signature), Ok(()));
        let other = Digest::of("kraken test v1", &2_u64);
        assert_eq!(signer.public_key().verify(&other, &signature), Err(SignatureError));
        let stranger = Signer::from_seed([8; 32]).public_key();
        assert_eq!(stranger.verify(&digest, &signature), Err(SignatureError));
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
