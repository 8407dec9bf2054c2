//! Workers that are processes of their own; here they share one, and nothing else.

use std::path::Path;

use kraken_types::genesis::Protocol;

use super::committee::{Committee, free_addresses};
use crate::*;

/// Starts the worker of a validator on what is in its folder.
async fn start_worker(committee: &Committee, validator: usize, directory: &Path) -> WorkerProcess {
    let config = WorkerProcessConfig {
        genesis: committee.chain.genesis().clone(),
        swarm: committee.swarm(validator, 1, 3),
        primary: committee.links[validator].to_string(),
        directory: Some(directory.to_owned()),
        metrics: Metrics::default(),
    };
    let worker = WorkerProcess::start(config).await.expect("it starts");
    assert_eq!((usize::from(worker.validator.0), worker.worker.0), (validator, 0));
    worker
}

/// What is sent to a validator is executed by all, whatever becomes of its worker, or of itself.
async fn workers_and_primaries_come_and_go(protocol: Protocol) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let home = |name: &str, validator: usize| folder.path().join(format!("{name}-{validator}"));
    let mut committee = Committee::new(4, protocol);
    committee.links = free_addresses(4).iter().map(|addresses| addresses[0]).collect();
    let mut workers = Vec::new();
    for validator in 0..4 {
        committee.start(validator, Some(&home("validator", validator)), false).await;
        workers.push(start_worker(&committee, validator, &home("worker", validator)).await);
    }
    let mut hashes = Vec::new();
    for nonce in 0..4 {
        let to = usize::try_from(nonce).expect("few");
        hashes.push(committee.transfer(to, 0, nonce).await);
        hashes.push(committee.transfer(to, 1, nonce).await);
    }
    committee.accept(&hashes).await;
    assert!(workers.iter().all(WorkerProcess::is_linked));

    // Without a worker a validator packs nothing, and executes nothing: the bytes are with it.
    workers[2].shut_down().await;
    let waiting = committee.transfer(2, 2, 0).await;
    let elsewhere = committee.transfer(0, 3, 0).await;
    workers[2] = start_worker(&committee, 2, &home("worker", 2)).await;
    hashes.extend([waiting, elsewhere]);
    committee.accept(&hashes).await;

    // A primary comes back to a worker that has not noticed much.
    let before = committee.transfer(1, 2, 1).await;
    committee.stop(1).await;
    let without = committee.transfer(3, 3, 1).await;
    committee.start(1, Some(&home("validator", 1)), false).await;
    hashes.extend([without, committee.transfer(1, 0, 4).await]);
    committee.accept(&hashes).await;
    // RECEIVED may die with the process; but it is here, or it is nowhere and can be sent again.
    let nonce_used = committee.running().all(|(sequencer, _)| {
        sequencer.view().find_transaction(before).expect("readable").is_some()
    });
    if !nonce_used {
        committee.accept(&[committee.transfer(0, 2, 1).await]).await;
    }

    // A lost disk takes what was on its way with it, and nothing that is needed.
    workers[3].shut_down().await;
    let meanwhile = committee.transfer(0, 1, 4).await;
    workers[3] = start_worker(&committee, 3, &home("new-worker", 3)).await;
    committee.accept(&[meanwhile, committee.transfer(3, 1, 5).await]).await;
    assert!(1 <= committee.agree());
    for worker in &workers {
        worker.shut_down().await;
    }
    committee.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_elsewhere_serve_hotstuff() {
    workers_and_primaries_come_and_go(Protocol::HotStuff).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_elsewhere_serve_bullshark() {
    workers_and_primaries_come_and_go(Protocol::Bullshark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_a_key_of_nobody_does_not_start() {
    let mut committee = Committee::new(2, Protocol::HotStuff);
    committee.links = free_addresses(2).iter().map(|addresses| addresses[0]).collect();
    let config = WorkerProcessConfig {
        genesis: committee.chain.genesis().clone(),
        swarm: committee.swarm(0, 1, 9),
        primary: committee.links[0].to_string(),
        directory: None,
        metrics: Metrics::default(),
    };
    let started = WorkerProcess::start(config).await;
    assert!(matches!(started, Err(StartError::NoWorker { .. })), "{started:?}");
}
