//! The same order gives the same blocks, whoever executes it and however often.
//!
//! The input is an order: batches, and the commits that put them in sequence, with their times. It
//! is written into the logs of an empty storage, as a run that was cut off before its first block
//! would have left them; a sequencer that starts on it executes, commits and seals everything by
//! the path that every block takes.

mod order;
mod replay;

use std::{collections::BTreeSet, sync::Arc};

use kraken_execution::EngineKind;
use kraken_storage::Block;
use kraken_types::genesis::BlockRules;
use starknet_api::transaction::{Transaction, TransactionExecutionStatus};

use crate::{
    order::Order,
    replay::{replay, replay_in_two_runs},
};

const ENGINES: [EngineKind; 4] = [
    EngineKind::Sequential,
    EngineKind::Concurrent { workers: 2 },
    EngineKind::Sequential,
    EngineKind::Concurrent { workers: 2 },
];

/// Blocks end by time, by count and on demand.
const BY_TIME_AND_COUNT: BlockRules = BlockRules {
    interval_millis: Some(1_000),
    empty_blocks: false,
    transactions_max: 12,
    l2_gas_max: u64::MAX / 2,
};

/// Blocks end by gas, and on demand. A declare takes some 130 million, a transfer one.
const BY_GAS: BlockRules = BlockRules {
    interval_millis: None,
    empty_blocks: false,
    transactions_max: 1_000,
    l2_gas_max: 140_000_000,
};

/// What must be the same.
fn assert_same(blocks: &[Arc<Block>], expected: &[Arc<Block>], engine: EngineKind) {
    let hashes = |blocks: &[Arc<Block>]| -> Vec<_> {
        blocks.iter().map(|block| (block.header.number(), block.header.hash)).collect()
    };
    assert_eq!(hashes(blocks), hashes(expected), "{engine:?}");
    // A block holds things that its hash does not cover.
    for (block, expected) in blocks.iter().zip(expected) {
        assert_eq!(block, expected, "{engine:?}");
    }
}

/// The order is worth executing: everything that can happen, happens.
fn assert_varied(blocks: &[Arc<Block>], order: &Order) {
    let included: Vec<_> = blocks.iter().flat_map(|block| &block.transactions).collect();
    let count = |wanted: &dyn Fn(&Transaction) -> bool| {
        included.iter().filter(|executed| wanted(&executed.transaction)).count()
    };
    let reverted = included.iter().filter(|executed| {
        let status = &executed.receipt.execution_status;
        matches!(status, TransactionExecutionStatus::Reverted(_))
    });
    let seen = [
        ("blocks", blocks.len(), 10),
        ("transactions", included.len(), 250),
        ("reverted transactions", reverted.count(), 10),
        ("declares", count(&|stored| matches!(stored, Transaction::Declare(_))), 2),
        ("new accounts", count(&|stored| matches!(stored, Transaction::DeployAccount(_))), 3),
        ("transactions that were left out", order.transactions() - included.len(), 30),
    ];
    for (what, got, at_least) in seen {
        assert!(at_least <= got, "seed {}: only {got} {what} of {at_least}", order.seed);
    }
    let hashes: BTreeSet<_> = included.iter().map(|executed| executed.hash).collect();
    assert_eq!(hashes.len(), included.len(), "a transaction is there twice");
}

#[test]
fn both_engines_come_to_the_same_blocks_twice() {
    let order = Order::new(1, BY_TIME_AND_COUNT);
    let expected = replay(&order, ENGINES[0]);
    assert_varied(&expected, &order);
    let sizes: BTreeSet<_> = expected.iter().map(|block| block.transactions.len()).collect();
    let full = usize::try_from(BY_TIME_AND_COUNT.transactions_max).expect("small");
    assert!(sizes.contains(&full) && 3 < sizes.len(), "blocks of {sizes:?} transactions");
    for engine in &ENGINES[1..] {
        assert_same(&replay(&order, *engine), &expected, *engine);
    }
}

#[test]
fn blocks_that_run_out_of_gas_end_at_the_same_place() {
    let order = Order::new(2, BY_GAS);
    let expected = replay(&order, ENGINES[0]);
    assert_varied(&expected, &order);
    let by_gas = expected.windows(2).filter(|pair| {
        let next = &pair[1].transactions.first().expect("no block is empty").receipt.gas.l2_gas;
        BY_GAS.l2_gas_max < pair[0].header.l2_gas_used + next.0
    });
    let by_gas = by_gas.count();
    assert!(4 <= by_gas, "only {by_gas} blocks ended because the next transaction did not fit");
    for engine in &ENGINES[1..] {
        assert_same(&replay(&order, *engine), &expected, *engine);
    }
}

#[test]
fn a_restart_in_the_middle_does_not_show_in_the_blocks() {
    let order = Order::new(3, BlockRules { interval_millis: None, ..BY_TIME_AND_COUNT });
    let expected = replay(&order, ENGINES[0]);
    assert_varied(&expected, &order);
    for engine in &ENGINES[..2] {
        for first in [order.commits.len() / 3, order.commits.len() / 2] {
            assert_same(&replay_in_two_runs(&order, *engine, first), &expected, *engine);
        }
    }
}
