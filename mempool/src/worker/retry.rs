//! When to try again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use kraken_types::Timestamp;

/// Things that are tried again until they are removed: after some time, then after twice as long
/// each time, up to 32 times as long.
#[derive(Debug)]
pub(super) struct Retries<K> {
    after: Duration,
    turns: BTreeMap<K, Turn>,
    by_time: BTreeSet<(Timestamp, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    at: Timestamp,
    tries: u32,
}

impl<K: Ord + Copy> Retries<K> {
    /// The wait doubles this many times.
    const DOUBLINGS_MAX: u32 = 5;

    pub(super) fn new(after: Duration) -> Self {
        Self { after, turns: BTreeMap::new(), by_time: BTreeSet::new() }
    }

    /// The longest wait.
    pub(super) fn longest(&self) -> Duration {
        self.after.saturating_mul(1 << Self::DOUBLINGS_MAX)
    }

    /// The first try is due at this time.
    pub(super) fn insert(&mut self, key: K, at: Timestamp) {
        self.set(key, Turn { at, tries: 0 });
    }

    /// Tries no more.
    pub(super) fn remove(&mut self, key: K) {
        if let Some(turn) = self.turns.remove(&key) {
            self.by_time.remove(&(turn.at, key));
        }
    }

    /// It was tried: the next try is due after a longer wait.
    pub(super) fn tried(&mut self, key: K, now: Timestamp) {
        if let Some(&Turn { tries, .. }) = self.turns.get(&key) {
            let wait = self.after.saturating_mul(1 << tries.min(Self::DOUBLINGS_MAX));
            self.set(key, Turn { at: now + wait, tries: tries.saturating_add(1) });
        }
    }

    /// It could not be tried: the next try is due after the shortest wait.
    pub(super) fn postpone(&mut self, key: K, now: Timestamp) {
        if let Some(&Turn { tries, .. }) = self.turns.get(&key) {
            self.set(key, Turn { at: now + self.after, tries });
        }
    }

    /// There is more hope than before: the next try is due now, as if there had been one at most.
    pub(super) fn hasten(&mut self, key: K, now: Timestamp) {
        if let Some(&Turn { tries, .. }) = self.turns.get(&key) {
            self.set(key, Turn { at: now, tries: tries.min(1) });
        }
    }

    /// How often it was tried.
    pub(super) fn tries(&self, key: K) -> u32 {
        self.turns.get(&key).map_or(0, |turn| turn.tries)
    }

    /// What is due: what has waited longest first, then in the order of the keys.
    pub(super) fn due(&self, now: Timestamp) -> Vec<K> {
        let due = self.by_time.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, key)| *key).collect()
    }

    /// When something is due next.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    fn set(&mut self, key: K, turn: Turn) {
        self.remove(key);
        self.turns.insert(key, turn);
        self.by_time.insert((turn.at, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_32_times() {
        let mut retries = Retries::new(Duration::from_millis(10));
        let mut now = Timestamp::ZERO;
        retries.insert('a', now);
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert_eq!(retries.due(now), ['a']);
            retries.tried('a', now);
            assert_eq!(retries.due(now), []);
            let next = retries.wake_at().expect("never given up");
            waits.push(next.since(now).as_millis());
            now = next;
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 320, 320]);
        assert_eq!(retries.tries('a'), 8);
    }

    #[test]
    fn what_could_not_be_tried_waits_no_longer_than_before() {
        let mut retries = Retries::new(Duration::from_millis(10));
        retries.insert('a', Timestamp::ZERO);
        for millis in [0, 10, 20] {
            assert_eq!(retries.due(Timestamp::from_millis(millis)), ['a']);
            retries.postpone('a', Timestamp::from_millis(millis));
        }
        assert_eq!(retries.wake_at(), Some(Timestamp::from_millis(30)));
        retries.remove('a');
        assert_eq!(retries.wake_at(), None);
    }
}
