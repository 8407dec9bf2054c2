//! The transactions of one account.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kraken_execution::Prepared;
use kraken_types::Timestamp;
use starknet_api::transaction::TransactionHash;

/// The transactions of one account.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Nonce after everything executed.
    executed: u64,
    /// The nonce that a worker gets next; never below `executed`.
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Nonces that workers took and that have no outcome yet.
    under_way: BTreeSet<u64>,
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

    /// The first nonce from `next` on that is not waiting here.
    pub(super) fn contiguous_end(&self, next: u64) -> u64 {
        let mut end = next;
        for nonce in self.waiting.range(next..).map(|(nonce, _)| *nonce) {
            if nonce != end {
                break;
            }
            end += 1;
        }
        end
    }

    pub(super) fn waiting_at(&self, nonce: u64) -> Option<&Prepared> {
        self.waiting.get(&nonce).map(|waiting| &waiting.transaction)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }

    /// Nothing is ready or under way.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.has_ready() && self.under_way.is_empty()
    }

    pub(super) fn take_waiting(&mut self) -> Vec<Prepared> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_values().map(|waiting| waiting.transaction).collect()
    }

    pub(super) fn has_ready(&self) -> bool {
        self.waiting.contains_key(&self.next)
    }

    pub(super) fn wait(&mut self, nonce: u64, transaction: Prepared, since: Timestamp) {
        self.waiting.insert(nonce, Waiting { transaction, since });
    }

    /// Takes the next transaction, if it is here.
    pub(super) fn take_next(&mut self) -> Option<Prepared> {
        let waiting = self.waiting.remove(&self.next)?;
        self.under_way.insert(self.next);
        self.next += 1;
        Some(waiting.transaction)
    }

    /// The transaction with this nonce has an outcome.
    pub(super) fn arrived(&mut self, nonce: u64) {
        self.under_way.remove(&nonce);
    }

    /// Everything below `nonce` is executed. What waited with such a nonce cannot be any more, and
    /// is given back.
    #[must_use]
    pub(super) fn executed(&mut self, nonce: u64) -> Vec<TransactionHash> {
        self.executed = self.executed.max(nonce);
        self.next = self.next.max(self.executed);
        let kept = self.waiting.split_off(&self.executed);
        let passed = std::mem::replace(&mut self.waiting, kept);
        passed.into_values().map(|waiting| waiting.transaction.hash()).collect()
    }

    /// A transaction failed: what follows must come again, from the nonce of the account on.
    pub(super) fn restart(&mut self) {
        self.next = self.executed;
    }

    pub(super) fn drop_waiting(&mut self, hash: TransactionHash) {
        self.waiting.retain(|_, waiting| waiting.transaction.hash() != hash);
    }

    pub(super) fn expired(
        &self,
        now: Timestamp,
        time_to_live: Duration,
    ) -> impl Iterator<Item = TransactionHash> + '_ {
        self.waiting
            .values()
            .filter(move |waiting| time_to_live < now.since(waiting.since))
            .map(|waiting| waiting.transaction.hash())
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
