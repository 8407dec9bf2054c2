//! Sends each of its batches to as few as it must, and serves none; names batches that nobody has.
//!
//! Stopped by P3, a vote says that the voter holds the payload, and by W6: who lacks a batch of a
//! certified header gets it from those that vouch for it.

use std::collections::BTreeMap;

use bytes::Bytes;
use kraken_mempool::{primary, worker};
use kraken_types::{
    Batch, BatchDigest, BatchRef, Digest, Round, SignedHeader, ValidatorId, WorkerId,
};
use rand::{Rng, seq::SliceRandom};

use super::{
    author::Author,
    mail::{self, Content},
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct WithholdPayload {
    author: Author,
    /// Who is sent which batch.
    friends: BTreeMap<BatchDigest, Vec<ValidatorId>>,
    /// Headers that name what is not there; `None` where the honest one is sent.
    hollow: BTreeMap<Round, Option<SignedHeader>>,
}

impl Sin for WithholdPayload {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        if let Some(worker::Message::Batch(bytes)) = mail::worker(letter.lane, &letter.bytes) {
            let digest = Batch::digest_of(&bytes);
            let friends = self.friends.entry(digest).or_insert_with(|| few(around));
            return if friends.contains(&letter.to) { vec![letter] } else { Vec::new() };
        }
        if let Some(primary::Message::Header(honest)) = mail::primary(letter.lane, &letter.bytes)
            && let Some(hollow) = self.hollow(around, &honest)
        {
            return vec![Content::from(primary::Message::Header(hollow)).to(letter.to)];
        }
        vec![letter]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        self.author.hear(around.identity, lane, bytes)
    }
}

impl WithholdPayload {
    /// Every fifth header names a batch that does not exist.
    fn hollow(
        &mut self,
        around: &mut Surroundings<'_>,
        honest: &SignedHeader,
    ) -> Option<SignedHeader> {
        let round = honest.header().round;
        let decided = self.hollow.entry(round).or_insert_with(|| {
            let mut header = honest.header().clone();
            let digest = BatchDigest(Digest::of("kraken simulation nothing v1", &round));
            header.batches.push(BatchRef { digest, worker: WorkerId(0), sequence: round.0 });
            around.random.gen_bool(0.2).then(|| self.author.sign(around.identity, header))
        });
        decided.clone()
    }
}

/// As many of the others as make a quorum with us.
fn few(around: &mut Surroundings<'_>) -> Vec<ValidatorId> {
    let mut peers: Vec<_> = around.identity.peers().collect();
    peers.shuffle(around.random);
    let committee = &around.identity.committee;
    let mut weight = committee.stake(around.identity.id);
    peers.retain(|id| {
        let is_needed = weight < committee.quorum();
        weight += committee.stake(*id);
        is_needed
    });
    peers
}
