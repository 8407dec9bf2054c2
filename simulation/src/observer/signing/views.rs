//! What honest validators say in HotStuff.

use std::collections::{BTreeMap, BTreeSet};

use kraken_consensus::{
    self as consensus,
    hotstuff::{
        self, Message,
        block::{BlockId, BlockRef},
        quorum::{Qc, Timeout},
    },
};
use kraken_ordering::Entry;
use kraken_types::{ValidatorId, View};

use crate::{NodeId, node::Node, observer::Verdict, report::Invariant};

/// Everything that honest validators ever signed in a view.
#[derive(Debug, Default)]
pub(super) struct Views {
    proposed: BTreeMap<(ValidatorId, View), BlockId>,
    voted: BTreeMap<(ValidatorId, View), BlockRef>,
    /// By view, the highest certificate that the time-out named.
    given_up: BTreeMap<(ValidatorId, View), View>,
    /// The one block of a view that a quorum voted for.
    certified: BTreeMap<View, BlockId>,
    /// Records handed to a disk, and the number of durable records that makes them durable.
    pending: BTreeMap<NodeId, Vec<(u64, Fact)>>,
    durable: BTreeMap<NodeId, Durable>,
}

/// What the records of safety say that a node made durable.
#[derive(Debug, Default)]
struct Durable {
    signed: View,
    proposed: View,
    votes: BTreeSet<BlockRef>,
}

/// What one of them says.
#[derive(Clone, Copy, Debug)]
struct Fact {
    signed: View,
    proposed: View,
    vote: Option<BlockRef>,
}

impl Views {
    /// How many proposals and time-outs of views there were.
    pub(super) fn turns(&self) -> usize {
        self.proposed.len() + self.given_up.len()
    }

    pub(super) fn appended(&mut self, node: NodeId, record: u64, entry: &hotstuff::Record) {
        if let Some(fact) = fact(entry) {
            self.pending.entry(node).or_default().push((record, fact));
        }
    }

    pub(super) fn synced(&mut self, node: NodeId, durable: u64) {
        let Some(pending) = self.pending.get_mut(&node) else { return };
        let count = pending.partition_point(|(record, _)| *record <= durable);
        let durable = self.durable.entry(node).or_default();
        pending.drain(..count).for_each(|(_, fact)| durable.add(fact));
    }

    pub(super) fn recovered(&mut self, node: NodeId, entries: &[Entry]) {
        self.pending.remove(&node);
        let durable = self.durable.entry(node).or_default();
        for entry in entries {
            if let Entry::Protocol(consensus::Record::HotStuff(record)) = entry
                && let Some(fact) = fact(record)
            {
                durable.add(fact);
            }
        }
    }

    pub(super) fn lost(&mut self, node: NodeId) {
        self.pending.remove(&node);
        self.durable.remove(&node);
    }

    pub(super) fn said(&mut self, node: &Node, message: &Message) -> Verdict {
        let own = node.identity.id;
        let durable = self.durable.entry(node.id).or_default();
        match message {
            Message::Proposal(proposal) => {
                let view = proposal.block.view;
                if durable.proposed < view {
                    return spoken(own, "a proposal", view);
                }
                self.certified(&proposal.qc)?;
                let id = proposal.block.id(&node.identity.committee);
                let known = *self.proposed.entry((own, view)).or_insert(id);
                once(known == id, own, "proposed", view)
            }
            Message::Vote(vote) => {
                let view = vote.block.view;
                if !durable.votes.contains(&vote.block) {
                    return spoken(own, "a vote", view);
                }
                let is_new = !self.voted.contains_key(&(own, view));
                if is_new && self.given_up.contains_key(&(own, view)) {
                    return once(false, own, "gave up and then voted", view);
                }
                let known = *self.voted.entry((own, view)).or_insert(vote.block);
                once(known == vote.block, own, "voted", view)
            }
            Message::Timeout(timeout) => {
                if durable.signed < timeout.view {
                    return spoken(own, "a time-out", timeout.view);
                }
                self.gave_up(own, timeout)
            }
            Message::Status(status) => self.certified(&status.high_qc),
            Message::Want { .. } | Message::Blocks(_) | Message::Forgot(_) => Ok(()),
        }
    }

    fn gave_up(&mut self, own: ValidatorId, timeout: &Timeout) -> Verdict {
        self.certified(&timeout.high_qc)?;
        let high = timeout.high_qc.view();
        let before = self.given_up.range((own, View(0))..=(own, timeout.view)).next_back();
        if let Some((_, named)) = before.filter(|(_, named)| high < **named) {
            let (view, high, named) = (timeout.view.0, high.0, named.0);
            let what = format!("{own} gave up view {view} with {high}, but knew of {named}");
            return Err((Invariant::NonEquivocation, what));
        }
        self.given_up.insert((own, timeout.view), high);
        Ok(())
    }

    /// An honest validator shows a certificate, which it has checked.
    fn certified(&mut self, qc: &Qc) -> Verdict {
        let known = *self.certified.entry(qc.view()).or_insert(qc.block.id);
        if known == qc.block.id {
            return Ok(());
        }
        Err((Invariant::UniqueQuorums, format!("two blocks of view {}", qc.view().0)))
    }
}

impl Durable {
    fn add(&mut self, fact: Fact) {
        self.signed = self.signed.max(fact.signed);
        self.proposed = self.proposed.max(fact.proposed);
        self.votes.extend(fact.vote);
    }
}

fn spoken(own: ValidatorId, what: &str, view: View) -> Verdict {
    let what = format!("{own} sends {what} of view {} that is not durable", view.0);
    Err((Invariant::DurableBeforeSpoken, what))
}

fn once(is_once: bool, own: ValidatorId, did: &str, view: View) -> Verdict {
    if is_once {
        return Ok(());
    }
    let what = format!("{own} {did} in view {}, and not for the first time", view.0);
    Err((Invariant::NonEquivocation, what))
}

fn fact(record: &hotstuff::Record) -> Option<Fact> {
    match record {
        hotstuff::Record::Safety(safety) => Some(Fact {
            signed: safety.signed(),
            proposed: safety.proposed(),
            vote: safety.vote().map(|vote| vote.block),
        }),
        hotstuff::Record::Block(_) | hotstuff::Record::Settled(_) => None,
    }
}
