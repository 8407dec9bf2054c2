//! A start: the disks are read, the machines get their records back, the rest is as always.

use std::collections::{BTreeMap, BTreeSet};

use kraken_consensus as consensus;
use kraken_mempool::{primary, worker};
use kraken_ordering as ordering;
use kraken_types::{Batch as Payload, BatchRef, Round, Signers, codec, genesis::Protocol};
use rand::Rng as _;

use super::World;
use crate::{
    NodeId,
    node::{Batch, Input, State},
    report::Invariant,
};

impl World {
    /// Starts a node that is down.
    pub(super) fn start(&mut self, id: NodeId) {
        if self.nodes[id.0].state != State::Down {
            return;
        }
        let skew = i64::try_from(self.plan.faults.skew_ms).unwrap_or(0);
        let node = &mut self.nodes[id.0];
        node.skew = self.random.gen_range(-skew..=skew);
        node.state = State::Up;
        node.reset(&self.plan);

        let entries = self.read_votes(id);
        let held = self.read_batches(id);
        let node = &mut self.nodes[id.0];
        // The protocol speaks first: once the primary's word is durable, both have theirs.
        let has_word = entries.iter().any(ordering::Entry::is_our_word);
        node.has_forgotten &= !has_word;
        let has_forgotten = node.has_forgotten;
        self.observer.recovered(&self.nodes[id.0], &entries);
        let counts = (entries.len(), held.len());
        self.audit.start(self.agenda.now(), id, counts, has_forgotten);
        let resumed = self.resume_execution(id, &entries);
        let ordering = if has_forgotten {
            ordering::Input::Forgotten(entries)
        } else {
            ordering::Input::Recovered(entries)
        };
        let worker = worker::Input::Recovered(held);
        let mut inputs = vec![Input::Ordering(ordering), Input::Worker(worker)];
        inputs.extend(resumed);
        inputs.extend(self.executed_before(id));
        self.plan_propose(id);
        self.give(id, inputs);
    }

    /// The votes log, without what the driver may have dropped.
    fn read_votes(&mut self, id: NodeId) -> Vec<ordering::Entry> {
        let node = &mut self.nodes[id.0];
        let mut entries = Vec::new();
        for record in node.votes.recover() {
            match codec::decode::<ordering::Entry>(&record, usize::MAX) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    let what = format!("{id} cannot read a record of its votes log: {error}");
                    self.observer.violated(Invariant::Decoding, what);
                }
            }
        }
        // The first validator of FCFS tells others from its log what was ordered.
        let unneeded = match self.plan.protocol {
            Protocol::Fcfs => self.released,
            Protocol::HotStuff | Protocol::Bullshark => node.executor.executed,
        };
        let mut is_dropped = droppable(&entries, node.pruned, unneeded);
        // Segments go as a whole: everything that may go in front of some place.
        let place = self.random.gen_range(0..=entries.len());
        let everything = self.random.gen_ratio(1, 2);
        for (record, is_dropped) in is_dropped.iter_mut().enumerate() {
            *is_dropped &= self.plan.settings.forgets && (everything || record < place);
        }
        node.votes.drop_records(&is_dropped);
        let kept = entries.into_iter().zip(&is_dropped).filter(|(_, is_dropped)| !**is_dropped);
        kept.map(|(entry, _)| entry).collect()
    }

    /// The batches log, perhaps without batches that are executed everywhere.
    fn read_batches(&mut self, id: NodeId) -> Vec<worker::Held> {
        let released: BTreeSet<_> = (0..self.released)
            .flat_map(|index| self.observer.batches_of(index))
            .map(|(_, batch)| batch.digest)
            .collect();
        let forgets = self.plan.settings.forgets && self.random.gen_ratio(1, 2);
        let node = &mut self.nodes[id.0];
        let records = node.batches.recover();
        let batches: Vec<_> = records.iter().filter_map(|bytes| held(bytes)).collect();
        if batches.len() < records.len() {
            let what = format!("{id} cannot read a record of its batches log");
            self.observer.violated(Invariant::Decoding, what);
            return Vec::new();
        }
        let newest_own = batches.iter().rposition(|held| held.author == node.identity.id);
        let mut is_dropped = Vec::new();
        let mut listed = Vec::new();
        for (place, (held, bytes)) in batches.into_iter().zip(records).enumerate() {
            let digest = held.batch.digest;
            let is_released = released.contains(&digest);
            let is_gone = forgets && is_released && Some(place) != newest_own;
            let is_listed = !is_gone && !node.held.contains_key(&digest);
            is_dropped.push(!is_listed);
            if is_listed {
                let batch = Batch { bytes: bytes.into(), record: 0, is_released };
                node.held.insert(digest, batch);
                listed.push(held);
            }
        }
        node.batches.drop_records(&is_dropped);
        listed
    }

    /// Takes commits that are not executed from the votes log, and says which batches they lack.
    fn resume_execution(&mut self, id: NodeId, entries: &[ordering::Entry]) -> Vec<Input> {
        let node = &mut self.nodes[id.0];
        let mut inputs = Vec::new();
        for commit in entries.iter().filter_map(commit_of) {
            inputs.push(Input::Worker(worker::Input::Ordered(commit.batches.clone())));
            if commit.index.0 < node.executor.executed {
                continue;
            }
            for (author, batch) in &commit.batches {
                if !node.holds(&batch.digest) {
                    let holders: Signers = node.identity.peers().collect();
                    let (author, batch) = (*author, *batch);
                    inputs.push(Input::Worker(worker::Input::Fetch { author, batch, holders }));
                }
            }
            node.executor.commits.insert(commit.index.0, commit.clone());
        }
        inputs
    }

    /// What the worker is told after a start of what was executed before.
    fn executed_before(&self, id: NodeId) -> Vec<Input> {
        let node = &self.nodes[id.0];
        let executed = (0..node.executor.executed).flat_map(|it| self.observer.batches_of(it));
        let known = executed.filter(|(_, batch)| node.held.contains_key(&batch.digest)).copied();
        let mut inputs = vec![Input::Worker(worker::Input::Ordered(known.collect()))];
        let released: Vec<_> = node
            .held
            .iter()
            .filter(|(_, batch)| batch.is_released)
            .map(|(digest, _)| *digest)
            .collect();
        if !released.is_empty() {
            inputs.push(Input::Worker(worker::Input::Release(released)));
        }
        inputs
    }
}

