//! Block 0: classes, accounts, balances.

use std::{env, path::PathBuf};

use kraken_execution::{
    Chain,
    genesis::{
        self, ACCOUNT_CLASS_HASH, ARGENT_CLASS_HASH, Extras, GenesisState, GenesisStateError,
        accounts,
    },
};
use kraken_storage::Storage;
use kraken_types::Genesis;
use starknet_api::{block::BlockNumber, core::ClassHash};
use tokio::task;

use super::{broken, start_failure, storage_failure};
use crate::{failure::Failure, progress::Progress};

/// Makes block 0 durable.
pub(crate) async fn make(chain: &Chain, storage: &Storage, extras: &Extras) -> Result<(), Failure> {
    let state = state(chain.genesis().clone(), extras.clone()).await?;
    kraken_sequencer::seal_genesis(chain, storage, state).await.map_err(start_failure)
}

/// Makes the state of block 0; what is compiled for it stays in the cache of this machine.
pub(crate) async fn state(genesis: Genesis, extras: Extras) -> Result<GenesisState, Failure> {
    let make = move || {
        let mut progress = Progress::new("preparing classes");
        genesis::state(&genesis, &extras, cache_folder(), &mut |name, done, total| {
            progress.at(count(done), count(total), name);
        })
    };
    let made = task::spawn_blocking(make).await;
    made.map_err(|error| broken("making block 0", &error))?.map_err(|error| {
        let remedy = match &error {
            GenesisStateError::AccountClass { .. } => {
                "name another one with --account-class-custom"
            }
            GenesisStateError::Class { .. }
            | GenesisStateError::ClassHash { .. }
            | GenesisStateError::CompiledClassHash { .. } => "build this program again, from clean",
        };
        Failure::because("cannot make block 0", &error, remedy)
    })
}

/// The class of the accounts in block 0.
///
/// # Errors
/// If a chain that was there before has another one than somebody asks for now, or lacks classes.
pub(crate) fn account_class_hash(
    genesis: &Genesis,
    storage: &Storage,
    extras: &Extras,
) -> Result<ClassHash, Failure> {
    let block_0 = storage.snapshot(BlockNumber(0)).expect("block 0 is made before");
    let failed = |error| storage_failure(&error);
    if extras.argent && block_0.class(ARGENT_CLASS_HASH).map_err(failed)?.is_none() {
        return Err(other_chain("--predeclare-argent", "without those classes"));
    }
    let account = accounts(genesis.accounts.seed, genesis.accounts.count).into_iter().next();
    let stored = account.map(|account| block_0.class_hash_at(account.address)).transpose();
    let stored = stored.map_err(failed)?.flatten().unwrap_or(ACCOUNT_CLASS_HASH);
    let asked = extras.account_class.as_ref().map(kraken_execution::class_hash);
    match asked {
        Some(asked) if asked != stored && genesis.accounts.count != 0 => {
            let what = format!("with accounts of class {:#x}", stored.0);
            Err(other_chain("--account-class-custom", &what))
        }
        Some(_) | None => Ok(stored),
    }
}

fn other_chain(flag: &str, what: &str) -> Failure {
    Failure::new(
        format!("the chain in the data folder was made {what}"),
        format!("leave {flag} out to go on with that chain, or name an empty folder"),
    )
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Where compiled classes are kept between runs; `None` where there is no such place.
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let given = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let parent = given("XDG_CACHE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| given("HOME").map(|home| home.join(".cache")))?;
    Some(parent.join("kraken"))
}
