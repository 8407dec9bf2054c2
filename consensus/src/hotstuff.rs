//! HotStuff.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::Timestamp;

use crate::{Config, Effect, Input, Protocol};

/// HotStuff.
#[derive(Debug)]
pub struct HotStuff {
    config: Config,
}

impl HotStuff {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Protocol for HotStuff {
    fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let _ = (now, input, &self.config);
        Vec::new()
    }

    fn size(&self) -> usize {
        0
    }
}

/// What validators running HotStuff say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Message;

/// What must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Record;

impl Record {
    /// Whether this record makes an older one superfluous.
    pub fn supersedes(&self, older: &Self) -> bool {
        let _ = older;
        true
    }
}
