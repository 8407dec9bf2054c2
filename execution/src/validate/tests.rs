//! One transaction per rejection.

use starknet_api::{
    core::{ClassHash, CompiledClassHash},
    execution_resources::GasAmount,
    rpc_transaction::RpcTransaction,
    transaction::fields::TransactionSignature,
};

use super::*;
use crate::{
    compile,
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS, STRK_CLASS_HASH},
    testing::{self, ample_bounds, transfer_call, world::*},
};

fn verdict(world: &World, transaction: RpcTransaction) -> Result<(), RejectionKind> {
    let prepared = world.prepare(transaction);
    validate(world.state.clone(), &world.info(), &world.chain, &prepared, false)
        .expect("the state is whole")
        .map_err(|rejection| rejection.kind)
}

#[test]
fn a_good_transaction_passes_also_with_a_nonce_ahead() {
    let world = World::new();
    assert_eq!(verdict(&world, world.transfer(0, 0, 1, 5)), Ok(()));
    assert_eq!(verdict(&world, world.transfer(0, 200, 1, 5)), Ok(()));
}

#[test]
fn a_nonce_may_not_be_used() {
    let mut world = World::new();
    world.execute(&[world.transfer(0, 0, 1, 5)]);
    let used = verdict(&world, world.transfer(0, 0, 1, 5));
    assert_eq!(used, Err(RejectionKind::InvalidNonce));
}

#[test]
fn bounds_must_cover_prices_and_the_least_gas() {
    let world = World::new();
    let transfer = || world.transfer(0, 0, 1, 5);
    let zero = change_invoke(transfer(), |invoke| invoke.resource_bounds = Default::default());
    assert_eq!(verdict(&world, zero), Err(RejectionKind::InsufficientResources));
    let cheap = change_invoke(transfer(), |invoke| {
        invoke.resource_bounds.l1_gas.max_price_per_unit.0 = PRICE - 1;
    });
    assert_eq!(verdict(&world, cheap), Err(RejectionKind::InsufficientResources));
    // More than the least that the engine asks for, less than `__validate__` uses.
    let bounds = || {
        let mut bounds = ample_bounds();
        bounds.l2_gas.max_amount = GasAmount(400_000);
        bounds
    };
    let calls = [transfer_call(STRK_ADDRESS, address(1), 5)];
    let short = testing::multicall(&world.chain, &world.accounts[0], 0, &calls, bounds());
    assert_eq!(verdict(&world, short), Err(RejectionKind::InsufficientResources));
}

#[test]
fn the_account_must_hold_what_the_bounds_come_to() {
    let world = World::new();
    let dear = change_invoke(world.transfer(0, 0, 1, 5), |invoke| {
        invoke.resource_bounds.l2_gas.max_price_per_unit.0 = 10_u128.pow(13);
    });
    assert_eq!(verdict(&world, dear), Err(RejectionKind::InsufficientBalance));
}

#[test]
fn the_signature_must_be_the_accounts() {
    let world = World::new();
    let forged = change_invoke(world.transfer(0, 0, 1, 5), |invoke| {
        invoke.signature = TransactionSignature(vec![Felt::ONE, Felt::TWO].into());
    });
    assert_eq!(verdict(&world, forged), Err(RejectionKind::ValidationFailure));
}

#[test]
fn the_sender_must_be_an_account() {
    let mut world = World::new();
    let nobody = PredeployedAccountAt::new(&world, address(0x5555));
    let undeployed = testing::transfer(&world.chain, &nobody.0, 0, address(1), 5);
    assert_eq!(verdict(&world, undeployed), Err(RejectionKind::ValidationFailure));
    // Give them money, so that nothing else is missing.
    let gift = 10_u128.pow(21) / 2;
    let from = world.accounts[0];
    let calls = [
        transfer_call(STRK_ADDRESS, nobody.0.address, gift),
        transfer_call(STRK_ADDRESS, STRK_ADDRESS, gift / 2),
    ];
    let outcome =
        world.execute_one(testing::multicall(&world.chain, &from, 0, &calls, ample_bounds()));
    included(&outcome);

    let undeployed = testing::transfer(&world.chain, &nobody.0, 0, address(1), 5);
    assert_eq!(verdict(&world, undeployed), Err(RejectionKind::ValidationFailure));
    let token = PredeployedAccountAt::new(&world, STRK_ADDRESS);
    let not_an_account = testing::transfer(&world.chain, &token.0, 0, address(1), 5);
    assert_eq!(verdict(&world, not_an_account), Err(RejectionKind::NonAccount));
}

