//! Says everything many times, and asks for everything again and again.
//!
//! Stopped by limits: each validator serves a peer so much at a time, and what it knows already
//! costs it a look.

use std::time::Duration;

use bytes::Bytes;
use kraken_consensus::hotstuff::{self, block::BlockId};
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, BatchDigest, HeaderDigest, Round, Timestamp, ValidatorId, View};
use rand::Rng;

use super::{
    mail::{self, Content},
    memory::Memory,
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Flood {
    /// What it heard of and asks for.
    headers: Memory<HeaderDigest>,
    batches: Memory<BatchDigest>,
    blocks: Memory<BlockId>,
    /// When it asks next: two of them would answer each other with more and more.
    next: Timestamp,
}

/// It asks so often.
const EVERY: Duration = Duration::from_millis(100);

impl Sin for Flood {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let times = if around.random.gen_bool(0.05) { 20 } else { 1 };
        vec![letter; times]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        let random = &mut *around.random;
        if let Some(primary::Message::Certificate(certificate)) = mail::primary(lane, bytes) {
            self.headers.keep(random, certificate.digest());
        }
        if let Some(worker::Message::Batch(bytes)) = mail::worker(lane, bytes) {
            self.batches.keep(random, Batch::digest_of(&bytes));
        }
        if let Some(hotstuff::Message::Vote(vote)) = mail::hotstuff(lane, bytes) {
            self.blocks.keep(random, vote.block.id);
        }
        if around.now < self.next {
            return Vec::new();
        }
        self.next = around.now + EVERY;
        let rounds = vec![Round(0); around.identity.committee.len()];
        let mut contents = vec![
            Content::from(primary::Message::Want(self.headers.all().to_vec())),
            Content::from(primary::Message::Behind(rounds)),
            Content::from(primary::Message::Forgot),
            Content::from(worker::Message::Want(self.batches.all().to_vec())),
            Content::from(hotstuff::Message::Forgot(around.now)),
        ];
        if let Some(block) = self.blocks.any(around.random) {
            contents.push(hotstuff::Message::Want { block, above: View(0) }.into());
        }
        contents.iter().flat_map(|content| vec![content.to(from); 4]).collect()
    }
}
