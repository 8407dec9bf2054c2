//! Repeats old messages, its own and those of others, and signs for another chain or epoch.
//!
//! Stopped by what is signed: every digest covers chain and epoch; and by rounds, which only grow.

use std::sync::Arc;

use bytes::Bytes;
use kraken_consensus::hotstuff;
use kraken_mempool::{primary, worker};
use kraken_types::{Batch, Committee, Digest, Epoch, Header, Identity, ValidatorId, Vote};
use rand::Rng;

use super::{
    mail::{self, Content},
    memory::Memory,
};
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct Replay {
    /// What was said before, by whomever.
    old: Memory<(Lane, Bytes)>,
}

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
            self.old.keep(around.random, (lane, bytes.clone()));
        }
    }

    fn repeat(&self, around: &mut Surroundings<'_>) -> Option<Letter> {
        let to = mail::anyone(around.identity, around.random)?;
        let (lane, bytes) = self.old.any(around.random)?;
        around.random.gen_bool(0.3).then_some(Letter { to, lane, bytes })
    }
}

/// The same message, for another chain or another epoch, in good form there.
fn foreign(around: &mut Surroundings<'_>, letter: &Letter) -> Option<Content> {
    let elsewhere = elsewhere(around)?;
    let epoch = elsewhere.committee.epoch();
    if let Some(worker::Message::Batch(bytes)) = mail::worker(letter.lane, &letter.bytes) {
        let batch = Batch { epoch, ..Batch::decode(&bytes).ok()? };
        return Some(worker::Message::Batch(batch.encode().1).into());
    }
    match mail::primary(letter.lane, &letter.bytes) {
        Some(message) => foreign_primary(&elsewhere, &message).map(Content::from),
        None => foreign_hotstuff(&elsewhere, mail::hotstuff(letter.lane, &letter.bytes)?)
            .map(Content::from),
    }
}

fn foreign_primary(elsewhere: &Identity, message: &primary::Message) -> Option<primary::Message> {
    let (genesis, epoch) = (elsewhere.committee.genesis(), elsewhere.committee.epoch());
    if let primary::Message::Header(signed) = message {
        let header = Header { genesis, epoch, ..signed.header().clone() };
        return Some(primary::Message::Header(header.sign(elsewhere).into_inner()));
    }
    if let primary::Message::Vote(vote) = message {
        return Some(primary::Message::Vote(Vote::sign(vote.header, elsewhere).into_inner()));
    }
    None
}

fn foreign_hotstuff(elsewhere: &Identity, message: hotstuff::Message) -> Option<hotstuff::Message> {
    use hotstuff::{
        Message,
        message::Proposal,
        quorum::{Timeout, Vote},
    };
    if let Message::Proposal(honest) = message {
        let Proposal { block, qc, tc, signature: _ } = *honest;
        let proposal = Proposal::sign(block, qc, tc, elsewhere).into_inner();
        return Some(Message::Proposal(Box::new(proposal)));
    }
    if let Message::Vote(vote) = message {
        return Some(Message::Vote(Vote::sign(vote.block, elsewhere).into_inner()));
    }
    if let Message::Timeout(honest) = message {
        let Timeout { view, high_qc, tc, .. } = *honest;
        let timeout = Timeout::sign(view, high_qc, tc, elsewhere).into_inner();
        return Some(Message::Timeout(Box::new(timeout)));
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
