//! Rules that turn certificates into one total order.
//!
//! A protocol takes certificates in and gives [`Commit`]s out; nothing after `sequencer::ordering`
//! knows which one runs. All are functions of their inputs.

mod fcfs;

use std::{fmt, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Certificate, Commit, Committee, Round, ValidatorId, genesis};

pub use fcfs::Fcfs;

/// A rule that turns certificates into one total order, the same on every honest validator.
///
/// A protocol is a deterministic function of its inputs. It owns no clock, socket, disk or random
/// number, so one seed replays any run, and the driver in `sequencer::ordering` serves them all.
pub trait Protocol: fmt::Debug + Send {
    /// Applies one input and returns what to do next, in order.
    #[must_use]
    fn step(&mut self, input: Input) -> Vec<Effect>;
}

/// What can happen to a protocol.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the records made durable before, oldest first. The oldest may be
    /// missing, the newest is always there.
    Recovered(Vec<Record>),
    /// The mempool certified a header whose ancestors were all delivered before.
    Certificate(Certificate),
}

/// What a protocol asks of its driver.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make this durable before carrying out anything that follows it.
    Persist(Record),
    /// Append to the total order. Indexes count up from zero without gaps.
    Commit(Commit),
}

/// What must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// This was committed; there must never be another commit of that index.
    Committed {
        /// The stretch of the order.
        commit: Commit,
        /// Whose header the anchor is.
        author: ValidatorId,
        /// The round of the anchor.
        round: Round,
    },
}

/// Builds the protocol that the genesis names.
pub fn build(protocol: genesis::Protocol, committee: Arc<Committee>) -> Box<dyn Protocol> {
    match protocol {
        genesis::Protocol::Fcfs => Box::new(Fcfs::new(committee)),
    }
}
