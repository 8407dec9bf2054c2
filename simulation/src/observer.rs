//! Watches every honest validator, at the moment it makes something durable, says it, commits it or
//! executes it, and compares with all it ever did and with all the others.

mod order;
mod payload;
mod signing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use kraken_consensus as consensus;
use kraken_mempool::{primary, worker};
use kraken_ordering::{Entry, Message};
use kraken_types::{
    BatchRef, Certificate, Commit, Committee, HeaderDigest, Round, Timestamp, ValidatorId,
    genesis::Protocol,
};

use crate::{
    node::{Node, State},
    plan::Plan,
    report::{Invariant, Violation},
    sin::Lane,
};

use self::{order::Order, payload::Payload, signing::Signing};

/// Watches.
#[derive(Debug)]
pub(crate) struct Observer {
    now: Timestamp,
    dawn: Option<Timestamp>,
    committee: Arc<Committee>,
    gc_depth: u64,
    protocol: Protocol,
    order: Order,
    payload: Payload,
    signing: Signing,
    certificates: BTreeMap<HeaderDigest, Certificate>,
    /// The round of the last commit when all was well.
    settled: Option<Round>,
    violation: Option<Violation>,
}

/// What the parts of an observer say of something wrong.
type Verdict = Result<(), (Invariant, String)>;

impl Observer {
    /// Watches a committee that has not begun.
    pub(crate) fn new(plan: &Plan, committee: Arc<Committee>, nodes: usize) -> Self {
        Self {
            now: Timestamp::ZERO,
            dawn: None,
            committee,
            gc_depth: plan.settings.gc_depth,
            protocol: plan.protocol,
            order: Order::new(nodes),
            payload: Payload::default(),
            signing: Signing::default(),
            certificates: BTreeMap::new(),
            settled: None,
            violation: None,
        }
    }

    /// What happens from now on happens at this time.
    pub(crate) fn at(&mut self, now: Timestamp) {
        self.dawn.get_or_insert(now);
        self.now = now;
    }

    /// Something must never happen, but did. The first such thing is kept.
    pub(crate) fn violated(&mut self, invariant: Invariant, what: String) {
        let at = self.dawn.map_or(Duration::ZERO, |dawn| self.now.since(dawn));
        self.violation.get_or_insert(Violation { at, invariant, what });
    }

    fn judge(&mut self, verdict: Verdict) {
        if let Err((invariant, what)) = verdict {
            self.violated(invariant, what);
        }
    }

    /// What went wrong first.
    pub(crate) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// The same, at the end.
    pub(crate) fn into_violation(self) -> Option<Violation> {
        self.violation
    }

    /// How many commits there are.
    pub(crate) fn commits(&self) -> u64 {
        self.order.chain().len() as u64
    }

    /// How many transactions were ordered.
    pub(crate) fn transactions(&self) -> u64 {
        self.payload.executed()
    }

    /// How many headers honest validators made, and proposals, and time-outs.
    pub(crate) fn turns(&self) -> usize {
        self.signing.turns()
    }

    /// What machines remember of what others said depends on the settings, not on how long they
    /// run.
    pub(crate) fn measure(&mut self, plan: &Plan, nodes: &[Node]) {
        let settings = &plan.settings;
        let rounds = settings.gc_depth + settings.serve_depth + 100;
        for node in nodes.iter().filter(|node| node.is_honest && node.state == State::Up) {
            // Of each round a header, a vote and a certificate of each validator, and of HotStuff a
            // thousand views; of each batch that is not released a few words.
            let of_rounds = 6 * rounds * plan.stakes.len() as u64 + 4_096;
            let most = of_rounds + 4 * node.held.len() as u64;
            let size = node.worker.size() as u64 + node.ordering.size() as u64;
            if most < size {
                let what = format!("{} remembers {size} things, more than {most}", node.id);
                self.violated(Invariant::BoundedMemory, what);
                return;
            }
        }
    }

    /// The payload of a commit; none if there is no such commit.
    pub(crate) fn batches_of(&self, index: u64) -> &[(ValidatorId, BatchRef)] {
        let place = usize::try_from(index).unwrap_or(usize::MAX);
        self.order.chain().get(place).map_or(&[], |commit| commit.batches.as_slice())
    }

    /// The transactions that were promised and that nobody has executed.
    pub(crate) fn open(&self) -> Vec<u64> {
        self.payload.open()
    }

    /// A client gave a transaction to a node.
    pub(crate) fn submitted(&mut self, node: &Node, transaction: u64) {
        if node.is_honest {
            self.payload.submitted(node.id, transaction);
        }
    }

    /// A worker stores a batch.
    pub(crate) fn stored(&mut self, node: &Node, held: &worker::Held, bytes: &Bytes) {
        let verdict = self.payload.stored(node, held, bytes);
        self.judge(verdict);
    }

    /// A record was handed to the disk.
    pub(crate) fn appended(&mut self, node: &Node, record: u64, entry: &Entry) {
        if node.is_honest {
            self.signing.appended(node.id, record, entry);
        }
        if let Entry::Primary(primary::Record::Accepted(certificate)) = entry {
            self.certified(certificate);
        }
    }

    /// A disk made durable what it was given.
    pub(crate) fn synced(&mut self, node: &Node) {
        self.signing.synced(node.id, node.votes.durable());
        self.payload.synced(node);
    }

