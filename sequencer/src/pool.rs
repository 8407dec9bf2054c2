//! Transactions that wait for their turn, and what is known of those on their way.
//!
//! Decides who goes next: each account's transactions in nonce order, accounts in order of arrival.
//! A transaction *waits* until the nonces before it are gone, then is *ready*; once a worker took it,
//! it is *under way* until it is in a block or left out. Time and account nonces are arguments.

mod accounts;

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kraken_execution::{Prepared, Rejection, RejectionKind};
use kraken_storage::ExecutedTransaction;
use kraken_types::Timestamp;
use starknet_api::{
    core::{ContractAddress, calculate_contract_address},
    transaction::{DeployAccountTransaction, Transaction, TransactionHash},
};
use tokio::sync::oneshot;

use self::accounts::{Account, next_nonce, nonce_number};
use crate::SubmitError;

/// How many rejections are remembered for the status answer.
const REJECTED_MAX: usize = 10_000;

/// How far a transaction has come that is in no block yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// In the pool.
    Received,
    /// In the order, about to be executed.
    Candidate,
    /// Left out, and why.
    Rejected {
        /// One line for the sender.
        reason: String,
    },
}

/// When the pool is full, and when a transaction has waited long enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// Waiting, ready and under way.
    pub(crate) transactions_max: usize,
    /// A transaction whose nonce does not come up in this time is dropped.
    pub(crate) time_to_live: Duration,
    /// How far a nonce may be ahead of the nonces that are here.
    pub(crate) nonce_ahead_max: u32,
}

/// What became of a transaction, for the one who waits for it.
pub(crate) type Settled = Result<(), Rejection>;

/// Transactions that wait for their turn.
#[derive(Debug)]
pub(crate) struct Pool {
    config: Config,
    accounts: BTreeMap<ContractAddress, Account>,
    /// Accounts with a ready transaction, in order of arrival; may name one that has none any more.
    ready: VecDeque<ContractAddress>,
    /// Every transaction here.
    known: HashMap<TransactionHash, Stage>,
    rejected: HashMap<TransactionHash, String>,
    rejected_order: VecDeque<TransactionHash>,
    settling: HashMap<TransactionHash, Vec<oneshot::Sender<Settled>>>,
}

/// The pool as the tasks share it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SharedPool(Arc<Mutex<Pool>>);

impl SharedPool {
    /// Starts empty.
    pub(crate) fn new(config: Config) -> Self {
        Self(Arc::new(Mutex::new(Pool::new(config))))
    }

    /// The pool, for one short look or change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    UnderWay,
    Candidate,
    /// A candidate that this pool did not hand out.
    Foreign,
}

