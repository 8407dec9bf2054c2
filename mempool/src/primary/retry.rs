//! When to say something again.

use std::time::Duration;

use kraken_types::Timestamp;

/// The waits double up to this many times the first one.
const SLOWER_MAX: u32 = 32;

/// Something to be repeated: after a while, then after twice as long, up to 32 times as long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    at: Timestamp,
    after: Duration,
    after_max: Duration,
}

impl Retry {
    /// The first time after this long.
    pub(super) fn after(now: Timestamp, after: Duration) -> Self {
        // A wait of nothing would keep us awake for ever.
        let after = after.max(Duration::from_millis(1));
        Self { at: now + after, after, after_max: after.saturating_mul(SLOWER_MAX) }
    }

    /// The first time at once.
    pub(super) fn at_once(now: Timestamp, after: Duration) -> Self {
        Self { at: now, ..Self::after(now, after) }
    }

    /// When the next time is.
    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether it is time; if so, the time after that is set.
    pub(super) fn is_due(&mut self, now: Timestamp) -> bool {
        if now < self.at {
            return false;
        }
        self.at = now + self.after;
        self.after = self.after.saturating_mul(2).min(self.after_max);
        true
    }

    /// Whether the waits have stopped growing.
    pub(super) fn is_slowest(&self) -> bool {
        self.after == self.after_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_slowest() {
        let mut retry = Retry::after(Timestamp::ZERO, Duration::from_millis(10));
        let mut waits = Vec::new();
        let mut now = Timestamp::ZERO;
        while waits.len() < 9 {
            waits.push(retry.at().since(now).as_millis());
            now = retry.at();
            assert!(retry.is_due(now) && !retry.is_due(now), "once for each time");
        }
        assert_eq!(waits, [10, 10, 20, 40, 80, 160, 320, 320, 320]);
        assert!(retry.is_slowest());
    }

    #[test]
    fn a_wait_of_nothing_still_passes_time() {
        let mut retry = Retry::at_once(Timestamp::ZERO, Duration::ZERO);
        assert!(retry.is_due(Timestamp::ZERO));
        assert!(Timestamp::ZERO < retry.at());
    }
}
