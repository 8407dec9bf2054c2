//! How long each peer may take for an answer.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::ValidatorId;

/// How long each peer took for its acknowledgements lately: the longest, forgotten little by little.
///
/// A peer that is busy answers late, and what is sent to it again before makes it busier. Bounded:
/// one entry for each validator.
#[derive(Debug)]
pub(super) struct Patience {
    max: Duration,
    slowest: BTreeMap<ValidatorId, Duration>,
}

impl Patience {
    /// Nobody is waited for longer than `max`.
    pub(super) fn new(max: Duration) -> Self {
        Self { max, slowest: BTreeMap::new() }
    }

    /// This peer took so long.
    pub(super) fn answered(&mut self, peer: ValidatorId, took: Duration) {
        let slowest = self.slowest.entry(peer).or_default();
        let faded = *slowest - *slowest / 8;
        *slowest = took.min(self.max).max(faded);
    }

    /// So long its answer may take: twice what it took lately.
    pub(super) fn with(&self, peer: ValidatorId) -> Duration {
        let slowest = self.slowest.get(&peer).copied().unwrap_or_default();
        self.max.min(2 * slowest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_comes_at_once_and_goes_slowly() {
        let millis = Duration::from_millis;
        let mut patience = Patience::new(millis(1_000));
        let peer = ValidatorId(1);
        assert_eq!(patience.with(peer), Duration::ZERO);
        patience.answered(peer, millis(80));
        assert_eq!(patience.with(peer), millis(160));
        patience.answered(peer, millis(1));
        assert_eq!(patience.with(peer), millis(140));
        patience.answered(peer, millis(700));
        assert_eq!(patience.with(peer), millis(1_000), "not beyond the limit");
        assert_eq!(patience.with(ValidatorId(2)), Duration::ZERO, "of each by itself");
    }
}
