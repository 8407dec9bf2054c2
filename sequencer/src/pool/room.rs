//! How much the pool holds, and who makes room when it is full.
//!
//! While less than half is in use, anybody may take what there is. From then on an account may only
//! hold its part; what it holds beyond that it has to make room with once the pool is full.

use std::collections::{BTreeMap, BTreeSet};

use starknet_api::core::ContractAddress;

/// When the pool is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Waiting, ready and under way.
    pub(crate) transactions_max: usize,
    /// Of these transactions, encoded.
    pub(crate) bytes_max: usize,
    /// Once half of the pool is in use, an account may hold one in so many of its places and bytes.
    pub(crate) account_part: usize,
}

/// What somebody holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) transactions: usize,
    pub(super) bytes: usize,
}

impl Usage {
    /// With one transaction more.
    pub(super) fn with(self, bytes: usize) -> Self {
        Self { transactions: self.transactions + 1, bytes: self.bytes + bytes }
    }

    /// With one transaction less.
    pub(super) fn without(self, bytes: usize) -> Self {
        Self { transactions: self.transactions - 1, bytes: self.bytes - bytes }
    }
}

/// How much the pool holds.
#[derive(Debug)]
pub(super) struct Room {
    limits: Limits,
    /// All there is.
    pub(super) total: Usage,
    /// The weight of each account of which something waits, and whether it has a gap.
    ranks: BTreeMap<ContractAddress, (usize, bool)>,
    heaviest: BTreeSet<(usize, ContractAddress)>,
    heaviest_with_gap: BTreeSet<(usize, ContractAddress)>,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            total: Usage::default(),
            ranks: BTreeMap::new(),
            heaviest: BTreeSet::new(),
            heaviest_with_gap: BTreeSet::new(),
        }
    }

    /// Whether the pool may hold so much.
    pub(super) fn fits(&self, total: Usage) -> bool {
        total.transactions <= self.limits.transactions_max && total.bytes <= self.limits.bytes_max
    }

    /// Whether an account may hold so much now; one transaction it always may.
    pub(super) fn is_fair(&self, account: Usage) -> bool {
        let is_scarce = self.limits.bytes_max < 2 * self.weight(self.total);
        !is_scarce || account.transactions <= 1 || self.weight(account) <= self.share()
    }

    /// An account holds so much, of which something waits; `None` if nothing does.
    pub(super) fn rank(&mut self, sender: ContractAddress, held: Option<(Usage, bool)>) {
        let rank = held.map(|(usage, has_gap)| (self.weight(usage), has_gap));
        if self.ranks.get(&sender).copied() == rank {
            return;
        }
        if let Some((weight, _)) = self.ranks.remove(&sender) {
            self.heaviest.remove(&(weight, sender));
            self.heaviest_with_gap.remove(&(weight, sender));
        }
        if let Some((weight, has_gap)) = rank {
            self.ranks.insert(sender, (weight, has_gap));
            self.heaviest.insert((weight, sender));
            if has_gap {
                self.heaviest_with_gap.insert((weight, sender));
            }
        }
    }

    /// Of those with a gap the account that holds most.
    pub(super) fn heaviest_with_gap(&self) -> Option<ContractAddress> {
        self.heaviest_with_gap.last().map(|(_, sender)| *sender)
    }

    /// The account that holds most, if that is more than its part.
    pub(super) fn heaviest(&self) -> Option<ContractAddress> {
        let (weight, sender) = self.heaviest.last()?;
        (self.share() < *weight).then_some(*sender)
    }

    /// Places and bytes as one number, in bytes: as much of the pool's bytes as the larger of the two
    /// is of its own bound.
    fn weight(&self, usage: Usage) -> usize {
        let place = self.limits.bytes_max / self.limits.transactions_max.max(1);
        usage.bytes.max(usage.transactions * place)
    }

    fn share(&self) -> usize {
        self.limits.bytes_max / self.limits.account_part.max(1)
    }
}
