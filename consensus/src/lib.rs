//! Rules that turn certificates into one total order.
//!
//! A protocol takes certificates in and gives [`Commit`]s out; nothing after the ordering knows
//! which one runs. All are functions of their inputs.

pub mod dag;
pub mod fcfs;
pub mod hotstuff;
pub mod leader;
pub mod linearizer;

mod bullshark;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod testing;

use std::{fmt, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_types::{
    Awaited, Certificate, Commit, Equivocation, HeaderDigest, Identity, Round, Timestamp,
    ValidatorId, Verified,
    codec::{self, DecodeError},
    genesis,
};

pub use bullshark::Bullshark;
pub use fcfs::Fcfs;
pub use hotstuff::HotStuff;

/// A rule that turns certificates into one total order, the same on every honest validator.
///
/// A protocol is a deterministic function of its inputs. It owns no clock, socket, disk or random
/// number, so one seed replays any run, and one driver serves them all.
pub trait Protocol: fmt::Debug + Send {
    /// Applies one input and returns what to do next, in order.
    ///
    /// Messages come from the network unchecked: any may arrive, and none may panic.
    #[must_use]
    fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect>;

    /// How many entries the collections hold that others feed: certificates, votes, announcements.
    /// Whoever drives a protocol may check that it stays within its bounds.
    fn size(&self) -> usize;
}

/// What a protocol is told at its birth.
#[derive(Clone, Debug)]
pub struct Config {
    /// The validator it runs on.
    pub identity: Identity,
    /// How many rounds below an anchor a certificate may still be ordered; 1 to 120. The same on
    /// all validators.
    pub gc_depth: u64,
    /// How long a leader of a protocol with leaders is waited for at first; grows without progress.
    pub view_timeout: Duration,
    /// The most it grows to.
    pub view_timeout_max: Duration,
}

/// What can happen to a protocol.
#[derive(Debug)]
pub enum Input {
    /// First input after a start: the records made durable before, oldest first; none on a new
    /// chain. The oldest may be missing; of each kind that [`Record::supersedes`] the newest is
    /// always there.
    Recovered(Vec<Record>),
    /// First input instead of the above when the disk was lost: we may have voted and not know it.
    /// The records are those that a commit left with others, vouched for by a quorum; none if nobody
    /// showed any.
    Forgotten(Vec<Record>),
    /// The mempool accepted a certificate, whose ancestors above the horizon were all delivered
    /// before. After a start those above the horizon come again, committed ones too.
    Certificate(Verified<Certificate>),
    /// A validator running the same protocol sent this.
    Message {
        /// That validator; the network vouches for it.
        from: ValidatorId,
        /// Unchecked.
        message: Message,
    },
    /// A timer asked for by [`Effect::SetTimer`] ran out.
    Timer(TimerId),
}

/// What a protocol asks of its driver. Effects are carried out in order; nothing behind a
/// [`Effect::Persist`] leaves this validator before the record is durable.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make this durable before carrying out anything that follows it.
    Persist(Record),
    /// Send to one validator; delivery is best effort.
    Send {
        /// Whom.
        to: ValidatorId,
        /// What.
        message: Message,
    },
    /// Send to every other validator; delivery is best effort.
    Broadcast(Message),
    /// Answer with [`Input::Timer`] once this much time has passed; replaces an earlier request for
    /// the same timer.
    SetTimer {
        /// Which.
        timer: TimerId,
        /// How long.
        after: Duration,
    },
    /// The mempool should not leave this round of the DAG before the awaited is there or the
    /// round's own deadline; lifted by the next `Hold` for that round.
    Hold {
        /// Which round.
        round: Round,
        /// For what.
        until: Awaited,
    },
    /// Put these bytes into our next header.
    Attach(Bytes),
    /// A message brought this certificate: hand it to the mempool, which may lack its ancestors.
    Certificate(Verified<Certificate>),
    /// This certificate has a place in the order and was not delivered: the mempool should ask that
    /// validator for it. Best effort.
    Want {
        /// Which.
        certificate: HeaderDigest,
        /// Who has it.
        from: ValidatorId,
    },
    /// Somebody contradicts itself. There is nothing to do about it but to tell the operator.
    Equivocated {
        /// Who.
        whom: ValidatorId,
        /// In what.
        what: Equivocation,
    },
    /// Append to the total order. Indexes count up from zero without gaps.
    Commit(Commit),
}

/// Names a timer of a protocol; what the number means is the protocol's affair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId(pub u8);

/// What validators running the same protocol say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// Of [`Fcfs`].
    Fcfs(fcfs::Message),
    /// Of [`HotStuff`].
    HotStuff(hotstuff::Message),
}

/// What must not be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Record {
    /// This was committed; there must never be another commit of that index. Of these the newest is
    /// enough to go on from.
    Committed {
        /// The stretch of the order.
        commit: Commit,
        /// What is ordered so far.
        order: linearizer::State,
        /// Who leads.
        schedule: leader::State,
    },
    /// Of [`HotStuff`].
    HotStuff(hotstuff::Record),
}

impl Record {
    /// Whether this record makes an older one superfluous. Commits are needed until they are
    /// executed all the same.
    pub fn supersedes(&self, older: &Self) -> bool {
        match (self, older) {
            (Self::Committed { .. }, Self::Committed { .. }) => true,
            (Self::HotStuff(newer), Self::HotStuff(older)) => newer.supersedes(older),
            (Self::Committed { .. }, Self::HotStuff(_))
            | (Self::HotStuff(_), Self::Committed { .. }) => false,
        }
    }
}

/// What the newest record of a commit says: what is ordered so far, and who leads. `None` on a new
/// chain.
fn last_committed(records: Vec<Record>) -> Option<(linearizer::State, leader::State)> {
    records.into_iter().rev().find_map(|record| match record {
        Record::Committed { commit: _, order, schedule } => Some((order, schedule)),
        Record::HotStuff(_) => None,
    })
}

impl Message {
    /// The largest message.
    pub const BYTES_MAX: usize = 1 << 20;

    /// Decodes a message.
    ///
    /// # Errors
    /// If there are too many bytes, or they are no message.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

/// Builds the protocol that the genesis names.
pub fn build(protocol: genesis::Protocol, config: Config) -> Box<dyn Protocol> {
    match protocol {
        genesis::Protocol::Fcfs => Box::new(Fcfs::new(config)),
        genesis::Protocol::HotStuff => Box::new(HotStuff::new(config)),
        genesis::Protocol::Bullshark => Box::new(Bullshark::new(config)),
    }
}
