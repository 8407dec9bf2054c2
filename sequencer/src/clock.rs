//! The only owner of real time.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use kraken_types::Timestamp;

/// Stamps headers. Developers may shift it; nothing after the order reads it.
#[derive(Debug)]
pub(crate) struct Clock {
    shift: Mutex<Shift>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    /// Added to the real time.
    millis: i64,
    /// The next stamp is exactly this, and the clock goes on from there.
    next: Option<Timestamp>,
}

impl Clock {
    /// A clock that shows `start` now, or the real time.
    pub(crate) fn new(start: Option<Timestamp>) -> Self {
        let millis = start.map_or(0, |start| distance(real_time(), start));
        Self { shift: Mutex::new(Shift { millis, next: None }) }
    }

    /// What the clock shows.
    pub(crate) fn now(&self) -> Timestamp {
        let shift = *self.shift.lock().unwrap_or_else(PoisonError::into_inner);
        shift.next.unwrap_or_else(|| shifted(real_time(), shift.millis))
    }

    /// The time of a new header.
    pub(crate) fn stamp(&self) -> Timestamp {
        let mut shift = self.shift.lock().unwrap_or_else(PoisonError::into_inner);
        let real = real_time();
        if let Some(next) = shift.next.take() {
            shift.millis = distance(real, next);
        }
        shifted(real, shift.millis)
    }

    /// The next header has exactly this time.
    pub(crate) fn set(&self, next: Timestamp) {
        self.shift.lock().unwrap_or_else(PoisonError::into_inner).next = Some(next);
    }

    /// Moves the clock on.
    pub(crate) fn advance(&self, by: Duration) {
        let mut shift = self.shift.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = shift.next {
            shift.next = Some(next + by);
        } else {
            let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            shift.millis = shift.millis.saturating_add(by);
        }
    }

    /// How long until the clock shows `at`; zero if it has.
    pub(crate) fn until(&self, at: Timestamp) -> Duration {
        at.since(self.now())
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
    fn a_set_time_is_stamped_exactly_once_and_the_clock_goes_on_from_it() {
        let clock = Clock::new(None);
        let asked = Timestamp::from_seconds(4_000_000_000);
        clock.set(asked);
        assert_eq!(clock.now(), asked);
        assert_eq!(clock.stamp(), asked);
        let later = clock.stamp();
        assert!(asked <= later && later < asked + Duration::from_secs(60));
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
