//! Repeats old messages, its own and those of others, and signs for another chain or epoch.
//!
//! Stopped by what is signed: every digest covers chain and epoch; and by rounds, which only grow.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, Committee, Digest, Epoch, Header, Identity, ValidatorId, Vote};
use rand::Rng;

use super::mail::{self, Content};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Replay {
    /// What was said before, by whomever.
    old: VecDeque<(Lane, Bytes)>,
}

/// It remembers so much.
const OLD_MAX: usize = 500;

impl Sin for Replay {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        self.remember(around, letter.lane, &letter.bytes);
        let mut letters = vec![letter];
        if around.random.gen_bool(0.3) {
            let foreign = foreign(around, &letters[0]);
            letters.extend(foreign.map(|content| content.to(letters[0].to)));
        }
        letters.extend(self.repeat(around));
        letters
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        self.remember(around, lane, bytes);
        Vec::new()
    }
}

impl Replay {
    fn remember(&mut self, around: &mut Surroundings<'_>, lane: Lane, bytes: &Bytes) {
        if around.random.gen_bool(0.2) {
            self.old.push_back((lane, bytes.clone()));
        }
        if OLD_MAX < self.old.len() {
            self.old.pop_front();
        }
    }

    fn repeat(&self, around: &mut Surroundings<'_>) -> Option<Letter> {
        let to = mail::anyone(around.identity, around.random)?;
        let place = around.random.gen_range(0..self.old.len().max(1));
        let (lane, bytes) = self.old.get(place).filter(|_| around.random.gen_bool(0.3))?;
        Some(Letter { to, lane: *lane, bytes: bytes.clone() })
    }
}

/// The same message, for another chain or another epoch, in good form there.
fn foreign(around: &mut Surroundings<'_>, letter: &Letter) -> Option<Content> {
    let elsewhere = elsewhere(around)?;
    let (genesis, epoch) = (elsewhere.committee.genesis(), elsewhere.committee.epoch());
    if let Some(worker::Message::Batch(bytes)) = mail::worker(letter.lane, &letter.bytes) {
        let batch = Batch { epoch, ..Batch::decode(&bytes).ok()? };
        return Some(worker::Message::Batch(batch.encode().1).into());
    }
    let message = mail::primary(letter.lane, &letter.bytes)?;
    if let primary::Message::Header(signed) = message {
        let header = Header { genesis, epoch, ..signed.header().clone() };
        return Some(primary::Message::Header(header.sign(&elsewhere).into_inner()).into());
    }
    if let primary::Message::Vote(vote) = message {
        let vote = Vote::sign(vote.header, &elsewhere).into_inner();
        return Some(primary::Message::Vote(vote).into());
    }
    None
}

/// Our committee on another chain, or in another epoch.
fn elsewhere(around: &mut Surroundings<'_>) -> Option<Identity> {
    let committee = &around.identity.committee;
    let members = committee.ids().filter_map(|id| committee.get(id).copied()).collect();
    let (genesis, epoch) = if around.random.gen_bool(0.5) {
        (Digest::of("kraken simulation elsewhere v1", &committee.genesis()), committee.epoch())
    } else {
        (committee.genesis(), Epoch(committee.epoch().0.wrapping_add(1)))
    };
    let committee = Arc::new(Committee::new(genesis, epoch, members).ok()?);
    Some(Identity { committee, ..around.identity.clone() })
}
