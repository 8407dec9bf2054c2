//! One order, without gaps, and the one that the rules give.

use std::collections::{BTreeMap, BTreeSet};

use kraken_types::{
    Certificate, ChainDigest, Commit, Committee, HeaderDigest, Round, Timestamp, ValidatorId,
    genesis::Protocol,
};

use super::Verdict;
use crate::{NodeId, report::Invariant};

/// The order, as the first honest validator committed it.
#[derive(Debug)]
pub(super) struct Order {
    chain: Vec<Commit>,
    /// The index that each node must commit next.
    next: Vec<u64>,
}

impl Order {
    /// Nothing is ordered.
    pub(super) fn new(nodes: usize) -> Self {
        Self { chain: Vec::new(), next: vec![0; nodes] }
    }

    /// What is ordered.
    pub(super) fn chain(&self) -> &[Commit] {
        &self.chain
    }

    /// A node starts; its next commit must have this index.
    pub(super) fn starts_at(&mut self, node: NodeId, next: u64) {
        self.next[node.0] = next;
    }

    /// Commits of one life of a node follow each other.
    pub(super) fn follows(&mut self, node: NodeId, commit: &Commit) -> Verdict {
        let expected = self.next[node.0];
        self.next[node.0] = commit.index.0 + 1;
        if commit.index.0 == expected {
            return Ok(());
        }
        let what = format!("{node} commits {} where {expected} is next", commit.index.0);
        Err((Invariant::Continuity, what))
    }

    /// An honest validator made a commit durable.
    pub(super) fn committed(&mut self, commit: &Commit) -> Verdict {
        let index = usize::try_from(commit.index.0).unwrap_or(usize::MAX);
        if let Some(known) = self.chain.get(index) {
            if known == commit {
                return Ok(());
            }
            return Err((Invariant::Agreement, format!("two commits: {known:?} and {commit:?}")));
        }
        let last = self.chain.last();
        let previous = last.map_or(ChainDigest::default(), |last| last.chain);
        if index != self.chain.len() || commit.clone().chained(previous).chain != commit.chain {
            let what = format!("commit {index} is not chained to the one before");
            return Err((Invariant::Continuity, what));
        }
        if last.is_some_and(|last| commit.timestamp < last.timestamp) {
            let what = format!("commit {index} is earlier than the one before");
            return Err((Invariant::Continuity, what));
        }
        self.chain.push(commit.clone());
        Ok(())
    }
}

/// Orders the history of each anchor with sets and recursion where the code under test has bits and
/// layers, and compares.
pub(super) fn recompute(
    chain: &[Commit],
    certificates: &BTreeMap<HeaderDigest, Certificate>,
    rules: &Rules<'_>,
) -> Result<BTreeSet<(ValidatorId, Round)>, (Invariant, String)> {
    let Rules { committee, gc_depth, protocol } = *rules;
    let mut naive = Naive { certificates, ordered: BTreeSet::new(), taken: BTreeSet::new() };
    let (mut highest, mut time) = (0, Timestamp::ZERO);
    for commit in chain {
        let wrong = |what| {
            let index = commit.index.0;
            Err((Invariant::Recomputation, format!("commit {index} has another {what}")))
        };
        let Some(anchor) = certificates.get(&commit.anchor) else {
            return wrong("anchor: nobody accepted a certificate of it");
        };
        let header = anchor.header();
        let horizon = u64::saturating_sub(highest, gc_depth);
        if header.round.0 <= horizon || header.round != commit.round {
            return wrong("round");
        }
        let below = header.round.0 - 1;
        let parents = || header.parents.iter().filter_map(|it| certificates.get(it));
        let median = match protocol {
            Protocol::Fcfs => header.created_at,
            Protocol::HotStuff | Protocol::Bullshark if below == 0 => header.created_at,
            Protocol::HotStuff | Protocol::Bullshark if below <= horizon => time,
            Protocol::HotStuff | Protocol::Bullshark => {
                let times = parents().map(|parent| {
                    (parent.header().created_at, committee.stake(parent.header().author))
                });
                median(times.collect())
            }
        };
        time = time.max(median);
        highest = highest.max(header.round.0);
        let Some(history) = naive.history(anchor, highest.saturating_sub(gc_depth)) else {
            return wrong("history: an ancestor was never accepted");
        };
        let batches: Vec<_> = history.iter().flat_map(|it| naive.take(it)).collect();
        if batches != commit.batches {
            return wrong("payload");
        }
        if time != commit.timestamp {
            return wrong("time");
        }
    }
    let ordered = naive.ordered.iter().filter_map(|digest| certificates.get(digest));
    Ok(ordered.map(|it| (it.header().author, it.header().round)).collect())
}

/// What the order depends on, besides certificates and anchors.
pub(super) struct Rules<'a> {
    pub(super) committee: &'a Committee,
    pub(super) gc_depth: u64,
    pub(super) protocol: Protocol,
}

struct Naive<'a> {
    certificates: &'a BTreeMap<HeaderDigest, Certificate>,
    ordered: BTreeSet<HeaderDigest>,
    taken: BTreeSet<(ValidatorId, u8, u64)>,
}

impl<'a> Naive<'a> {
    /// What an anchor orders, by round, then author.
    fn history(&self, anchor: &'a Certificate, limit: u64) -> Option<Vec<&'a Certificate>> {
        let mut found = BTreeMap::new();
        let mut open = vec![anchor];
        while let Some(certificate) = open.pop() {
            let header = certificate.header();
            if header.round.0 <= limit || self.ordered.contains(&certificate.digest()) {
                continue;
            }
            if found.insert((header.round, header.author), certificate).is_some() {
                continue;
            }
            if limit + 1 < header.round.0 {
                for parent in &header.parents {
                    open.push(self.certificates.get(parent)?);
                }
            }
        }
        Some(found.into_values().collect())
    }

    /// The batches of a certificate whose places are free, and which are taken then.
    fn take(&mut self, certificate: &Certificate) -> Vec<(ValidatorId, kraken_types::BatchRef)> {
        self.ordered.insert(certificate.digest());
        let header = certificate.header();
        let author = header.author;
        let mut batches = header.batches.clone();
        batches.retain(|batch| self.taken.insert((author, batch.worker.0, batch.sequence)));
        batches.into_iter().map(|batch| (author, batch)).collect()
    }
}

/// The time of the validator at which half of the weight is reached, from the earliest on.
fn median(mut times: Vec<(Timestamp, u64)>) -> Timestamp {
    times.sort_unstable();
    let total: u64 = times.iter().map(|(_, stake)| stake).sum();
    let ends = times.iter().scan(0, |weight, (time, stake)| {
        *weight += stake;
        Some((*time, *weight))
    });
    let half = ends.into_iter().find(|(_, weight)| total <= 2 * weight);
    half.map_or(Timestamp::ZERO, |(time, _)| time)
}