    /// A node starts with what its disks kept.
    pub(crate) fn recovered(&mut self, node: &Node, entries: &[Entry]) {
        self.signing.recovered(node.id, entries);
        self.payload.recovered(node);
        let mut next = node.executor.executed;
        for entry in entries {
            if let Entry::Protocol(consensus::Record::Committed { commit, .. }) = entry {
                next = next.max(commit.index.0 + 1);
                if node.is_honest {
                    let verdict = self.order.committed(commit);
                    self.judge(verdict);
                }
            }
        }
        self.order.starts_at(node.id, next);
    }

    /// A node died for good: what only it had is gone.
    pub(crate) fn died(&mut self, node: &Node) {
        self.payload.abandoned(node.id);
    }

    /// A node lost its disks.
    pub(crate) fn lost(&mut self, node: &Node) {
        self.signing.lost(node.id);
        self.payload.lost(node.id);
    }

    /// A worker says something.
    pub(crate) fn sent_by_worker(&mut self, node: &Node, message: &worker::Message) {
        if node.is_honest {
            let verdict = self.payload.sent(node, message);
            self.judge(verdict);
        }
    }

    /// Primary or protocol say something.
    pub(crate) fn said(&mut self, node: &Node, message: &Message) {
        self.learn(message);
        if node.is_honest {
            let verdict = self.signing.said(node, message);
            let verdict = verdict.and_then(|()| self.votes_with_payload(node, message));
            self.judge(verdict);
        }
    }

    /// A liar puts something on the network.
    pub(crate) fn overheard(&mut self, lane: Lane, bytes: &[u8]) {
        if lane == Lane::Ordering
            && let Ok(message) = Message::decode(bytes)
        {
            self.learn(&message);
        }
    }

    /// Takes note of headers, whoever sends them.
    fn learn(&mut self, message: &Message) {
        if let Message::Primary(primary::Message::Header(signed)) = message {
            self.signing.learn(signed);
        }
    }

    /// A vote says that the payload is durable with the voter, or ordered already: then it was
    /// certified before, and voters need not hold it a second time.
    fn votes_with_payload(&self, node: &Node, message: &Message) -> Verdict {
        let Message::Primary(primary::Message::Vote(vote)) = message else { return Ok(()) };
        let header = self.signing.header(vote.header);
        let batches = header.map_or(&[][..], |header| header.batches.as_slice());
        let mut news = batches.iter().filter(|batch| !self.payload.is_ordered(&batch.digest));
        news.try_for_each(|batch| self.payload.must_be_held(node, &batch.digest))
    }

    /// An honest validator accepted a certificate.
    fn certified(&mut self, certificate: &Certificate) {
        if self.certificates.contains_key(&certificate.digest()) {
            return;
        }
        self.certificates.insert(certificate.digest(), certificate.clone());
        let verdict = self
            .signing
            .certified(certificate)
            .and_then(|()| self.payload.certified(certificate, &self.committee));
        self.judge(verdict);
    }

    /// A node commits.
    pub(crate) fn committed(&mut self, node: &Node, commit: &Commit) {
        if node.is_honest {
            let verdict = self
                .order
                .follows(node.id, commit)
                .and_then(|()| self.order.committed(commit))
                .and_then(|()| self.payload.count(self.order.chain()));
            self.judge(verdict);
        }
    }

    /// A node has executed all commits below `end`, durably.
    pub(crate) fn executed(&mut self, node: &Node, end: u64) {
        for index in node.executor.executed..end {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            let Some(commit) = self.order.chain().get(place) else { continue };
            let verdict = self.payload.execute(node, commit);
            self.judge(verdict);
        }
    }

    /// From now on everyone's work must get into the order.
    pub(crate) fn settled(&mut self) {
        let round = self.order.chain().last().map_or(Round(0), |commit| commit.round);
        self.settled.get_or_insert(round);
    }

    /// Computes the order anew, by other code, from the certificates and the anchors; and looks
    /// whether those who are present got their share.
    pub(crate) fn recompute_order(&mut self, present: &BTreeSet<ValidatorId>) {
        let rules = order::Rules {
            committee: &self.committee,
            gc_depth: self.gc_depth,
            protocol: self.protocol,
        };
        let verdict = order::recompute(self.order.chain(), &self.certificates, &rules)
            .and_then(|ordered| self.shared(&ordered, present));
        self.judge(verdict);
    }

    /// Chain quality: of many rounds, some work of everyone who is present is in the order.
    fn shared(
        &self,
        ordered: &BTreeSet<(ValidatorId, Round)>,
        present: &BTreeSet<ValidatorId>,
    ) -> Verdict {
        const ROUNDS: u64 = 40;
        let Some(settled) = self.settled else { return Ok(()) };
        let last = self.order.chain().last().map_or(Round(0), |commit| commit.round);
        if last < settled.ahead(ROUNDS) {
            return Ok(());
        }
        for id in present {
            let mut own = ordered.range((*id, settled)..=(*id, last));
            if own.next().is_none() {
                let (from, to) = (settled.0, last.0);
                let what = format!("nothing of {id} is ordered in rounds {from} to {to}");
                return Err((Invariant::ChainQuality, what));
            }
        }
        Ok(())
    }
}
