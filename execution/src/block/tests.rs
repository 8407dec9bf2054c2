//! Blocks, with both engines.

use starknet_api::{
    abi::abi_utils::{get_fee_token_var_address, selector_from_name},
    block::BlockNumber,
    core::Nonce,
    rpc_transaction::RpcTransaction,
    state::StorageKey,
    transaction::TransactionExecutionStatus,
};
use starknet_types_core::felt::Felt;

use super::*;
use crate::{
    Call, RejectionKind, compile,
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS},
    testing::{self, ample_bounds, transfer_call, world::*},
};

const CONCURRENT: EngineKind = EngineKind::Concurrent { workers: 2 };

/// Everything that both engines must agree on, in a form that can be compared.
fn fingerprint(outcomes: &[Outcome], closed: &ClosedBlock) -> (Vec<String>, ThinStateDiff) {
    let outcomes = outcomes.iter().map(|outcome| match outcome {
        Outcome::Included(included) => {
            let empty = State::empty();
            let diff = included.trace.changes().to_state_diff(&empty).expect("memory");
            format!("{:?} {diff:?}", included.transaction)
        }
        Outcome::LeftOut(rejection) => format!("{rejection:?}"),
    });
    (outcomes.collect(), closed.state_diff.clone())
}

/// Transfers between all accounts, conflicts, a hot recipient, a revert, and three that are left
/// out.
fn mixed_transactions(world: &World) -> Vec<RpcTransaction> {
    let mut transactions = Vec::new();
    for nonce in 0..4 {
        for from in 0..world.accounts.len() {
            let to = if nonce == 1 { 0 } else { (from + 1) % world.accounts.len() };
            transactions.push(world.transfer(from, nonce, to, 1_000 + u128::from(nonce)));
        }
    }
    let [first, second, third] = [0, 1, 2].map(|index| world.accounts[index]);
    let too_much = transfer_call(STRK_ADDRESS, second.address, 10_u128.pow(30));
    let reverting = [transfer_call(STRK_ADDRESS, second.address, 3), too_much];
    transactions.push(testing::multicall(&world.chain, &first, 4, &reverting, ample_bounds()));
    // Used, ahead, and forged.
    transactions.push(world.transfer(1, 0, 2, 5));
    transactions.push(world.transfer(1, 9, 2, 5));
    let forger = crate::genesis::PredeployedAccount { private_key: Felt::from(5), ..third };
    transactions.push(testing::transfer(&world.chain, &forger, 4, first.address, 5));
    transactions.push(world.transfer(2, 4, 0, 9));
    transactions
}

#[test]
fn both_engines_come_to_the_same_block() {
    let world = World::new();
    let transactions = mixed_transactions(&world);
    let (outcomes, closed) = world.execute_with(EngineKind::Sequential, &transactions);
    let expected = fingerprint(&outcomes, &closed);
    for workers in [1, 2, 3] {
        let kind = EngineKind::Concurrent { workers };
        let (outcomes, closed) = world.execute_with(kind, &transactions);
        assert_eq!(fingerprint(&outcomes, &closed), expected, "{workers} workers");
    }

    assert_eq!(outcomes.len(), transactions.len());
    let [reverted, used, ahead, forged, last] = &outcomes[outcomes.len() - 5..] else {
        panic!("five at the end")
    };
    let status = &included(reverted).transaction.receipt.execution_status;
    let TransactionExecutionStatus::Reverted(status) = status else { panic!("it must revert") };
    assert!(status.revert_reason.contains("ERC20: insufficient balance"), "{status:?}");
    assert_eq!(left_out(used).kind, RejectionKind::InvalidNonce);
    assert_eq!(left_out(ahead).kind, RejectionKind::NonceAhead);
    assert_eq!(left_out(forged).kind, RejectionKind::ValidationFailure);
    included(last);
}

#[test]
fn pieces_and_pauses_do_not_show_in_the_block() {
    let world = World::new();
    let transactions = mixed_transactions(&world);
    let prepared: Vec<_> =
        transactions.iter().map(|transaction| world.prepare(transaction.clone())).collect();
    let (outcomes, closed) = world.execute_with(EngineKind::Sequential, &transactions);
    let expected = fingerprint(&outcomes, &closed);

    let executor = Executor::new(CONCURRENT, world.chain.clone());
    let mut block = executor.open(world.state.clone(), world.info(), None).expect("a block");
    let mut outcomes = Vec::new();
    for piece in prepared.chunks(7) {
        block.submit(piece);
        outcomes.extend(block.wait().expect("the state is whole"));
        assert!(block.poll().expect("the state is whole").is_empty());
    }
    let closed = block.close().expect("the state is whole");
    assert_eq!(fingerprint(&outcomes, &closed), expected);
}

