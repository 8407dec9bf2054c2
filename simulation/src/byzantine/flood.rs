//! Says everything many times, and asks for everything again and again.
//!
//! Stopped by limits: each validator serves a peer so much at a time, and what it knows already
//! costs it a look.

use bytes::Bytes;
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, BatchDigest, HeaderDigest, Round, ValidatorId};
use rand::Rng;

use super::mail::{self, Content};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Flood {
    /// What it heard of lately and will ask for.
    headers: Vec<HeaderDigest>,
    batches: Vec<BatchDigest>,
}

/// It remembers so much.
const HEARD_MAX: usize = 64;

impl Sin for Flood {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let times = if around.random.gen_bool(0.1) { 30 } else { 2 };
        vec![letter; times]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        if let Some(primary::Message::Certificate(certificate)) = mail::primary(lane, bytes) {
            self.headers.push(certificate.digest());
        }
        if let Some(worker::Message::Batch(bytes)) = mail::worker(lane, bytes) {
            self.batches.push(Batch::digest_of(&bytes));
        }
        self.headers.truncate(HEARD_MAX);
        self.batches.truncate(HEARD_MAX);
        if around.random.gen_bool(0.9) {
            return Vec::new();
        }
        let rounds = vec![Round(0); around.identity.committee.len()];
        [
            Content::from(primary::Message::Want(self.headers.clone())).to(from),
            Content::from(primary::Message::Behind(rounds)).to(from),
            Content::from(primary::Message::Forgot).to(from),
            Content::from(worker::Message::Want(self.batches.clone())).to(from),
        ]
        .into_iter()
        .flat_map(|letter| vec![letter; 10])
        .collect()
    }
}
