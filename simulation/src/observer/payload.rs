//! Transactions and batches: nothing promised is lost, nothing is ordered or executed twice, and
//! what is certified can be had.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kraken_mempool::worker;
use kraken_types::{Batch, BatchDigest, Certificate, Commit, Committee, Stake, ValidatorId};

use super::Verdict;
use crate::{NodeId, node::Node, report::Invariant};

/// All batches and transactions there ever were.
#[derive(Debug, Default)]
pub(super) struct Payload {
    /// Transactions given to honest nodes and not executed yet, and the batches they are in.
    open: BTreeMap<u64, (NodeId, Option<BatchDigest>)>,
    contents: BTreeMap<BatchDigest, Contents>,
    /// Batches handed to the disk of a node, and the number of durable records that makes them
    /// durable.
    pending: BTreeMap<NodeId, Vec<(u64, BatchDigest)>>,
    /// Batches in the order.
    ordered: BTreeSet<BatchDigest>,
    /// Commits that were looked at.
    counted: usize,
    /// Their transactions.
    executed: BTreeSet<u64>,
}

#[derive(Debug)]
struct Contents {
    author: ValidatorId,
    /// Made by an honest author.
    is_honest: bool,
    transactions: Vec<u64>,
    /// The honest validators that hold it durably.
    holders: BTreeMap<NodeId, ValidatorId>,
}

impl Payload {
    pub(super) fn open(&self) -> Vec<u64> {
        self.open.keys().copied().collect()
    }

    pub(super) fn executed(&self) -> u64 {
        self.executed.len() as u64
    }

    pub(super) fn submitted(&mut self, node: NodeId, transaction: u64) {
        self.open.insert(transaction, (node, None));
    }

    pub(super) fn stored(&mut self, node: &Node, held: &worker::Held, bytes: &Bytes) -> Verdict {
        let digest = held.batch.digest;
        if Batch::digest_of(bytes) != digest {
            let what = format!("{} stores other bytes than batch {digest:?}", node.id);
            return Err((Invariant::Integrity, what));
        }
        let is_own = held.author == node.identity.id;
        let contents = self.contents.entry(digest).or_insert_with(|| Contents {
            author: held.author,
            is_honest: false,
            transactions: transactions(bytes),
            holders: BTreeMap::new(),
        });
        if node.is_honest {
            contents.is_honest |= is_own;
            self.pending.entry(node.id).or_default().push((node.batches.appended(), digest));
        }
        if is_own {
            for transaction in &contents.transactions {
                if let Some((_, batch)) = self.open.get_mut(transaction) {
                    *batch = Some(digest);
                }
            }
        }
        Ok(())
    }

    pub(super) fn synced(&mut self, node: &Node) {
        let Some(pending) = self.pending.get_mut(&node.id) else { return };
        let durable = node.batches.durable();
        let count = pending.partition_point(|(record, _)| *record <= durable);
        for (_, digest) in pending.drain(..count) {
            if let Some(contents) = self.contents.get_mut(&digest) {
                contents.holders.insert(node.id, node.identity.id);
            }
        }
    }

    /// What the disk kept of what was not durable is durable now; transactions that it did not keep
    /// were never promised.
    pub(super) fn recovered(&mut self, node: &Node) {
        for (_, digest) in self.pending.remove(&node.id).unwrap_or_default() {
            if let Some(contents) = self.contents.get_mut(&digest)
                && node.held.contains_key(&digest)
            {
                contents.holders.insert(node.id, node.identity.id);
            }
        }
        let contents = &self.contents;
        self.open.retain(|_, (owner, batch)| {
            let kept = batch.and_then(|digest| contents.get(&digest));
            *owner != node.id || kept.is_some_and(|kept| kept.holders.contains_key(&node.id))
        });
    }

    /// Nobody waits for the transactions of a node any more.
    pub(super) fn abandoned(&mut self, node: NodeId) {
        self.open.retain(|_, (owner, _)| *owner != node);
    }