impl Pool {
    /// Starts empty.
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            accounts: BTreeMap::new(),
            ready: VecDeque::new(),
            known: HashMap::new(),
            rejected: HashMap::new(),
            rejected_order: VecDeque::new(),
            settling: HashMap::new(),
        }
    }

    /// Whether this very transaction is here.
    pub(crate) fn contains(&self, hash: TransactionHash) -> bool {
        self.known.contains_key(&hash)
    }

    /// Whether the account has a transaction here that has not been executed.
    pub(crate) fn has_pending(&self, sender: ContractAddress) -> bool {
        self.accounts.get(&sender).is_some_and(|account| !account.is_idle())
    }

    /// Takes a transaction in. `nonce` is that of the account after everything executed so far.
    /// Says whether it can run: `false` if nonces before it are missing.
    ///
    /// # Errors
    /// As [`Pool::admits`].
    pub(crate) fn insert(
        &mut self,
        transaction: Prepared,
        nonce: u64,
        now: Timestamp,
    ) -> Result<bool, SubmitError> {
        let can_run = self.admits(&transaction, nonce)?;
        let (hash, sender, got) =
            (transaction.hash(), transaction.sender(), nonce_number(&transaction));
        let replaced = self.accounts.get(&sender).and_then(|account| account.waiting_at(got));
        if let Some(old) = replaced.map(Prepared::hash) {
            self.drop_as(sender, old, "replaced by a transaction that pays more");
        }
        self.forget_rejection(hash);
        self.known.insert(hash, Stage::Waiting);
        let account = self.accounts.entry(sender).or_default();
        let passed = account.executed(nonce);
        account.wait(got, transaction, now);
        if got == account.next(nonce) {
            self.ready.push_back(sender);
        }
        self.reject_passed(passed, hash);
        Ok(can_run)
    }

    /// Whether [`Pool::insert`] would take this transaction, and whether it could run. Costs next to
    /// nothing, so it is asked before checks that run Cairo.
    ///
    /// # Errors
    /// [`SubmitError`] if it is known, its nonce is used up or too far ahead of those that are here,
    /// it does not outbid the one in its place, or the pool is full.
    pub(crate) fn admits(&self, transaction: &Prepared, nonce: u64) -> Result<bool, SubmitError> {
        if self.contains(transaction.hash()) {
            return Err(SubmitError::Duplicate);
        }
        let account = self.accounts.get(&transaction.sender());
        let next = account.map_or(nonce, |account| account.next(nonce));
        let contiguous = account.map_or(next, |account| account.contiguous_end(next));
        let got = nonce_number(transaction);
        check_nonce(got, next, contiguous, self.config.nonce_ahead_max)?;
        match account.and_then(|account| account.waiting_at(got)) {
            Some(old) if !outbids(transaction, old) => Err(SubmitError::ReplacementUnderpriced),
            None if self.config.transactions_max <= self.known.len() => {
                Err(SubmitError::Full { pending: self.known.len() })
            }
            Some(_) | None => Ok(got <= contiguous),
        }
    }

    /// Whether no transaction here can be executed, nor is about to be.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.accounts.values().all(Account::is_at_rest)
    }

    /// Takes out everything that waits for nonces before it.
    pub(crate) fn take_waiting(&mut self) -> Vec<Prepared> {
        let taken: Vec<_> = self.accounts.values_mut().flat_map(Account::take_waiting).collect();
        for transaction in &taken {
            self.known.remove(&transaction.hash());
        }
        taken
    }

    /// The next transactions, at most `count_max`; they are under way from now on.
    pub(crate) fn take_ready(&mut self, count_max: usize) -> Vec<Prepared> {
        let mut taken = Vec::new();
        while taken.len() < count_max {
            let Some(sender) = self.ready.pop_front() else {
                break;
            };
            let Some(account) = self.accounts.get_mut(&sender) else {
                continue;
            };
            while let Some(transaction) = account.take_next() {
                self.known.insert(transaction.hash(), Stage::UnderWay);
                taken.push(transaction);
                if taken.len() == count_max {
                    self.ready.push_front(sender);
                    break;
                }
            }
        }
        taken
    }

    /// The transaction is in the order; it may come from another validator or an earlier run.
    pub(crate) fn ordered(&mut self, hash: TransactionHash) {
        let stage = match self.known.get(&hash) {
            None | Some(Stage::Foreign) => Stage::Foreign,
            Some(Stage::Waiting | Stage::UnderWay | Stage::Candidate) => Stage::Candidate,
        };
        self.known.insert(hash, stage);
    }

    /// The transaction is executed and in the open block.
    pub(crate) fn included(&mut self, transaction: &Prepared) {
        self.known.remove(&transaction.hash());
        let sender = transaction.sender();
        if let Some(account) = self.accounts.get_mut(&sender) {
            account.arrived(nonce_number(transaction));
            let passed = account.executed(next_nonce(transaction));
            self.reject_passed(passed, transaction.hash());
            self.wake(sender);
        }
    }

    /// The transaction was left out. One of ours that is only early waits again, and one that is not
    /// ours is for whoever handed it out, or it would come again from every validator; others are
    /// rejected, and what came behind them waits for their nonce.
    pub(crate) fn left_out(
        &mut self,
        transaction: &Prepared,
        rejection: Rejection,
        now: Timestamp,
    ) {
        let sender = transaction.sender();
        let account = self.accounts.entry(sender).or_default();
        account.arrived(nonce_number(transaction));
        account.restart();
        let hash = transaction.hash();
        let is_early = rejection.kind == RejectionKind::NonceAhead;
        match (is_early, self.known.get(&hash)) {
            (true, Some(Stage::Foreign)) => {
                self.known.remove(&hash);
            }
            (true, Some(Stage::Waiting | Stage::UnderWay | Stage::Candidate) | None) => {
                account.wait(nonce_number(transaction), transaction.clone(), now);
                self.known.insert(hash, Stage::Waiting);
            }
            (false, _) => self.reject(hash, rejection),
        }
        self.wake(sender);
    }

    /// The transaction was executed in another form before (its nonce is used up and it is in a
    /// block); there is nothing to tell.
    pub(crate) fn forget(&mut self, transaction: &Prepared) {
        self.known.remove(&transaction.hash());
        if let Some(account) = self.accounts.get_mut(&transaction.sender()) {
            account.arrived(nonce_number(transaction));
        }
    }

    /// The transaction is in a block that others executed.
    pub(crate) fn executed_elsewhere(&mut self, executed: &ExecutedTransaction) {
        self.known.remove(&executed.hash);
        let Some((sender, nonce)) = sender_and_nonce(&executed.transaction) else {
            return;
        };
        if let Some(account) = self.accounts.get_mut(&sender) {
            account.arrived(nonce);
            let passed = account.executed(nonce.saturating_add(1));
            self.reject_passed(passed, executed.hash);
            self.wake(sender);
        }
    }

    /// The block of these transactions is accepted.
    pub(crate) fn accepted(&mut self, hashes: impl Iterator<Item = TransactionHash>) {
        for hash in hashes {
            self.settle(hash, &Ok(()));
        }
    }

    /// Resolves once the transaction is in an accepted block, or left out for good.
    pub(crate) fn settled(&mut self, hash: TransactionHash) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        self.settling.entry(hash).or_default().push(sender);
        receiver
    }

    /// Nobody waits for this transaction any more.
    pub(crate) fn unsettle(&mut self, hash: TransactionHash) {
        if let Some(waiting) = self.settling.get_mut(&hash) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                self.settling.remove(&hash);
            }
        }
    }

    /// Drops what has waited too long for the nonces before it.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let mut expired = Vec::new();
        for (sender, account) in &self.accounts {
            let hashes = account.expired(now, self.config.time_to_live);
            expired.extend(hashes.map(|hash| (*sender, hash)));
        }
        for (sender, hash) in expired {
            self.drop_as(sender, hash, "the nonces before it did not come in time");
        }
        self.accounts.retain(|_, account| !account.is_idle());
    }

    /// How far a transaction has come; `None` if it is not known, or in a block.
    pub(crate) fn progress(&self, hash: TransactionHash) -> Option<Progress> {
        match self.known.get(&hash) {
            Some(Stage::Waiting | Stage::UnderWay) => Some(Progress::Received),
            Some(Stage::Candidate | Stage::Foreign) => Some(Progress::Candidate),
            None => {
                self.rejected.get(&hash).map(|reason| Progress::Rejected { reason: reason.clone() })
            }
        }
    }

    /// How many transactions wait or are under way.
    pub(crate) fn pending(&self) -> usize {
        self.known.len()
    }

    /// Nonces of these were used up by others; `executed` may have been here as well, sent to several
    /// validators.
    fn reject_passed(&mut self, passed: Vec<TransactionHash>, executed: TransactionHash) {
        for hash in passed.into_iter().filter(|hash| *hash != executed) {
            let reason = "its nonce was used by another transaction".to_owned();
            self.reject(hash, Rejection { kind: RejectionKind::InvalidNonce, reason });
        }
    }

    fn wake(&mut self, sender: ContractAddress) {
        if self.accounts.get(&sender).is_some_and(Account::has_ready) {
            self.ready.push_back(sender);
        }
    }

    fn drop_as(&mut self, sender: ContractAddress, hash: TransactionHash, reason: &str) {
        if let Some(account) = self.accounts.get_mut(&sender) {
            account.drop_waiting(hash);
        }
        let reason = reason.to_owned();
        self.reject(hash, Rejection { kind: RejectionKind::Unexpected, reason });
    }

    fn reject(&mut self, hash: TransactionHash, rejection: Rejection) {
        self.known.remove(&hash);
        self.rejected.insert(hash, rejection.reason.clone());
        self.rejected_order.push_back(hash);
        while REJECTED_MAX < self.rejected_order.len() {
            if let Some(oldest) = self.rejected_order.pop_front() {
                self.rejected.remove(&oldest);
            }
        }
        self.settle(hash, &Err(rejection));
    }

    fn forget_rejection(&mut self, hash: TransactionHash) {
        if self.rejected.remove(&hash).is_some() {
            self.rejected_order.retain(|known| *known != hash);
        }
    }

    fn settle(&mut self, hash: TransactionHash, settled: &Settled) {
        for waiting in self.settling.remove(&hash).unwrap_or_default() {
            // The one who waited may have gone; then nobody needs to know.
            drop(waiting.send(settled.clone()));
        }
    }
}

