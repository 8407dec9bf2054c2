//! What only a developer's chain may do.

use kraken_execution::genesis::STRK_ADDRESS;
use starknet_api::{
    block::{GasPrice, GasPrices, NonzeroGasPrice},
    core::Nonce,
    rpc_transaction::{RpcInvokeTransaction, RpcTransaction},
    state::{StorageKey, ThinStateDiff},
    transaction::fields::TransactionSignature,
};
use starknet_types_core::felt::Felt;

use super::*;

/// A chain as `kraken dev` makes it.
fn fixed_prices(change: impl FnOnce(&mut Genesis)) -> Genesis {
    genesis(|genesis| {
        genesis.fees.l2_gas_price_change_denominator = 0;
        change(genesis);
    })
}

fn dev(node: &Node) -> DevControl {
    node.sequencer.dev().expect("dev mode")
}

fn prices(node: &Node, l2_gas: u128) -> GasPrices {
    let mut prices = dev(node).gas_prices();
    prices.strk_gas_prices.l2_gas_price = NonzeroGasPrice::new(GasPrice(l2_gas)).expect("positive");
    prices
}

fn l2_price(node: &Node, number: u64) -> u128 {
    let block = node.storage.block(BlockNumber(number)).expect("readable").expect("there");
    block.header.info.gas_prices.strk_gas_prices.l2_gas_price.get().0
}

fn nonce(node: &Node, index: usize) -> Nonce {
    let view = node.sequencer.view();
    let state = view.state_at(view.latest()).expect("readable").expect("the latest block");
    state.nonce(account(index).address).expect("readable")
}

