//! What the ordering protocol wants the mempool to wait for.

use crate::{HeaderDigest, ValidatorId};

/// What should be there before the mempool leaves a round of the DAG.
///
/// It is a wish: the round's own deadline ends the wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Nothing.
    Nothing,
    /// The certificate of this validator in that round.
    Certificate(ValidatorId),
    /// A verdict on this certificate of the round before: certificates of that round that cite it
    /// with the weight of validity, or that do not with the weight of a quorum.
    Verdict(HeaderDigest),
}
