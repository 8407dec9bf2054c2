//! What the way in refuses beside what every client can get wrong.

use kraken_execution::testing;
use kraken_tests::{Ledger, Node, Wallet, wallet::submission};
use starknet_types_core::felt::Felt;

#[test]
fn a_price_below_the_floor_and_a_declare_out_of_turn_are_refused() {
    let wallet = Wallet::new(2);
    let node = Node::start_checked(&["--accounts", "2"]);
    let client = node.client();
    let mut bounds = testing::ample_bounds();
    bounds.l2_gas.max_price_per_unit.0 = 999_999_999;
    let cheap = wallet.multicall_within(0, 0, &[], bounds);
    let (method, params) = submission(&cheap);
    let (code, message, data) = client.refusal(method, params);
    assert_eq!((code, message.as_str()), (65, "Transaction fee below minimum"), "{data}");

    let ledger = Ledger::get();
    let early = wallet.declare(0, 1, ledger.class.clone(), ledger.compiled_class_hash);
    let (method, params) = submission(&early);
    let (code, message, data) = client.refusal(method, params);
    assert_eq!(code, 52, "{message} {data}");
    assert!(data.to_string().contains("is not the account nonce 0"), "{data}");
    client
        .submit(&wallet.declare(0, 0, ledger.class.clone(), ledger.compiled_class_hash))
        .expect("in its turn");
}

/// By default no class is that large.
#[test]
fn a_class_that_no_batch_could_carry_is_refused() {
    let wallet = Wallet::new(1);
    let flags = ["--accounts", "1", "--maximum-contract-class-size", "8000000"];
    let node = Node::start_checked(&flags);
    let large = Ledger::get().variant(&" ".repeat(5_400_000)).class;
    let (method, params) = submission(&wallet.declare(0, 0, large, Felt::ONE));
    let (code, message, data) = node.client().refusal(method, params);
    assert_eq!(code, 57, "{message} {data}");
}
