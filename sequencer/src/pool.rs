//! Transactions that wait for their turn, and what is known of those on their way.
//!
//! A transaction *waits* while nonces before it are missing or the next block costs more than it
//! offers, then is *ready*; once a worker took it, it is *under way* until it is in a block or left
//! out. [`turns`] says who goes next, [`window`] how many may be under way, [`room`] who may come in
//! when there is little room left and who makes room. Time, prices and account nonces are arguments.
//!
//! When the pool is full, a transaction that could run now takes the place of the last one, by nonce,
//!
//! 1. of the account that holds most among those with a gap in their nonces, else
//! 2. of the account that offers least among those that offer less than the next block costs, else
//! 3. of the account that holds most, if that is more than its part.
//!
//! What is under way is never given up for another.

mod account;
mod admission;
mod expiry;
mod messages;
mod outcomes;
mod room;
mod turns;
mod window;

use std::{
    collections::{BTreeMap, HashMap},
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
use tokio::sync::{broadcast, oneshot};

use self::{
    account::{Account, next_nonce, nonce_number},
    messages::Messages,
    outcomes::Outcomes,
    room::Room,
    turns::Turns,
    window::Window,
};
pub(crate) use self::{outcomes::Settled, room::Limits};
use crate::{Move, builder::encode, clock::Uptime, events::Moves};

const NONCE_USED: &str = "its nonce was used by another transaction";

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

/// How much leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As much as execution keeps up with.
    Steady,
    /// All that is ready, because somebody wants it in the block that is open now.
    AtOnce,
}

/// When the pool is full, and when a transaction has waited long enough.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Config {
    /// What may be here.
    pub(crate) limits: Limits,
    /// A transaction that cannot run for this long, while nothing of its account moves, is dropped.
    pub(crate) time_to_live: Duration,
    /// How far a nonce may be ahead of the nonces that are here.
    pub(crate) nonce_ahead_max: u32,
}

/// Transactions that wait for their turn.
#[derive(Debug)]
pub(crate) struct Pool {
    config: Config,
    accounts: BTreeMap<ContractAddress, Account>,
    /// Every transaction that is here, or in the order.
    known: HashMap<TransactionHash, Known>,
    turns: Turns,
    room: Room,
    window: Window,
    messages: Messages,
    outcomes: Outcomes,
    moves: Moves,
}

/// The pool as the tasks share it. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct SharedPool {
    pool: Arc<Mutex<Pool>>,
    uptime: Uptime,
}

impl SharedPool {
    /// Starts empty; `price` is that of L2 gas in the next block, in fri.
    pub(crate) fn new(config: Config, price: u128, moves: Moves) -> Self {
        let pool = Arc::new(Mutex::new(Pool::new(config, price, moves)));
        Self { pool, uptime: Uptime::start() }
    }

    /// The pool, for one short look or change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the pool calls time: real time, because it only ever wants to know how long something
    /// took. Block times may be moved, and do not make anybody wait.
    pub(crate) fn now(&self) -> Timestamp {
        self.uptime.now()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    stage: Stage,
    /// Its encoded size; nothing if it is not ours.
    bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    UnderWay,
    /// In the order since then.
    Candidate(Timestamp),
    /// A candidate that this pool did not hand out, and does not hold.
    Foreign,
}

impl Pool {
    /// Starts empty; `price` is that of L2 gas in the next block, in fri.
    pub(crate) fn new(config: Config, price: u128, moves: Moves) -> Self {
        Self {
            config,
            accounts: BTreeMap::new(),
            known: HashMap::new(),
            turns: Turns::new(price),
            room: Room::new(config.limits),
            window: Window::new(),
            messages: Messages::default(),
            outcomes: Outcomes::new(moves.clone()),
            moves,
        }
    }

    /// Whether this very transaction is here.
    pub(crate) fn contains(&self, hash: TransactionHash) -> bool {
        self.known.contains_key(&hash)
    }

    /// Whether a transaction of the account with this nonce is here and has not been executed.
    pub(crate) fn holds(&self, sender: ContractAddress, nonce: u64) -> bool {
        let holds = |it: &Account| it.waiting_at(nonce).is_some() || it.is_under_way(nonce);
        self.accounts.get(&sender).is_some_and(holds)
    }

    /// The next transactions, at most `count_max`; they are under way from now on.
    pub(crate) fn take_ready(
        &mut self,
        count_max: usize,
        pace: Pace,
        now: Timestamp,
    ) -> Vec<Prepared> {
        let count = match pace {
            Pace::Steady => count_max.min(self.window.room()),
            Pace::AtOnce => count_max,
        };
        let mut taken = self.messages.take(count_max);
        for _ in taken.len()..count {
            let Some(sender) = self.turns.next() else {
                break;
            };
            let account = self.accounts.get_mut(&sender);
            let transaction = account.and_then(|account| account.take_next(now));
            let transaction = transaction.expect("whoever has a turn has a transaction for it");
            self.window.left();
            if let Some(known) = self.known.get_mut(&transaction.hash())
                && known.stage == Stage::Waiting
            {
                known.stage = Stage::UnderWay;
            }
            self.refresh(sender);
            taken.push(transaction);
        }
        taken
    }

