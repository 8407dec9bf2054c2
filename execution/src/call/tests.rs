//! Calls of the contracts of block 0.

use starknet_api::abi::abi_utils::selector_from_name;

use super::*;
use crate::{
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS, STRK_CLASS_HASH},
    testing::{transfer_call, world::*},
};

fn view(
    world: &World,
    contract: ContractAddress,
    name: &str,
    calldata: &[Felt],
) -> Result<Vec<Felt>, CallError> {
    let to = Call {
        contract_address: contract,
        selector: selector_from_name(name),
        calldata: calldata.to_vec(),
    };
    call(world.state.clone(), &world.info(), &world.chain, &to)
}

#[test]
fn a_view_answers_and_changes_nothing() {
    let world = World::new();
    let owner = *world.accounts[0].address.0.key();
    let balance = view(&world, STRK_ADDRESS, "balance_of", &[owner]).expect("a balance");
    assert_eq!(balance, [Felt::from(10_u128.pow(21)), Felt::ZERO]);
    assert_eq!(view(&world, STRK_ADDRESS, "decimals", &[]).expect("a number"), [Felt::from(18)]);
}

#[test]
fn there_may_be_no_contract() {
    let world = World::new();
    let error = view(&world, address(0x77), "balance_of", &[]).expect_err("nobody is there");
    assert!(matches!(error, CallError::ContractNotFound));
}

#[test]
fn there_may_be_no_such_function() {
    let world = World::new();
    // The token meters Sierra gas, the account counts steps.
    for contract in [STRK_ADDRESS, world.accounts[0].address] {
        let error = view(&world, contract, "no_such_function", &[]).expect_err("no such function");
        assert!(matches!(error, CallError::EntryPointNotFound), "{error:?}");
    }
}

#[test]
fn a_panic_names_the_call_and_the_reason() {
    let world = World::new();
    // Nobody calls, and nobody owns nothing.
    let transfer = transfer_call(STRK_ADDRESS, address(0x77), 1);
    let result = call(world.state.clone(), &world.info(), &world.chain, &transfer);
    let Err(CallError::Reverted(error)) = result else { panic!("it must revert: {result:?}") };
    let RevertError::Frame { contract_address, class_hash, selector, error } = error else {
        panic!("the call is named")
    };
    assert_eq!(contract_address, STRK_ADDRESS);
    assert_eq!(class_hash, STRK_CLASS_HASH);
    assert_eq!(selector, transfer.selector);
    let RevertError::Message(message) = *error else { panic!("one call, one frame") };
    assert!(message.contains("('ERC20: transfer from 0')"), "{message}");
}

#[test]
fn a_panic_of_a_class_that_counts_steps_reads_the_same() {
    let world = World::new();
    let account = world.accounts[0].address;
    let result = view(&world, account, "__validate__", &[]);
    let Err(CallError::Reverted(RevertError::Frame { contract_address, class_hash, .. })) = result
    else {
        panic!("it must revert: {result:?}")
    };
    assert_eq!((contract_address, class_hash), (account, ACCOUNT_CLASS_HASH));
}
