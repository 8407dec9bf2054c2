//! Bullshark.

use kraken_types::Timestamp;

use crate::{Config, Effect, Input, Protocol};

/// Bullshark.
#[derive(Debug)]
pub struct Bullshark {
    config: Config,
}

impl Bullshark {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Protocol for Bullshark {
    fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        let _ = (now, input, &self.config);
        Vec::new()
    }

    fn size(&self) -> usize {
        0
    }
}
