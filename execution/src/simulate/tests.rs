//! Simulations, and whether they come true.

use starknet_api::{rpc_transaction::RpcTransaction, transaction::TransactionExecutionStatus};
use starknet_types_core::felt::Felt;

use super::*;
use crate::{
    MainCall,
    estimate::tests::bare,
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS},
    testing::{self, ample_bounds, transfer_call, world::*},
    trace::tests::shown,
};

const AS_SIGNED: Skip = Skip { validation: false, fee: false };

fn queries(transactions: &[RpcTransaction]) -> Vec<QueryTransaction> {
    let query = |transaction: &RpcTransaction| QueryTransaction {
        transaction: transaction.clone(),
        query_version: false,
        is_exempt: false,
    };
    transactions.iter().map(query).collect()
}

fn ask(
    world: &World,
    transactions: &[RpcTransaction],
    skip: Skip,
) -> Result<Simulated, EstimateError> {
    simulate(world.state.clone(), &world.info(), &world.chain, &queries(transactions), skip)
}

/// A transfer, an account that deploys itself with what it got, one that reverts, a declare.
fn mixed(world: &World) -> Vec<RpcTransaction> {
    let (chain, [first, second]) = (&world.chain, [0, 1].map(|index| world.accounts[index]));
    let new = testing::account(Felt::from(99), ACCOUNT_CLASS_HASH, Felt::ONE);
    let too_much = [transfer_call(STRK_ADDRESS, second.address, 10_u128.pow(30))];
    let class = small_class();
    let compiled = crate::compile(class.clone(), &chain.genesis().limits).expect("it compiles");
    vec![
        testing::transfer(chain, &first, 0, new.address, 2 * 10_u128.pow(20)),
        testing::deploy_account(chain, &new, ACCOUNT_CLASS_HASH, Felt::ONE, ample_bounds()),
        testing::multicall(chain, &first, 1, &too_much, ample_bounds()),
        testing::declare(chain, &second, 0, class, compiled.compiled_class_hash),
    ]
}

#[test]
fn what_is_simulated_happens() {
    let mut world = World::new();
    let transactions = mixed(&world);
    let simulated = ask(&world, &transactions, AS_SIGNED).expect("all of them may be in a block");
    let (outcomes, _) = world.execute(&transactions);
    assert_eq!(simulated.transactions.len(), outcomes.len());
    for (simulation, outcome) in simulated.transactions.iter().zip(&outcomes) {
        let real = included(outcome);
        assert_eq!(shown(&simulation.trace), shown(&real.trace));
        let receipt = &real.transaction.receipt;
        assert_eq!(simulation.fee.overall_fee, receipt.actual_fee.0);
        let reverts = matches!(simulation.trace.main_call(), MainCall::Reverted(_));
        assert_eq!(reverts, receipt.execution_status != TransactionExecutionStatus::Succeeded);
    }
}

#[test]
fn without_a_fee_bounds_and_balance_do_not_matter() {
    let world = World::new();
    let mut transactions = mixed(&world);
    // The account is not paid anything before it deploys itself.
    transactions.remove(0);
    let free = Skip { fee: true, ..AS_SIGNED };
    let transactions: Vec<_> = transactions.into_iter().map(bare).collect();
    // The signatures covered bounds.
    assert!(ask(&world, &transactions, free).is_err());
    let skip = Skip { fee: true, validation: true };
    let simulated = ask(&world, &transactions, skip).expect("nobody is asked");
    for Simulation { trace, fee } in &simulated.transactions {
        assert!(trace.fee_transfer().is_none());
        assert!(trace.validation().is_none());
        assert!(0 < fee.overall_fee);
    }
    let reverted = simulated.transactions[1].trace.main_call();
    assert!(matches!(reverted, MainCall::Reverted(_)), "{reverted:?}");
}

#[test]
fn an_estimate_is_the_fee_of_a_simulation_without_one() {
    let world = World::new();
    let transactions = [world.transfer(0, 0, 1, 10), world.transfer(0, 1, 1, 10)];
    let queries = queries(&transactions);
    let estimates =
        crate::estimate(world.state.clone(), &world.info(), &world.chain, &queries, false);
    let simulated = ask(&world, &transactions, Skip { fee: true, ..AS_SIGNED }).expect("good");
    let fees: Vec<_> = simulated.transactions.iter().map(|simulation| simulation.fee).collect();
    assert_eq!(fees, estimates.expect("good"));
}

#[test]
fn the_first_that_no_block_could_hold_ends_it() {
    let world = World::new();
    let used = world.transfer(1, 0, 0, 1);
    let transactions = [world.transfer(0, 0, 1, 10), used.clone(), used];
    let error = ask(&world, &transactions, AS_SIGNED).expect_err("a nonce is used twice");
    assert!(matches!(error, EstimateError::Failed { index: 2, .. }), "{error:?}");
    let reads = ask(&world, &transactions[..2], AS_SIGNED).expect("good").reads;
    assert!(reads.nonces.contains_key(&world.accounts[0].address));
    for ((contract, key), value) in reads.storage {
        assert_eq!(world.state.storage_at(contract, key).expect("memory"), value);
    }
}
