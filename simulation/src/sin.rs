//! The door for liars: what a faulty validator does to what it says.
//!
//! A faulty validator runs the honest code; a sin sits between it and the network. It may drop,
//! alter, delay by keeping, and invent messages, sign with its own key, and look at what arrives.

use std::fmt;

use bytes::Bytes;
use kraken_types::{Identity, Timestamp, ValidatorId};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// Which part of a validator a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// [`kraken_mempool::worker::Message`].
    Worker,
    /// [`kraken_ordering::Message`].
    Ordering,
}

/// An encoded message on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: ValidatorId,
    /// To which part.
    pub lane: Lane,
    /// Encoded.
    pub bytes: Bytes,
}

/// What a sinner has at hand.
#[derive(Debug)]
pub struct Surroundings<'a> {
    /// Its time.
    pub now: Timestamp,
    /// Its place, its key, its committee.
    pub identity: &'a Identity,
    /// The chance of this seed.
    pub random: &'a mut ChaCha8Rng,
}

/// One way to misbehave.
pub trait Sin: fmt::Debug + Send {
    /// The honest code wants to send `letter`, whose records are durable. Returns what is sent
    /// instead, in order.
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let _ = around;
        vec![letter]
    }

    /// Whether the honest code is to see a message that arrived.
    fn hears(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> bool {
        let _ = (around, from, lane, bytes);
        true
    }

    /// A message arrived. Returns what is sent besides what the honest code has to say to it.
    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        let _ = (around, from, lane, bytes);
        Vec::new()
    }
}

/// A sin with all that it needs, for whoever drives a liar outside of a [`World`](crate::World).
#[derive(Debug)]
pub struct Sinner {
    identity: Identity,
    sin: Box<dyn Sin>,
    random: ChaCha8Rng,
}

impl Sinner {
    /// A validator with this sin; what it draws follows from the seed.
    pub fn new(identity: Identity, sin: Box<dyn Sin>, seed: u64) -> Self {
        Self { identity, sin, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// What is sent in the place of what the honest code says.
    pub fn outgoing(&mut self, now: Timestamp, letter: Letter) -> Vec<Letter> {
        let Self { identity, sin, random } = self;
        sin.outgoing(&mut Surroundings { now, identity, random }, letter)
    }

    /// Whether the honest code is to see what arrived, and what is sent besides its answer.
    pub fn incoming(
        &mut self,
        now: Timestamp,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> (bool, Vec<Letter>) {
        let Self { identity, sin, random } = self;
        let mut around = Surroundings { now, identity, random };
        let hears = sin.hears(&mut around, from, lane, bytes);
        (hears, sin.incoming(&mut around, from, lane, bytes))
    }
}
