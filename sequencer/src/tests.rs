//! The whole path in one process: real execution, real hashes, storage in memory or in a folder.

mod committee;
mod dev;
mod divergence;
mod follower;
mod orderer;
mod pool;
mod restart;
mod worker_process;

use std::{path::PathBuf, time::Duration};

use kraken_execution::{
    Chain, EngineKind,
    genesis::{PredeployedAccount, accounts, dev_genesis},
    testing,
};
use kraken_storage::Storage;
use kraken_types::{
    Genesis, Signer,
    genesis::{Member, MemberNetwork},
};
use starknet_api::{block::BlockNumber, core::ContractAddress, transaction::TransactionHash};
use tempfile::TempDir;

use crate::*;

const SECONDS: u64 = 1_700_000_000;

struct Node {
    sequencer: Sequencer,
    storage: Storage,
    chain: Chain,
}

fn signer() -> Signer {
    Signer::from_seed([7; 32])
}

fn genesis(change: impl FnOnce(&mut Genesis)) -> Genesis {
    let mut genesis = dev_genesis("SN_SEPOLIA", 0, 4, SECONDS, &signer().public_key());
    change(&mut genesis);
    genesis
}

fn config() -> Config {
    Config {
        engine: EngineKind::Concurrent { workers: 2 },
        signer: signer(),
        mode: Mode::Dev,
        pool_transactions_max: 1_000,
        pool_bytes_max: 16 << 20,
        pool_account_part: 2,
        pool_time_to_live: Duration::from_secs(60),
        gateway_concurrency: 2,
        clock_start: None,
        network: None,
        disk_was_lost: false,
        evidence: None,
        metrics: Metrics::default(),
    }
}

async fn start(genesis: &Genesis, directory: Option<PathBuf>) -> Node {
    let chain = Chain::new(genesis).expect("valid");
    let storage = Storage::open(kraken_storage::Config { directory, genesis: genesis.digest() })
        .expect("storage opens");
    if storage.tip().is_none() {
        let state = testing::genesis_state(genesis);
        seal_genesis(&chain, &storage, state).await.expect("block 0");
    }
    let sequencer =
        Sequencer::start(config(), chain.clone(), storage.clone()).await.expect("starts");
    Node { sequencer, storage, chain }
}

fn account(index: usize) -> PredeployedAccount {
    accounts(0, 4)[index]
}

fn nobody(number: u64) -> ContractAddress {
    ContractAddress::from(0xdead_0000 + number)
}

impl Node {
    async fn transfer(&self, from: usize, nonce: u64) -> TransactionHash {
        let transfer = testing::transfer(&self.chain, &account(from), nonce, nobody(nonce), 1);
        self.sequencer.submit(transfer).await.expect("admitted").transaction_hash
    }

    async fn close(&self) {
        self.sequencer.dev().expect("dev mode").create_block().await.expect("a block");
    }

    fn latest(&self) -> u64 {
        self.sequencer.view().latest().0
    }

