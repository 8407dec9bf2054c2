//! Full nodes of a committee.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kraken_execution::testing;
use kraken_network::{Admission, Dialing, Encryption, Keypair, Network, Requests};
use kraken_storage::Storage;
use kraken_types::genesis::Protocol;
use starknet_api::{block::BlockNumber, transaction::TransactionHash};

use super::{
    account,
    committee::{Committee, PATIENCE, free_addresses, seed},
    nobody,
};
use crate::*;

/// A full node, and what it has.
struct Follower {
    sequencer: Sequencer,
    storage: Storage,
    metrics: Metrics,
}

impl Follower {
    async fn start(committee: &Committee, directory: Option<&Path>) -> Self {
        let storage = committee.storage(directory).await;
        Self::start_on(committee, storage).await
    }

    async fn start_on(committee: &Committee, storage: Storage) -> Self {
        let metrics = Metrics::default();
        let config = FullNodeConfig {
            swarm: SwarmConfig {
                seed: Seed::new(seed(99, 9)),
                listen: free_addresses(1)[0][0],
                peers: committee.addresses.iter().map(|all| all[2].to_string()).collect(),
                transport: Transport::Tcp,
            },
            gateway_concurrency: 2,
            evidence: None,
            metrics: metrics.clone(),
        };
        let started = Sequencer::follow(config, committee.chain.clone(), storage.clone()).await;
        Self { sequencer: started.expect("starts"), storage, metrics }
    }

    async fn transfer(&self, from: usize, nonce: u64) -> Result<TransactionHash, SubmitError> {
        let chain = self.sequencer.chain();
        let transfer = testing::transfer(chain, &account(from), nonce, nobody(nonce), 1);
        self.sequencer.submit(transfer).await.map(|admitted| admitted.transaction_hash)
    }