    pub(super) fn lost(&mut self, node: NodeId) {
        self.abandoned(node);
        self.pending.remove(&node);
        for contents in self.contents.values_mut() {
            contents.holders.remove(&node);
        }
    }

    /// An acknowledgement means durable.
    pub(super) fn sent(&self, node: &Node, message: &worker::Message) -> Verdict {
        match message {
            worker::Message::Batch(bytes) => self.must_be_held(node, &Batch::digest_of(bytes)),
            worker::Message::Stored(digest) => self.must_be_held(node, digest),
            worker::Message::Want(_) => Ok(()),
        }
    }

    /// Whether a batch is in the order.
    pub(super) fn is_ordered(&self, digest: &BatchDigest) -> bool {
        self.ordered.contains(digest)
    }

    /// What a node speaks of is durable there.
    pub(super) fn must_be_held(&self, node: &Node, digest: &BatchDigest) -> Verdict {
        let contents = self.contents.get(digest);
        if contents.is_some_and(|contents| contents.holders.contains_key(&node.id)) {
            return Ok(());
        }
        let what = format!("{} speaks of batch {digest:?}, which is not durable there", node.id);
        Err((Invariant::DurableBeforeSpoken, what))
    }

    /// At least validity of honest validators hold what is certified.
    pub(super) fn certified(&self, certificate: &Certificate, committee: &Committee) -> Verdict {
        for batch in &certificate.header().batches {
            let holders: BTreeSet<ValidatorId> = self
                .contents
                .get(&batch.digest)
                .map(|contents| contents.holders.values().copied().collect())
                .unwrap_or_default();
            let stake: Stake = holders.iter().map(|id| committee.stake(*id)).sum();
            if stake < committee.validity() {
                let header = certificate.header();
                let what = format!(
                    "batch {:?} of certificate {}@{} is with a stake of {stake} only",
                    batch.digest, header.author, header.round.0,
                );
                return Err((Invariant::Availability, what));
            }
        }
        Ok(())
    }

    /// Looks at commits that are new.
    pub(super) fn count(&mut self, chain: &[Commit]) -> Verdict {
        let new = chain.get(self.counted..).unwrap_or_default();
        self.counted = chain.len();
        for (author, batch) in new.iter().flat_map(|commit| &commit.batches) {
            if !self.ordered.insert(batch.digest) {
                let what = format!("batch {:?} is ordered twice", batch.digest);
                return Err((Invariant::NoDuplicates, what));
            }
            let contents = self.contents.get(&batch.digest);
            let Some(contents) = contents.filter(|contents| contents.author == *author) else {
                let what = format!("batch {:?} was not made by {author}", batch.digest);
                return Err((Invariant::Integrity, what));
            };
            for transaction in &contents.transactions {
                // Liars may repeat what they heard.
                if !self.executed.insert(*transaction) && contents.is_honest {
                    let what = format!("transaction {transaction} is ordered twice");
                    return Err((Invariant::NoDuplicates, what));
                }
            }
        }
        Ok(())
    }

    /// A node executes a commit; what nobody executed before is done now.
    pub(super) fn execute(&mut self, node: &Node, commit: &Commit) -> Verdict {
        for (_, batch) in &commit.batches {
            if !node.holds(&batch.digest) {
                let what = format!("{} executes batch {:?} without it", node.id, batch.digest);
                return Err((Invariant::ExactlyOnce, what));
            }
            let Some(contents) = self.contents.get(&batch.digest) else { continue };
            for transaction in &contents.transactions {
                self.open.remove(transaction);
            }
        }
        Ok(())
    }
}

/// The numbers of the transactions of a batch.
fn transactions(bytes: &[u8]) -> Vec<u64> {
    let Ok(batch) = Batch::decode(bytes) else { return Vec::new() };
    let number = |bytes: &Bytes| bytes.first_chunk().map(|number| u64::from_le_bytes(*number));
    batch.transactions.iter().filter_map(number).collect()
}
