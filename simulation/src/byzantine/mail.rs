//! Opening and writing letters.

use kraken_consensus::{self as consensus, hotstuff};
use kraken_mempool::{primary, worker};
use kraken_ordering as ordering;
use kraken_types::{Identity, ValidatorId, codec};
use rand::{Rng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::sin::{Lane, Letter};

/// What a letter may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Between workers.
    Worker(worker::Message),
    /// Between ordering parts.
    Ordering(ordering::Message),
}

/// What a worker would read in these bytes.
pub fn worker(lane: Lane, bytes: &[u8]) -> Option<worker::Message> {
    let message = worker::Message::decode(bytes);
    message.ok().filter(|_| lane == Lane::Worker)
}

/// What a primary would read in these bytes.
pub fn primary(lane: Lane, bytes: &[u8]) -> Option<primary::Message> {
    match ordering(lane, bytes)? {
        ordering::Message::Primary(message) => Some(message),
        ordering::Message::Protocol(_) => None,
    }
}

/// What HotStuff would read in these bytes.
pub fn hotstuff(lane: Lane, bytes: &[u8]) -> Option<hotstuff::Message> {
    match ordering(lane, bytes)? {
        ordering::Message::Protocol(consensus::Message::HotStuff(message)) => Some(message),
        ordering::Message::Protocol(consensus::Message::Fcfs(_))
        | ordering::Message::Primary(_) => None,
    }
}

fn ordering(lane: Lane, bytes: &[u8]) -> Option<ordering::Message> {
    let message = ordering::Message::decode(bytes);
    message.ok().filter(|_| lane == Lane::Ordering)
}

impl Content {
    /// Writes it down for one validator.
    pub fn to(&self, to: ValidatorId) -> Letter {
        let (lane, bytes) = match self {
            Self::Worker(message) => (Lane::Worker, codec::encode(message)),
            Self::Ordering(message) => (Lane::Ordering, codec::encode(message)),
        };
        Letter { to, lane, bytes: bytes.into() }
    }

    /// Writes it down for every other validator.
    pub fn to_all(&self, identity: &Identity) -> Vec<Letter> {
        identity.peers().map(|to| self.to(to)).collect()
    }
}

impl From<worker::Message> for Content {
    fn from(message: worker::Message) -> Self {
        Self::Worker(message)
    }
}

impl From<primary::Message> for Content {
    fn from(message: primary::Message) -> Self {
        Self::Ordering(ordering::Message::Primary(message))
    }
}

impl From<hotstuff::Message> for Content {
    fn from(message: hotstuff::Message) -> Self {
        Self::Ordering(ordering::Message::Protocol(consensus::Message::HotStuff(message)))
    }
}

/// Some of the other validators, each with an even chance.
pub fn some(identity: &Identity, random: &mut ChaCha8Rng) -> Vec<ValidatorId> {
    identity.peers().filter(|_| random.gen_bool(0.5)).collect()
}

/// One of the other validators; `None` for a lone one.
pub fn anyone(identity: &Identity, random: &mut ChaCha8Rng) -> Option<ValidatorId> {
    identity.peers().collect::<Vec<_>>().choose(random).copied()
}
