//! What is on disk and not released: an index, and who takes how much of it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use kraken_types::{BatchDigest, ValidatorId};

use super::Held;

/// An index of the batches on disk.
///
/// Bounded by the budgets of the authors, in which a batch counts with [`Shelf::OVERHEAD`] bytes
/// more than its encoding, so that many small batches are not cheap.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    held: BTreeMap<BatchDigest, Held>,
    used: BTreeMap<ValidatorId, usize>,
    released: BTreeMap<ValidatorId, Released>,
}

/// The newest batches of one author that were released.
#[derive(Debug, Default)]
struct Released {
    digests: BTreeSet<BatchDigest>,
    /// The same, oldest first.
    order: VecDeque<BatchDigest>,
}

impl Shelf {
    /// What a batch costs besides its bytes: its entries in memory, generously.
    pub(super) const OVERHEAD: usize = 256;

    /// How many released batches of an author are remembered; the oldest are forgotten first.
    pub(super) const RELEASED_MAX: usize = 1_024;

    /// Adds a batch that is durable, or will be before anything about it is said.
    pub(super) fn insert(&mut self, held: Held) {
        if self.held.insert(held.batch.digest, held).is_none() {
            *self.used.entry(held.author).or_default() += held.bytes + Self::OVERHEAD;
        }
    }

    /// Forgets a batch, but not that it was there.
    pub(super) fn release(&mut self, digest: &BatchDigest) -> Option<Held> {
        let held = self.held.remove(digest)?;
        let used = self.used.entry(held.author).or_default();
        *used = used.saturating_sub(held.bytes + Self::OVERHEAD);
        self.released.entry(held.author).or_default().insert(*digest);
        Some(held)
    }

    /// A batch that is there.
    pub(super) fn get(&self, digest: &BatchDigest) -> Option<&Held> {
        self.held.get(digest)
    }

    /// Whether a batch of this author was there and was released, not long ago.
    pub(super) fn was_released(&self, author: ValidatorId, digest: &BatchDigest) -> bool {
        self.released.get(&author).is_some_and(|released| released.digests.contains(digest))
    }

    /// How many bytes the batches of an author take, with overhead.
    pub(super) fn used(&self, author: ValidatorId) -> usize {
        self.used.get(&author).copied().unwrap_or_default()
    }

    /// How many batches are remembered, here or gone.
    pub(super) fn size(&self) -> usize {
        let released: usize = self.released.values().map(|released| released.order.len()).sum();
        self.held.len() + released
    }
}

impl Released {
    fn insert(&mut self, digest: BatchDigest) {
        if self.digests.insert(digest) {
            self.order.push_back(digest);
        }
        if Shelf::RELEASED_MAX < self.order.len()
            && let Some(oldest) = self.order.pop_front()
        {
            self.digests.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::testing;

    use super::*;

    fn held(author: u16, sequence: u64, bytes: usize) -> Held {
        Held { author: ValidatorId(author), batch: testing::batch(sequence), bytes }
    }

    #[test]
    fn each_author_pays_for_what_it_made_until_that_is_released() {
        let mut shelf = Shelf::default();
        for held in [held(1, 1, 100), held(1, 2, 50), held(1, 2, 50), held(2, 3, 7)] {
            shelf.insert(held);
        }
        assert_eq!(shelf.used(ValidatorId(1)), 150 + 2 * Shelf::OVERHEAD, "each once");
        assert_eq!(shelf.used(ValidatorId(2)), 7 + Shelf::OVERHEAD);

        let digest = testing::batch(1).digest;
        assert_eq!(shelf.release(&digest), Some(held(1, 1, 100)));
        assert_eq!(shelf.release(&digest), None);
        assert_eq!(shelf.used(ValidatorId(1)), 50 + Shelf::OVERHEAD);
        assert!(shelf.was_released(ValidatorId(1), &digest));
        assert!(!shelf.was_released(ValidatorId(2), &digest));
    }

    #[test]
    fn released_batches_are_remembered_up_to_a_bound() {
        let mut shelf = Shelf::default();
        for sequence in 0..2_000 {
            shelf.insert(held(1, sequence, 1));
            shelf.release(&testing::batch(sequence).digest);
        }
        assert_eq!(shelf.size(), Shelf::RELEASED_MAX);
        assert!(!shelf.was_released(ValidatorId(1), &testing::batch(975).digest));
        assert!(shelf.was_released(ValidatorId(1), &testing::batch(976).digest));
    }
}
