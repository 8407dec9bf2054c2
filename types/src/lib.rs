//! The vocabulary of Kraken: what validators say to each other, and the settings they must share.
//!
//! These nouns know no Starknet: a transaction is [`bytes::Bytes`] here, and only the rooms above
//! decode it. Every type that is signed, sent or stored has one canonical encoding ([`codec`]).

mod batch;
mod certificate;
pub mod codec;
mod commit;
mod committee;
mod crypto;
pub mod genesis;
mod header;
mod time;

pub use batch::{Batch, BatchDigest, WorkerId};
pub use certificate::{Certificate, CertificateError, Vote};
pub use commit::{ChainDigest, Commit, CommitIndex, Cursor};
pub use committee::{Committee, CommitteeError, Epoch, Stake, Validator, ValidatorId};
pub use crypto::{Digest, Hasher, PublicKey, Signature, SignatureError, Signer};
pub use genesis::Genesis;
pub use header::{BatchRef, Header, HeaderDigest, Round};
pub use time::Timestamp;
