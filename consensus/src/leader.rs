//! Who leads: a schedule that gives turns to those whose work gets ordered.

use borsh::{BorshDeserialize, BorshSerialize};

/// What the schedule has learned from the order so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct State {}
