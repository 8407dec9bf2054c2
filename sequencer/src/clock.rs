//! The only owner of real time.

use std::{
    future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kraken_types::Timestamp;
use tokio::time::Instant;

/// While a developer may move the clock, a sleeper looks at it again after this long.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Stamps headers. Developers may shift it; nothing after the order reads it.
#[derive(Debug)]
pub(crate) struct Clock {
    shift: Mutex<Shift>,
}

/// How far the clock is from real time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shift {
    /// Added to the real time.
    millis: i64,
    /// The clock stands at this until a header has it, and goes on from there.
    next: Option<Timestamp>,
}

impl Shift {
    /// From now to `start`, or none at all.
    pub(crate) fn to(start: Option<Timestamp>) -> Self {
        let millis = start.map_or(0, |start| distance(real_time(), start));
        Self { millis, next: None }
    }
}

impl Clock {
    /// A clock that shows `start` now, or the real time.
    pub(crate) fn new(start: Option<Timestamp>) -> Self {
        Self { shift: Mutex::new(Shift::to(start)) }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        let shift = *self.shift();
        shift.next.unwrap_or_else(|| shifted(real_time(), shift.millis))
    }

    /// A header has this time: one that was set is used up, and the clock goes on from it.
    pub(crate) fn stamped(&self, at: Timestamp) {
        let mut shift = self.shift();
        if let Some(next) = shift.next.take_if(|next| *next <= at) {
            shift.millis = distance(real_time(), next);
        }
    }

    /// What developers did to the clock so far, for [`Clock::restore`].
    pub(crate) fn shifted(&self) -> Shift {
        *self.shift()
    }

    /// Undoes what developers did since.
    pub(crate) fn restore(&self, shift: Shift) {
        *self.shift() = shift;
    }

    /// Moves the clock on to this time, if it is behind.
    pub(crate) fn catch_up(&self, to: Timestamp) {
        if self.now() < to {
            *self.shift() = Shift { millis: distance(real_time(), to), next: None };
        }
    }

    /// The next header has exactly this time.
    pub(crate) fn set(&self, next: Timestamp) {
        self.shift().next = Some(next);
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        let mut shift = self.shift();
        if let Some(next) = shift.next {
            shift.next = Some(next + by);
        } else {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            shift.millis = shift.millis.saturating_add(by);
        }
    }

    /// Resolves once the clock shows `at`; never if there is no such time. Cancel-safe.
    pub(crate) async fn sleep_until(&self, at: Option<Timestamp>) {
        let Some(at) = at else {
            return future::pending().await;
        };
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }

    fn shift(&self) -> MutexGuard<'_, Shift> {
        self.shift.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Real time that never goes back and that no developer moves: for delays, and for what has to be
/// later than before a restart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uptime {
    started: Instant,
    started_at: Timestamp,
}

impl Uptime {
    /// Starts at the real time.
    pub(crate) fn start() -> Self {
        Self { started: Instant::now(), started_at: real_time() }
    }

    /// The real time at the start, and how long ago that was.
    pub(crate) fn now(self) -> Timestamp {
        self.started_at + self.started.elapsed()
    }

    /// Resolves at this time; never if there is no such time. Cancel-safe.
    pub(crate) async fn sleep_until(self, at: Option<Timestamp>) {
        match at {
            Some(at) => tokio::time::sleep_until(self.started + at.since(self.started_at)).await,
            None => future::pending().await,
        }
    }
}

fn real_time() -> Timestamp {
    // A machine whose clock stands before 1970 is told so by its first block times.
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::ZERO + since_epoch
}

fn distance(from: Timestamp, to: Timestamp) -> i64 {
    let forward = i64::try_from(to.since(from).as_millis()).unwrap_or(i64::MAX);
    let back = i64::try_from(from.since(to).as_millis()).unwrap_or(i64::MAX);
    forward - back
}

fn shifted(time: Timestamp, millis: i64) -> Timestamp {
    Timestamp::from_millis(time.millis().saturating_add_signed(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_time_stands_until_a_header_has_it_and_the_clock_goes_on_from_it() {
        let clock = Clock::new(None);
        let before = clock.now();
        let asked = Timestamp::from_seconds(4_000_000_000);
        clock.set(asked);
        assert_eq!(clock.now(), asked);
        clock.stamped(before);
        assert_eq!(clock.now(), asked, "the header was made before");
        clock.stamped(asked);
        clock.advance(Duration::from_secs(1));
        let later = clock.now();
        let earliest = asked + Duration::from_secs(1);
        assert!(earliest <= later && later < earliest + Duration::from_secs(60));
    }

    #[test]
    fn a_clock_that_is_behind_catches_up_and_one_that_is_not_stays() {
        let clock = Clock::new(None);
        let far = Timestamp::from_seconds(4_000_000_000);
        clock.catch_up(far);
        assert!(far <= clock.now());
        clock.catch_up(Timestamp::ZERO);
        assert!(far <= clock.now());
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_on() {
        let clock = Clock::new(None);
        let at = clock.now() + Duration::from_secs(1_000);
        let sleeper = clock.sleep_until(Some(at));
        let mover = async { clock.advance(Duration::from_secs(1_000)) };
        let both = async { tokio::join!(sleeper, mover) };
        tokio::time::timeout(Duration::from_secs(10), both).await.expect("awake long before");
    }

    #[test]
    fn a_clock_may_start_in_the_past_and_be_moved_on() {
        let start = Timestamp::from_seconds(1_000);
        let clock = Clock::new(Some(start));
        clock.advance(Duration::from_secs(500));
        let now = clock.now();
        assert!(start + Duration::from_secs(500) <= now);
        assert!(now < start + Duration::from_secs(560));
    }
}
