//! What a sinner heard and may use later.

use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Some of what was put in, old and new: at most [`Memory::MAX`]; when full, a new thing takes the
/// place of any old one.
#[derive(Debug)]
pub(super) struct Memory<T>(Vec<T>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Clone> Memory<T> {
    /// So many things are remembered.
    pub(super) const MAX: usize = 200;

    /// Remembers a thing.
    pub(super) fn keep(&mut self, random: &mut ChaCha8Rng, thing: T) {
        if self.0.len() < Self::MAX {
            self.0.push(thing);
        } else {
            self.0[random.gen_range(0..Self::MAX)] = thing;
        }
    }

    /// Any of them; `None` if there is none.
    pub(super) fn any(&self, random: &mut ChaCha8Rng) -> Option<T> {
        self.0.choose(random).cloned()
    }

    /// All of them, in no order.
    pub(super) fn all(&self) -> &[T] {
        &self.0
    }
}
