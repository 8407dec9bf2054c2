//! What the pool does for a whole node: prices, pace, and the limits of the way in.

use kraken_execution::{Rejection, RejectionKind};
use starknet_api::{block::GasPrice, rpc_transaction::RpcTransaction};

use super::*;

const FLOOR: u128 = 1_000_000_000;

/// A node whose L2 price rises with every block that holds a transfer, and falls with every other.
async fn lively() -> Node {
    let lively = genesis(|genesis| {
        genesis.block.transactions_max = 1_000;
        genesis.fees.l2_gas_target = 100_000;
    });
    assert_eq!(lively.fees.l2_gas_price_fri_min, FLOOR);
    start(&lively, None).await
}

impl Node {
    /// A transfer that pays no more than this for L2 gas.
    fn paying(&self, from: usize, nonce: u64, price: u128) -> RpcTransaction {
        let from = account(from);
        let call =
            testing::transfer_call(kraken_execution::genesis::STRK_ADDRESS, nobody(nonce), 1);
        let mut bounds = testing::ample_bounds();
        bounds.l2_gas.max_price_per_unit = GasPrice(price);
        testing::multicall(&self.chain, &from, nonce, &[call], bounds)
    }

    async fn refusal(&self, transaction: RpcTransaction) -> Rejection {
        match self.sequencer.submit(transaction).await {
            Err(SubmitError::Rejected(rejection)) => rejection,
            other => panic!("{other:?}"),
        }
    }

    fn is_in_block(&self, hash: TransactionHash) -> bool {
        self.sequencer.view().find_transaction(hash).expect("readable").is_some()
    }

    async fn executed(&self, hash: TransactionHash) {
        let executed = async {
            while !self.is_in_block(hash) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), executed).await.expect("executed in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn below_the_floor_is_65_and_below_the_price_of_now_is_53() {
    let node = lively().await;
    let below = node.refusal(node.paying(1, 0, FLOOR - 1)).await;
    assert_eq!(below.kind, RejectionKind::FeeBelowMinimum, "{below}");
    assert!(below.reason.contains("999999999 fri"), "{below}");

    let hash = node.transfer(0, 0).await;
    node.executed(hash).await;
    node.close().await;
    let below = node.refusal(node.paying(1, 0, FLOOR - 1)).await;
    assert_eq!(below.kind, RejectionKind::FeeBelowMinimum, "{below}");
    let between = node.refusal(node.paying(1, 0, FLOOR)).await;
    assert_eq!(between.kind, RejectionKind::InsufficientResources, "{between}");
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rising_price_left_behind_goes_on_once_the_price_has_fallen() {
    let node = lively().await;
    let later = node.sequencer.submit(node.paying(1, 1, FLOOR)).await.expect("admitted");
    let first = node.transfer(0, 0).await;
    node.executed(first).await;
    node.close().await;
    // Now its turn has come, but a unit of L2 gas costs more than it offers.
    let before_it = node.transfer(1, 0).await;
    node.executed(before_it).await;
    node.close().await;
    assert!(!node.is_in_block(later.transaction_hash));
    assert_eq!(node.sequencer.pending(), 1);

    for _ in 0..60 {
        node.close().await;
        if node.sequencer.pending() == 0 {
            break;
        }
    }
    node.executed(later.transaction_hash).await;
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_on_demand_holds_all_that_was_ready_whatever_execution_keeps_up_with() {
    let on_demand = genesis(|genesis| {
        genesis.block.transactions_max = 1_000;
        genesis.limits.nonce_ahead_max = 1_000;
    });
    let node = start(&on_demand, None).await;
    for nonce in (1..300).rev() {
        node.transfer(0, nonce).await;
    }
    node.transfer(0, 0).await;
    node.close().await;
    let block = node.storage.block(BlockNumber(1)).expect("readable").expect("there");
    assert_eq!(block.transactions.len(), 300);
    node.sequencer.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_invoke_behind_a_deploy_account_is_taken_on_trust() {
    let node = start(&genesis(|_| ()), None).await;
    let class_hash = kraken_execution::genesis::ACCOUNT_CLASS_HASH;
    let fresh = testing::account(0x1234.into(), class_hash, 5.into());
    let fund = testing::transfer(&node.chain, &account(0), 0, fresh.address, 5 * 10_u128.pow(20));
    node.sequencer.submit(fund).await.expect("admitted");
    for nonce in 1..3 {
        let invoke = testing::transfer(&node.chain, &fresh, nonce, nobody(1), 1);
        let refused = node.refusal(invoke).await;
        assert_eq!(refused.kind, RejectionKind::ValidationFailure, "nonce {nonce}: {refused}");
    }
    node.sequencer.shut_down().await;
}