/// The key of an account, at another address.
struct PredeployedAccountAt(crate::genesis::PredeployedAccount);

impl PredeployedAccountAt {
    fn new(world: &World, address: starknet_api::core::ContractAddress) -> Self {
        Self(crate::genesis::PredeployedAccount { address, ..world.accounts[0] })
    }
}

#[test]
fn a_deploy_account_needs_a_class_money_and_nonce_zero() {
    let mut world = World::new();
    let deploy = |world: &World, class_hash| {
        let account = testing::account(Felt::from(99), class_hash, Felt::ONE);
        testing::deploy_account(&world.chain, &account, class_hash, Felt::ONE, ample_bounds())
    };
    let unknown = ClassHash(Felt::from(0x1234));
    let poor = verdict(&world, deploy(&world, ACCOUNT_CLASS_HASH));
    assert_eq!(poor, Err(RejectionKind::InsufficientBalance));

    let from = world.accounts[0];
    let gift = |class_hash| {
        let to = testing::account(Felt::from(99), class_hash, Felt::ONE).address;
        transfer_call(STRK_ADDRESS, to, 10_u128.pow(20) * 3)
    };
    let calls = [gift(unknown), gift(ACCOUNT_CLASS_HASH), gift(STRK_CLASS_HASH)];
    included(&world.execute_one(testing::multicall(
        &world.chain,
        &from,
        0,
        &calls,
        ample_bounds(),
    )));
    assert_eq!(verdict(&world, deploy(&world, unknown)), Err(RejectionKind::ClassNotFound));
    assert_eq!(verdict(&world, deploy(&world, ACCOUNT_CLASS_HASH)), Ok(()));
    // A constructor of other arguments.
    let wrong_class = verdict(&world, deploy(&world, STRK_CLASS_HASH));
    assert_eq!(wrong_class, Err(RejectionKind::ValidationFailure));

    included(&world.execute_one(deploy(&world, ACCOUNT_CLASS_HASH)));
    let again = verdict(&world, deploy(&world, ACCOUNT_CLASS_HASH));
    assert_eq!(again, Err(RejectionKind::InvalidNonce));
}

#[test]
fn an_invoke_right_after_its_deploy_account_passes_when_told_so() {
    let mut world = World::new();
    let account = testing::account(Felt::from(99), ACCOUNT_CLASS_HASH, Felt::ONE);
    included(&world.execute_one(world_gift(&world, account.address)));
    let first = world.prepare(testing::transfer(&world.chain, &account, 1, address(1), 5));
    let ask = |skip| {
        validate(world.state.clone(), &world.info(), &world.chain, &first, skip)
            .expect("the state is whole")
            .map_err(|rejection| rejection.kind)
    };
    assert_eq!(ask(false), Err(RejectionKind::ValidationFailure));
    assert_eq!(ask(true), Ok(()));
}

fn world_gift(world: &World, to: starknet_api::core::ContractAddress) -> RpcTransaction {
    testing::transfer(&world.chain, &world.accounts[0], 0, to, 10_u128.pow(20) * 3)
}

#[test]
fn a_class_is_declared_once() {
    let mut world = World::new();
    let sierra = small_class();
    let compiled = compile(sierra.clone(), &world.chain.genesis().limits).expect("it compiles");
    let declare = |world: &World, nonce, hash: CompiledClassHash| {
        testing::declare(&world.chain, &world.accounts[0], nonce, sierra.clone(), hash)
    };
    let hash = compiled.compiled_class_hash;
    assert_eq!(verdict(&world, declare(&world, 0, hash)), Ok(()));
    included(&world.execute_one(declare(&world, 0, hash)));
    let again = verdict(&world, declare(&world, 1, hash));
    assert_eq!(again, Err(RejectionKind::ClassAlreadyDeclared));
    assert!(world.state.class(sierra.calculate_class_hash()).expect("memory").is_some());
}
