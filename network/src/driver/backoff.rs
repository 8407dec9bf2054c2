//! How long to wait before the next attempt to reach a peer.

use std::time::Duration;

const DELAY_MIN: Duration = Duration::from_millis(50);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// A connection that lasted for this long was a success.
const SUCCESS: Duration = Duration::from_secs(1);

/// Doubles from 50 ms to 5 s with every attempt that came to nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// There was no connection, or none that lasted.
    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// There is no point in trying again soon.
    pub(super) fn hopeless(&mut self) {
        self.failures = u32::MAX;
    }

    /// A connection lasted for so long.
    pub(super) fn connected_for(&mut self, lasted: Duration) {
        if SUCCESS <= lasted {
            self.failures = 0;
        } else {
            self.failed();
        }
    }

    /// How long to wait; `chance` is from 0 to 1, and keeps peers that failed together from trying
    /// together again.
    pub(super) fn delay(self, chance: f64) -> Duration {
        let doubled =
            2_u32.checked_pow(self.failures).and_then(|times| DELAY_MIN.checked_mul(times));
        let delay = doubled.map_or(DELAY_MAX, |delay| delay.min(DELAY_MAX));
        delay.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay(backoff: Backoff) -> u128 {
        backoff.delay(1.0).as_millis()
    }

    #[test]
    fn delays_double_up_to_their_maximum() {
        let mut backoff = Backoff::default();
        let mut delays = Vec::new();
        for _ in 0..9 {
            delays.push(delay(backoff));
            backoff.failed();
        }
        assert_eq!(delays, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
        backoff.hopeless();
        backoff.failed();
        assert_eq!(delay(backoff), 5_000);
    }

    #[test]
    fn only_a_connection_that_lasts_is_a_success() {
        let mut backoff = Backoff::default();
        backoff.connected_for(Duration::from_millis(999));
        assert_eq!(delay(backoff), 100);
        backoff.connected_for(Duration::from_secs(1));
        assert_eq!(delay(backoff), 50);
    }

    #[test]
    fn chance_takes_half_of_a_delay_at_most() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay(0.0).as_millis(), 25);
        assert_eq!(backoff.delay(0.5).as_micros(), 37_500);
    }
}
