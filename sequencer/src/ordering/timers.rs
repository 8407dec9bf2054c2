//! Timers of the protocol: real time, which no developer moves.

use std::{collections::BTreeMap, future, time::Duration};

use kraken_consensus::TimerId;
use tokio::time::{Instant, sleep_until};

/// Timers that run.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<TimerId, Instant>,
}

impl Timers {
    /// Starts a timer, or starts it anew.
    pub(super) fn set(&mut self, timer: TimerId, after: Duration) {
        self.due.insert(timer, Instant::now() + after);
    }

    /// The next timer that runs out, which runs no more; waits until then. Cancel-safe.
    pub(super) async fn next(&mut self) -> TimerId {
        let soonest = self.due.iter().min_by_key(|(_, due)| **due);
        let Some((timer, due)) = soonest.map(|(timer, due)| (*timer, *due)) else {
            return future::pending().await;
        };
        sleep_until(due).await;
        self.due.remove(&timer);
        timer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_soonest_comes_first_and_one_that_is_set_anew_comes_once() {
        let mut timers = Timers::default();
        timers.set(TimerId(0), Duration::from_millis(10));
        timers.set(TimerId(1), Duration::from_millis(20));
        timers.set(TimerId(0), Duration::from_millis(30));
        assert_eq!(timers.next().await, TimerId(1));
        assert_eq!(timers.next().await, TimerId(0));
        assert!(timers.due.is_empty());
    }
}
