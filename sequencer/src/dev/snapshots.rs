//! States of a developer's chain to come back to.

use std::collections::BTreeMap;

use starknet_api::block::{BlockHash, BlockNumber, GasPrices};

use super::impersonated::Accounts;
use crate::clock::Shift;

/// So many snapshots are kept; older ones are forgotten.
const SNAPSHOTS_MAX: usize = 10_000;

/// A state of the chain to come back to.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) number: BlockNumber,
    pub(super) hash: BlockHash,
    pub(super) gas_prices: GasPrices,
    pub(super) clock: Shift,
    pub(super) impersonated: Accounts,
}

/// Snapshots by their ids, which are never used again.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    taken: BTreeMap<u64, Snapshot>,
    last_id: u64,
}

impl Snapshots {
    /// Keeps a snapshot; returns its id.
    pub(super) fn insert(&mut self, snapshot: Snapshot) -> u64 {
        self.last_id += 1;
        self.taken.insert(self.last_id, snapshot);
        if SNAPSHOTS_MAX < self.taken.len() {
            self.taken.pop_first();
        }
        self.last_id
    }

    /// The snapshot with this id.
    pub(super) fn get(&self, id: u64) -> Option<&Snapshot> {
        self.taken.get(&id)
    }

    /// Whoever comes back to a snapshot cannot do so again, nor to later ones.
    pub(super) fn forget_from(&mut self, id: u64) {
        self.taken.split_off(&id);
    }

    /// The blocks above this one are no more.
    pub(super) fn forget_above(&mut self, number: BlockNumber) {
        self.taken.retain(|_, snapshot| snapshot.number <= number);
    }
}
