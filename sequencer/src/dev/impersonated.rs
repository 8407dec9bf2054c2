//! Accounts whose signatures nobody looks at.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kraken_execution::Prepared;
use starknet_api::core::ContractAddress;

/// Accounts whose signatures nobody looks at. Clones are the same; it begins empty, and outside of
/// developers' chains it stays so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Impersonated(Arc<Mutex<Accounts>>);

/// What a set of accounts says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    accounts: BTreeSet<ContractAddress>,
    all: bool,
}

impl Impersonated {
    pub(crate) fn insert(&self, account: ContractAddress) {
        self.lock().accounts.insert(account);
    }

    pub(crate) fn remove(&self, account: ContractAddress) {
        self.lock().accounts.remove(&account);
    }

    pub(crate) fn set_all(&self, all: bool) {
        self.lock().all = all;
    }

    pub(crate) fn contains(&self, account: ContractAddress) -> bool {
        let accounts = self.lock();
        accounts.all || accounts.accounts.contains(&account)
    }

    /// The accounts one by one, and whether it is all of them.
    pub(crate) fn shown(&self) -> (Vec<ContractAddress>, bool) {
        let accounts = self.lock();
        (accounts.accounts.iter().copied().collect(), accounts.all)
    }

    /// The transaction, without need of a signature if its sender is one of these. Whoever deploys an
    /// account must show its key all the same: nothing is there yet that could be impersonated.
    pub(crate) fn exempt(&self, transaction: Prepared) -> Prepared {
        if !transaction.is_deploy_account() && self.contains(transaction.sender()) {
            transaction.exempt()
        } else {
            transaction
        }
    }

    pub(super) fn get(&self) -> Accounts {
        self.lock().clone()
    }

    pub(super) fn set(&self, accounts: Accounts) {
        *self.lock() = accounts;
    }

    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
