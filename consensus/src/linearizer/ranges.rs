//! Sets of numbers that mostly follow each other.

use borsh::{BorshDeserialize, BorshSerialize};

/// Numbers, kept as ranges that neither overlap nor touch.
///
/// There are at most [`Ranges::MAX`] of them. One more, and the lowest gap is closed: the numbers in
/// it count as contained from then on. It depends on what was inserted alone, so it happens on all
/// validators alike; and an honest worker, whose batches leave gaps only while a few headers of the
/// recent rounds are not ordered, never gets there.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// The most ranges that are kept.
    pub const MAX: usize = 1_024;

    /// Adds a number; `false` if it was there already.
    pub fn insert(&mut self, number: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        let before = after.checked_sub(1);
        let is_known = before.is_some_and(|place| number <= self.0[place].1);
        if is_known {
            return false;
        }
        let joins_before = before.filter(|place| self.0[*place].1 + 1 == number);
        let joins_after = self.0.get(after).is_some_and(|(first, _)| *first - 1 == number);
        match (joins_before, joins_after) {
            (Some(place), true) => self.join(place),
            (Some(place), false) => self.0[place].1 = number,
            (None, true) => self.0[after].0 = number,
            (None, false) => self.0.insert(after, (number, number)),
        }
        if Self::MAX < self.0.len() {
            self.join(0);
        }
        true
    }

    /// Whether a number is in the set.
    pub fn contains(&self, number: u64) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= number);
        after.checked_sub(1).is_some_and(|place| number <= self.0[place].1)
    }

    /// How many ranges there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no number was inserted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes one range of this one and the next, and of the gap between them.
    fn join(&mut self, place: usize) {
        let (_, last) = self.0.remove(place + 1);
        self.0[place].1 = last;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        /// In whatever order numbers come, the ranges say the same as a set, as briefly as can be.
        #[test]
        fn ranges_are_a_set(numbers in vec(prop_oneof![0_u64..60, u64::MAX - 3..=u64::MAX], 0..80)) {
            let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
            for number in numbers {
                prop_assert_eq!(ranges.insert(number), set.insert(number));
            }
            for number in (0..61).chain(u64::MAX - 4..=u64::MAX) {
                prop_assert_eq!(ranges.contains(number), set.contains(&number));
            }
            let gaps = set.iter().zip(set.iter().skip(1)).filter(|(one, next)| *one + 1 < **next);
            prop_assert_eq!(ranges.len(), gaps.count() + usize::from(!set.is_empty()));
            prop_assert_eq!(ranges.is_empty(), set.is_empty());
        }
    }

    #[test]
    fn one_range_too_many_closes_the_lowest_gap() {
        let mut ranges = Ranges::default();
        let numbers: Vec<_> = (0..=Ranges::MAX as u64).rev().map(|place| 3 * place).collect();
        assert!(numbers.iter().all(|number| ranges.insert(*number)));
        assert_eq!(ranges.len(), Ranges::MAX);
        assert!(!ranges.insert(1) && !ranges.insert(2), "counts as contained");
        assert!(ranges.insert(4) && ranges.insert(5), "a gap that is still there");
        assert_eq!(ranges.len(), Ranges::MAX - 1);
    }
}
