//! The vocabulary of Kraken: what validators say to each other, and the settings they must share.
//!
//! These nouns know no Starknet: a transaction is [`bytes::Bytes`] here, and only the rooms above
//! decode it. Every type that is signed, sent or stored has one canonical encoding ([`codec`]).

mod attestation;
mod awaited;
mod batch;
mod certificate;
pub mod codec;
mod commit;
mod committee;
mod crypto;
mod equivocation;
pub mod genesis;
#[cfg(test)]
mod golden;
mod header;
mod signers;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod time;
mod verified;
mod view;

pub use attestation::{Acceptance, Attestation, AttestationError, Statement};
pub use awaited::Awaited;
pub use batch::{Batch, BatchDigest, BatchHead, WorkerId};
pub use certificate::{Certificate, CertificateError, Vote, VoteError};
pub use commit::{ChainDigest, Commit, CommitIndex, Cursor};
pub use committee::{Committee, CommitteeError, Epoch, Identity, Stake, Validator, ValidatorId};
pub use crypto::{Claim, Digest, Ed25519, Hasher, PublicKey, Scheme, SecretKey, Signature, Signer};
pub use equivocation::Equivocation;
pub use genesis::Genesis;
pub use header::{BatchRef, Header, HeaderDigest, HeaderError, Round, SignedHeader};
pub use signers::Signers;
pub use time::Timestamp;
pub use verified::{Verified, Verify};
pub use view::View;
