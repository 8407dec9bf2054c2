//! Several validators in one process, over real sockets.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::atomic::{AtomicU16, Ordering},
    time::{Duration, Instant},
};

use kraken_execution::{Chain, EngineKind, testing};
use kraken_storage::Storage;
use kraken_types::{
    Genesis, Signer,
    genesis::{Member, MemberNetwork, Protocol},
};
use starknet_api::{block::BlockNumber, transaction::TransactionHash};

use super::{account, genesis, nobody};
use crate::*;

/// Nothing here takes longer.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// How many ports there are to choose from.
const PORTS: u16 = 22_000;

pub(super) struct Committee {
    pub(super) chain: Chain,
    /// For each validator where its primary, its worker and its sync listen.
    pub(super) addresses: Vec<[SocketAddr; 3]>,
    pub(super) validators: Vec<Option<(Sequencer, Storage)>>,
    /// What each counts, for when a test fails.
    metrics: Vec<Metrics>,
    /// Where primaries wait for workers that are processes of their own; empty if none is.
    pub(super) links: Vec<SocketAddr>,
}

pub(super) fn seed(validator: usize, use_: u8) -> [u8; 32] {
    let mut seed = [use_; 32];
    seed[0] = u8::try_from(validator).expect("few");
    seed
}

fn public_key(validator: usize, use_: u8) -> String {
    Signer::from_seed(seed(validator, use_)).public_key().to_string()
}

pub(super) fn free_addresses(count: usize) -> Vec<[SocketAddr; 3]> {
    // Below the ports that the system gives to connections, or one could be taken before it is used.
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let begin = u16::try_from(std::process::id() % 220).expect("few") * 100;
    let bind = |_| {
        let port = (0..PORTS).find_map(|_| {
            let place = u32::from(begin) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = 10_000 + u16::try_from(place % u32::from(PORTS)).expect("few");
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
        });
        port.expect("a free port")
    };
    // All are held until the last is found, or one could be given twice.
    let held: Vec<_> = (0..3 * count).map(bind).collect();
    let mut addresses = held.iter().map(|held| held.local_addr().expect("bound"));
    let mut next = || addresses.next().expect("as many as were bound");
    (0..count).map(|_| [next(), next(), next()]).collect()
}

impl Committee {
    pub(super) fn new(count: usize, protocol: Protocol) -> Self {
        let genesis: Genesis = genesis(|genesis| {
            genesis.protocol = protocol;
            genesis.block.interval_millis = Some(200);
            genesis.block.transactions_max = 1_000;
            let member = |validator| Member {
                key: public_key(validator, 1),
                stake: 1,
                network: Some(MemberNetwork {
                    primary: public_key(validator, 2),
                    workers: vec![public_key(validator, 3)],
                }),
            };
            genesis.committee = (0..count).map(member).collect();
        });
        let chain = Chain::new(&genesis).expect("valid");
        let validators = (0..count).map(|_| None).collect();
        let metrics = vec![Metrics::default(); count];
        let (addresses, links) = (free_addresses(count), Vec::new());
        Self { chain, addresses, validators, metrics, links }
    }

    pub(super) fn network(&self, validator: usize) -> NetworkConfig {
        let swarm = |place, use_| self.swarm(validator, place, use_);
        let worker = match self.links.get(validator) {
            Some(listen) => WorkerConfig::Elsewhere { listen: *listen },
            None => swarm(1, 3).into(),
        };
        NetworkConfig { primary: swarm(0, 2), workers: vec![worker], sync: swarm(2, 2) }
    }

    /// The swarm of a validator at a place of its addresses.
    pub(super) fn swarm(&self, validator: usize, place: usize, use_: u8) -> SwarmConfig {
        SwarmConfig {
            seed: Seed::new(seed(validator, use_)),
            listen: self.addresses[validator][place],
            peers: self.addresses.iter().map(|all| all[place].to_string()).collect(),
            transport: Transport::Tcp,
        }
    }

    pub(super) async fn start(
        &mut self,
        validator: usize,
        directory: Option<&Path>,
        disk_was_lost: bool,
    ) {
        let storage = self.storage(directory).await;
        self.start_on(validator, storage, directory, disk_was_lost).await;
    }

    /// Storage with block 0.
    pub(super) async fn storage(&self, directory: Option<&Path>) -> Storage {
        let storage = self.empty_storage(directory);
        if storage.tip().is_none() {
            let state = testing::genesis_state(self.chain.genesis());
            seal_genesis(&self.chain, &storage, state).await.expect("block 0");
        }
        storage
    }

    pub(super) fn empty_storage(&self, directory: Option<&Path>) -> Storage {
        let (directory, genesis) = (directory.map(Path::to_owned), self.chain.genesis().digest());
        Storage::open(kraken_storage::Config { directory, genesis }).expect("storage opens")
    }

    /// Starts a validator on what is stored already.
    pub(super) async fn start_on(
        &mut self,
        validator: usize,
        storage: Storage,
        evidence: Option<&Path>,
        disk_was_lost: bool,
    ) {
        self.metrics[validator] = Metrics::default();
        let config = Config {
            metrics: self.metrics[validator].clone(),
            engine: EngineKind::Sequential,
            signer: Signer::from_seed(seed(validator, 1)),
            mode: Mode::Committee,
            network: Some(self.network(validator)),
            disk_was_lost,
            evidence: evidence.map(Path::to_owned),
            ..super::config()
        };
        let sequencer = Sequencer::start(config, self.chain.clone(), storage.clone()).await;
        self.validators[validator] = Some((sequencer.expect("starts"), storage));
    }

