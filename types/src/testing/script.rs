//! Arbitrary bytes, read as choices.

use std::array;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::codec;

/// What is left of an input of a fuzz target. At its end every choice is the first one, so that a script can be cut
/// anywhere and a longer one begins with the same events.
#[derive(Debug)]
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// Begins a script.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether nothing is left to choose.
    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *byte
    }

    /// One of the first `count` numbers; zero if there are none.
    pub fn below(&mut self, count: usize) -> usize {
        usize::from(self.byte()) % count.max(1)
    }

    /// Yes or no; mostly no.
    pub fn seldom(&mut self) -> bool {
        192 <= self.byte()
    }

    /// One of these.
    pub fn pick<'b, T>(&mut self, choices: &'b [T]) -> Option<&'b T> {
        choices.get(self.below(choices.len()))
    }

    /// One of these, counted from the end, where the newest are.
    pub fn recent<'b, T>(&mut self, choices: &'b [T]) -> Option<&'b T> {
        let back = self.below(choices.len());
        choices.iter().rev().nth(back)
    }

    /// A few bytes.
    pub fn bytes(&mut self, count_max: usize) -> &'a [u8] {
        let count = self.below(count_max + 1).min(self.0.len());
        let (bytes, rest) = self.0.split_at(count);
        self.0 = rest;
        bytes
    }

    /// A number: mostly near this one, sometimes far from it, sometimes at an end.
    pub fn near(&mut self, number: u64) -> u64 {
        match self.byte() {
            byte @ 0..224 => (number + u64::from(byte % 16)).saturating_sub(u64::from(byte / 16)),
            byte @ 224..248 => number.saturating_add(1 << (byte - 220)),
            248 => 0,
            249 => 1,
            250 => u64::MAX,
            251 => u64::MAX - 1,
            252 => number / 2,
            253.. => u64::from_le_bytes(array::from_fn(|_| self.byte())),
        }
    }

    /// The same value with some bytes of its encoding changed, if that is a value.
    pub fn spoil<T: BorshSerialize + BorshDeserialize>(&mut self, value: &T) -> Option<T> {
        let mut bytes = codec::encode(value);
        for _ in 0..=self.below(4) {
            let at = usize::from(self.byte()) << 8 | usize::from(self.byte());
            let at = at % bytes.len().max(1);
            *bytes.get_mut(at)? ^= self.byte().max(1);
        }
        codec::decode(&bytes, bytes.len()).ok()
    }
}