#[test]
fn a_transfer_moves_money_pays_a_fee_and_says_so() {
    let mut world = World::new();
    let [from, to] = [0, 1].map(|index| world.accounts[index].address);
    let balance = |world: &World, of| {
        world.state.storage_at(STRK_ADDRESS, get_fee_token_var_address(of)).expect("memory")
    };
    let before = [balance(&world, from), balance(&world, to)];
    let (outcomes, closed) = world.execute(&[world.transfer(0, 0, 1, 123)]);

    let executed = &included(&outcomes[0]).transaction;
    let receipt = &executed.receipt;
    assert_eq!(receipt.execution_status, TransactionExecutionStatus::Succeeded);
    let price = u128::from(receipt.gas.l2_gas.0 + receipt.gas.l1_data_gas.0) * PRICE;
    assert_eq!(receipt.actual_fee.0, price);
    let sender_pays = Felt::from(123) + Felt::from(receipt.actual_fee.0);
    assert_eq!(balance(&world, from), before[0] - sender_pays);
    assert_eq!(balance(&world, to), before[1] + Felt::from(123));
    let sequencer = world.chain.sequencer_address();
    assert_eq!(balance(&world, sequencer), Felt::from(receipt.actual_fee.0));
    assert_eq!(world.state.nonce(from).expect("memory"), Nonce(Felt::ONE));
    // The transfer, then the fee.
    let transfer = selector_from_name("Transfer").0;
    let keys: Vec<_> = receipt.events.iter().map(|event| event.content.keys[0].0).collect();
    assert_eq!(keys, [transfer, transfer]);
    assert_eq!(receipt.events[1].content.keys[2].0, *sequencer.0.key());

    // The alias contract keeps track of new addresses and keys.
    assert!(closed.state_diff.storage_diffs.contains_key(&address(2)));
    assert!(closed.state_diff.storage_diffs.keys().is_sorted());
    let again = closed.changes.to_state_diff(&State::empty()).expect("memory");
    assert_eq!(again, closed.state_diff);
}

#[test]
fn an_account_is_deployed_and_used_in_one_block() {
    let mut world = World::new();
    let account = testing::account(Felt::from(99), ACCOUNT_CLASS_HASH, Felt::ONE);
    let gift = 10_u128.pow(20) * 3;
    let transactions = [
        testing::transfer(&world.chain, &world.accounts[0], 0, account.address, gift),
        testing::deploy_account(
            &world.chain,
            &account,
            ACCOUNT_CLASS_HASH,
            Felt::ONE,
            ample_bounds(),
        ),
        testing::transfer(&world.chain, &account, 1, world.accounts[1].address, 5),
    ];
    let (concurrent, closed) = world.execute_with(CONCURRENT, &transactions);
    let expected = fingerprint(&concurrent, &closed);
    let (outcomes, closed) = world.execute(&transactions);
    assert_eq!(fingerprint(&outcomes, &closed), expected);

    for outcome in &outcomes {
        let receipt = &included(outcome).transaction.receipt;
        assert_eq!(receipt.execution_status, TransactionExecutionStatus::Succeeded);
    }
    // The constructor speaks before the fee is paid.
    let events = &included(&outcomes[1]).transaction.receipt.events;
    assert_eq!(events[0].from_address, account.address);
    assert_eq!(events.last().expect("a fee").from_address, STRK_ADDRESS);
    assert_eq!(
        world.state.class_hash_at(account.address).expect("memory"),
        Some(ACCOUNT_CLASS_HASH)
    );
    assert_eq!(world.state.nonce(account.address).expect("memory"), Nonce(Felt::TWO));
}