/// Of a transaction of an account; its nonce beyond 2^64 counts as the largest.
fn sender_and_nonce(transaction: &Transaction) -> Option<(ContractAddress, u64)> {
    let (sender, nonce) = match transaction {
        Transaction::Invoke(invoke) => (invoke.sender_address(), invoke.nonce()),
        Transaction::DeployAccount(deploy) => (address_of(deploy)?, deploy.nonce()),
        Transaction::Declare(declare) => (declare.sender_address(), declare.nonce()),
        Transaction::Deploy(_) | Transaction::L1Handler(_) => return None,
    };
    Some((sender, u64::try_from(nonce.0).unwrap_or(u64::MAX)))
}

/// Where a deploy_account deploys.
fn address_of(deploy: &DeployAccountTransaction) -> Option<ContractAddress> {
    let (salt, class_hash) = (deploy.contract_address_salt(), deploy.class_hash());
    let calldata = deploy.constructor_calldata();
    let deployer = ContractAddress::default();
    calculate_contract_address(salt, class_hash, &calldata, deployer).ok()
}

fn check_nonce(got: u64, next: u64, contiguous: u64, ahead_max: u32) -> Result<(), SubmitError> {
    let reason = if got < next {
        format!("nonce {got} is below the next nonce {next} of the account")
    } else if contiguous.saturating_add(u64::from(ahead_max)) < got {
        format!("nonce {got} is more than {ahead_max} ahead of the next nonce {contiguous}")
    } else {
        return Ok(());
    };
    Err(SubmitError::Rejected(Rejection { kind: RejectionKind::InvalidNonce, reason }))
}

/// A replacement must pay a tenth more, both as a tip and for L2 gas.
fn outbids(new: &Prepared, old: &Prepared) -> bool {
    let raised = |new: u128, old: u128| old.saturating_add(old.div_ceil(10)) <= new;
    let tip = |transaction: &Prepared| u128::from(transaction.rpc().tip().0);
    let price =
        |transaction: &Prepared| transaction.rpc().resource_bounds().l2_gas.max_price_per_unit.0;
    raised(tip(new), tip(old)) && raised(price(new), price(old))
}

#[cfg(test)]
mod tests;
