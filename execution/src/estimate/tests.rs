//! Estimates, and whether they hold.

use starknet_api::{
    abi::abi_utils::selector_from_name,
    block::GasPrice,
    core::ClassHash,
    rpc_transaction::{
        RpcDeclareTransaction, RpcDeployAccountTransaction, RpcInvokeTransaction, RpcTransaction,
    },
    transaction::{
        TransactionExecutionStatus,
        fields::{AllResourceBounds, ResourceBounds, TransactionSignature},
    },
};
use starknet_types_core::felt::Felt;

use super::*;
use crate::{
    Call, Outcome,
    genesis::{ACCOUNT_CLASS_HASH, PredeployedAccount, STRK_ADDRESS, STRK_CLASS_HASH},
    testing::{self, ample_bounds, transfer_call, world::*},
};

fn ask(
    world: &World,
    transactions: &[RpcTransaction],
    skip_validate: bool,
) -> Result<Vec<FeeEstimate>, EstimateError> {
    let queries: Vec<_> = transactions
        .iter()
        .map(|transaction| QueryTransaction {
            transaction: transaction.clone(),
            query_version: skip_validate,
            is_exempt: false,
        })
        .collect();
    estimate(world.state.clone(), &world.info(), &world.chain, &queries, skip_validate)
}

/// As wallets ask: bounds of zero and no signature.
pub(crate) fn bare(mut transaction: RpcTransaction) -> RpcTransaction {
    let (bounds, signature) = match &mut transaction {
        RpcTransaction::Declare(RpcDeclareTransaction::V3(declare)) => {
            (&mut declare.resource_bounds, &mut declare.signature)
        }
        RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(deploy)) => {
            (&mut deploy.resource_bounds, &mut deploy.signature)
        }
        RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) => {
            (&mut invoke.resource_bounds, &mut invoke.signature)
        }
    };
    *bounds = AllResourceBounds::default();
    *signature = TransactionSignature::default();
    transaction
}

/// Exactly what an estimate says, and not a unit more.
fn bounds(estimate: &FeeEstimate) -> AllResourceBounds {
    let exact = |amount, price| ResourceBounds {
        max_amount: GasAmount(amount),
        max_price_per_unit: GasPrice(price),
    };
    AllResourceBounds {
        l1_gas: exact(estimate.l1_gas_consumed, estimate.l1_gas_price),
        l2_gas: exact(estimate.l2_gas_consumed, estimate.l2_gas_price),
        l1_data_gas: exact(estimate.l1_data_gas_consumed, estimate.l1_data_gas_price),
    }
}

fn succeeded(outcome: &Outcome) -> u128 {
    let receipt = &included(outcome).transaction.receipt;
    assert_eq!(receipt.execution_status, TransactionExecutionStatus::Succeeded);
    receipt.actual_fee.0
}

fn one(world: &World, transaction: &RpcTransaction) -> FeeEstimate {
    ask(world, std::slice::from_ref(transaction), false).expect("it succeeds")[0]
}

/// Deploys a funded account of a class that meters Sierra gas.
fn metered_account(world: &mut World) -> PredeployedAccount {
    let (class_hash, class) = metered_account_class();
    let from = world.accounts[0];
    let account = testing::account(Felt::from(99), *class_hash, Felt::ONE);
    let gift = 10_u128.pow(20) * 3;
    let (outcomes, _) = world.execute(&[
        testing::declare(&world.chain, &from, 0, class.sierra.clone(), class.compiled_class_hash),
        testing::transfer(&world.chain, &from, 1, account.address, gift),
        testing::deploy_account(&world.chain, &account, *class_hash, Felt::ONE, ample_bounds()),
    ]);
    for outcome in &outcomes {
        succeeded(outcome);
    }
    account
}

#[test]
fn a_transfer_needs_no_more_than_its_estimate() {
    let mut world = World::new();
    let from = world.accounts[0];
    let calls = [transfer_call(STRK_ADDRESS, address(0x9999), 5)];
    let signed = testing::multicall(&world.chain, &from, 0, &calls, AllResourceBounds::default());
    let estimate = one(&world, &signed);
    assert_eq!(estimate.l2_gas_price, PRICE);
    assert_eq!(
        estimate.overall_fee,
        u128::from(estimate.l1_gas_consumed) * estimate.l1_gas_price
            + u128::from(estimate.l2_gas_consumed) * estimate.l2_gas_price
            + u128::from(estimate.l1_data_gas_consumed) * estimate.l1_data_gas_price
    );
    let signed = testing::multicall(&world.chain, &from, 0, &calls, bounds(&estimate));
    let fee = succeeded(&world.execute_one(signed));
    assert!(fee <= estimate.overall_fee);
    assert!(estimate.overall_fee <= fee + fee / 10);
}

#[test]
fn an_account_that_meters_gas_needs_no_more_than_its_estimate() {
    let mut world = World::new();
    let account = metered_account(&mut world);
    let calls = [transfer_call(STRK_ADDRESS, address(0x9999), 5)];
    let signed =
        testing::multicall(&world.chain, &account, 1, &calls, AllResourceBounds::default());
    let estimate = one(&world, &signed);
    let signed = testing::multicall(&world.chain, &account, 1, &calls, bounds(&estimate));
    let fee = succeeded(&world.execute_one(signed));
    assert!(fee <= estimate.overall_fee);

    // Without the search a bound of what was used would be too little or just enough.
    let calls: Vec<_> =
        (0..5).map(|to| transfer_call(STRK_ADDRESS, address(100 + to), 5)).collect();
    let signed =
        testing::multicall(&world.chain, &account, 2, &calls, AllResourceBounds::default());
    let estimate = one(&world, &signed);
    let signed = testing::multicall(&world.chain, &account, 2, &calls, bounds(&estimate));
    succeeded(&world.execute_one(signed));
}

