//! How much may be done for one peer at a time.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::{Timestamp, ValidatorId};

/// Counts what is done for each peer, and says when it is enough for now.
///
/// Bounded: one entry for each validator.
#[derive(Debug)]
pub(super) struct Allowance {
    max: usize,
    window: Duration,
    used: BTreeMap<ValidatorId, Used>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    since: Timestamp,
    count: usize,
}

impl Allowance {
    /// Up to `max` for each peer within any one `window`.
    pub(super) fn new(max: usize, window: Duration) -> Self {
        Self { max, window, used: BTreeMap::new() }
    }

    /// Takes one; `false` if there is none left for now.
    pub(super) fn take(&mut self, now: Timestamp, peer: ValidatorId) -> bool {
        let fresh = Used { since: now, count: 0 };
        let used = self.used.entry(peer).or_insert(fresh);
        if self.window <= now.since(used.since) {
            *used = fresh;
        }
        if self.max <= used.count {
            return false;
        }
        used.count += 1;
        true
    }

    /// How many peers are counted.
    pub(super) fn size(&self) -> usize {
        self.used.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_its_own_allowance_and_gets_it_again() {
        let mut allowance = Allowance::new(2, Duration::from_millis(10));
        let mut take =
            |millis, peer| allowance.take(Timestamp::from_millis(millis), ValidatorId(peer));
        assert!(take(0, 1) && take(5, 1));
        assert!(!take(9, 1), "spent");
        assert!(take(9, 2), "another's");
        assert!(take(10, 1) && take(10, 1));
        assert!(!take(19, 1), "spent again");
    }
}
