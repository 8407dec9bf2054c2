//! Shows certificates that no quorum signed.
//!
//! Stopped by checking them: weight, strangers, each signature.

use bytes::Bytes;
use kraken_consensus::hotstuff::{
    self,
    block::{BlockId, BlockRef},
    message::Status,
    quorum::{self, Qc, Tc, Timeout},
};
use kraken_mempool::primary::Message;
use kraken_types::{
    BatchDigest, BatchRef, Certificate, Digest, Header, Identity, Signature, Signers, ValidatorId,
    View, Vote, WorkerId,
    codec::{self, CERTIFICATE_BYTES_MAX},
};
use rand::Rng;

use super::mail::{self, Content};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Forge {
    /// A signature of somebody else, over something else.
    borrowed: Option<Vote>,
}

impl Sin for Forge {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let to = letter.to;
        if let Some(hotstuff::Message::Vote(vote)) = mail::hotstuff(letter.lane, &letter.bytes) {
            let status = status(around, &vote);
            return vec![Content::from(hotstuff::Message::Status(Box::new(status))).to(to), letter];
        }
        let message = mail::primary(letter.lane, &letter.bytes);
        let forged = if let Some(Message::Header(signed)) = &message {
            Message::Certificate(self.certificate(around, signed.header()))
        } else if let Some(Message::Vote(vote)) = &message {
            Message::Vote(self.vote(vote))
        } else {
            return vec![letter];
        };
        vec![Content::from(forged).to(to), letter]
    }

    fn incoming(
        &mut self,
        _around: &mut Surroundings<'_>,
        _from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        if let Some(Message::Vote(vote)) = mail::primary(lane, bytes) {
            self.borrowed = Some(vote);
        }
        Vec::new()
    }
}

impl Forge {
    /// A certificate of a header that nobody has seen yet, or ever will.
    fn certificate(&self, around: &mut Surroundings<'_>, honest: &Header) -> Certificate {
        let mut header = honest.clone();
        if around.random.gen_bool(0.5) {
            let digest = BatchDigest(Digest::of("kraken simulation nothing v1", &header.round));
            header.batches.push(BatchRef { digest, worker: WorkerId(0), sequence: u64::MAX });
        }
        let own = Vote::sign(header.digest(), around.identity).into_inner().signature;
        let all: Vec<_> = around.identity.committee.ids().collect();
        match around.random.gen_range(0..4) {
            0 => alone(&header, around.identity),
            1 => of(&header, &all, &vec![own; all.len()]),
            2 => of(&header, &all, &[own]),
            _ => {
                let borrowed = self.borrowed.as_ref().map_or(own, |vote| vote.signature);
                of(&header, &all, &vec![borrowed; all.len()])
            }
        }
    }

    /// A vote in the name of somebody else.
    fn vote(&self, vote: &Vote) -> Vote {
        match &self.borrowed {
            Some(other) => Vote { voter: other.voter, ..vote.clone() },
            None => Vote { voter: ValidatorId(u16::MAX), ..vote.clone() },
        }
    }
}

/// A certificate with the signature of its author alone.
pub fn alone(header: &Header, identity: &Identity) -> Certificate {
    let vote = Vote::sign(header.digest(), identity).into_inner();
    of(header, &[identity.id], &[vote.signature])
}

/// A certificate of any parts.
///
/// # Panics
/// Never: it is the encoding of a certificate, right or wrong.
pub fn of(header: &Header, signers: &[ValidatorId], signatures: &[Signature]) -> Certificate {
    let signers: Signers = signers.iter().copied().collect();
    let bytes = codec::encode(&(header, signers, signatures));
    codec::decode(&bytes, CERTIFICATE_BYTES_MAX).expect("the parts are those of a certificate")
}

/// Progress that nobody made: a certificate of the block of a vote, or of one that does not exist.
fn status(around: &mut Surroundings<'_>, vote: &quorum::Vote) -> Status {
    let identity = around.identity;
    let id = BlockId(Digest::of("kraken simulation nothing v1", &vote.block));
    let block =
        if around.random.gen_bool(0.5) { vote.block } else { BlockRef { id, ..vote.block } };
    let signers = signers(around);
    let high_tc = around.random.gen_bool(0.5).then(|| tc(block.view, &signers, identity));
    Status { asked_at: None, high_qc: qc(block, &signers, identity), high_tc }
}

/// The forger alone, or everyone.
fn signers(around: &mut Surroundings<'_>) -> Signers {
    let identity = around.identity;
    let alone = around.random.gen_bool(0.5);
    identity.committee.ids().filter(|id| !alone || *id == identity.id).collect()
}

/// A certificate of a block that the forger signed for all these.
pub fn qc(block: BlockRef, signers: &Signers, identity: &Identity) -> Qc {
    let own = quorum::Vote::sign(block, identity).into_inner().signature;
    Qc { block, signers: signers.clone(), signatures: vec![own; signers.len()] }
}

/// Proof by the forger that all these gave up on a view.
fn tc(view: View, signers: &Signers, identity: &Identity) -> Tc {
    let high_qc = Qc::genesis(&identity.committee).into_inner();
    let timeout = Timeout::sign(view, high_qc.clone(), None, identity).into_inner();
    let timeouts = vec![(high_qc.block.view, timeout.signature); signers.len()];
    Tc { view, high_qc, signers: signers.clone(), timeouts }
}
