//! The state of block 0.
//!
//! It is that of starknet-devnet 0.10.1, so that the same seed gives the same accounts: the fee
//! tokens STRK and ETH and both universal deployers at their addresses on mainnet and with their
//! classes there, accounts of OpenZeppelin, and the account that mints. State is written directly;
//! block 0 has no transactions.

mod accounts;
mod cache;
mod dev;
mod embedded;
mod state_diff;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use kraken_storage::Class;
use kraken_types::Genesis;
use starknet_api::{
    core::{ClassHash, CompiledClassHash, ContractAddress, PatriciaKey},
    state::{SierraContractClass, ThinStateDiff},
};
use starknet_types_core::felt::Felt;

pub use accounts::{accounts, chargeable_account};
pub use dev::dev_genesis;

use crate::class::{class_hash, compile};

/// Where STRK is, in which fees are paid.
pub const STRK_ADDRESS: ContractAddress =
    address("0x04718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d");
/// Where ETH is.
pub const ETH_ADDRESS: ContractAddress =
    address("0x049d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7");
/// Where the universal deployer is.
pub const UDC_ADDRESS: ContractAddress =
    address("0x02ceed65a4bd731034c01113685c831b01c15d7d432f71afb1cf1634b53a2125");
/// Where the universal deployer of Cairo 0 is, which older clients use.
pub const UDC_LEGACY_ADDRESS: ContractAddress =
    address("0x041a78e741e5af2fec34b695679bc6891742439f7afb8484ecd7766661ad02bf");

/// The class of STRK, of Sierra 1.7.0.
pub const STRK_CLASS_HASH: ClassHash =
    class("0x02e77ee61d4df3d988ee1f42ea5442e913862cc82c2584d212ecda76666498fc");
/// The class of ETH, of Sierra 1.7.0.
pub const ETH_CLASS_HASH: ClassHash =
    class("0x00b45dbc3714180381c5680e41931172d67194d77d504413465390e0bef194ec");
/// The class of the universal deployer, of Sierra 1.7.0.
pub const UDC_CLASS_HASH: ClassHash =
    class("0x01b2df6d8861670d4a8ca4670433b2418d78169c2947f46dc614e69f333745c8");
/// The class of the universal deployer of Cairo 0.
pub const UDC_LEGACY_CLASS_HASH: ClassHash =
    class("0x07b3e05f48f0c69e4a65ce5e076a66271a527aff2c34ce1083ec6e1526997a69");
/// The class of the accounts: OpenZeppelin 1.0.0, of Sierra 1.6.0.
pub const ACCOUNT_CLASS_HASH: ClassHash =
    class("0x05b4b537eaa2399e3aa99c4e2e0208ebd6c71bc1467938cd52c798c601e43564");

/// The class of an account of Argent 0.4.0.
pub const ARGENT_CLASS_HASH: ClassHash =
    class("0x036078334509b514626504edc9fb252328d1a240e4e948bef8d0c08dff45927f");
/// The class of a multisig of Argent 0.2.0.
pub const ARGENT_MULTISIG_CLASS_HASH: ClassHash =
    class("0x07aeca3456816e3b833506d7cc5c1313d371fbdb0ae95ee70af72a4ddbf42594");

/// What a developer wants in block 0 beside what is always there.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    /// The class of the accounts, in place of OpenZeppelin's. It is expected to keep its public key
    /// where OpenZeppelin's does, in `Account_public_key`.
    pub account_class: Option<SierraContractClass>,
    /// Whether the classes of Argent are declared.
    pub argent: bool,
}

/// An account that exists in block 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredeployedAccount {
    /// Where it is.
    pub address: ContractAddress,
    /// The public half of its key.
    pub public_key: Felt,
    /// Its key; no secret, because it follows from the seed.
    pub private_key: Felt,
}

/// What block 0 brings into being.
#[derive(Clone, Debug)]
pub struct GenesisState {
    /// Contracts, balances, declared classes.
    pub state_diff: ThinStateDiff,
    /// The classes that `state_diff` declares, sorted by hash.
    pub classes: Vec<(ClassHash, Arc<Class>)>,
}

/// Why block 0 cannot be made.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum GenesisStateError {
    /// A class that comes with the binary does not compile.
    #[error("cannot compile the class of {name}")]
    Class { name: &'static str, source: crate::CompileError },
    /// The class that somebody chose for the accounts does not compile.
    #[error("cannot compile the class of the accounts")]
    AccountClass { source: crate::CompileError },
    /// A class that comes with the binary is not the one it should be.
    #[error("the class of {name} has the hash {got} instead of {expected}")]
    ClassHash { name: &'static str, got: ClassHash, expected: ClassHash },
    /// This binary compiles a class to something else than all others do.
    #[error("the class of {name} compiles to the hash {got} instead of {expected}")]
    CompiledClassHash { name: &'static str, got: CompiledClassHash, expected: CompiledClassHash },
}

/// Makes the state of block 0. Compiled classes are kept in `cache`, by class hash, and checked when
/// read back; `progress(name, done, total)` is called before each class.
///
/// Without a cache, or the first time, this takes seconds. A cache that cannot be read or written
/// costs time and a warning, never the result.
///
/// # Errors
/// [`GenesisStateError`] if this binary is broken, or the class of the accounts does not compile.
pub fn state(
    genesis: &Genesis,
    extras: &Extras,
    cache: Option<PathBuf>,
    progress: &mut dyn FnMut(&str, usize, usize),
) -> Result<GenesisState, GenesisStateError> {
    let cache = cache.map(cache::Cache::new);
    let argent = embedded::ARGENT.iter().filter(|_| extras.argent);
    let embedded: Vec<_> = embedded::CLASSES.iter().chain(argent).collect();
    let total = embedded.len() + usize::from(extras.account_class.is_some());
    let mut classes = BTreeMap::new();
    for (done, class) in embedded.iter().enumerate() {
        progress(class.name, done, total);
        classes.insert(class.hash, Arc::new(class.load(cache.as_ref())?));
    }
    let account_class = match &extras.account_class {
        None => ACCOUNT_CLASS_HASH,
        Some(sierra) => {
            progress("accounts", total - 1, total);
            let compiled = compile(sierra.clone(), &genesis.limits)
                .map_err(|source| GenesisStateError::AccountClass { source })?;
            let hash = class_hash(sierra);
            classes.insert(hash, Arc::new(Class::Sierra(Box::new(compiled))));
            hash
        }
    };
    let classes: Vec<_> = classes.into_iter().collect();
    let state_diff = state_diff::state_diff(&genesis.accounts, account_class, &classes);
    Ok(GenesisState { state_diff, classes })
}

/// A class that comes with the binary, as its compiler wrote it.
#[cfg(test)]
pub(crate) fn artefact_for_tests(hash: ClassHash) -> starknet_api::state::SierraContractClass {
    let class = embedded::CLASSES.iter().find(|class| class.hash == hash).expect("in the table");
    crate::class::read_artefact(&class.json()).expect("a class of Cairo 1")
}

const fn address(hex: &str) -> ContractAddress {
    ContractAddress(PatriciaKey::from_hex_unchecked(hex))
}

const fn class(hex: &str) -> ClassHash {
    ClassHash(Felt::from_hex_unchecked(hex))
}

#[cfg(test)]
mod tests;
