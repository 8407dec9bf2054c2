//! Keys as walks from a root down to a leaf.

use pathfinder_crypto::Felt;

/// How many steps lie between a root and its leaves.
pub(super) const HEIGHT: u8 = 251;

/// The bits that pad a key of [`HEIGHT`] bits to 32 bytes.
const PADDING: u8 = 5;

/// Steps from a root downwards, the first one in the highest bit; zero is left.
///
/// Whoever holds a path knows how many of its steps count; the others are zero. So paths of leaves
/// sort like their keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    high: u128,
    low: u128,
}

/// A place for a node: the first `depth` steps of `path`, the rest of which is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Path,
    pub(super) depth: u8,
}

impl Path {
    /// The way to the leaf of a key. Of a key beyond [`HEIGHT`] bits the lowest ones count.
    pub(super) fn of_key(key: &starknet_types_core::felt::Felt) -> Self {
        Self::from_bytes(key.to_bytes_be()).skip(PADDING)
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        let (mut high, mut low) = ([0; 16], [0; 16]);
        high.copy_from_slice(&bytes[..16]);
        low.copy_from_slice(&bytes[16..]);
        Self { high: u128::from_be_bytes(high), low: u128::from_be_bytes(low) }
    }

    pub(super) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.high.to_be_bytes());
        bytes[16..].copy_from_slice(&self.low.to_be_bytes());
        bytes
    }

    /// The first `steps` steps as the number that is hashed into an edge.
    pub(super) fn to_felt(self, steps: u8) -> Felt {
        let number = self.shifted_right(256 - u16::from(steps));
        Felt::from_be_bytes(number.to_bytes()).expect("251 bits are below the prime")
    }

    /// Whether the step after the first `depth` ones goes right.
    pub(super) fn is_right(self, depth: u8) -> bool {
        self.skip(depth).high >> 127 == 1
    }

    /// How many steps both take together before they part.
    pub(super) fn shared(self, other: Self) -> u8 {
        let (high, low) = (self.high ^ other.high, self.low ^ other.low);
        let equal = if high == 0 { 128 + low.leading_zeros() } else { high.leading_zeros() };
        u8::try_from(equal).unwrap_or(HEIGHT).min(HEIGHT)
    }

    /// The path without its first `steps` steps.
    pub(super) fn skip(self, steps: u8) -> Self {
        match steps {
            0 => self,
            1..128 => Self {
                high: self.high << steps | self.low >> (128 - steps),
                low: self.low << steps,
            },
            128.. => Self { high: self.low << (steps - 128), low: 0 },
        }
    }

    /// The first `steps` steps alone.
    pub(super) fn take(self, steps: u8) -> Self {
        match steps {
            0 => Self::default(),
            1..=128 => Self { high: self.high & u128::MAX << (128 - steps), low: 0 },
            129.. => {
                Self { high: self.high, low: self.low & (u128::MAX << (256 - u16::from(steps))) }
            }
        }
    }

    /// The steps of `self`, of which `depth` count, and then those of `rest`.
    pub(super) fn then(self, depth: u8, rest: Self) -> Self {
        let rest = rest.shifted_right(u16::from(depth));
        Self { high: self.high | rest.high, low: self.low | rest.low }
    }

    fn shifted_right(self, bits: u16) -> Self {
        match bits {
            0 => self,
            1..128 => {
                Self { high: self.high >> bits, low: self.low >> bits | self.high << (128 - bits) }
            }
            128..256 => Self { high: 0, low: self.high >> (bits - 128) },
            256.. => Self::default(),
        }
    }
}

impl Place {
    pub(super) const ROOT: Self = Self { path: Path { high: 0, low: 0 }, depth: 0 };

    /// The place on the way along `path` after `depth` steps.
    pub(super) fn on(path: Path, depth: u8) -> Self {
        Self { path: path.take(depth), depth }
    }

    /// The places left and right below this one, which must not be a leaf's.
    pub(super) fn children(self) -> [Self; 2] {
        let depth = self.depth + 1;
        let step = Path { high: 1 << 127, low: 0 };
        [Self { path: self.path, depth }, Self { path: self.path.then(self.depth, step), depth }]
    }

    /// Whether a leaf is here; it has no node, because the node above holds its value.
    pub(super) fn is_leaf(self) -> bool {
        self.depth == HEIGHT
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{HEIGHT, Path, Place};

    /// One bit per element, the slow and obvious way.
    fn bits(path: Path) -> Vec<bool> {
        path.to_bytes()
            .iter()
            .flat_map(|byte| (0..8).map(move |i| byte >> (7 - i) & 1 == 1))
            .collect()
    }

    proptest! {
        #[test]
        fn paths_agree_with_their_bits(a in any::<[u8; 32]>(), b in any::<[u8; 32]>(), steps in 0..=HEIGHT) {
            let (a, b) = (Path::from_bytes(a), Path::from_bytes(b));
            let at = usize::from(steps);
            let zeros = |count: usize| vec![false; count];

            prop_assert_eq!(Path::from_bytes(a.to_bytes()), a);
            prop_assert_eq!(bits(a.take(steps)), [&bits(a)[..at], &zeros(256 - at)].concat());
            prop_assert_eq!(bits(a.skip(steps)), [&bits(a)[at..], &zeros(at)].concat());
            let joined = a.take(steps).then(steps, b);
            prop_assert_eq!(bits(joined), [&bits(a)[..at], &bits(b)[..256 - at]].concat());
            prop_assert_eq!(a.is_right(steps), bits(a)[at]);
            let common = Path::then(a.take(steps), steps, b).shared(a);
            prop_assert!(steps <= common);
            prop_assert_eq!(bits(a)[..usize::from(common)].to_vec(), bits(joined)[..usize::from(common)].to_vec());
            prop_assert!(common == HEIGHT || a.is_right(common) != joined.is_right(common));
        }

        #[test]
        fn children_differ_in_the_next_step(a in any::<[u8; 32]>(), depth in 0..HEIGHT) {
            let place = Place::on(Path::from_bytes(a), depth);
            let [left, right] = place.children();
            prop_assert!(!left.path.is_right(depth) && right.path.is_right(depth));
            prop_assert_eq!(left.path.shared(right.path), depth);
            prop_assert_eq!(Place::on(left.path, depth), place);
            prop_assert_eq!(Place::on(right.path, depth), place);
        }
    }
}
