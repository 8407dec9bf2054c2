//! Answers those who are behind with certificates that are wrong, old, altered or out of order,
//! with batches that nobody asked for, and with absurd rounds.
//!
//! Stopped by checking answers like everything else, by digests, and by asking somebody else next.

use bytes::Bytes;
use kraken_consensus::hotstuff::{
    self,
    block::Block,
    message::{BLOCKS_MAX, Status},
    quorum::Qc,
};
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, Certificate, Header, Signers, Timestamp, ValidatorId, View, Vote};
use rand::{Rng, seq::SliceRandom};

use super::{
    forge,
    mail::{self, Content},
    memory::Memory,
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct LieInSync {
    /// Good certificates that it heard of.
    heard: Memory<Certificate>,
    /// Batches that it heard of.
    batches: Memory<Bytes>,
    /// Blocks that it heard of.
    blocks: Memory<Block>,
    /// Certificates of blocks.
    qcs: Memory<Qc>,
}

impl Sin for LieInSync {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let message = mail::primary(letter.lane, &letter.bytes);
        if let Some(primary::Message::Certificates(certificates)) = message {
            let lie = primary::Message::Certificates(self.certificates(around, certificates));
            return vec![Content::from(lie).to(letter.to)];
        }
        if let Some(primary::Message::Reached(highest)) = message {
            let lie = self.reached(around, highest);
            return vec![Content::from(primary::Message::Reached(lie)).to(letter.to)];
        }
        let message = mail::hotstuff(letter.lane, &letter.bytes);
        if let Some(hotstuff::Message::Blocks(blocks)) = message {
            let lie = hotstuff::Message::Blocks(self.blocks(around, blocks));
            return vec![Content::from(lie).to(letter.to)];
        }
        if let Some(hotstuff::Message::Status(status)) = message {
            let lie = hotstuff::Message::Status(Box::new(self.status(around, *status)));
            return vec![Content::from(lie).to(letter.to)];
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
        if let Some(message) = mail::worker(lane, bytes) {
            return self.hear_worker(around, from, message);
        }
        if let Some(message) = mail::primary(lane, bytes) {
            return self.hear_primary(around, from, message);
        }
        match mail::hotstuff(lane, bytes) {
            Some(message) => self.hear_hotstuff(around, from, message),
            None => Vec::new(),
        }
    }
}

impl LieInSync {
    fn hear_worker(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        message: worker::Message,
    ) -> Vec<Letter> {
        match message {
            worker::Message::Batch(batch) => self.batches.keep(around.random, batch),
            worker::Message::Stored(_) => {}
            worker::Message::Want(_) => {
                let batch = self.batches.any(around.random).map(|batch| altered(&batch));
                let message = |bytes| Content::from(worker::Message::Batch(bytes)).to(from);
                return batch.map(message).into_iter().collect();
            }
        }
        Vec::new()
    }

    fn hear_primary(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        message: primary::Message,
    ) -> Vec<Letter> {
        use primary::Message::{Behind, Certificate, Certificates, Forgot, Want};
        if let Certificate(certificate) = message {
            self.heard.keep(around.random, certificate);
            return Vec::new();
        }
        if matches!(message, Want(_) | Behind(_) | Forgot) {
            let lie = self.certificates(around, self.heard.all().to_vec());
            return vec![Content::from(Certificates(lie)).to(from)];
        }
        Vec::new()
    }

    fn hear_hotstuff(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        message: hotstuff::Message,
    ) -> Vec<Letter> {
        use hotstuff::Message::{Blocks, Forgot, Proposal, Want};
        if let Proposal(proposal) = message {
            self.blocks.keep(around.random, proposal.block);
            self.qcs.keep(around.random, proposal.qc);
            return Vec::new();
        }
        if let Forgot(at) = message {
            let own = Qc::genesis(&around.identity.committee).into_inner();
            let status = Status { asked_at: Some(at), high_qc: own, high_tc: None };
            let lie = self.status(around, status);
            return vec![Content::from(hotstuff::Message::Status(Box::new(lie))).to(from)];
        }
        if matches!(message, Want { .. }) {
            let lie = self.blocks(around, self.blocks.all().to_vec());
            return vec![Content::from(Blocks(lie)).to(from)];
        }
        Vec::new()
    }

    fn blocks(&self, around: &mut Surroundings<'_>, mut blocks: Vec<Block>) -> Vec<Block> {
        match around.random.gen_range(0..5) {
            0 => blocks.clear(),
            1 => blocks.reverse(),
            2 => blocks = self.blocks.all().to_vec(),
            3 => blocks = blocks.into_iter().cycle().take(BLOCKS_MAX + 1).collect(),
            _ => blocks.iter_mut().for_each(|block| block.cut = None),
        }
        blocks
    }

    /// An old one, or one of our own making.
    fn status(&self, around: &mut Surroundings<'_>, honest: Status) -> Status {
        let asked_at = honest.asked_at.filter(|_| around.random.gen_bool(0.8));
        let Some(mut high_qc) = self.qcs.any(around.random) else { return honest };
        if around.random.gen_bool(0.3) {
            high_qc.block.view = View(high_qc.block.view.0.saturating_add(1_000));
        }
        Status { asked_at, high_qc, high_tc: honest.high_tc }
    }

    /// Nothing, something old, or a certificate of our own making.
    fn reached(
        &self,
        around: &mut Surroundings<'_>,
        highest: Option<Certificate>,
    ) -> Option<Certificate> {
        match around.random.gen_range(0..3) {
            0 => None,
            1 => self.heard.any(around.random),
            _ => highest.map(|highest| {
                let round = highest.header().round.ahead(500);
                forge::alone(&Header { round, ..highest.header().clone() }, around.identity)
            }),
        }
    }

    fn certificates(
        &self,
        around: &mut Surroundings<'_>,
        mut certificates: Vec<Certificate>,
    ) -> Vec<Certificate> {
        match around.random.gen_range(0..6) {
            0 => certificates.clear(),
            1 => certificates.reverse(),
            2 => certificates.shuffle(around.random),
            3 => certificates = self.heard.all().to_vec(),
            4 => {
                let copies = primary::Message::SYNC_MAX + 44;
                certificates = certificates.into_iter().cycle().take(copies).collect();
            }
            _ => certificates = certificates.iter().map(|good| bent(around, good)).collect(),
        }
        certificates
    }
}

/// Almost the certificate: one thing about its header is different, and the signatures are ours.
fn bent(around: &mut Surroundings<'_>, good: &Certificate) -> Certificate {
    let mut header = good.header().clone();
    match around.random.gen_range(0..3) {
        0 => header.created_at = Timestamp::ZERO,
        1 => header.parents.reverse(),
        _ => header.batches.clear(),
    }
    let own = Vote::sign(header.digest(), around.identity).into_inner().signature;
    let signers: &Signers = good.signers();
    let signers: Vec<_> = signers.iter().collect();
    forge::of(&header, &signers, &vec![own; signers.len()])
}

/// Almost the batch.
fn altered(bytes: &Bytes) -> Bytes {
    Batch::decode(bytes).map_or_else(
        |_| bytes.clone(),
        |mut batch| {
            batch.transactions.reverse();
            batch.transactions.push(Bytes::from_static(b"a lie"));
            batch.encode().1
        },
    )
}
