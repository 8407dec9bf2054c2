//! Shows each of its certificates and proposals to one validator only, or to everyone but late.
//!
//! So anchors of its own come when the others just gave up waiting, and what cites them must be
//! completed first. Stopped by P5, missing ancestors are fetched, and by the deadline of a round.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use kraken_consensus::hotstuff;
use kraken_mempool::primary::Message;
use kraken_types::{Round, Timestamp, ValidatorId, View};
use rand::Rng;

use super::mail;
use crate::sin::{Lane, Letter, Sin, Surroundings};

/// The sinner.
#[derive(Debug, Default)]
pub struct WithholdCertificates {
    /// What it does with each of them.
    plans: BTreeMap<Thing, Plan>,
    /// Letters that are kept, by when they go.
    kept: BTreeMap<Timestamp, Vec<Letter>>,
}

/// A certificate or a proposal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing {
    Certificate(Round),
    Proposal(View),
}

#[derive(Clone, Copy, Debug)]
enum Plan {
    Only(ValidatorId),
    Late(Timestamp),
}

impl Sin for WithholdCertificates {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let mut letters = self.release(around.now);
        let message = mail::primary(letter.lane, &letter.bytes);
        // Nor does it answer those who ask.
        if let Some(Message::Certificates(_)) = message {
            return letters;
        }
        let plan = own_thing(around, &letter).map(|thing| self.plan(around, thing));
        match plan {
            Some(Plan::Only(friend)) if friend != letter.to => {}
            Some(Plan::Late(at)) if around.now < at => {
                self.kept.entry(at).or_default().push(letter);
            }
            Some(Plan::Only(_) | Plan::Late(_)) | None => letters.push(letter),
        }
        letters
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        _from: ValidatorId,
        _lane: Lane,
        _bytes: &Bytes,
    ) -> Vec<Letter> {
        self.release(around.now)
    }
}

impl WithholdCertificates {
    fn plan(&mut self, around: &mut Surroundings<'_>, thing: Thing) -> Plan {
        *self.plans.entry(thing).or_insert_with(|| {
            let friend = mail::anyone(around.identity, around.random);
            match friend.filter(|_| around.random.gen_bool(0.5)) {
                Some(friend) => Plan::Only(friend),
                None => {
                    let late = Duration::from_millis(around.random.gen_range(20..3_000));
                    Plan::Late(around.now + late)
                }
            }
        })
    }

    fn release(&mut self, now: Timestamp) -> Vec<Letter> {
        let mut letters = Vec::new();
        while let Some(due) = self.kept.first_entry().filter(|due| *due.key() <= now) {
            letters.extend(due.remove());
        }
        letters
    }
}

fn own_thing(around: &Surroundings<'_>, letter: &Letter) -> Option<Thing> {
    let own = around.identity.id;
    if let Some(Message::Certificate(certificate)) = mail::primary(letter.lane, &letter.bytes) {
        let header = certificate.header();
        return (header.author == own).then_some(Thing::Certificate(header.round));
    }
    let message = mail::hotstuff(letter.lane, &letter.bytes)?;
    if let hotstuff::Message::Proposal(proposal) = message {
        return (proposal.block.author == own).then_some(Thing::Proposal(proposal.block.view));
    }
    None
}