    pub(super) async fn start_all(&mut self) {
        for validator in 0..self.validators.len() {
            self.start(validator, None, false).await;
        }
    }

    /// Ends a validator as a signal would.
    pub(super) async fn stop(&mut self, validator: usize) {
        let (sequencer, storage) = self.validators[validator].take().expect("it runs");
        sequencer.shut_down().await;
        drop(storage);
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &(Sequencer, Storage)> {
        self.validators.iter().flatten()
    }

    pub(super) async fn transfer(&self, to: usize, from: usize, nonce: u64) -> TransactionHash {
        let transfer = testing::transfer(&self.chain, &account(from), nonce, nobody(nonce), 1);
        let (sequencer, _) = self.validators[to].as_ref().expect("it runs");
        sequencer.submit(transfer).await.expect("admitted").transaction_hash
    }

    /// Waits until everyone that runs has these in accepted blocks.
    pub(super) async fn accept(&self, hashes: &[TransactionHash]) {
        let started = Instant::now();
        for (id, (sequencer, _)) in self.running().enumerate() {
            for hash in hashes {
                loop {
                    let found = sequencer.view().find_transaction(*hash).expect("readable");
                    if matches!(found, Some((BlockAt::Closed(_), _))) {
                        break;
                    }
                    let view = sequencer.view();
                    assert!(
                        started.elapsed() < PATIENCE,
                        "{hash} is not accepted by the {id}th: latest {:?}; {}",
                        view.latest(),
                        self.counts(*hash),
                    );
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }

    /// How far each is, and the transaction with it.
    fn counts(&self, hash: TransactionHash) -> String {
        let of = |(metrics, validator): (&Metrics, &Option<(Sequencer, Storage)>)| {
            let progress = validator.as_ref().map(|(sequencer, _)| sequencer.progress(hash));
            let Metrics { round, commit_index, executed_block, missing_batches, .. } = metrics;
            let (round, commit) = (round.get(), commit_index.get());
            let (executed, missing) = (executed_block.get(), missing_batches.get());
            format!(
                "[round {round} commit {commit} executed {executed} missing {missing} {progress:?}]"
            )
        };
        self.metrics.iter().zip(&self.validators).map(of).collect()
    }

    /// Checks that all have the same blocks, up to the lowest tip.
    pub(super) fn agree(&self) -> u64 {
        let lowest = self.running().map(|(sequencer, _)| sequencer.view().latest()).min();
        let lowest = lowest.expect("somebody runs");
        for number in (0..=lowest.0).map(BlockNumber) {
            let blocks: Vec<_> = self
                .running()
                .map(|(_, storage)| storage.block(number).expect("readable").expect("there"))
                .collect();
            assert!(blocks.iter().all(|block| *block == blocks[0]), "block {number} differs");
        }
        lowest.0
    }

    pub(super) async fn shut_down(&self) {
        for (sequencer, _) in self.running() {
            sequencer.shut_down().await;
        }
    }
}

/// What is sent to one validator is in the blocks of all; nonces of one account may go to all.
async fn all_have_what_one_was_sent(protocol: Protocol) {
    let mut committee = Committee::new(4, protocol);
    committee.start_all().await;
    let mut hashes = Vec::new();
    for nonce in 0..8 {
        let to = usize::try_from(nonce % 4).expect("few");
        hashes.push(committee.transfer(to, 0, nonce).await);
        hashes.push(committee.transfer(0, 1, nonce).await);
    }
    committee.accept(&hashes).await;
    assert!(1 <= committee.agree());
    committee.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_agree_by_hotstuff() {
    all_have_what_one_was_sent(Protocol::HotStuff).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_agree_by_bullshark() {
    all_have_what_one_was_sent(Protocol::Bullshark).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn four_validators_agree_by_fcfs() {
    all_have_what_one_was_sent(Protocol::Fcfs).await;
}

/// One is away for some blocks and then goes on where it was; another loses its disk.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_and_who_lost_its_disk_come_back() {
    for protocol in [Protocol::HotStuff, Protocol::Bullshark] {
        let folders = [0, 1].map(|_| tempfile::tempdir().expect("a temporary folder"));
        let mut committee = Committee::new(4, protocol);
        for validator in 0..3 {
            committee.start(validator, None, false).await;
        }
        committee.start(3, Some(folders[0].path()), false).await;
        let first = committee.transfer(3, 0, 0).await;
        committee.accept(&[first]).await;
        committee.stop(3).await;
        let mut while_away = Vec::new();
        for nonce in 1..6 {
            while_away.push(committee.transfer(0, 0, nonce).await);
            committee.accept(&while_away).await;
        }
        committee.start(3, Some(folders[0].path()), false).await;
        committee.accept(&while_away).await;
        let later = committee.transfer(3, 0, 6).await;
        committee.accept(&[later]).await;

        committee.stop(3).await;
        committee.start(3, Some(folders[1].path()), true).await;
        committee.accept(&while_away).await;
        let last = committee.transfer(1, 0, 7).await;
        committee.accept(&[first, later, last]).await;
        assert!(7 <= committee.agree(), "{protocol:?}");
        committee.shut_down().await;
    }
}
