//! Damages what it sends: flipped bits, lost ends, strange tails, the wrong lane, far too much.
//!
//! Stopped by the decoders, which take all bytes or none and look at the size first.

use bytes::Bytes;
use kraken_mempool::{primary, worker};
use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Garbage;

impl Sin for Garbage {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let random = &mut *around.random;
        if random.gen_bool(0.5) {
            return vec![letter];
        }
        let damaged = damage(random, &letter);
        // Sometimes besides the good one, so that the sinner stays worth listening to.
        if random.gen_bool(0.5) { vec![damaged, letter] } else { vec![damaged] }
    }
}

fn damage(random: &mut ChaCha8Rng, letter: &Letter) -> Letter {
    let mut bytes = letter.bytes.to_vec();
    let mut lane = letter.lane;
    match random.gen_range(0..100) {
        0..60 => {
            for _ in 0..random.gen_range(1..4) {
                if let Some(place) = bytes.len().checked_sub(1) {
                    bytes[random.gen_range(0..=place)] ^= 1 << random.gen_range(0..8);
                }
            }
        }
        60..75 => bytes.truncate(random.gen_range(0..=bytes.len())),
        75..85 => bytes.extend([0; 7]),
        85..92 => {
            bytes.resize(random.gen_range(0..400), 0);
            random.fill_bytes(&mut bytes);
        }
        92..99 => {
            lane = match lane {
                Lane::Worker => Lane::Ordering,
                Lane::Ordering => Lane::Worker,
            }
        }
        _ => {
            let max = match lane {
                Lane::Worker => worker::Message::BYTES_MAX,
                Lane::Ordering => primary::Message::BYTES_MAX,
            };
            bytes.resize(max + 1, 0);
        }
    }
    Letter { to: letter.to, lane, bytes: Bytes::from(bytes) }
}
