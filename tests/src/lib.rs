//! The kit of the tests that look at a whole node: from outside, or with their own arithmetic.
//!
//! - [`Node`] runs the real binary in a process of its own, and kills it.
//! - [`Committee`] runs four of them as validators; [`Load`] sends to them all the time.
//! - [`Client`] speaks JSON-RPC and can hold every answer against the [`Official`] documents, those of
//!   the older version included; a [`Socket`] of it does so with everything that it is told.
//! - [`Coverage`] says which answers, errors and notifications of the documents were seen.
//! - [`Wallet`] signs for the accounts of block 0, [`Ledger`] is a contract for them to use.
//! - A [`Page`] of `docs` is what tests saw; [`Matrix`] keeps that of bad inputs.
//! - [`Verifier`] recomputes all hashes of a chain from what JSON-RPC serves, sharing no code with
//!   the node.
//!
//! Nothing here is part of a validator, and everything panics rather than goes on with a doubt.

pub mod client;
pub mod committee;
pub mod coverage;
pub mod ledger;
pub mod load;
pub mod matrix;
pub mod node;
pub mod official;
pub mod page;
pub mod socket;
pub mod verify;
pub mod wallet;

use std::{
    env,
    path::{Path, PathBuf},
};

pub use client::{CallError, Client};
pub use committee::Committee;
pub use coverage::Coverage;
pub use ledger::Ledger;
pub use load::Load;
pub use matrix::Matrix;
pub use node::Node;
pub use official::Official;
pub use page::Page;
pub use socket::Socket;
pub use verify::Verifier;
pub use wallet::Wallet;

/// The folder of the workspace.
///
/// # Panics
/// Never, as this package is in a folder of the workspace.
pub fn root() -> PathBuf {
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR");
    let package =
        package.as_deref().map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")), Path::new);
    package.parent().expect("this package is in a folder of the workspace").to_owned()
}
