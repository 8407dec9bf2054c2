//! Makes two batches of one number, and names batches that it named before.
//!
//! Stopped by L2: the order takes each place of a worker once.

use std::collections::BTreeMap;

use bytes::Bytes;
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, BatchDigest, BatchRef, Round, SignedHeader, ValidatorId};
use rand::Rng;

use super::{
    author::Author,
    mail::{self, Content},
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct SameSequence {
    author: Author,
    /// The twin of each batch.
    twins: BTreeMap<BatchDigest, (BatchRef, Bytes)>,
    /// What was named last.
    named: Vec<BatchRef>,
    headers: BTreeMap<Round, SignedHeader>,
}

/// So many batches are named again.
const AGAIN: usize = 8;

impl Sin for SameSequence {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let to = letter.to;
        if let Some(worker::Message::Batch(bytes)) = mail::worker(letter.lane, &letter.bytes) {
            let twin = self.twin(around, &bytes);
            let twin = twin.map(|bytes| Content::from(worker::Message::Batch(bytes)).to(to));
            // Everyone gets both, in an order of his own.
            let mut letters: Vec<_> = [letter].into_iter().chain(twin).collect();
            if around.random.gen_bool(0.5) {
                letters.reverse();
            }
            return letters;
        }
        if let Some(primary::Message::Header(honest)) = mail::primary(letter.lane, &letter.bytes) {
            let header = self.header(around, &honest);
            return vec![Content::from(primary::Message::Header(header)).to(to)];
        }
        vec![letter]
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        let mut letters = Vec::new();
        if let Some(worker::Message::Want(wanted)) = mail::worker(lane, bytes) {
            let twins = self.twins.values().filter(|(twin, _)| wanted.contains(&twin.digest));
            letters.extend(
                twins.map(|(_, it)| Content::from(worker::Message::Batch(it.clone())).to(from)),
            );
        }
        letters.extend(self.author.hear(around.identity, lane, bytes));
        letters
    }
}

impl SameSequence {
    /// The other batch with the number of this one, if this one is ours.
    fn twin(&mut self, around: &Surroundings<'_>, bytes: &Bytes) -> Option<Bytes> {
        let digest = Batch::digest_of(bytes);
        if let Some((_, twin)) = self.twins.get(&digest) {
            return Some(twin.clone());
        }
        let mut batch = Batch::decode(bytes).ok()?;
        if batch.author != around.identity.id {
            return None;
        }
        batch.transactions.push(Bytes::from_static(b"and one more"));
        let (twin, encoded) = batch.encode();
        let twin = BatchRef { digest: twin, worker: batch.worker, sequence: batch.sequence };
        self.twins.insert(digest, (twin, encoded.clone()));
        Some(encoded)
    }

    /// Names the batches, their twins, and some of earlier headers.
    fn header(&mut self, around: &Surroundings<'_>, honest: &SignedHeader) -> SignedHeader {
        if let Some(header) = self.headers.get(&honest.header().round) {
            return header.clone();
        }
        let mut header = honest.header().clone();
        let twins = header.batches.iter().filter_map(|batch| self.twins.get(&batch.digest));
        let twins: Vec<_> = twins.map(|(twin, _)| *twin).collect();
        let fresh = [twins, header.batches.clone()].concat();
        header.batches.clone_from(&fresh);
        for batch in self.named.iter().rev().take(AGAIN) {
            if header.batches.iter().all(|named| named.digest != batch.digest) {
                header.batches.push(*batch);
            }
        }
        self.named.extend(fresh);
        let header = self.author.sign(around.identity, header);
        self.headers.insert(honest.header().round, header.clone());
        header
    }
}
