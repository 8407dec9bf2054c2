//! A bounded memory of things that are costly to make again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use starknet_api::core::ClassHash;

/// Keeps what was used last, by class hash, up to a total weight.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    weight_max: usize,
    entries: Mutex<Entries<V>>,
}

#[derive(Debug)]
struct Entries<V> {
    by_hash: BTreeMap<ClassHash, Entry<V>>,
    weight: usize,
    /// Counts uses, to know which is the oldest.
    uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    used: u64,
}

impl<V: Clone> Cache<V> {
    /// Starts empty; holds values of up to `weight_max` together.
    pub(crate) fn new(weight_max: usize) -> Self {
        let entries = Entries { by_hash: BTreeMap::new(), weight: 0, uses: 0 };
        Self { weight_max, entries: Mutex::new(entries) }
    }

    /// A clone of the value, which counts as its newest use.
    pub(crate) fn get(&self, hash: ClassHash) -> Option<V> {
        let mut entries = self.lock();
        entries.uses += 1;
        let used = entries.uses;
        let entry = entries.by_hash.get_mut(&hash)?;
        entry.used = used;
        Some(entry.value.clone())
    }

    /// Keeps a value and forgets the ones that were not used for longest. A value that is heavier
    /// than the whole cache is not kept.
    pub(crate) fn insert(&self, hash: ClassHash, value: V, weight: usize) {
        if self.weight_max < weight {
            return;
        }
        let mut entries = self.lock();
        entries.uses += 1;
        let entry = Entry { value, weight, used: entries.uses };
        if let Some(old) = entries.by_hash.insert(hash, entry) {
            entries.weight -= old.weight;
        }
        entries.weight += weight;
        while self.weight_max < entries.weight {
            entries.forget_oldest();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries<V>> {
        // Whoever panicked held the lock between two whole steps, or the value is only forgotten.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Entries<V> {
    fn forget_oldest(&mut self) {
        let oldest = self.by_hash.iter().min_by_key(|(_, entry)| entry.used);
        let Some(hash) = oldest.map(|(hash, _)| *hash) else { return };
        if let Some(entry) = self.by_hash.remove(&hash) {
            self.weight -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use starknet_types_core::felt::Felt;

    use super::*;

    fn hash(number: u64) -> ClassHash {
        ClassHash(Felt::from(number))
    }

    #[test]
    fn forgets_what_was_not_used_for_longest() {
        let cache = Cache::new(10);
        cache.insert(hash(1), 'a', 4);
        cache.insert(hash(2), 'b', 4);
        assert_eq!(cache.get(hash(1)), Some('a'));
        cache.insert(hash(3), 'c', 4);

        assert_eq!(cache.get(hash(2)), None);
        assert_eq!(cache.get(hash(1)), Some('a'));
        assert_eq!(cache.get(hash(3)), Some('c'));
    }

    #[test]
    fn replacing_a_value_replaces_its_weight() {
        let cache = Cache::new(10);
        cache.insert(hash(1), 'a', 8);
        cache.insert(hash(1), 'b', 2);
        cache.insert(hash(2), 'c', 8);
        assert_eq!(cache.get(hash(1)), Some('b'));
        assert_eq!(cache.get(hash(2)), Some('c'));
    }

    #[test]
    fn never_keeps_more_than_it_may() {
        let cache = Cache::new(10);
        cache.insert(hash(1), 'a', 11);
        assert_eq!(cache.get(hash(1)), None);
        for number in 2..100 {
            cache.insert(hash(number), 'x', 3);
        }
        assert!(cache.lock().weight <= 10);
        assert_eq!(cache.lock().by_hash.len(), 3);
    }
}
