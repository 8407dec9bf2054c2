//! The transactions of one account.

use std::{collections::BTreeMap, mem, time::Duration};

use kraken_execution::Prepared;
use kraken_types::Timestamp;
use starknet_api::transaction::TransactionHash;

use super::{room::Usage, turns::Head};

/// The transactions of one account.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// What it holds, waiting and under way.
    pub(super) usage: Usage,
    /// Nonce after everything executed.
    executed: u64,
    /// The nonce that a worker gets next; never below `executed`, and never under way.
    next: u64,
    /// The first nonce from `next` on that is missing.
    contiguous: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// What workers took and has no outcome yet, and since when.
    under_way: BTreeMap<u64, (TransactionHash, Timestamp)>,
    /// When a transaction of it last left, or had an outcome.
    moved_at: Timestamp,
}

#[derive(Debug)]
struct Waiting {
    transaction: Prepared,
    since: Timestamp,
}

impl Account {
    /// The nonce that a worker gets next, if `nonce` is that of the account.
    pub(super) fn next(&self, nonce: u64) -> u64 {
        self.next.max(nonce)
    }

    /// The first nonce that is missing, if `nonce` is that of the account.
    pub(super) fn contiguous(&self, nonce: u64) -> u64 {
        self.contiguous.max(nonce)
    }

    /// What waits with this nonce.
    pub(super) fn waiting_at(&self, nonce: u64) -> Option<&Prepared> {
        self.waiting.get(&nonce).map(|waiting| &waiting.transaction)
    }

    /// Whether a transaction with this nonce is under way.
    pub(super) fn is_under_way(&self, nonce: u64) -> bool {
        self.under_way.contains_key(&nonce)
    }

    /// Whether anything is under way.
    pub(super) fn has_under_way(&self) -> bool {
        !self.under_way.is_empty()
    }

    /// Everything that waits, by nonce.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Prepared> {
        self.waiting.values().map(|waiting| &waiting.transaction)
    }

    /// Nothing is here.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// What it holds if something of that waits, and whether that has a gap before it.
    pub(super) fn rank(&self) -> Option<(Usage, bool)> {
        let (last, _) = self.waiting.last_key_value()?;
        Some((self.usage, self.contiguous <= *last))
    }

    /// The next transaction, if it is here.
    pub(super) fn head(&self) -> Option<Head> {
        let transaction = self.waiting_at(self.next)?;
        let (tip, price_max) = bid(transaction);
        Some(Head { nonce: self.next, tip, price_max })
    }

    /// The one that waits with the highest nonce.
    pub(super) fn last(&self) -> Option<&Prepared> {
        self.waiting.values().next_back().map(|waiting| &waiting.transaction)
    }

    /// Keeps a transaction until its turn has come.
    pub(super) fn wait(&mut self, nonce: u64, transaction: Prepared, since: Timestamp) {
        self.waiting.insert(nonce, Waiting { transaction, since });
        self.walk();
    }

    /// Takes the next transaction, if it is here.
    pub(super) fn take_next(&mut self, now: Timestamp) -> Option<Prepared> {
        let Waiting { transaction, .. } = self.waiting.remove(&self.next)?;
        self.under_way.insert(self.next, (transaction.hash(), now));
        self.moved_at = now;
        self.walk();
        Some(transaction)
    }

    /// The transaction has an outcome; whether it was under way.
    pub(super) fn arrived(&mut self, nonce: u64, hash: TransactionHash, now: Timestamp) -> bool {
        let is_this = self.under_way.get(&nonce).is_some_and(|(taken, _)| *taken == hash);
        if is_this {
            self.under_way.remove(&nonce);
            self.moved_at = now;
        }
        is_this
    }

    /// Everything below `nonce` is executed. What waited with such a nonce cannot be any more, and
    /// is given back.
    #[must_use]
    pub(super) fn executed(&mut self, nonce: u64) -> Vec<Prepared> {
        self.executed = self.executed.max(nonce);
        self.next = self.next.max(self.executed);
        self.walk();
        let kept = self.waiting.split_off(&self.executed);
        let passed = mem::replace(&mut self.waiting, kept);
        passed.into_values().map(|waiting| waiting.transaction).collect()
    }

    /// A transaction failed: what follows must come again, from the nonce of the account on.
    pub(super) fn restart(&mut self) {
        self.next = self.executed;
        self.contiguous = self.executed;
        self.walk();
    }

    /// Drops a transaction that waits; nothing if another one has its nonce.
    pub(super) fn drop_waiting(&mut self, nonce: u64, hash: TransactionHash) {
        if self.waiting_at(nonce).is_some_and(|waiting| waiting.hash() == hash) {
            self.waiting.remove(&nonce);
            self.contiguous = self.contiguous.min(nonce).max(self.next);
        }
    }

    /// What has waited behind a gap for too long, while nothing of the account moved.
    pub(super) fn expired_behind_gap(
        &self,
        now: Timestamp,
        time_to_live: Duration,
    ) -> impl Iterator<Item = &Prepared> {
        let behind = self.waiting.range(self.contiguous..).map(|(_, waiting)| waiting);
        let is_over = move |waiting: &&Waiting| self.is_over(waiting, now, time_to_live);
        behind.filter(is_over).map(|waiting| &waiting.transaction)
    }

    /// The next transaction, if it has been that for too long.
    pub(super) fn expired_head(&self, now: Timestamp, time_to_live: Duration) -> Option<&Prepared> {
        let waiting = self.waiting.get(&self.next)?;
        self.is_over(waiting, now, time_to_live).then_some(&waiting.transaction)
    }

    /// What has been under way for longer than this.
    pub(super) fn under_way_for(
        &self,
        now: Timestamp,
        time: Duration,
    ) -> impl Iterator<Item = (u64, TransactionHash)> {
        let is_older = move |since: Timestamp| time < now.since(since);
        let older = self.under_way.iter().filter(move |(_, (_, since))| is_older(*since));
        older.map(|(nonce, (hash, _))| (*nonce, *hash))
    }

    fn is_over(&self, waiting: &Waiting, now: Timestamp, time_to_live: Duration) -> bool {
        time_to_live < now.since(waiting.since.max(self.moved_at))
    }

    /// Finds the next nonce that is not under way, and from there the first that is missing.
    fn walk(&mut self) {
        while self.under_way.contains_key(&self.next) {
            self.next += 1;
        }
        self.contiguous = self.contiguous.max(self.next);
        while self.waiting.contains_key(&self.contiguous)
            || self.under_way.contains_key(&self.contiguous)
        {
            self.contiguous += 1;
        }
    }
}

/// The nonce as a number; nonces beyond 2^64 can never come up and count as the largest.
pub(super) fn nonce_number(transaction: &Prepared) -> u64 {
    u64::try_from(transaction.nonce().0).unwrap_or(u64::MAX)
}

/// The nonce of the account once the transaction is executed.
pub(super) fn next_nonce(transaction: &Prepared) -> u64 {
    nonce_number(transaction).saturating_add(1)
}

/// What a transaction offers: its tip, and the most that it pays for a unit of L2 gas. Nothing of a
/// message of L1, which does not come here.
pub(super) fn bid(transaction: &Prepared) -> (u64, u128) {
    transaction
        .rpc()
        .map(|rpc| (rpc.tip().0, rpc.resource_bounds().l2_gas.max_price_per_unit.0))
        .unwrap_or_default()
}