    /// Whether no transaction here can be executed, nor is about to be.
    pub(crate) fn is_at_rest(&self) -> bool {
        let rests = |(sender, account): (&ContractAddress, &Account)| {
            !account.has_under_way() && (account.head().is_none() || self.turns.is_cheap(*sender))
        };
        self.messages.is_empty() && self.accounts.iter().all(rests)
    }

    /// Takes out everything that waits.
    pub(crate) fn take_waiting(&mut self, now: Timestamp) -> Vec<Prepared> {
        let waiting: Vec<_> = self.accounts.values().flat_map(Account::waiting).cloned().collect();
        for transaction in &waiting {
            self.forget(transaction, now);
        }
        let mut all = self.messages.take_waiting();
        all.extend(waiting);
        all
    }

    /// A unit of L2 gas costs so much in the next block, in fri.
    pub(crate) fn set_price(&mut self, price: u128) {
        self.turns.set_price(price);
    }

    /// The transaction is in the order; it may come from another validator or an earlier run.
    pub(crate) fn ordered(&mut self, transaction: &Prepared, now: Timestamp) {
        let foreign = Known { stage: Stage::Foreign, bytes: 0 };
        let known = self.known.entry(transaction.hash()).or_insert(foreign);
        match known.stage {
            Stage::Waiting | Stage::UnderWay => known.stage = Stage::Candidate(now),
            Stage::Candidate(_) | Stage::Foreign => {}
        }
        self.moves.tell(|| Move::Candidate(transaction.clone()));
    }

    /// The transaction is executed and in the open block.
    pub(crate) fn included(&mut self, transaction: &Prepared, now: Timestamp) {
        if transaction.as_message().is_some() {
            return self.message_ended(transaction.hash());
        }
        let (sender, hash) = (transaction.sender(), transaction.hash());
        self.release(sender, nonce_number(transaction), hash, now);
        self.executed_up_to(sender, next_nonce(transaction), now);
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
        if transaction.as_message().is_some() {
            self.message_ended(transaction.hash());
            return self.outcomes.reject(transaction.hash(), rejection);
        }
        let (sender, nonce) = (transaction.sender(), nonce_number(transaction));
        let hash = transaction.hash();
        let before = self.release(sender, nonce, hash, now);
        let is_ours = before.is_none_or(|known| known.stage != Stage::Foreign);
        let is_early = rejection.kind == RejectionKind::NonceAhead;
        if !is_early {
            self.outcomes.reject(hash, rejection);
        } else if is_ours {
            self.wait_again(transaction, before, rejection, now);
        }
        if let Some(account) = self.accounts.get_mut(&sender) {
            account.restart();
        }
        self.refresh(sender);
    }

    /// One that nobody knew comes from an earlier run, and has to find room.
    fn wait_again(
        &mut self,
        transaction: &Prepared,
        before: Option<Known>,
        rejection: Rejection,
        now: Timestamp,
    ) {
        let size = || encode(transaction).len();
        let bytes = before.map_or_else(size, |known| known.bytes);
        let is_taken = self.holds(transaction.sender(), nonce_number(transaction));
        if is_taken || !self.room.fits(self.room.total.with(bytes)) {
            self.outcomes.reject(transaction.hash(), rejection);
        } else {
            self.keep(transaction.clone(), bytes, now);
        }
    }

    /// The transaction was executed in another form before (its nonce is used up and it is in a
    /// block), or others left it out in a block that we took over; there is nothing to tell.
    pub(crate) fn forget(&mut self, transaction: &Prepared, now: Timestamp) {
        if transaction.as_message().is_some() {
            return self.message_ended(transaction.hash());
        }
        let (sender, nonce) = (transaction.sender(), nonce_number(transaction));
        self.release(sender, nonce, transaction.hash(), now);
        self.refresh(sender);
    }

    /// The transaction is in a block that others executed.
    pub(crate) fn executed_elsewhere(&mut self, executed: &ExecutedTransaction, now: Timestamp) {
        let Some((sender, nonce)) = sender_and_nonce(&executed.transaction) else {
            return;
        };
        self.release(sender, nonce, executed.hash, now);
        self.executed_up_to(sender, nonce.saturating_add(1), now);
    }

