//! Commits: stretches of the total order, the only thing that may reach a block.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{BatchRef, Digest, HeaderDigest, Round, Timestamp, ValidatorId};

/// Counts commits from zero, without gaps.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct CommitIndex(pub u64);

impl CommitIndex {
    /// The index after this one.
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Digest of a commit and of all commits before it; equal on all honest validators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct ChainDigest(pub Digest);

/// A stretch of the total order.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Commit {
    /// Its place in the order.
    pub index: CommitIndex,
    /// The certificate whose history this is.
    pub anchor: HeaderDigest,
    /// The round of the anchor.
    pub round: Round,
    /// Never earlier than that of the commit before.
    pub timestamp: Timestamp,
    /// Payload, in order, with the validator that must serve it.
    pub batches: Vec<(ValidatorId, BatchRef)>,
    /// The open block closes behind this commit.
    pub close_block: bool,
    /// Over this commit and the chain before it.
    pub chain: ChainDigest,
}

impl Commit {
    /// Appends to the order: computes the chain digest of the commit from that of its predecessor.
    pub fn chained(self, previous: ChainDigest) -> Self {
        let unchained = Self { chain: previous, ..self };
        let chain = ChainDigest(Digest::of("kraken commit v2", &unchained));
        Self { chain, ..unchained }
    }
}

/// A place in the ordered transactions: the next one to execute.
///
/// A block may end inside a commit, so a commit index alone does not say where to go on.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize,
)]
pub struct Cursor {
    /// The commit.
    pub commit: CommitIndex,
    /// How many transactions of that commit are done.
    pub transactions: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(index: u64) -> Commit {
        Commit {
            index: CommitIndex(index),
            anchor: HeaderDigest(Digest::default()),
            round: Round(index),
            timestamp: Timestamp::from_millis(index),
            batches: Vec::new(),
            close_block: false,
            chain: ChainDigest::default(),
        }
    }

    #[test]
    fn the_chain_digest_covers_the_commit_and_its_past() {
        let first = commit(0).chained(ChainDigest::default());
        let second = commit(1).chained(first.chain);
        assert_ne!(first.chain, second.chain);

        let other_past = commit(1).chained(ChainDigest::default());
        assert_ne!(second.chain, other_past.chain);
        let closing = Commit { close_block: true, ..commit(1) }.chained(first.chain);
        assert_ne!(second.chain, closing.chain);
    }
}