#[test]
fn a_class_is_declared_deployed_and_called_in_one_block() {
    let mut world = World::new();
    let sierra = small_class();
    let class_hash = sierra.calculate_class_hash();
    let compiled = compile(sierra.clone(), &world.chain.genesis().limits).expect("it compiles");
    let from = world.accounts[0];
    let (deploy, deployed_at) = testing::deploy_call(class_hash, Felt::from(7), &[]);
    // The deployed class is a deployer itself, and deploys itself once more.
    let (mut again, _) = testing::deploy_call(class_hash, Felt::from(8), &[]);
    again.contract_address = deployed_at;
    let transactions = [
        testing::declare(&world.chain, &from, 0, sierra, compiled.compiled_class_hash),
        testing::multicall(&world.chain, &from, 1, &[deploy, again], ample_bounds()),
    ];
    let (concurrent, closed) = world.execute_with(CONCURRENT, &transactions);
    let expected = fingerprint(&concurrent, &closed);
    let (outcomes, closed) = world.execute(&transactions);
    assert_eq!(fingerprint(&outcomes, &closed), expected);

    let receipt = &included(&outcomes[1]).transaction.receipt;
    assert_eq!(receipt.execution_status, TransactionExecutionStatus::Succeeded);
    assert_eq!(world.state.class_hash_at(deployed_at).expect("memory"), Some(class_hash));
    assert!(closed.changes.classes.contains_key(&class_hash));
    let diff = &closed.state_diff.class_hash_to_compiled_class_hash;
    assert_eq!(diff[&class_hash], compiled.compiled_class_hash);
}

