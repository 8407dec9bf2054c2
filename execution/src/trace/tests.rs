//! Traces of both engines, and of blocks that are executed once more.

use std::{collections::BTreeMap, fmt::Write};

use kraken_storage::ExecutedTransaction;
use starknet_api::{block::BlockInfo, core::Nonce, transaction::fields::Fee};

use super::*;
use crate::{
    ClosedBlock, EngineKind, Executor, Fault, Included, Prepared, State,
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS},
    testing::{
        self, ample_bounds,
        mailbox::{self, deposited},
        transfer_call,
        world::*,
    },
};

/// All there is to see of a trace.
pub(crate) fn shown(trace: &Trace) -> String {
    let mut text = format!("{:?} {:?}\n", trace.kind(), trace.gas());
    let mut add = |what: &str, invocation: Option<Invocation<'_>>| {
        writeln!(text, "{what}").expect("a text takes everything");
        if let Some(invocation) = invocation {
            show(invocation, 1, &mut text);
        }
    };
    add("validation", trace.validation());
    match trace.main_call() {
        MainCall::Done(invocation) => add("main call", Some(invocation)),
        MainCall::Reverted(reason) => add(&reason, None),
        MainCall::None => {}
    }
    add("fee", trace.fee_transfer());
    write!(text, "{:?} {:?}", trace.changes().sorted(), trace.replaced()).expect("the same");
    text
}

fn show(invocation: Invocation<'_>, depth: usize, text: &mut String) {
    let events: Vec<_> = invocation.events().collect();
    let messages: Vec<_> = invocation.messages().collect();
    writeln!(
        text,
        "{:depth$}{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {events:?} {messages:?} {:?} {}",
        "",
        invocation.contract_address(),
        invocation.selector(),
        invocation.calldata(),
        invocation.caller(),
        invocation.class_hash(),
        invocation.entry_point_type(),
        invocation.call_type(),
        invocation.result(),
        invocation.gas(),
        invocation.is_reverted(),
    )
    .expect("a text takes everything");
    for call in invocation.calls() {
        show(call, depth + 1, text);
    }
}

fn world() -> World {
    let mut world = World::new();
    world.state = world.state.with(mailbox::changes());
    world
}

/// Every kind of transaction, some that revert, one that nobody signed, and conflicts.
fn mixed(world: &World) -> Vec<Prepared> {
    let chain = &world.chain;
    let [first, second, third] = [0, 1, 2].map(|index| world.accounts[index]);
    let calls = |nonce, calls: &[crate::Call]| {
        testing::multicall(chain, &second, nonce, calls, ample_bounds())
    };
    let new = testing::account(Felt::from(99), ACCOUNT_CLASS_HASH, Felt::ONE);
    let (class_hash, _) = mailbox::class();
    let (deploy, _) = testing::deploy_call(*class_hash, Felt::from(3), &[]);
    let declared = small_class();
    let compiled = crate::compile(declared.clone(), &chain.genesis().limits).expect("it compiles");
    let too_much = transfer_call(STRK_ADDRESS, second.address, 10_u128.pow(30));
    let message = |nonce, amount| {
        Prepared::message(deposited(nonce, 7, amount), chain).expect("a message has a hash")
    };
    let withdraw = [Felt::from(mailbox::writer()), Felt::from(7), Felt::from(20)];
    let mut prepared: Vec<_> = [
        world.transfer(0, 0, 1, 1_000),
        world.transfer(2, 0, 1, 2_000),
        testing::transfer(chain, &first, 1, new.address, 2 * 10_u128.pow(20)),
        testing::deploy_account(chain, &new, ACCOUNT_CLASS_HASH, Felt::ONE, ample_bounds()),
        testing::declare(chain, &third, 1, declared, compiled.compiled_class_hash),
        calls(0, &[deploy, transfer_call(STRK_ADDRESS, first.address, 1)]),
        calls(1, &[transfer_call(STRK_ADDRESS, first.address, 1), too_much]),
    ]
    .map(|transaction| world.prepare(transaction))
    .into();
    prepared.extend([message(0, 50), message(1, 0)]);
    prepared.push(world.prepare(calls(
        2,
        &[
            mailbox::call("withdraw", &withdraw),
            mailbox::call("balance_by", &[class_hash.0, Felt::from(7)]),
            mailbox::call("upgrade", &[ACCOUNT_CLASS_HASH.0]),
        ],
    )));
    let unsigned = change_invoke(world.transfer(0, 2, 1, 5), |invoke| {
        invoke.signature = Default::default();
    });
    prepared.push(world.prepare(unsigned).exempt());
    prepared
}

