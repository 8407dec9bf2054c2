//! Which of the recent certificates are ordered.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Round, ValidatorId};

/// The ordered certificates of the last rounds, one bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Window {
    /// The highest round of an anchor that was ordered; 0 before the first.
    pub anchor: Round,
    /// For each validator, in order: bit `i` stands for its certificate `i` rounds below `anchor`.
    /// Validators behind the last that had a certificate ordered may be left out.
    authors: Vec<u128>,
}

impl Window {
    /// Moves up to an anchor, if it is higher, and forgets what is `rounds` or more below it.
    pub(super) fn advance(&mut self, anchor: Round, rounds: u64) {
        let Some(up) = anchor.0.checked_sub(self.anchor.0) else { return };
        self.anchor = anchor;
        let mask = u32::try_from(rounds).ok().and_then(|rounds| 1_u128.checked_shl(rounds));
        let mask = mask.map_or(u128::MAX, |bit| bit - 1);
        for author in &mut self.authors {
            let moved = u32::try_from(up).ok().and_then(|up| author.checked_shl(up));
            *author = moved.unwrap_or(0) & mask;
        }
    }

    /// Marks a certificate, at or below the anchor, as ordered.
    pub(super) fn insert(&mut self, round: Round, author: ValidatorId) {
        let place = usize::from(author.0);
        if self.authors.len() <= place {
            self.authors.resize(place + 1, 0);
        }
        self.authors[place] |= self.bit(round);
    }

    /// Whether a certificate is marked. Those above the anchor and below the window are not.
    pub fn contains(&self, round: Round, author: ValidatorId) -> bool {
        let marks = self.authors.get(usize::from(author.0)).copied().unwrap_or(0);
        marks & self.bit(round) != 0
    }

    /// The bit of a round, or none outside of the window.
    fn bit(&self, round: Round) -> u128 {
        let below = self.anchor.0.checked_sub(round.0);
        let below = below.and_then(|below| u32::try_from(below).ok());
        below.and_then(|below| 1_u128.checked_shl(below)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ValidatorId = ValidatorId(0);
    const C: ValidatorId = ValidatorId(2);

    #[test]
    fn marks_stay_with_their_rounds_until_they_leave_the_window() {
        let mut window = Window::default();
        window.advance(Round(7), 120);
        window.insert(Round(7), C);
        window.insert(Round(3), A);
        window.advance(Round(5), 120);
        assert_eq!(window.anchor, Round(7), "never down");
        window.advance(Round(122), 120);
        let marked = |round, author| window.contains(Round(round), author);
        assert_eq!(
            [marked(7, C), marked(3, A), marked(3, C), marked(7, A)],
            [true, true, false, false]
        );
        assert!(!marked(123, C) && !marked(0, ValidatorId(9)));

        let at = |anchor| {
            let mut later = window.clone();
            later.advance(Round(anchor), 120);
            [later.contains(Round(3), A), later.contains(Round(7), C)]
        };
        assert_eq!([at(123), at(126), at(127)], [[false, true], [false, true], [false; 2]]);
        assert_eq!([at(200), at(u64::MAX)], [[false; 2]; 2]);
    }
}