#[test]
fn a_full_block_leaves_the_rest_without_outcome() {
    let world = World::with(|genesis| genesis.block.transactions_max = 3);
    let transactions: Vec<_> = (0..6).map(|from| world.transfer(from, 0, 0, 5)).collect();
    let mut fingerprints = Vec::new();
    for kind in [EngineKind::Sequential, CONCURRENT] {
        let executor = Executor::new(kind, world.chain.clone());
        let mut block = executor.open(world.state.clone(), world.info(), None).expect("a block");
        let prepared: Vec<_> =
            transactions.iter().map(|transaction| world.prepare(transaction.clone())).collect();
        block.submit(&prepared[..3]);
        let mut outcomes = block.wait().expect("the state is whole");
        assert!(!block.is_full());
        block.submit(&prepared[3..]);
        outcomes.extend(block.wait().expect("the state is whole"));
        assert!(block.is_full());
        assert_eq!(outcomes.len(), 3);
        // More of them change nothing.
        block.submit(&prepared[3..]);
        assert!(block.wait().expect("the state is whole").is_empty());
        let closed = block.close().expect("the state is whole");
        fingerprints.push(fingerprint(&outcomes, &closed));

        // The workers are free for the next block.
        let mut next = executor.open(world.state.clone(), world.info(), None).expect("a block");
        next.submit(&prepared[3..4]);
        assert_eq!(next.wait().expect("the state is whole").len(), 1);
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
}

#[test]
fn what_was_not_returned_is_not_in_the_block() {
    let world = World::new();
    let executor = Executor::new(CONCURRENT, world.chain.clone());
    let (_, empty) = world.execute_with(EngineKind::Sequential, &[]);
    let mut block = executor.open(world.state.clone(), world.info(), None).expect("a block");
    block.submit(&[world.prepare(world.transfer(0, 0, 1, 5))]);
    let closed = block.close().expect("the state is whole");
    assert_eq!(closed.state_diff, empty.state_diff);
}

#[test]
fn a_dropped_block_frees_the_workers() {
    let world = World::new();
    let executor = Executor::new(CONCURRENT, world.chain.clone());
    let transfer = world.prepare(world.transfer(0, 0, 1, 5));
    for _ in 0..3 {
        let mut block = executor.open(world.state.clone(), world.info(), None).expect("a block");
        block.submit(std::slice::from_ref(&transfer));
    }
    let mut block = executor.open(world.state.clone(), world.info(), None).expect("a block");
    block.submit(&[transfer]);
    assert_eq!(block.wait().expect("the state is whole").len(), 1);
    // The executor may go before its block.
    drop(executor);
    block.close().expect("the state is whole");
}

#[test]
fn a_failure_of_storage_is_never_the_fault_of_a_transaction() {
    let world = World::new();
    for kind in [EngineKind::Sequential, CONCURRENT] {
        let executor = Executor::new(kind, world.chain.clone());
        let mut block = executor.open(world.state.clone(), world.info(), None).expect("a block");
        block.submit(&[world.prepare(world.transfer(0, 0, 1, 5))]);
        block.faults.keep(kraken_storage::Error::Failed);
        assert!(matches!(block.wait(), Err(Fault::Storage(_))));
        // What it says later is no longer the cause, but a fault all the same.
        block.submit(&[world.prepare(world.transfer(1, 0, 1, 5))]);
        assert!(matches!(block.poll(), Err(Fault::Engine { .. })));
        assert!(matches!(block.close(), Err(Fault::Engine { .. })));
        // The workers themselves are well.
        let mut next = executor.open(world.state.clone(), world.info(), None).expect("a block");
        next.submit(&[world.prepare(world.transfer(0, 0, 1, 5))]);
        included(&next.wait().expect("the state is whole")[0]);
    }
}

#[test]
fn block_ten_and_later_know_an_old_hash() {
    let mut world = World::new();
    world.number = 8;
    // The first block of all starts the count of the alias contract.
    world.execute(&[]);
    let (_, closed) = world.execute(&[]);
    assert!(closed.state_diff.is_empty());
    for number in [10, 11] {
        assert_eq!(world.number, number);
        let (_, closed) = world.execute(&[]);
        let key = StorageKey::from(u128::from(number - 10));
        let written = &closed.state_diff.storage_diffs[&address(1)];
        assert_eq!(written.len(), 1);
        assert_eq!(written[&key], block_hash(number - 10).0);
    }
    let executor = Executor::new(EngineKind::Sequential, world.chain.clone());
    let missing = executor.open(world.state.clone(), world.info(), None);
    assert!(matches!(missing, Err(Fault::Engine { .. })));
}

#[test]
fn a_call_that_goes_wrong_deep_down_is_told_in_full() {
    let mut world = World::new();
    let from = world.accounts[0];
    let nobody = Call {
        contract_address: address(0x77),
        selector: selector_from_name("nothing"),
        calldata: Vec::new(),
    };
    let call = testing::multicall(&world.chain, &from, 0, &[nobody], ample_bounds());
    let outcome = world.execute_one(call);
    let receipt = &included(&outcome).transaction.receipt;
    let TransactionExecutionStatus::Reverted(status) = &receipt.execution_status else {
        panic!("it must revert")
    };
    assert!(status.revert_reason.contains("is not deployed"), "{}", status.revert_reason);
    assert!(0 < receipt.actual_fee.0);
    // What it did before is undone, but the nonce is used and the fee is paid.
    assert_eq!(world.state.nonce(from.address).expect("memory"), Nonce(Felt::ONE));
    assert_eq!(receipt.events.len(), 1);
}

/// Block 0 in storage that lives in memory.
fn stored(world: &World) -> State {
    let genesis = world.chain.genesis();
    let made = testing::genesis_state(genesis);
    let config = kraken_storage::Config { directory: None, genesis: genesis.digest() };
    let storage = kraken_storage::Storage::open(config).expect("memory");
    let tries = storage.update_tries(&made.state_diff).expect("memory");
    let block = kraken_storage::Block {
        header: kraken_storage::Header {
            info: world.chain.block_info(
                BlockNumber(0),
                genesis.timestamp_seconds,
                world.chain.gas_prices(PRICE),
            ),
            hash: block_hash(0),
            parent_hash: BlockHash::default(),
            state_root: tries.state_root(),
            transaction_commitment: Default::default(),
            event_commitment: Default::default(),
            receipt_commitment: Default::default(),
            state_diff_commitment: Default::default(),
            transaction_count: 0,
            event_count: 0,
            state_diff_length: 0,
            l2_gas_used: 0,
        },
        transactions: Vec::new(),
        state_diff: made.state_diff,
        classes: made.classes,
        executed_up_to: kraken_types::Cursor::default(),
        checkpoint: kraken_types::Digest::default(),
    };
    storage.commit_block(&Arc::new(block), tries).expect("memory");
    State::new(storage.snapshot(BlockNumber(0)).expect("block 0 is there"))
}

#[test]
fn a_stored_state_executes_as_one_in_memory() {
    let world = World::new();
    let mut on_storage = world.clone();
    on_storage.state = stored(&world);
    let transactions = mixed_transactions(&world);
    let (outcomes, closed) = world.execute_with(EngineKind::Sequential, &transactions);
    let expected = fingerprint(&outcomes, &closed);
    let (outcomes, closed) = on_storage.execute_with(CONCURRENT, &transactions);
    assert_eq!(fingerprint(&outcomes, &closed), expected);
}

#[test]
fn executors_and_blocks_may_move_between_threads() {
    fn check<T: Send + fmt::Debug>() {}
    check::<Executor>();
    check::<OpenBlock>();
    check::<Prepared>();
    check::<State>();
}
