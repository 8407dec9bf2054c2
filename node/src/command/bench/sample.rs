//! How long things took, and what of that to show.

use std::time::Duration;

/// Durations.
#[derive(Debug, Default)]
pub(super) struct Sample(Vec<Duration>);

impl Sample {
    /// The least duration that `percent` of 100 are not above; zero for an empty sample.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }

    /// Their mean; zero for an empty sample.
    pub(super) fn mean(&self) -> Duration {
        let nanos: u128 = self.0.iter().map(Duration::as_nanos).sum();
        let mean = nanos.checked_div(self.0.len() as u128).unwrap_or_default();
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl FromIterator<Duration> for Sample {
    fn from_iter<T: IntoIterator<Item = Duration>>(durations: T) -> Self {
        let mut sorted: Vec<_> = durations.into_iter().collect();
        sorted.sort_unstable();
        Self(sorted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_members_of_the_sample() {
        let sample: Sample = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!(sample.percentile(50), Duration::from_millis(100));
        assert_eq!(sample.percentile(99), Duration::from_millis(198));
        assert_eq!(sample.percentile(100), Duration::from_millis(200));
        assert_eq!(sample.mean(), Duration::from_micros(100_500));
        assert_eq!(sample.len(), 200);
        assert_eq!(Sample::default().percentile(50), Duration::ZERO);
        assert_eq!(Sample::default().mean(), Duration::ZERO);
    }
}
