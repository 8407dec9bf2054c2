//! From anchors to one order of batches: pure, and the same for every protocol.
//!
//! Rules (numbers as in `docs/protocol.md`):
//!
//! - L1 The certificates of an anchor are those reachable from it over parents that are not ordered
//!   yet and whose round is above `anchor.round - gc_depth`. The limit depends on the anchor alone,
//!   never on what this validator happens to have pruned.
//! - L2 They are ordered by round, then author; their batches in the order of the headers. The
//!   place of a batch in the order of its worker is taken once: a place taken before is dropped.
//! - L3 A certificate is known to be ordered by its author and round, of which a quorum certifies
//!   one header only.
//! - L4 A missing ancestor above the limit is a broken invariant: the mempool delivers causally.
//! - L5 The time of a commit is the median, by stake, of the times of the anchor's parents, but
//!   never earlier than that of the commit before.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{ChainDigest, CommitIndex, Timestamp};

/// What is ordered so far, in a few hundred bytes: enough to go on after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct State {
    /// The index of the next commit.
    pub next: CommitIndex,
    /// The chain digest of the last one.
    pub chain: ChainDigest,
    /// Its time.
    pub timestamp: Timestamp,
}
