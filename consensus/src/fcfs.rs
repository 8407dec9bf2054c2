//! First come, first served.
//!
//! The first validator of the committee numbers certificates in the order in which they reach it:
//! each becomes one commit. It makes progress while that validator lives and survives its crashes;
//! it tolerates no liar, and is the yardstick for the protocols that do.
//!
//! Rules:
//! 1. A certificate is committed once. An author's rounds grow, so a certificate whose round is not
//!    above the author's newest committed one was committed before.
//! 2. The time of a commit is that of its header, but never earlier than that of the commit before.
//! 3. A commit is durable before it is announced, so a restart goes on behind it.
//! 4. The wish to close a block is obeyed in a committee of one only: nobody else could object.
//!
//! This is the numbering half, which is all of the protocol in a committee of one. Followers, who
//! learn the numbers from the first validator, come with the network.

use std::{collections::BTreeMap, sync::Arc};

use kraken_types::{
    Certificate, ChainDigest, Commit, CommitIndex, Committee, Round, Timestamp, ValidatorId,
};

use crate::{Effect, Input, Protocol, Record};

/// The state of the first validator: where the order ends.
#[derive(Debug)]
pub struct Fcfs {
    committee: Arc<Committee>,
    next: CommitIndex,
    chain: ChainDigest,
    timestamp: Timestamp,
    /// The newest committed round of each author.
    committed: BTreeMap<ValidatorId, Round>,
}

impl Fcfs {
    /// Starts with an empty order; feed [`Input::Recovered`] next.
    pub fn new(committee: Arc<Committee>) -> Self {
        Self {
            committee,
            next: CommitIndex(0),
            chain: ChainDigest::default(),
            timestamp: Timestamp::ZERO,
            committed: BTreeMap::new(),
        }
    }

    fn commit(&mut self, certificate: &Certificate) -> Vec<Effect> {
        let header = certificate.header();
        if self.committed.get(&header.author).is_some_and(|newest| header.round <= *newest) {
            return Vec::new();
        }
        let commit = Commit {
            index: self.next,
            anchor: certificate.digest(),
            timestamp: self.timestamp.max(header.created_at),
            batches: header.batches.iter().map(|batch| (header.author, *batch)).collect(),
            close_block: header.close_block && self.committee.len() == 1,
            chain: ChainDigest::default(),
        }
        .chained(self.chain);
        self.advance(&commit, header.author, header.round);
        let record = Record::Committed {
            commit: commit.clone(),
            author: header.author,
            round: header.round,
        };
        vec![Effect::Persist(record), Effect::Commit(commit)]
    }

    fn advance(&mut self, commit: &Commit, author: ValidatorId, round: Round) {
        self.next = commit.index.next();
        self.chain = commit.chain;
        self.timestamp = commit.timestamp;
        self.committed.insert(author, round);
    }
}

impl Protocol for Fcfs {
    fn step(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Recovered(records) => {
                for Record::Committed { commit, author, round } in records {
                    self.advance(&commit, author, round);
                }
                Vec::new()
            }
            Input::Certificate(certificate) => self.commit(&certificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::{
        BatchDigest, BatchRef, Digest, Epoch, Header, Signer, Validator, Vote, WorkerId,
    };
    use proptest::{collection::vec, prelude::*};

    use super::*;

    fn signer() -> Signer {
        Signer::from_seed([1; 32])
    }

    fn committee() -> Arc<Committee> {
        let member = Validator { key: signer().public_key(), stake: 1 };
        Arc::new(Committee::new(Epoch(0), vec![member]).expect("valid"))
    }

    fn certificate(round: u64, millis: u64, close_block: bool) -> Certificate {
        let byte = u8::try_from(round % 256).expect("below 256");
        let digest = BatchDigest(Digest::from_bytes([byte; 32]));
        let header = Header {
            genesis: Digest::default(),
            epoch: Epoch(0),
            author: ValidatorId(0),
            round: Round(round),
            created_at: Timestamp::from_millis(millis),
            batches: vec![BatchRef { digest, worker: WorkerId(0) }],
            parents: Vec::new(),
            close_block,
        };
        let vote = Vote::new(ValidatorId(0), header.digest(), &signer());
        Certificate::new(header, vec![vote], &committee()).expect("a quorum of one")
    }

    fn run(fcfs: &mut Fcfs, input: Input) -> (Vec<Record>, Vec<Commit>) {
        let (mut records, mut commits) = (Vec::new(), Vec::new());
        for effect in fcfs.step(input) {
            match effect {
                Effect::Persist(record) => records.push(record),
                Effect::Commit(commit) => commits.push(commit),
            }
        }
        (records, commits)
    }

    #[test]
    fn a_commit_is_durable_before_it_is_announced() {
        let effects = Fcfs::new(committee()).step(Input::Certificate(certificate(1, 5, true)));
        let [Effect::Persist(Record::Committed { commit: durable, .. }), Effect::Commit(commit)] =
            effects.as_slice()
        else {
            panic!("{effects:?}");
        };
        assert_eq!(durable, commit);
        assert!(commit.close_block);
    }

    proptest! {
        /// Whatever the clocks say and wherever the process dies: numbers without gaps, time that
        /// never goes back, each certificate once, and the same order as without the crash.
        #[test]
        fn a_crash_does_not_change_the_order(
            times in vec(0_u64..1_000, 1..40),
            crash_after in 0_usize..40,
        ) {
            let certificates: Vec<_> =
                (1..).zip(&times).map(|(round, millis)| certificate(round, *millis, false)).collect();

            let mut steady = Fcfs::new(committee());
            let mut expected = Vec::new();
            for certificate in &certificates {
                expected.extend(run(&mut steady, Input::Certificate(certificate.clone())).1);
            }

            let mut fcfs = Fcfs::new(committee());
            let (mut records, mut order) = (Vec::new(), Vec::new());
            for (number, certificate) in certificates.iter().enumerate() {
                if number == crash_after {
                    fcfs = Fcfs::new(committee());
                    let (again, none) = run(&mut fcfs, Input::Recovered(records.clone()));
                    prop_assert!(again.is_empty() && none.is_empty());
                }
                // The mempool may deliver a certificate again after a restart.
                for _ in 0..2 {
                    let (record, commit) = run(&mut fcfs, Input::Certificate(certificate.clone()));
                    records.extend(record);
                    order.extend(commit);
                }
            }

            prop_assert_eq!(&order, &expected);
            for (index, commit) in (0..).zip(&order) {
                prop_assert_eq!(commit.index, CommitIndex(index));
            }
            prop_assert!(order.is_sorted_by_key(|commit| commit.timestamp));
        }
    }
}