/// A transfer that nobody signed.
fn unsigned(node: &Node, from: usize, nonce: u64) -> RpcTransaction {
    let mut transfer = testing::transfer(&node.chain, &account(from), nonce, nobody(9), 1);
    if let RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) = &mut transfer {
        invoke.signature = TransactionSignature::default();
    }
    transfer
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_blocks_are_gone_and_others_take_their_place() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let settings = fixed_prices(|_| ());
    let node = start(&settings, Some(directory.path().to_owned())).await;
    let mut hashes = Vec::new();
    for nonce in 0..4 {
        hashes.push(node.transfer(0, nonce).await);
    }
    let block = |number| node.storage.block(BlockNumber(number)).expect("readable");
    let expected: Vec<_> = [4, 3].map(|number| block(number).expect("there").header.hash).to_vec();
    let aborted = dev(&node).abort_from(BlockNumber(3)).await.expect("they can go");
    assert_eq!(aborted, expected);
    let reverts = node.sequencer.view().reverts().clone();
    let orphaned =
        Orphaned { first: (BlockNumber(3), expected[1]), last: (BlockNumber(4), expected[0]) };
    let revert = Revert { kept: BlockNumber(2), orphaned: Some(orphaned) };
    assert_eq!(reverts.since(0).collect::<Vec<_>>(), [&revert]);
    assert_eq!((node.latest(), nonce(&node, 0)), (2, Nonce(Felt::TWO)));
    let view = node.sequencer.view();
    assert!(view.find_transaction(hashes[1]).expect("readable").is_some());
    assert!(view.find_transaction(hashes[2]).expect("readable").is_none());

    // The same transaction may come again, and the chain goes on, also after a restart.
    let again = testing::transfer(&node.chain, &account(0), 2, nobody(2), 1);
    let again = node.sequencer.submit(again).await.expect("it is new again").transaction_hash;
    assert_eq!(again, hashes[2]);
    node.transfer(1, 0).await;
    assert_eq!(node.latest(), 4);
    node.check_chain();
    let error = dev(&node).abort_from(BlockNumber(0)).await.expect_err("block 0 stays");
    assert!(matches!(error, DevError::Genesis));
    let error = dev(&node).abort_from(BlockNumber(5)).await.expect_err("it is not there");
    assert!(matches!(error, DevError::NoBlock { number: BlockNumber(5) }));
    node.sequencer.shut_down().await;
    drop(view);
    drop(node);

    let node = start(&settings, Some(directory.path().to_owned())).await;
    assert_eq!(node.latest(), 4);
    node.transfer(0, 3).await;
    assert_eq!(node.latest(), 5);
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_brings_back_blocks_prices_clock_and_impersonated_accounts() {
    let node = start(&fixed_prices(|_| ()), None).await;
    node.transfer(0, 0).await;
    let before = dev(&node).next_time().expect("readable");
    let snapshot = dev(&node).snapshot().await.expect("taken");
    assert_eq!(node.latest(), 1, "nothing was open");
    let later = dev(&node).snapshot().await.expect("taken");

    dev(&node).set_gas_prices(prices(&node, 7)).await.expect("fixed prices can be set");
    dev(&node).impersonate(account(1).address);
    dev(&node).increase_time(1_000_000);
    node.transfer(0, 1).await;
    assert_eq!((node.latest(), l2_price(&node, 2)), (2, 7));

    assert!(dev(&node).revert(snapshot).await.expect("it starts again"));
    assert_eq!((node.latest(), nonce(&node, 0)), (1, Nonce(Felt::ONE)));
    assert_eq!(dev(&node).impersonated(), (Vec::new(), false));
    node.transfer(0, 1).await;
    assert_eq!(l2_price(&node, 2), l2_price(&node, 1));
    let block = node.storage.block(BlockNumber(2)).expect("readable").expect("there");
    assert!(block.header.info.block_timestamp.0 < before + 10_000, "the clock went back as well");
    for used in [snapshot, later, 99] {
        assert!(!dev(&node).revert(used).await.expect("no fault"), "snapshot {used}");
    }
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_are_those_of_the_next_block_and_of_all_after_it() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let settings = fixed_prices(|genesis| genesis.block.transactions_max = 1_000);
    let node = start(&settings, Some(directory.path().to_owned())).await;
    node.transfer(0, 0).await;
    // What waits for a nonce goes on waiting.
    let early = node.transfer(1, 1).await;
    dev(&node).set_gas_prices(prices(&node, 7)).await.expect("fixed prices can be set");
    assert_eq!(node.latest(), 1, "what was ready has a block of its own");
    assert_eq!(node.sequencer.progress(early), Some(Progress::Received));
    node.sequencer.shut_down().await;
    drop(node);

    let node = start(&settings, Some(directory.path().to_owned())).await;
    node.transfer(0, 1).await;
    node.close().await;
    node.close().await;
    assert!(l2_price(&node, 1) != 7);
    assert_eq!((l2_price(&node, 2), l2_price(&node, 3)), (7, 7));
    node.sequencer.shut_down().await;

    let market = start(&genesis(|_| ()), None).await;
    let refused = dev(&market).set_gas_prices(prices(&market, 7)).await;
    assert!(matches!(refused, Err(DevError::FeeMarket)));
    market.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_goes_back_to_block_0() {
    let node = start(&fixed_prices(|_| ()), None).await;
    node.transfer(0, 0).await;
    node.transfer(0, 1).await;
    let snapshot = dev(&node).snapshot().await.expect("taken");
    dev(&node).restart().await.expect("it starts again");
    assert_eq!((node.latest(), nonce(&node, 0)), (0, Nonce(Felt::ZERO)));
    dev(&node).restart().await.expect("also where nothing is to be taken back");
    let reverts = node.sequencer.view().reverts().clone();
    let lost: Vec<_> = reverts.since(0).map(|revert| revert.orphaned.is_some()).collect();
    assert_eq!(lost, [true, false]);
    assert!(!dev(&node).revert(snapshot).await.expect("no fault"));
    node.transfer(0, 0).await;
    assert_eq!(node.latest(), 1);
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impersonated_accounts_need_no_signature_also_when_executed_again() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let settings = fixed_prices(|genesis| genesis.block.transactions_max = 1_000);
    let node = start(&settings, Some(directory.path().to_owned())).await;
    let refused = node.sequencer.submit(unsigned(&node, 0, 0)).await.expect_err("no signature");
    assert!(matches!(refused, SubmitError::Rejected(_)));
    dev(&node).impersonate(account(0).address);
    let one = node.sequencer.submit(unsigned(&node, 0, 0)).await.expect("nobody looks");
    let other = node.sequencer.submit(unsigned(&node, 1, 0)).await;
    assert!(other.is_err(), "another account");
    dev(&node).impersonate_all(true);
    let two = node.sequencer.submit(unsigned(&node, 1, 0)).await.expect("nobody looks at any");
    dev(&node).impersonate_all(false);
    dev(&node).stop_impersonating(account(0).address);
    assert!(node.sequencer.submit(unsigned(&node, 0, 1)).await.is_err());
    // Both are ordered and in no block when the node ends.
    tokio::time::timeout(Duration::from_secs(30), async {
        while node.sequencer.view().pre_confirmed().transactions.len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("both are executed in time");
    node.sequencer.shut_down().await;
    drop(node);

    let node = start(&settings, Some(directory.path().to_owned())).await;
    node.close().await;
    for hash in [one.transaction_hash, two.transaction_hash] {
        let found = node.sequencer.view().find_transaction(hash).expect("readable");
        let (block, index) = found.expect("it is in a block");
        let receipt = &block.transactions()[index].receipt;
        assert!(matches!(
            receipt.execution_status,
            starknet_api::transaction::TransactionExecutionStatus::Succeeded
        ));
    }
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_diff_is_a_block_and_one_that_does_not_fit_is_refused() {
    let node = start(&fixed_prices(|_| ()), None).await;
    node.transfer(0, 0).await;
    let (key, value) = (StorageKey::from(5_u128), Felt::from(77));
    let written = |contract| Diff {
        changes: ThinStateDiff {
            storage_diffs: [(contract, [(key, value)].into())].into(),
            ..ThinStateDiff::default()
        },
        ..Diff::default()
    };
    let hash = dev(&node).apply(written(STRK_ADDRESS)).await.expect("it fits");
    let block = node.storage.block(BlockNumber(2)).expect("readable").expect("there");
    assert_eq!((block.header.hash, block.transactions.len()), (hash, 0));
    let view = node.sequencer.view();
    let state = view.state_at(view.latest()).expect("readable").expect("there");
    assert_eq!(state.storage_at(STRK_ADDRESS, key).expect("readable"), value);
    drop(view);

    let refused = dev(&node).apply(written(nobody(1))).await;
    assert!(matches!(refused, Err(DevError::ContractNotFound { address }) if address == nobody(1)));
    let class_hash = starknet_api::core::ClassHash(Felt::from(0x1234));
    let deployed = Diff {
        changes: ThinStateDiff {
            deployed_contracts: [(nobody(1), class_hash)].into(),
            ..ThinStateDiff::default()
        },
        ..Diff::default()
    };
    let refused = dev(&node).apply(deployed).await;
    assert!(matches!(refused, Err(DevError::ClassNotFound { .. })));
    // The chain goes on.
    node.transfer(0, 1).await;
    assert_eq!(node.latest(), 3);
    node.check_chain();
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_up_to_one_are_accepted_on_l1() {
    let node = start(&fixed_prices(|_| ()), None).await;
    for nonce in 0..3 {
        node.transfer(0, nonce).await;
    }
    assert_eq!(node.sequencer.view().accepted_on_l1(), None);
    let accepted = dev(&node).accept_on_l1(BlockNumber(2)).await.expect("there");
    assert_eq!(accepted.len(), 3);
    assert_eq!(node.sequencer.view().accepted_on_l1(), Some(BlockNumber(2)));
    let again = dev(&node).accept_on_l1(BlockNumber(1)).await;
    assert!(matches!(again, Err(DevError::AcceptedOnL1 { .. })));
    let missing = dev(&node).accept_on_l1(BlockNumber(4)).await;
    assert!(matches!(missing, Err(DevError::NoBlock { .. })));
    assert_eq!(dev(&node).accept_on_l1(BlockNumber(3)).await.expect("there").len(), 1);
    dev(&node).abort_from(BlockNumber(2)).await.expect("they can go");
    assert_eq!(node.sequencer.view().accepted_on_l1(), Some(BlockNumber(1)));
    node.sequencer.shut_down().await;
}
