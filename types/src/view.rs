//! Views: the terms of a leader.

use borsh::{BorshDeserialize, BorshSerialize};

/// The term of one leader in a protocol that has leaders. View 0 is the genesis.
///
/// Not a [`Round`](crate::Round), which counts layers of the DAG, and never converted to one.
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
pub struct View(pub u64);

impl View {
    /// The view after this one.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
