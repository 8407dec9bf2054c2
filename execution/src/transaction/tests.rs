//! Hashes, limits, classes and mints.

use starknet_api::{
    core::CompiledClassHash,
    rpc_transaction::RpcDeclareTransaction,
    transaction::{
        TransactionExecutionStatus, TransactionHasher, TransactionVersion, fields::ProofFacts,
    },
};
use starknet_types_core::felt::Felt;

use super::*;
use crate::{
    RejectionKind, compile,
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS, chargeable_account},
    testing::{self, ample_bounds, world::*},
};

fn refused(world: &World, transaction: RpcTransaction) -> RejectionKind {
    rejection(Prepared::new(transaction, &world.chain)).kind
}

fn rejection(prepared: Result<Prepared, PrepareError>) -> Rejection {
    match prepared {
        Err(PrepareError::Rejected(rejection)) => rejection,
        other => panic!("expected a rejection, got {other:?}"),
    }
}

#[test]
fn a_prepared_transaction_says_who_sends_what() {
    let world = World::new();
    let transaction = world.transfer(0, 7, 1, 5);
    let prepared = world.prepare(transaction.clone());
    assert_eq!(prepared.sender(), world.accounts[0].address);
    assert_eq!(prepared.nonce(), Nonce(Felt::from(7)));
    assert_eq!(prepared.rpc(), Some(&transaction));
    assert_eq!(prepared.class(), None);
    assert!(!prepared.is_deploy_account());
    let Transaction::Invoke(stored) = prepared.stored() else { panic!("an invoke is stored") };
    let hash = stored.calculate_transaction_hash(world.chain.id(), &TransactionVersion::THREE);
    assert_eq!(prepared.hash(), hash.expect("it has a hash"));
}

#[test]
fn a_deploy_account_is_sent_by_the_account_that_it_deploys() {
    let world = World::new();
    let account = testing::account(Felt::from(99), ACCOUNT_CLASS_HASH, Felt::ONE);
    let deploy = testing::deploy_account(
        &world.chain,
        &account,
        ACCOUNT_CLASS_HASH,
        Felt::ONE,
        ample_bounds(),
    );
    let prepared = world.prepare(deploy);
    assert_eq!(prepared.sender(), account.address);
    assert!(prepared.is_deploy_account());
}

#[test]
fn a_query_has_another_hash() {
    let world = World::new();
    let transaction = world.transfer(0, 0, 1, 5);
    let hash = |query_version| {
        let query =
            QueryTransaction { transaction: transaction.clone(), query_version, is_exempt: false };
        query.engine(&world.chain, Skip::default()).expect("a good transaction").tx_hash()
    };
    assert_eq!(hash(false), world.prepare(transaction.clone()).hash());
    assert_ne!(hash(true), hash(false));
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let world = World::with(|genesis| {
        genesis.limits.calldata_felts_max = 20;
        genesis.limits.signature_felts_max = 2;
    });
    let transfer = || world.transfer(0, 0, 1, 5);
    let long = change_invoke(transfer(), |invoke| {
        invoke.calldata = vec![Felt::ZERO; 21].into();
    });
    assert_eq!(refused(&world, long), RejectionKind::ValidationFailure);
    let signed_thrice = change_invoke(transfer(), |invoke| {
        invoke.signature =
            starknet_api::transaction::fields::TransactionSignature(vec![Felt::ZERO; 3].into());
    });
    assert_eq!(refused(&world, signed_thrice), RejectionKind::ValidationFailure);
    let hungry = change_invoke(transfer(), |invoke| {
        invoke.resource_bounds.l2_gas.max_amount.0 = 1_210_000_001;
    });
    assert_eq!(refused(&world, hungry), RejectionKind::ValidationFailure);
    let proving = change_invoke(transfer(), |invoke| {
        invoke.proof_facts = ProofFacts(vec![Felt::ONE].into());
    });
    assert_eq!(refused(&world, proving), RejectionKind::Unexpected);
}

#[test]
fn a_declare_brings_its_compiled_class() {
    let world = World::new();
    let sierra = small_class();
    let compiled = compile(sierra.clone(), &world.chain.genesis().limits).expect("it compiles");
    let declare =
        |hash| testing::declare(&world.chain, &world.accounts[0], 0, sierra.clone(), hash);

    let prepared = world.prepare(declare(compiled.compiled_class_hash));
    let (class_hash, class) = prepared.class().expect("a declare has a class");
    assert_eq!(class_hash, sierra.calculate_class_hash());
    assert_eq!(*class, Class::Sierra(Box::new(compiled.clone())));
    let Transaction::Declare(stored) = prepared.stored() else { panic!("a declare is stored") };
    assert_eq!(stored.class_hash(), class_hash);

    let wrong = CompiledClassHash(Felt::ONE);
    let rejection = rejection(Prepared::new(declare(wrong), &world.chain));
    assert_eq!(rejection.kind, RejectionKind::CompiledClassHashMismatch);
    assert!(
        rejection.reason.contains("0x1 ")
            && rejection.reason.contains(&format!("{:#x}", compiled.compiled_class_hash.0))
    );
}

#[test]
fn classes_that_do_not_compile_are_told_apart() {
    let world = World::with(|genesis| genesis.limits.sierra_felts_max = 5_000);
    let mut declare = testing::declare(
        &world.chain,
        &world.accounts[0],
        0,
        small_class(),
        CompiledClassHash::default(),
    );
    let mut with_program = |change: fn(&mut Vec<Felt>)| {
        if let RpcTransaction::Declare(RpcDeclareTransaction::V3(declare)) = &mut declare {
            declare.contract_class = small_class();
            change(&mut declare.contract_class.sierra_program);
        }
        refused(&world, declare.clone())
    };
    assert_eq!(
        with_program(|program| program.resize(5_001, Felt::ZERO)),
        RejectionKind::ClassTooLarge
    );
    assert_eq!(with_program(|program| program.truncate(30)), RejectionKind::CompilationFailed);
    assert_eq!(
        with_program(|program| program[1] = Felt::from(99)),
        RejectionKind::UnsupportedClassVersion
    );
}

#[test]
fn minting_moves_money_from_the_account_that_has_it_all() {
    let mut world = World::new();
    let minter = chargeable_account().address;
    let poor = address(0x1234_5678);
    for (nonce, token) in [(0, Token::Strk), (1, Token::Eth)] {
        let nonce = Nonce(Felt::from(nonce));
        assert_eq!(world.state.nonce(minter).expect("memory"), nonce);
        let transaction = mint(&world.chain, nonce, poor, 1_000_000, token);
        let outcome = world.execute_one(transaction);
        let status = &included(&outcome).transaction.receipt.execution_status;
        assert_eq!(*status, TransactionExecutionStatus::Succeeded);

        let key = starknet_api::abi::abi_utils::get_fee_token_var_address(poor);
        let balance = world.state.storage_at(token.address(), key).expect("memory");
        assert_eq!(balance, Felt::from(1_000_000));
    }
    assert_eq!(Token::Strk.address(), STRK_ADDRESS);
}