    /// Checks that blocks are linked and that every block knows its transactions.
    fn check_chain(&self) {
        let mut parent = None;
        for number in 0..=self.latest() {
            let block = self.storage.block(BlockNumber(number)).expect("readable").expect("there");
            assert_eq!(block.header.number(), BlockNumber(number));
            if let Some(parent) = parent {
                assert_eq!(block.header.parent_hash, parent, "block {number}");
            }
            parent = Some(block.header.hash);
            for (index, executed) in (0_u32..).zip(&block.transactions) {
                let position = self.storage.position_of(executed.hash).expect("readable");
                assert_eq!(position, Some((BlockNumber(number), index)));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transaction_has_a_block_of_its_own_and_is_durable_when_it_is_answered() {
    let node = start(&genesis(|_| ()), None).await;
    for nonce in 0..3 {
        let hash = node.transfer(0, nonce).await;
        let (block, index) =
            node.sequencer.view().find_transaction(hash).expect("readable").expect("in a block");
        assert!(matches!(block, BlockAt::Closed(_)));
        assert_eq!((block.info().block_number.0, index), (nonce + 1, 0));
    }
    assert_eq!(node.latest(), 3);
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_demand_the_open_block_shows_what_is_executed_until_it_is_closed() {
    let on_demand = genesis(|genesis| genesis.block.transactions_max = 1_000);
    let node = start(&on_demand, None).await;
    let mut events = node.sequencer.subscribe();
    let hashes = [node.transfer(0, 0).await, node.transfer(1, 0).await, node.transfer(0, 1).await];
    tokio::time::timeout(Duration::from_secs(30), async {
        while node.sequencer.view().pre_confirmed().transactions.len() < 3 {
            events.recv().await.expect("events go on");
        }
    })
    .await
    .expect("all are executed in time");

    let view = node.sequencer.view();
    assert_eq!(view.latest(), BlockNumber(0));
    let state = view.state_at(BlockNumber(1)).expect("readable").expect("the open block");
    assert_eq!(state.nonce(account(0).address).expect("readable").0, 2.into());
    let stored = view.state_at(BlockNumber(0)).expect("readable").expect("block 0");
    assert_eq!(stored.nonce(account(0).address).expect("readable").0, 0.into());

    node.close().await;
    assert_eq!(node.latest(), 1);
    let view = node.sequencer.view();
    for (index, hash) in hashes.into_iter().enumerate() {
        let found = view.find_transaction(hash).expect("readable").expect("in block 1");
        assert_eq!((found.0.info().block_number.0, found.1), (1, index));
    }
    node.close().await;
    assert_eq!(node.latest(), 2, "an empty block, because it was asked for");
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_account_may_send_far_more_than_it_may_be_ahead() {
    let on_demand = genesis(|genesis| {
        genesis.block.transactions_max = 1_000;
        genesis.limits.nonce_ahead_max = 3;
    });
    let node = start(&on_demand, None).await;
    let gap = testing::transfer(&node.chain, &account(0), 4, nobody(0), 1);
    let refused = node.sequencer.submit(gap).await.expect_err("four ahead of what is here");
    assert!(matches!(refused, SubmitError::Rejected(rejection)
        if rejection.kind == kraken_execution::RejectionKind::InvalidNonce));
    for nonce in 0..30 {
        node.transfer(0, nonce).await;
    }
    node.close().await;
    let block = node.storage.block(BlockNumber(1)).expect("readable").expect("there");
    assert_eq!(block.transactions.len(), 30);
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn intervals_make_blocks_with_and_without_transactions() {
    let interval = genesis(|genesis| {
        genesis.block.transactions_max = 1_000;
        genesis.block.interval_millis = Some(200);
        genesis.block.empty_blocks = true;
    });
    let node = start(&interval, None).await;
    let mut events = node.sequencer.subscribe();
    node.transfer(0, 0).await;
    tokio::time::timeout(Duration::from_secs(30), async {
        while node.latest() < 4 {
            // Missed events do not matter here.
            let _ = events.recv().await;
        }
    })
    .await
    .expect("blocks come by themselves");
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_may_be_set_and_never_go_back() {
    let node = start(&genesis(|_| ()), None).await;
    let dev = node.sequencer.dev().expect("dev mode");
    let far = 4_000_000_000;
    dev.set_time(far).expect("the future");
    node.close().await;
    let time = |number| {
        let block = node.storage.block(BlockNumber(number)).expect("readable").expect("there");
        block.header.info.block_timestamp.0
    };
    assert_eq!(time(1), far);
    assert!(matches!(dev.set_time(far - 1), Err(DevError::TimeGoesBack { .. })));
    dev.increase_time(1_000);
    node.transfer(0, 0).await;
    assert!((far + 1_000..far + 1_060).contains(&time(2)), "{}", time(2));
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rejections_and_duplicates_are_named() {
    let node = start(&genesis(|_| ()), None).await;
    let first = testing::transfer(&node.chain, &account(0), 0, nobody(0), 1);
    node.sequencer.submit(first.clone()).await.expect("admitted");
    assert!(matches!(node.sequencer.submit(first).await, Err(SubmitError::Duplicate)));
    let used = testing::transfer(&node.chain, &account(0), 0, nobody(1), 1);
    let used = node.sequencer.submit(used).await.expect_err("nonce 0 is used up");
    assert!(matches!(used, SubmitError::Rejected(rejection)
        if rejection.kind == kraken_execution::RejectionKind::InvalidNonce));
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_account_may_send_before_it_is_deployed() {
    let on_demand = genesis(|genesis| genesis.block.transactions_max = 1_000);
    let node = start(&on_demand, None).await;
    let class_hash = kraken_execution::genesis::ACCOUNT_CLASS_HASH;
    let fresh = testing::account(0x1234.into(), class_hash, 5.into());
    let fund = testing::transfer(&node.chain, &account(0), 0, fresh.address, 5 * 10_u128.pow(20));
    node.sequencer.submit(fund).await.expect("admitted");
    node.close().await;

    let deploy =
        testing::deploy_account(&node.chain, &fresh, class_hash, 5.into(), testing::ample_bounds());
    let deployed = node.sequencer.submit(deploy).await.expect("admitted");
    assert_eq!(deployed.contract_address, Some(fresh.address));
    let invoke = testing::transfer(&node.chain, &fresh, 1, nobody(1), 1);
    let invoked = node.sequencer.submit(invoke).await.expect("admitted at once");
    node.close().await;
    for hash in [deployed.transaction_hash, invoked.transaction_hash] {
        let found = node.sequencer.view().find_transaction(hash).expect("readable");
        assert!(found.is_some(), "{hash} is in a block");
    }
    node.sequencer.shut_down().await;
}

#[tokio::test]
async fn a_committee_of_several_needs_a_network() {
    let key = |seed| kraken_types::testing::signer(seed).public_key().to_string();
    let network = |seed| MemberNetwork { primary: key(seed), workers: vec![key(seed + 1)] };
    let several = genesis(|genesis| {
        genesis.committee[0].network = Some(network(20));
        let member = Member { key: key(9), stake: 1, network: Some(network(30)) };
        genesis.committee.push(member);
    });
    let chain = Chain::new(&several).expect("valid");
    let storage = kraken_storage::Config { directory: None, genesis: several.digest() };
    let storage = Storage::open(storage).expect("memory");
    let error = Sequencer::start(config(), chain, storage).await.expect_err("no network");
    assert!(matches!(error, StartError::NoNetwork { validators: 2 }), "{error}");
}
