//! Traces of what is not there, simulations and messages that fail.

use kraken_execution::genesis::STRK_ADDRESS;
use kraken_tests::{
    Ledger, Matrix, Node, Wallet,
    client::hex,
    wallet::{broadcasted, call, deploy_call},
};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use super::{case, run};

#[test]
fn traces_and_simulations_that_cannot_be_are_refused() {
    let wallet = Wallet::new(2);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix =
        Matrix::new("errors::traces::traces_and_simulations_that_cannot_be_are_refused");
    let waiting = client.submit(&wallet.transfer(0, 1, 1, 1)).expect("nonces may be ahead").hash;
    let far = json!({ "block_number": 99 });
    let mut forged = broadcasted(&wallet.transfer(1, 0, 0, 1));
    forged["signature"] = json!(["0x1", "0x2"]);
    let mut nobody = forged.clone();
    nobody["sender_address"] = json!("0x123456");
    let (trace, block) = ("starknet_traceTransaction", "starknet_traceBlockTransactions");
    let (simulate, casm) = ("starknet_simulateTransactions", "starknet_getCompiledCasm");
    // The universal deployer of old is of Cairo 0.
    let deprecated = "0x7b3e05f48f0c69e4a65ce5e076a66271a527aff2c34ce1083ec6e1526997a69";
    let cases = vec![
        case("transaction that is in no block yet", (trace, json!([hex(waiting)])), 10, "RECEIVED"),
        case("unknown transaction hash", (trace, json!(["0x123"])), 29, "hash not found"),
        case("block number beyond the newest", (block, json!([far])), 24, "Block not found"),
        case("the open block", (block, json!(["pre_confirmed"])), -32602, "expected latest"),
        case("simulation on an unknown block", (simulate, json!([far, [], []])), 24, "Block"),
        case(
            "simulation with a forged signature",
            (simulate, json!(["latest", [forged], []])),
            41,
            "signature",
        ),
        case(
            "estimate of an account that is not deployed",
            ("starknet_estimateFee", json!([[nobody], [], "latest"])),
            20,
            "Contract not found",
        ),
        case("unknown class hash", (casm, json!(["0x123"])), 28, "Class hash not found"),
        case("class of Cairo 0", (casm, json!([deprecated])), 100, "Cairo 0"),
    ];
    run(&client, &mut matrix, cases);
    matrix.check();
}

#[test]
fn messages_that_nobody_handles_are_refused() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix = Matrix::new("errors::traces::messages_that_nobody_handles_are_refused");
    let class = Ledger::mailbox();
    let (deploy, mailbox) = deploy_call(class.class_hash, Felt::ONE, &[]);
    let declare = wallet.declare(0, 0, class.class.clone(), class.compiled_class_hash);
    client.accepted(client.submit(&declare).expect("it is good").hash);
    client.accepted(client.submit(&wallet.multicall(0, 1, &[deploy])).expect("it is good").hash);
    let message = |to: Felt, amount: &str, id: Value| {
        let message = json!({
            "from_address": "0x0000000000000000000000000000000000001234",
            "to_address": hex(to),
            "entry_point_selector": hex(call(to, "deposit", Vec::new()).selector.0),
            "payload": ["0x7", amount],
        });
        ("starknet_estimateMessageFee", json!([message, id]))
    };
    let latest = json!("latest");
    let cases = vec![
        case(
            "message to nobody",
            message(Felt::from(0x123), "0x1", latest.clone()),
            20,
            "Contract not found",
        ),
        case(
            "message to a contract without a handler",
            message(STRK_ADDRESS.into(), "0x1", latest.clone()),
            40,
            "ENTRYPOINT_NOT_FOUND",
        ),
        case(
            "message whose handler reverts",
            message(mailbox, "0x0", latest),
            40,
            "nothing to deposit",
        ),
        case(
            "message on an unknown block",
            message(mailbox, "0x1", json!({ "block_number": 99 })),
            24,
            "Block not found",
        ),
    ];
    run(&client, &mut matrix, cases);
    matrix.check();
}