    /// Waits until these are in accepted blocks here.
    async fn accept(&self, hashes: &[TransactionHash]) {
        let started = Instant::now();
        for hash in hashes {
            loop {
                let view = self.sequencer.view();
                let found = view.find_transaction(*hash).expect("readable");
                if matches!(found, Some((BlockAt::Closed(_), _))) {
                    break;
                }
                let latest = view.latest();
                assert!(started.elapsed() < PATIENCE, "{hash} is not here, at {latest}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Checks that it has the blocks of a validator, with a quorum for each.
    fn agrees(&self, committee: &Committee) -> u64 {
        let (_, theirs) = committee.running().next().expect("somebody runs");
        let latest = self.sequencer.view().latest();
        for number in (1..=latest.0).map(BlockNumber) {
            let ours = self.storage.block(number).expect("readable").expect("there");
            assert_eq!(Some(ours), theirs.block(number).expect("readable"));
            assert!(self.storage.acceptance(number).expect("readable").is_some(), "{number}");
        }
        latest.0
    }

    async fn stop(self) {
        self.sequencer.shut_down().await;
    }
}

/// It has what the others have, also what it was sent itself, and goes on without the validator that
/// it was connected to, and after a pause.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_follows_a_committee() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut committee = Committee::new(4, Protocol::HotStuff);
    committee.start_all().await;
    let first = committee.transfer(0, 0, 0).await;
    committee.accept(&[first]).await;
    let follower = Follower::start(&committee, Some(folder.path())).await;
    follower.accept(&[first]).await;
    assert_eq!(follower.sequencer.distance(), Distance::Near);

    // Nonces of one account may follow each other before any of them is in a block.
    let mut hashes = vec![first];
    for nonce in 0..4 {
        hashes.push(follower.transfer(1, nonce).await.expect("a validator takes it"));
        hashes.push(committee.transfer(1, 0, nonce + 1).await);
    }
    assert_eq!(follower.sequencer.progress(hashes[7]), Some(Progress::Received));
    let again = follower.transfer(1, 3).await;
    assert!(matches!(again, Err(SubmitError::Duplicate)), "{again:?}");
    follower.accept(&hashes).await;
    assert_eq!((follower.sequencer.pending(), follower.sequencer.progress(hashes[7])), (0, None));
    let used = follower.transfer(1, 2).await;
    assert!(matches!(used, Err(SubmitError::Duplicate)), "in a block: {used:?}");
    let far = follower.transfer(1, 4_000).await;
    assert!(matches!(far, Err(SubmitError::Rejected(_))), "the validator refuses it: {far:?}");

    committee.stop(0).await;
    let later = follower.transfer(1, 4).await.expect("another validator takes it");
    committee.accept(&[later]).await;
    follower.accept(&[later]).await;
    follower.stop().await;

    let while_away = committee.transfer(1, 0, 5).await;
    committee.accept(&[while_away]).await;
    let follower = Follower::start(&committee, Some(folder.path())).await;
    follower.accept(&[first, later, while_away]).await;
    assert!(4 <= follower.agrees(&committee));
    follower.stop().await;
    committee.shut_down().await;
}

/// Blocks that a crash has separated from their proofs are shown only once there is a quorum again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_asks_for_proofs_that_it_has_lost() {
    let mut committee = Committee::new(4, Protocol::HotStuff);
    committee.start_all().await;
    let mut hashes = Vec::new();
    for nonce in 0..3 {
        hashes.push(committee.transfer(0, 0, nonce).await);
        committee.accept(&hashes).await;
    }
    let (_, theirs) = committee.validators[0].as_ref().expect("it runs");
    let storage = committee.storage(None).await;
    let tip = theirs.tip().expect("there are blocks");
    for number in (1..=tip.0).map(BlockNumber) {
        let block = theirs.block(number).expect("readable").expect("there");
        let tries = storage.update_tries(&block.state_diff).expect("memory");
        storage.commit_block(&Arc::clone(&block), tries).expect("memory");
    }
    let follower = Follower::start_on(&committee, storage).await;
    follower.accept(&hashes).await;
    assert!(tip.0 <= follower.agrees(&committee));
    assert_eq!(follower.metrics.synced_blocks.get() + tip.0, follower.sequencer.view().latest().0);
    follower.stop().await;
    committee.shut_down().await;
}

/// A validator that answers everything with bytes that make no sense, on the address of another.
async fn liar(committee: &Committee, validator: usize) -> Network {
    let genesis = committee.chain.genesis();
    let config = kraken_network::Config {
        name: "sync".to_owned(),
        key: Keypair::from_seed(seed(validator, 2)),
        listen: committee.addresses[validator][2],
        transport: kraken_network::Transport::Tcp(Encryption::Noise),
        chain: genesis.digest(),
        protocol: format!("kraken/1 {:?} sync", genesis.protocol),
        peers: vec![],
        dialing: Dialing::HigherKeys,
        admission: Admission::Anyone { connections_max: 8, requests_max: 8 },
        lanes: vec![],
        requests: Requests {
            bytes_max: 6 << 20,
            answer_bytes_max: 1_024,
            timeout: PATIENCE,
            at_once_max: 16,
            inbox_max: 16,
        },
    };
    let metrics =
        kraken_network::Metrics::register(&mut prometheus_client::registry::Registry::default());
    let (network, mut inboxes) = Network::start(config, &metrics).await.expect("it listens");
    tokio::spawn(async move {
        while let Some(request) = inboxes.requests.recv().await {
            request.answer(Bytes::from_static(&[0xff; 99]));
        }
    });
    network
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_leaves_liars_for_others() {
    let mut committee = Committee::new(4, Protocol::HotStuff);
    for validator in 1..4 {
        committee.start(validator, None, false).await;
    }
    let lying = liar(&committee, 0).await;
    let follower = Follower::start(&committee, None).await;
    let mut hashes = Vec::new();
    for nonce in 0..3 {
        // Each account has its validator; one of them has the liar.
        for from in 0..4 {
            hashes.push(follower.transfer(from, nonce).await.expect("another one takes it"));
        }
    }
    committee.accept(&hashes).await;
    follower.accept(&hashes).await;
    follower.agrees(&committee);
    follower.stop().await;
    lying.shut_down().await;
    committee.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_node_without_validators_says_so() {
    let committee = Committee::new(4, Protocol::HotStuff);
    let follower = Follower::start(&committee, None).await;
    assert_eq!(follower.sequencer.distance(), Distance::Unknown);
    let sent = follower.transfer(0, 0).await;
    assert!(matches!(sent, Err(SubmitError::NotHandedOn { .. })), "{sent:?}");
    assert_eq!(follower.sequencer.view().latest().0, 0);
    follower.stop().await;
}
