//! Whom to ask next: one after the other, and those that were of no help only after a while.

use std::{collections::BTreeMap, time::Duration};

use kraken_types::ValidatorId;
use tokio::time::Instant;

/// How long somebody is left alone who was of no help; twice as long each time.
const SHUNNED_MIN: Duration = Duration::from_secs(1);

/// And no longer than this.
const SHUNNED_MAX: Duration = Duration::from_secs(600);

/// Whom to ask next.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Who was asked last.
    last: Option<ValidatorId>,
    shunned: BTreeMap<ValidatorId, Shunned>,
}

/// Somebody who was of no help.
#[derive(Clone, Copy, Debug)]
struct Shunned {
    until: Instant,
    last_for: Duration,
}

impl Turns {
    /// The next of those who are there; `None` if nobody is. Where everybody was of no help, it is
    /// whoever was left alone for longest.
    pub(crate) fn next(&mut self, there: &[ValidatorId], now: Instant) -> Option<ValidatorId> {
        let until = |id: &ValidatorId| self.shunned.get(id).map(|shunned| shunned.until);
        let is_welcome = |id: &ValidatorId| until(id).is_none_or(|until| until <= now);
        let welcome = || there.iter().copied().filter(is_welcome);
        let behind = |id: &ValidatorId| self.last.is_none_or(|last| last < *id);
        let next = welcome()
            .filter(behind)
            .min()
            .or_else(|| welcome().min())
            .or_else(|| there.iter().copied().min_by_key(until));
        self.last = next.or(self.last);
        next
    }

    /// Somebody was of help.
    pub(crate) fn helped(&mut self, who: ValidatorId) {
        self.shunned.remove(&who);
    }

    /// Somebody was of no help.
    pub(crate) fn failed(&mut self, who: ValidatorId, now: Instant) {
        let before = self.shunned.get(&who);
        let last_for = before.map_or(SHUNNED_MIN, |before| SHUNNED_MAX.min(2 * before.last_for));
        self.shunned.insert(who, Shunned { until: now + last_for, last_for });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ValidatorId; 3] = [ValidatorId(0), ValidatorId(1), ValidatorId(2)];

    fn ids(turns: &mut Turns, there: &[ValidatorId], now: Instant, count: usize) -> Vec<u16> {
        (0..count).map(|_| turns.next(there, now).expect("somebody is there").0).collect()
    }

    #[test]
    fn all_who_are_there_are_asked_in_turn() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        assert_eq!(ids(&mut turns, &ALL, now, 4), [0, 1, 2, 0]);
        assert_eq!(ids(&mut turns, &ALL[..1], now, 2), [0, 0]);
        assert_eq!(turns.next(&[], now), None);
        assert_eq!(ids(&mut turns, &ALL, now, 1), [1]);
    }

    #[test]
    fn who_is_of_no_help_is_left_alone_for_longer_and_longer() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        turns.failed(ALL[1], now);
        assert_eq!(ids(&mut turns, &ALL, now, 3), [0, 2, 0]);
        let later = now + SHUNNED_MIN;
        assert_eq!(ids(&mut turns, &ALL, later, 1), [1]);
        turns.failed(ALL[1], later);
        assert_eq!(ids(&mut turns, &ALL, later + SHUNNED_MIN, 3), [2, 0, 2]);
        for _ in 0..20 {
            turns.failed(ALL[1], later);
        }
        assert!(ids(&mut turns, &ALL, later + SHUNNED_MAX, 3).contains(&1));
        turns.helped(ALL[1]);
        turns.failed(ALL[1], later);
        assert!(ids(&mut turns, &ALL, later + SHUNNED_MIN, 3).contains(&1));
    }

    #[test]
    fn where_nobody_was_of_help_somebody_is_asked_all_the_same() {
        let (mut turns, now) = (Turns::default(), Instant::now());
        for id in ALL {
            turns.failed(id, now);
        }
        turns.failed(ALL[0], now);
        assert_eq!(ids(&mut turns, &ALL, now, 1), [1]);
    }
}
