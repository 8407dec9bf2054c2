//! Falls silent at some moment, and hears everything.
//!
//! Stopped by quorums, which do without a third, and by the schedule, which gives it no more turns.

use std::time::Duration;

use kraken_types::Timestamp;
use rand::Rng;

use crate::sin::{Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Mute {
    /// From when on; chosen with the first letter.
    from: Option<Timestamp>,
}

impl Sin for Mute {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let from = *self.from.get_or_insert_with(|| {
            around.now + Duration::from_millis(around.random.gen_range(0..10_000))
        });
        if around.now < from { vec![letter] } else { Vec::new() }
    }
}
