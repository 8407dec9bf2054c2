//! Fcfs.

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::Timestamp;

use crate::{Config, Effect, Input, Protocol};

/// Fcfs.
#[derive(Debug)]
pub struct Fcfs {
    config: Config,
}

impl Fcfs {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Protocol for Fcfs {
    fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let _ = (now, input, &self.config);
        Vec::new()
    }

    fn size(&self) -> usize {
        0
    }
}

/// What validators running FCFS say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Message;
