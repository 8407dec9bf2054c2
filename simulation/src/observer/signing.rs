//! What honest validators say: never two different things, and never before it is durable.

mod views;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kraken_consensus::{self as consensus, fcfs};
use kraken_mempool::primary;
use kraken_ordering::{Entry, Message};
use kraken_types::{
    Certificate, CommitIndex, Header, HeaderDigest, Round, SignedHeader, ValidatorId,
};

use self::views::Views;

use super::Verdict;
use crate::{NodeId, node::Node, report::Invariant};

/// Everything that honest validators ever signed.
#[derive(Debug, Default)]
pub(super) struct Signing {
    /// Every header that a vote was asked for, whoever made it.
    headers: BTreeMap<HeaderDigest, Arc<Header>>,
    /// What honest validators proposed.
    proposed: BTreeMap<(ValidatorId, Round), HeaderDigest>,
    /// Votes of honest validators, by voter, author and round.
    voted: BTreeMap<(ValidatorId, ValidatorId, Round), HeaderDigest>,
    /// Records handed to a disk, and the number of durable records that makes them durable.
    pending: BTreeMap<NodeId, Vec<(u64, Fact)>>,
    durable: BTreeMap<NodeId, BTreeSet<Fact>>,
    views: Views,
}

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fact {
    /// Our header.
    Proposed(HeaderDigest),
    /// Our vote.
    Voted(HeaderDigest),
    /// A certificate that we accepted.
    Accepted(HeaderDigest),
    /// What we committed.
    Ordered(CommitIndex, HeaderDigest),
}

impl Signing {
    /// How many headers honest validators made, and proposals, and time-outs.
    pub(super) fn turns(&self) -> usize {
        self.proposed.len() + self.views.turns()
    }

    /// Somebody showed a header.
    pub(super) fn learn(&mut self, signed: &SignedHeader) {
        self.headers.entry(signed.digest()).or_insert_with(|| signed.shared());
    }

    /// A header that somebody showed.
    pub(super) fn header(&self, digest: HeaderDigest) -> Option<&Arc<Header>> {
        self.headers.get(&digest)
    }

    pub(super) fn appended(&mut self, node: NodeId, record: u64, entry: &Entry) {
        if let Entry::Protocol(consensus::Record::HotStuff(entry)) = entry {
            self.views.appended(node, record, entry);
        }
        if let Some(fact) = fact(entry) {
            self.pending.entry(node).or_default().push((record, fact));
        }
    }

    pub(super) fn synced(&mut self, node: NodeId, durable: u64) {
        let pending = self.pending.entry(node).or_default();
        let count = pending.partition_point(|(record, _)| *record <= durable);
        let facts = pending.drain(..count).map(|(_, fact)| fact);
        self.durable.entry(node).or_default().extend(facts);
        self.views.synced(node, durable);
    }

    pub(super) fn recovered(&mut self, node: NodeId, entries: &[Entry]) {
        self.pending.remove(&node);
        self.views.recovered(node, entries);
        self.durable.entry(node).or_default().extend(entries.iter().filter_map(fact));
    }

    pub(super) fn lost(&mut self, node: NodeId) {
        self.pending.remove(&node);
        self.durable.remove(&node);
        self.views.lost(node);
    }

    /// An honest validator says something.
    pub(super) fn said(&mut self, node: &Node, message: &Message) -> Verdict {
        match message {
            Message::Primary(message) => self.said_by_primary(node, message),
            Message::Protocol(consensus::Message::Fcfs(message)) => match message {
                fcfs::Message::Orders(orders) => orders.iter().try_for_each(|order| {
                    self.must_be_durable(node.id, Fact::Ordered(order.index, order.anchor))
                }),
                fcfs::Message::Want(_) => Ok(()),
            },
            Message::Protocol(consensus::Message::HotStuff(message)) => {
                self.views.said(node, message)
            }
        }
    }

    fn said_by_primary(&mut self, node: &Node, message: &primary::Message) -> Verdict {
        let own = node.identity.id;
        match message {
            primary::Message::Header(signed) => {
                let header = signed.header();
                if header.author != own {
                    return Ok(());
                }
                self.must_be_durable(node.id, Fact::Proposed(signed.digest()))?;
                let known =
                    *self.proposed.entry((own, header.round)).or_insert_with(|| signed.digest());
                if known != signed.digest() {
                    let what = format!("{own} proposed twice in round {}", header.round.0);
                    return Err((Invariant::NonEquivocation, what));
                }
                Ok(())
            }
            primary::Message::Vote(vote) => {
                self.must_be_durable(node.id, Fact::Voted(vote.header))?;
                let Some(header) = self.headers.get(&vote.header) else {
                    let what = format!("{own} votes for a header that nobody showed");
                    return Err((Invariant::Integrity, what));
                };
                let (author, round) = (header.author, header.round);
                for parent in &header.parents {
                    self.must_be_durable(node.id, Fact::Accepted(*parent))?;
                }
                let known = *self.voted.entry((own, author, round)).or_insert(vote.header);
                if known != vote.header {
                    let what = format!("{own} voted twice for {author} in round {}", round.0);
                    return Err((Invariant::NonEquivocation, what));
                }
                Ok(())
            }
            primary::Message::Certificate(_)
            | primary::Message::Want(_)
            | primary::Message::Behind(_)
            | primary::Message::Certificates(_)
            | primary::Message::Forgot
            | primary::Message::Reached(_) => Ok(()),
        }
    }

    fn must_be_durable(&self, node: NodeId, fact: Fact) -> Verdict {
        if self.durable.get(&node).is_some_and(|facts| facts.contains(&fact)) {
            return Ok(());
        }
        let what = format!("{node} says {fact:?}, which is not durable");
        Err((Invariant::DurableBeforeSpoken, what))
    }

    /// An honest author never proposed anything else in that round.
    pub(super) fn certified(&self, certificate: &Certificate) -> Verdict {
        let header = certificate.header();
        let proposed = self.proposed.get(&(header.author, header.round));
        if proposed.is_none_or(|digest| *digest == certificate.digest()) {
            return Ok(());
        }
        let what = format!("{} did not propose what is certified", header.author);
        Err((Invariant::Integrity, what))
    }
}

/// What a record says that is said to others too.
fn fact(entry: &Entry) -> Option<Fact> {
    match entry {
        Entry::Primary(primary::Record::Proposed(header)) => Some(Fact::Proposed(header.digest())),
        Entry::Primary(primary::Record::Voted { header, .. }) => Some(Fact::Voted(*header)),
        Entry::Primary(primary::Record::Accepted(it)) => Some(Fact::Accepted(it.digest())),
        Entry::Protocol(consensus::Record::Committed { commit, .. }) => {
            Some(Fact::Ordered(commit.index, commit.anchor))
        }
        Entry::Primary(primary::Record::Pruned { .. } | primary::Record::Silent(_))
        | Entry::Protocol(consensus::Record::HotStuff(_)) => None,
    }
}