/// The parts of a block that is made of these.
fn block(world: &World, kind: EngineKind, prepared: &[Prepared]) -> (Vec<Included>, ClosedBlock) {
    let executor = Executor::new(kind, world.chain.clone());
    let old_hash = (10 <= world.number).then(|| block_hash(world.number - 10));
    let mut block = executor.open(world.state.clone(), world.info(), old_hash).expect("whole");
    block.submit(prepared);
    let outcomes = block.wait().expect("the state is whole");
    let included = outcomes.iter().map(|outcome| included(outcome).clone()).collect();
    (included, block.close().expect("the state is whole"))
}

fn replayed(
    world: &World,
    info: &BlockInfo,
    included: &[Included],
    closed: &ClosedBlock,
) -> Result<Replayed, Fault> {
    let transactions: Vec<_> =
        included.iter().map(|included| Arc::clone(&included.transaction)).collect();
    let classes: BTreeMap<_, _> =
        closed.changes.classes.iter().map(|(hash, class)| (*hash, Arc::clone(class))).collect();
    let old_hash = (10 <= world.number).then(|| block_hash(world.number - 10));
    let before = world.state.clone();
    let again = Replay { before, info, old_hash, transactions: &transactions, classes };
    replay(&world.chain, again)
}

#[test]
fn a_trace_is_the_same_however_it_was_made() {
    let mut world = world();
    world.number = 12;
    let prepared = mixed(&world);
    let (included, closed) = block(&world, EngineKind::Sequential, &prepared);
    let expected: Vec<_> = included.iter().map(|included| shown(&included.trace)).collect();

    let workers = EngineKind::Concurrent { workers: 2 };
    let (concurrent, _) = block(&world, workers, &prepared);
    for (included, expected) in concurrent.iter().zip(&expected) {
        assert_eq!(shown(&included.trace), *expected);
    }
    let again = replayed(&world, &world.info(), &included, &closed).expect("the same");
    assert_eq!(again.traces.len(), expected.len());
    for (trace, expected) in again.traces.iter().zip(&expected) {
        assert_eq!(shown(trace), *expected);
    }
}

#[test]
fn a_trace_shows_what_happened() {
    let world = world();
    let (included, _) = block(&world, EngineKind::Sequential, &mixed(&world));
    let traces: Vec<_> = included.iter().map(|included| &included.trace).collect();

    let transfer = traces[0];
    assert_eq!(transfer.kind(), Kind::Invoke);
    let MainCall::Done(execute) = transfer.main_call() else { panic!("it succeeded") };
    assert_eq!(execute.contract_address(), world.accounts[0].address);
    let inner = execute.calls().next().expect("the account calls the token");
    assert_eq!(inner.contract_address(), STRK_ADDRESS);
    assert_eq!(inner.caller(), world.accounts[0].address);
    assert_eq!(inner.events().len(), 1);
    assert!(inner.gas().l2_gas <= execute.gas().l2_gas);
    let fee = transfer.fee_transfer().expect("it pays");
    let paid = Felt::from(included[0].transaction.receipt.actual_fee.0);
    assert_eq!(fee.calldata(), [*world.chain.sequencer_address().0.key(), paid, Felt::ZERO]);
    assert!(transfer.validation().is_some_and(|call| call.result().len() == 1));
    assert_eq!(transfer.gas(), included[0].transaction.receipt.gas);

    assert_eq!(traces[3].kind(), Kind::DeployAccount);
    assert_eq!(traces[3].changes().class_hashes.len(), 1);
    assert!(matches!(traces[4].main_call(), MainCall::None));
    assert_eq!(traces[4].changes().compiled_class_hashes.len(), 1);
    let MainCall::Reverted(reason) = traces[6].main_call() else { panic!("it reverted") };
    assert!(reason.contains("ERC20: insufficient balance"), "{reason}");

    let message = traces[7];
    assert_eq!(
        (message.kind(), included[7].transaction.receipt.actual_fee),
        (Kind::L1Handler, Fee(0))
    );
    let MainCall::Done(handled) = message.main_call() else { panic!("it was handled") };
    assert_eq!(handled.calldata()[0], Felt::from(mailbox::writer()));
    assert_eq!(handled.entry_point_type(), EntryPointType::L1Handler);
    assert!(message.validation().is_none() && message.fee_transfer().is_none());
    assert!(matches!(traces[8].main_call(), MainCall::Reverted(_)));

    let MainCall::Done(mailbox) = traces[9].main_call() else { panic!("it succeeded") };
    let calls: Vec<_> = mailbox.calls().collect();
    let (order, to, payload) = calls[0].messages().next().expect("it tells L1");
    assert_eq!((order, to.0, payload[1]), (0, Felt::from(mailbox::writer()), Felt::from(20)));
    let library = calls[1].calls().next().expect("code of a class");
    assert_eq!(library.call_type(), CallType::LibraryCall);
    assert_eq!(library.result(), [Felt::from(30)]);
    assert_eq!(traces[9].replaced().len(), 1);
    assert!(traces[10].validation().is_none());
    assert!(traces.iter().all(|trace| 1_000 < trace.weight()));
}

