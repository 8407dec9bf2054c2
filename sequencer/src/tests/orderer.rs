//! Validators that order and do nothing else.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use kraken_storage::log::Durability;
use kraken_types::{BatchDigest, Commit, Signer, genesis::Protocol};
use tokio::time;

use super::committee::{Committee, seed};
use crate::*;

const VALIDATORS: usize = 4;
const TRANSACTIONS: usize = 2_000;

#[derive(Debug, Default)]
struct Seen {
    /// Own batches, and how many transactions are in each.
    sealed: Vec<(BatchDigest, usize)>,
    available: Vec<BatchDigest>,
    committed: Vec<BatchDigest>,
}

#[derive(Debug, Default)]
struct Notes(Mutex<Seen>);

impl OrderObserver for Notes {
    fn sealed(&self, batch: BatchDigest, transactions: usize) {
        self.0.lock().unwrap().sealed.push((batch, transactions));
    }

    fn available(&self, batch: BatchDigest) {
        self.0.lock().unwrap().available.push(batch);
    }

    fn committed(&self, commit: &Commit) {
        let batches = commit.batches.iter().map(|(_, batch)| batch.digest);
        self.0.lock().unwrap().committed.extend(batches);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_offered_is_in_the_one_order_once() {
    let committee = Committee::new(VALIDATORS, Protocol::Bullshark);
    let folder = tempfile::tempdir().unwrap();
    let mut orderers = Vec::new();
    for validator in 0..VALIDATORS {
        let config = OrdererConfig {
            genesis: committee.chain.genesis().clone(),
            signer: Signer::from_seed(seed(validator, 1)),
            network: committee.network(validator),
            directory: folder.path().join(validator.to_string()),
            durability: Durability::Buffered,
        };
        let notes = Arc::new(Notes::default());
        orderers.push((Orderer::start(config, notes.clone()).await.unwrap(), notes));
    }
    for (orderer, _) in &orderers {
        let transaction = |number: usize| Bytes::from(number.to_le_bytes().repeat(64));
        orderer.submit((0..TRANSACTIONS).map(transaction).collect()).await;
    }
    // How many transactions of how many validators are in what this one has ordered.
    let ordered = |notes: &Notes| -> usize {
        let committed = notes.0.lock().unwrap().committed.clone();
        let sealed = orderers.iter().flat_map(|(_, of)| of.0.lock().unwrap().sealed.clone());
        sealed.filter(|(batch, _)| committed.contains(batch)).map(|(_, count)| count).sum()
    };
    let all = async {
        while !orderers.iter().all(|(_, notes)| ordered(notes) == VALIDATORS * TRANSACTIONS) {
            time::sleep(Duration::from_millis(20)).await;
        }
    };
    time::timeout(Duration::from_secs(60), all).await.expect("all is ordered in time");

    let first = orderers[0].1.0.lock().unwrap().committed.clone();
    for (orderer, notes) in &orderers {
        orderer.shut_down().await;
        let seen = notes.0.lock().unwrap();
        let common = first.len().min(seen.committed.len());
        assert_eq!(first[..common], seen.committed[..common], "one order");
        let sealed: Vec<_> = seen.sealed.iter().map(|(batch, _)| *batch).collect();
        let times = |batch| seen.committed.iter().filter(|other| *other == batch).count();
        assert!(sealed.iter().all(|batch| times(batch) == 1), "each batch once");
        assert!(sealed.iter().all(|batch| seen.available.contains(batch)), "a quorum holds each");
    }
}
