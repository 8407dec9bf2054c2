//! How long things took, and what of that to show.

use std::time::{Duration, Instant};

use super::load::Seen;

/// From submission to two points in the life of a transaction.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    /// Until it was in the open block.
    pub(super) pre_confirmed: Sample,
    /// Until it had its receipt in a closed block.
    pub(super) accepted: Sample,
}

impl Latencies {
    /// Adds a transaction that was `sent` and then `seen`.
    pub(super) fn add(&mut self, sent: Instant, seen: &Seen) {
        let since = |seen: Instant| seen.saturating_duration_since(sent);
        self.pre_confirmed.0.extend(seen.pre_confirmed.map(since));
        self.accepted.0.extend(seen.accepted.map(since));
    }
}

/// Durations, in no order.
#[derive(Debug, Default)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    /// The least duration that `percent` of 100 are not above; zero for an empty sample.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_members_of_the_sample() {
        let sample = Sample((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!(sample.percentile(50), Duration::from_millis(100));
        assert_eq!(sample.percentile(99), Duration::from_millis(198));
        assert_eq!(sample.percentile(100), Duration::from_millis(200));
        assert_eq!(Sample::default().percentile(50), Duration::ZERO);
    }
}