#[test]
fn reads_are_those_of_the_state_before() {
    let world = world();
    let (included, closed) = block(&world, EngineKind::Sequential, &mixed(&world));
    let again = replayed(&world, &world.info(), &included, &closed).expect("the same");
    let InitialReads { storage, nonces, class_hashes, declared } = again.reads;
    for ((contract, key), value) in storage {
        assert_eq!(world.state.storage_at(contract, key).expect("memory"), value);
    }
    for (contract, nonce) in &nonces {
        assert_eq!(world.state.nonce(*contract).expect("memory"), *nonce);
    }
    assert_eq!(nonces.get(&world.accounts[2].address), Some(&Nonce(Felt::ZERO)));
    for (contract, class_hash) in class_hashes {
        let there = world.state.class_hash_at(contract).expect("memory");
        assert_eq!(there.unwrap_or_default(), class_hash);
    }
    for (class_hash, is_declared) in declared {
        assert_eq!(world.state.class(class_hash).expect("memory").is_some(), is_declared);
    }
}

#[test]
fn a_block_that_its_transactions_do_not_come_to_is_noticed() {
    let world = world();
    let (mut included, closed) = block(&world, EngineKind::Sequential, &mixed(&world));
    let mut changed = ExecutedTransaction::clone(&included[1].transaction);
    changed.receipt.actual_fee = Fee(changed.receipt.actual_fee.0 + 1);
    included[1].transaction = Arc::new(changed);
    let error = replayed(&world, &world.info(), &included, &closed).expect_err("another fee");
    assert!(error.to_string().contains("something else"), "{error}");

    let empty = World { state: State::empty(), ..world };
    let (info, rest) = (empty.info(), &included[..1]);
    replayed(&empty, &info, rest, &closed).expect_err("no account");
}

#[test]
fn a_message_is_estimated_as_it_will_cost_and_its_failures_are_told() {
    let world = world();
    let info = world.info();
    let ask = |message| crate::estimate_message(world.state.clone(), &info, &world.chain, &message);
    let fee = ask(mailbox::deposit(7, 50)).expect("it is handled");
    let message = Prepared::message(deposited(0, 7, 50), &world.chain).expect("a hash");
    let (included, _) = block(&world, EngineKind::Sequential, &[message]);
    let gas = included[0].transaction.receipt.gas;
    assert_eq!((fee.l1_gas_consumed, fee.l2_gas_consumed), (gas.l1_gas.0, gas.l2_gas.0));
    assert_eq!(fee.l2_gas_price, info.gas_prices.eth_gas_prices.l2_gas_price.get().0);
    assert!(0 < fee.overall_fee);

    let error = ask(mailbox::deposit(7, 0)).expect_err("nothing to deposit");
    let crate::CallError::Reverted(error) = error else { panic!("{error}") };
    assert!(format!("{error:?}").contains("Mailbox: nothing to deposit"), "{error:?}");
    let nobody = crate::L1Message { to: address(1), ..mailbox::deposit(7, 1) };
    assert!(matches!(ask(nobody), Err(crate::CallError::ContractNotFound)));
    let selector = starknet_api::abi::abi_utils::selector_from_name("balance");
    let no_handler = crate::L1Message { selector, ..mailbox::deposit(7, 1) };
    assert!(matches!(ask(no_handler), Err(crate::CallError::Reverted(_))));
}
