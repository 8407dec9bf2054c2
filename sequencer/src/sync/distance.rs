//! How far this node is behind the others.

use kraken_types::Statement;
use starknet_api::block::{BlockHash, BlockNumber};
use starknet_types_core::felt::Felt;

/// Fewer blocks than this are on their way anyhow.
const BEHIND_MIN: u64 = 8;

/// How far this node is behind the others, as far as it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distance {
    /// Nobody was asked yet.
    #[default]
    Unknown,
    /// It has what the others have, or will have it in a moment.
    Near,
    /// It takes over blocks.
    Behind {
        /// Where it began.
        from: BlockNumber,
        /// The newest block that is known to be accepted.
        to: BlockNumber,
        /// Its hash.
        hash: BlockHash,
    },
}

impl Distance {
    /// Somebody has a block accepted; `ours` is the newest that is here. Says whether that changes
    /// anything.
    pub(crate) fn seen(&mut self, ours: u64, newest: &Statement) -> bool {
        let before = *self;
        let to = BlockNumber(newest.number);
        *self = match before {
            // Somebody who is behind himself knows nothing of others.
            Self::Behind { to: highest, .. } if to < highest && ours < highest.0 => before,
            Self::Behind { from, .. } if ours < to.0 => {
                Self::Behind { from, to, hash: hash(newest) }
            }
            Self::Unknown | Self::Near if ours.saturating_add(BEHIND_MIN) <= to.0 => {
                Self::Behind { from: BlockNumber(ours), to, hash: hash(newest) }
            }
            Self::Unknown | Self::Near | Self::Behind { .. } => Self::Near,
        };
        *self != before
    }
}

/// A hash in a statement that a quorum signed.
fn hash(statement: &Statement) -> BlockHash {
    BlockHash(Felt::from_bytes_be(&statement.block_hash))
}

#[cfg(test)]
mod tests {
    use kraken_types::{Cursor, Digest, Epoch};

    use super::*;

    fn statement(number: u64) -> Statement {
        Statement {
            epoch: Epoch(0),
            number,
            block_hash: [1; 32],
            executed_up_to: Cursor::default(),
            checkpoint: Digest::default(),
        }
    }

    fn behind(from: u64, to: u64) -> Distance {
        let hash = hash(&statement(to));
        Distance::Behind { from: BlockNumber(from), to: BlockNumber(to), hash }
    }

    #[test]
    fn who_was_far_behind_is_so_until_it_has_everything() {
        let mut distance = Distance::Unknown;
        assert!(distance.seen(2, &statement(2 + BEHIND_MIN)));
        assert_eq!(distance, behind(2, 10));
        assert!(distance.seen(5, &statement(12)));
        assert_eq!(distance, behind(2, 12));
        assert!(!distance.seen(6, &statement(3)), "somebody who is behind too");
        assert!(distance.seen(12, &statement(12)));
        assert_eq!(distance, Distance::Near);
    }

    #[test]
    fn a_few_blocks_are_no_distance() {
        let mut distance = Distance::Unknown;
        assert!(distance.seen(2, &statement(1 + BEHIND_MIN)));
        assert_eq!(distance, Distance::Near);
        assert!(!distance.seen(2, &statement(3)));
        assert!(!distance.seen(9, &statement(3)));
    }
}
