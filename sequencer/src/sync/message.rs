//! What those who catch up ask, and what they are answered.

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::Acceptance;

/// The largest question.
pub(crate) const ASK_BYTES_MAX: usize = 64;

/// The largest answer: a block with large classes.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Ask {
    /// The proof of the newest accepted block: `Option<Acceptance>`.
    Newest,
    /// An accepted block: `Option<AttestedBlock>`.
    Block(u64),
    /// What the order was before the end of a block, encoded: `Option<Bytes>`.
    Checkpoint(u64),
}

/// A block, and the quorum that attested it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct AttestedBlock {
    pub(crate) acceptance: Acceptance,
    /// As the chain log keeps it.
    pub(crate) block: Bytes,
}

#[cfg(test)]
mod tests {
    use kraken_types::testing::assert_golden;

    use super::*;

    #[test]
    fn the_bytes_of_questions_do_not_change() {
        assert_golden(&Ask::Newest, "00");
        assert_golden(&Ask::Block(3), "01 0300000000000000");
        assert_golden(&Ask::Checkpoint(4), "02 0400000000000000");
    }
}