    /// The block of these transactions is accepted.
    pub(crate) fn accepted(&mut self, hashes: impl Iterator<Item = TransactionHash>) {
        for hash in hashes {
            self.outcomes.settle(hash, &Ok(()));
        }
    }

    /// Resolves once the transaction is in an accepted block, or left out for good.
    pub(crate) fn settled(&mut self, hash: TransactionHash) -> oneshot::Receiver<Settled> {
        self.outcomes.settled(hash)
    }

    /// Nobody waits for this transaction any more.
    pub(crate) fn unsettle(&mut self, hash: TransactionHash) {
        self.outcomes.unsettle(hash);
    }

    /// How far a transaction has come; `None` if it is not known, or in a block.
    pub(crate) fn progress(&self, hash: TransactionHash) -> Option<Progress> {
        match self.known.get(&hash).map(|known| known.stage) {
            Some(Stage::Waiting | Stage::UnderWay) => Some(Progress::Received),
            Some(Stage::Candidate(_) | Stage::Foreign) => Some(Progress::Candidate),
            None if self.messages.holds(hash) => Some(Progress::Received),
            None => {
                let reason = self.outcomes.reason(hash)?;
                Some(Progress::Rejected { reason: reason.to_owned() })
            }
        }
    }

    /// How transactions move from now on.
    pub(crate) fn moves(&self) -> broadcast::Receiver<Move> {
        self.moves.subscribe()
    }

    /// How many transactions wait or are under way.
    pub(crate) fn pending(&self) -> usize {
        self.room.total.transactions
    }

    /// Their encoded size.
    pub(crate) fn bytes(&self) -> usize {
        self.room.total.bytes
    }

    /// How many may be under way.
    pub(crate) fn window(&self) -> usize {
        self.window.size()
    }

    fn message_ended(&mut self, hash: TransactionHash) {
        self.known.remove(&hash);
        self.messages.ended(hash);
    }

    /// A transaction waits from now on.
    fn keep(&mut self, transaction: Prepared, bytes: usize, now: Timestamp) {
        let (hash, nonce) = (transaction.hash(), nonce_number(&transaction));
        self.outcomes.forget(hash);
        self.moves.tell(|| Move::Received(transaction.clone()));
        self.known.insert(hash, Known { stage: Stage::Waiting, bytes });
        self.room.total = self.room.total.with(bytes);
        let account = self.accounts.entry(transaction.sender()).or_default();
        account.usage = account.usage.with(bytes);
        account.wait(nonce, transaction, now);
    }

    /// A transaction neither waits nor is under way any more; returns what was known of it.
    fn release(
        &mut self,
        sender: ContractAddress,
        nonce: u64,
        hash: TransactionHash,
        now: Timestamp,
    ) -> Option<Known> {
        let known = self.known.remove(&hash)?;
        if known.stage == Stage::Foreign {
            return Some(known);
        }
        self.room.total = self.room.total.without(known.bytes);
        let account = self.accounts.get_mut(&sender);
        let account = account.expect("an account is kept while something of it is here");
        account.usage = account.usage.without(known.bytes);
        account.drop_waiting(nonce, hash);
        if account.arrived(nonce, hash, now) {
            let in_line = match known.stage {
                Stage::Candidate(since) => Some(now.since(since)),
                Stage::Waiting | Stage::UnderWay | Stage::Foreign => None,
            };
            self.window.arrived(in_line);
        }
        Some(known)
    }

    /// The nonces of an account before this one are used up.
    fn executed_up_to(&mut self, sender: ContractAddress, nonce: u64, now: Timestamp) {
        if let Some(account) = self.accounts.get_mut(&sender) {
            let passed = account.executed(nonce);
            self.reject_passed(passed, now);
            self.refresh(sender);
        }
    }

    /// Nonces of these were used up by others.
    fn reject_passed(&mut self, passed: Vec<Prepared>, now: Timestamp) {
        for transaction in passed {
            let hash = transaction.hash();
            self.release(transaction.sender(), nonce_number(&transaction), hash, now);
            let rejection = Rejection::new(RejectionKind::InvalidNonce, NONCE_USED);
            self.outcomes.reject(hash, rejection);
        }
    }

    /// Drops a transaction that waits; the account is to be refreshed.
    fn drop_as(&mut self, transaction: &Prepared, reason: &str, now: Timestamp) {
        let (sender, hash) = (transaction.sender(), transaction.hash());
        self.release(sender, nonce_number(transaction), hash, now);
        self.outcomes.reject(hash, Rejection::new(RejectionKind::Unexpected, reason));
    }

    /// The account has changed: what it competes with, and what it holds.
    fn refresh(&mut self, sender: ContractAddress) {
        let account = self.accounts.get(&sender);
        self.turns.set(sender, account.and_then(Account::head));
        self.room.rank(sender, account.and_then(Account::rank));
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

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