fn commit_of(entry: &ordering::Entry) -> Option<&kraken_types::Commit> {
    match entry {
        ordering::Entry::Protocol(consensus::Record::Committed { commit, .. }) => Some(commit),
        ordering::Entry::Protocol(consensus::Record::HotStuff(_)) | ordering::Entry::Primary(_) => {
            None
        }
    }
}

/// Which records the driver may drop: those that the machines said they do not need, and of commits
/// those that are executed.
fn droppable(entries: &[ordering::Entry], pruned: Round, executed: u64) -> Vec<bool> {
    let mut of_primary = BTreeMap::new();
    let mut of_protocol: Vec<&consensus::Record> = Vec::new();
    let mut is_dropped = vec![false; entries.len()];
    for (entry, is_dropped) in entries.iter().zip(&mut is_dropped).rev() {
        match entry {
            ordering::Entry::Primary(record) => {
                *is_dropped = match record.round() {
                    Some(round) => round <= pruned,
                    None => of_primary.insert(kind(record), ()).is_some(),
                };
            }
            ordering::Entry::Protocol(record) => {
                let is_old = of_protocol.iter().any(|newer| newer.supersedes(record));
                if !is_old {
                    of_protocol.push(record);
                }
                let is_executed = commit_of(entry).is_none_or(|commit| commit.index.0 < executed);
                *is_dropped = is_old && is_executed;
            }
        }
    }
    is_dropped
}

/// Tells kinds of records apart of which only the newest counts.
fn kind(record: &primary::Record) -> u8 {
    match record {
        primary::Record::Proposed(_) => 0,
        primary::Record::Voted { .. } => 1,
        primary::Record::Accepted(_) => 2,
        primary::Record::Pruned { .. } => 3,
        primary::Record::Silent(_) => 4,
    }
}

/// What a batch on disk is, by its bytes.
fn held(bytes: &[u8]) -> Option<worker::Held> {
    let batch = Payload::decode(bytes).ok()?;
    let digest = Payload::digest_of(bytes);
    let (author, worker, sequence) = (batch.author, batch.worker, batch.sequence);
    let batch = BatchRef { digest, worker, sequence };
    Some(worker::Held { author, batch, bytes: bytes.len() })
}