#[test]
fn bare_transactions_are_estimated_without_validation() {
    let world = World::new();
    let transfer = world.transfer(0, 0, 1, 5);
    let validated = one(&world, &transfer);
    let skipped = ask(&world, &[bare(transfer.clone())], true).expect("it succeeds")[0];
    assert!(0 < skipped.l2_gas_consumed && skipped.l2_gas_consumed < validated.l2_gas_consumed);
    // A nonce may be ahead of this state.
    ask(&world, &[world.transfer(0, 7, 1, 5)], false).expect("it succeeds");

    let Err(EstimateError::Failed { index: 0, error }) = ask(&world, &[bare(transfer)], false)
    else {
        panic!("nobody signed")
    };
    assert!(format!("{error:?}").contains("Account: invalid signature"), "{error:?}");
}

#[test]
fn an_account_that_is_not_there_yet_is_estimated_with_what_follows() {
    let mut world = World::new();
    let (class_hash, class) = metered_account_class();
    let from = world.accounts[0];
    let account = testing::account(Felt::from(99), *class_hash, Felt::ONE);
    let declare =
        testing::declare(&world.chain, &from, 0, class.sierra.clone(), class.compiled_class_hash);
    let gift = testing::transfer(&world.chain, &from, 1, account.address, 10_u128.pow(20) * 3);
    let deploy =
        |bounds| testing::deploy_account(&world.chain, &account, *class_hash, Felt::ONE, bounds);
    let transfer = |bounds| {
        let calls = [transfer_call(STRK_ADDRESS, address(0x9999), 5)];
        testing::multicall(&world.chain, &account, 1, &calls, bounds)
    };
    let zero = AllResourceBounds::default();
    let transactions = [declare.clone(), gift.clone(), deploy(zero), transfer(zero)];
    let estimates = ask(&world, &transactions, false).expect("they succeed");
    assert_eq!(estimates.len(), 4);

    // Without money too: nothing is charged.
    let alone = [declare.clone(), bare(deploy(zero))];
    ask(&world, &alone, true).expect("they succeed");

    let transactions =
        [declare, gift, deploy(bounds(&estimates[2])), transfer(bounds(&estimates[3]))];
    let (outcomes, _) = world.execute(&transactions);
    for outcome in &outcomes {
        succeeded(outcome);
    }
}

#[test]
fn a_sender_that_does_not_exist_is_named() {
    let world = World::new();
    let nobody = PredeployedAccount { address: address(0x77), ..world.accounts[0] };
    let transfer = testing::transfer(&world.chain, &nobody, 0, address(1), 5);
    for skip_validate in [false, true] {
        let Err(EstimateError::Failed { index: 0, error }) =
            ask(&world, std::slice::from_ref(&transfer), skip_validate)
        else {
            panic!("nobody is there")
        };
        let RevertError::Frame { contract_address, error, .. } = error else {
            panic!("the call is named")
        };
        assert_eq!(contract_address, nobody.address);
        let RevertError::Message(message) = *error else { panic!("one call, one frame") };
        assert!(message.contains("is not deployed"), "{message}");
    }
}

#[test]
fn a_revert_is_told_frame_by_frame_with_its_place() {
    let world = World::new();
    let good = world.transfer(0, 0, 1, 5);
    let bad = world.transfer(0, 1, 1, 10_u128.pow(30));
    let Err(EstimateError::Failed { index, error }) = ask(&world, &[good, bad], false) else {
        panic!("it must revert")
    };
    assert_eq!(index, 1);
    let expected = [
        (world.accounts[0].address, ACCOUNT_CLASS_HASH, selector_from_name("__execute__")),
        (STRK_ADDRESS, STRK_CLASS_HASH, selector_from_name("transfer")),
    ];
    let mut rest = error;
    for frame in expected {
        let RevertError::Frame { contract_address, class_hash, selector, error } = rest else {
            panic!("a frame is missing: {rest:?}")
        };
        assert_eq!((contract_address, class_hash, selector), frame);
        rest = *error;
    }
    let RevertError::Message(message) = rest else { panic!("a frame too many: {rest:?}") };
    assert!(message.contains("('ERC20: insufficient balance')"), "{message}");
}

#[test]
fn a_class_that_is_not_declared_cannot_be_deployed() {
    let world = World::new();
    let unknown = ClassHash(Felt::from(0x1234));
    let account = testing::account(Felt::from(99), unknown, Felt::ONE);
    let deploy =
        testing::deploy_account(&world.chain, &account, unknown, Felt::ONE, ample_bounds());
    let Err(EstimateError::Failed { index: 0, error }) = ask(&world, &[deploy], false) else {
        panic!("there is no class")
    };
    assert!(format!("{error:?}").contains("is not declared"), "{error:?}");
    let call = Call {
        contract_address: address(0x77),
        selector: selector_from_name("nothing"),
        calldata: Vec::new(),
    };
    let calls = testing::multicall(&world.chain, &world.accounts[0], 0, &[call], ample_bounds());
    assert!(matches!(ask(&world, &[calls], false), Err(EstimateError::Failed { .. })));
}
