//! A small map that forgets what was not used for the longest time.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

/// A small map that forgets what was not used for the longest time. Shared by threads.
///
/// It holds so few entries that finding the oldest by looking at each is cheap.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    limits: Limits,
    state: Mutex<State<K, V>>,
}

/// When a cache must forget.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) entries_max: usize,
    /// Of all entries but the newest, which always stays.
    pub(crate) bytes_max: usize,
}

#[derive(Debug)]
struct State<K, V> {
    entries: HashMap<K, Entry<V>>,
    bytes: usize,
    /// Counts uses.
    clock: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    bytes: usize,
    used: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    pub(crate) fn new(limits: Limits) -> Self {
        let state = State { entries: HashMap::new(), bytes: 0, clock: 0 };
        Self { limits, state: Mutex::new(state) }
    }

    /// The value of a key, which is now the newest entry.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        // A panic can only lose an entry, and losing entries is what a cache does.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.clock += 1;
        let now = state.clock;
        let entry = state.entries.get_mut(key)?;
        entry.used = now;
        Some(entry.value.clone())
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.entries.clear();
        state.bytes = 0;
    }

    /// Remembers a value that takes about so many bytes.
    pub(crate) fn insert(&self, key: K, value: V, bytes: usize) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.forget(&key);
        while !state.entries.is_empty()
            && (self.limits.entries_max <= state.entries.len()
                || self.limits.bytes_max < state.bytes)
        {
            state.forget_oldest();
        }
        state.clock += 1;
        let used = state.clock;
        state.bytes += bytes;
        state.entries.insert(key, Entry { value, bytes, used });
    }
}

impl<K: Clone + Eq + Hash, V> State<K, V> {
    fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    fn forget_oldest(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.used);
        if let Some(key) = oldest.map(|(key, _)| key.clone()) {
            self.forget(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_is_forgotten() {
        let cache = Cache::new(Limits { entries_max: 2, bytes_max: usize::MAX });
        cache.insert('a', 1, 1);
        cache.insert('b', 2, 1);
        assert_eq!(cache.get(&'a'), Some(1));
        cache.insert('c', 3, 1);
        assert_eq!(cache.get(&'b'), None);
        assert_eq!((cache.get(&'a'), cache.get(&'c')), (Some(1), Some(3)));
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_stays() {
        let cache = Cache::new(Limits { entries_max: 100, bytes_max: 10 });
        for key in 0..20 {
            cache.insert(key, key, 4);
        }
        let kept = (0..20).filter(|key| cache.get(key).is_some()).count();
        assert!((1..=4).contains(&kept), "{kept} entries of 4 bytes in a cache of 10");
        cache.insert(99, 99, 1_000);
        cache.insert(99, 98, 1_000);
        assert_eq!(cache.get(&99), Some(98));
    }
}
