//! Every error that a caller can meet here: the request, the code, and what is said about it.
//!
//! The client holds each of them against the official documents as well: code, exact message, and
//! whether there may be data.

use std::sync::Arc;

use kraken_execution::{
    genesis::{STRK_ADDRESS, UDC_ADDRESS},
    testing,
};
use kraken_openrpc::Documents;
use kraken_tests::{
    Client, Ledger, Node, Wallet,
    client::{hex, wait_for},
    wallet::{broadcasted, call, deploy_call, submission},
};
use serde_json::{Value, json};
use starknet_api::{core::ClassHash, rpc_transaction::RpcTransaction};
use starknet_types_core::felt::Felt;

/// A request that is refused.
struct Case {
    method: &'static str,
    params: Value,
    code: i64,
    /// In the message or in the data.
    says: &'static str,
}

fn case(method: &'static str, params: Value, code: i64, says: &'static str) -> Case {
    Case { method, params, code, says }
}

fn run(client: &Client, cases: Vec<Case>) {
    for Case { method, params, code, says } in cases {
        let shown = format!("{method} {params:.300}");
        let (got, message, data) = client.refusal(method, params);
        assert_eq!(got, code, "{shown}: {message}, {data}");
        let said = format!("{message} {data}");
        assert!(said.contains(says), "{shown}: {said:?} does not say {says:?}");
    }
}

fn node(arguments: &[&str]) -> Node {
    Node::start_checked(arguments, Documents::official().map(Arc::new))
}

fn strk() -> String {
    hex(STRK_ADDRESS)
}

fn function(contract: Felt, name: &str, calldata: &[&str]) -> Value {
    json!({
        "contract_address": hex(contract),
        "entry_point_selector": hex(call(contract, name, Vec::new()).selector.0),
        "calldata": calldata,
    })
}

#[test]
fn reads_of_what_is_not_there_are_refused() {
    let node = node(&[]);
    let (nowhere, latest) = ("0x123456", json!("latest"));
    let far = json!({ "block_number": 99 });
    let key = "0x1";
    run(
        &node.client(),
        vec![
            case("starknet_getBlockWithTxHashes", json!([far]), 24, "Block not found"),
            case("starknet_getBlockWithTxs", json!([{ "block_hash": "0x5" }]), 24, "Block"),
            case("starknet_getBlockWithReceipts", json!([far]), 24, "Block not found"),
            case("starknet_getStateUpdate", json!([far]), 24, "Block not found"),
            case("starknet_getBlockTransactionCount", json!([far]), 24, "Block not found"),
            case("starknet_getStorageAt", json!([strk(), key, far]), 24, "Block not found"),
            case("starknet_getStorageAt", json!([nowhere, key, latest]), 20, "Contract not found"),
            case("starknet_getNonce", json!([latest, nowhere]), 20, "Contract not found"),
            case("starknet_getNonce", json!([far, strk()]), 24, "Block not found"),
            case("starknet_getClassHashAt", json!([latest, nowhere]), 20, "Contract not found"),
            case("starknet_getClassHashAt", json!([far, strk()]), 24, "Block not found"),
            case("starknet_getClassAt", json!([latest, nowhere]), 20, "Contract not found"),
            case("starknet_getClassAt", json!([far, strk()]), 24, "Block not found"),
            case("starknet_getClass", json!([latest, nowhere]), 28, "Class hash not found"),
            case("starknet_getClass", json!([far, nowhere]), 24, "Block not found"),
            case("starknet_getTransactionByHash", json!([nowhere]), 29, "Transaction hash"),
            case("starknet_getTransactionReceipt", json!([nowhere]), 29, "Transaction hash"),
            case("starknet_getTransactionStatus", json!([nowhere]), 29, "Transaction hash"),
            case("starknet_getTransactionByBlockIdAndIndex", json!([latest, 7]), 27, "index"),
            case("starknet_getTransactionByBlockIdAndIndex", json!([far, 0]), 24, "Block"),
        ],
    );
}

#[test]
fn bad_searches_for_events_are_refused() {
    let node = node(&[]);
    let many: Vec<_> = (1..=2_000).map(|number| format!("{number:#x}")).collect();
    let filter = |fields: Value| json!({ "filter": fields });
    let token = filter(json!({ "chunk_size": 10, "continuation_token": "what" }));
    run(
        &node.client(),
        vec![
            case("starknet_getEvents", filter(json!({ "chunk_size": 1_025 })), 31, "page size"),
            case("starknet_getEvents", token, 33, "continuation token"),
            case(
                "starknet_getEvents",
                filter(json!({ "chunk_size": 10, "keys": [many] })),
                34,
                "Too many keys",
            ),
            case(
                "starknet_getEvents",
                filter(json!({ "chunk_size": 10, "from_block": { "block_number": 99 } })),
                24,
                "Block not found",
            ),
        ],
    );
}

#[test]
fn failing_calls_and_estimates_say_why() {
    let wallet = Wallet::new(1);
    let node = node(&[]);
    let latest = json!("latest");
    let strk = Felt::from(STRK_ADDRESS);
    let nowhere = Felt::from(0x12_3456);
    let unknown = json!({
        "contract_address": hex(strk),
        "entry_point_selector": "0x1234",
        "calldata": [],
    });
    let to_nobody = function(strk, "transfer", &["0x0", "0x1", "0x0"]);
    let estimate = |transaction: &RpcTransaction, block: &Value| {
        json!([[broadcasted(transaction)], [], block])
    };
    let too_much = call(strk, "transfer", vec![Felt::TWO, Felt::from(10_u128.pow(36)), Felt::ZERO]);
    let reverting = wallet.multicall(0, 0, &[too_much]);
    let mut forged = broadcasted(&wallet.transfer(0, 0, 0, 1));
    forged["signature"] = json!(["0x1", "0x2"]);
    let far = json!({ "block_number": 99 });
    run(
        &node.client(),
        vec![
            case("starknet_call", json!([function(nowhere, "name", &[]), latest]), 20, "Contract"),
            case("starknet_call", json!([unknown, latest]), 21, "entry point"),
            case("starknet_call", json!([to_nobody, latest]), 40, "ERC20"),
            case("starknet_call", json!([function(strk, "name", &[]), far]), 24, "Block"),
            case("starknet_estimateFee", estimate(&reverting, &latest), 41, "insufficient balance"),
            case("starknet_estimateFee", json!([[forged], [], latest]), 41, "signature"),
            case("starknet_estimateFee", estimate(&reverting, &far), 24, "Block not found"),
        ],
    );
}

/// The refusal of a transaction, changed before it is sent.
fn refused(
    transaction: &RpcTransaction,
    change: impl FnOnce(&mut Value),
    code: i64,
    says: &'static str,
) -> Case {
    let (method, mut params) = submission(transaction);
    let body = params.as_object_mut().and_then(|params| params.values_mut().next());
    change(body.expect("one parameter"));
    case(method, params, code, says)
}

fn unchanged(_: &mut Value) {}

#[test]
fn bad_invokes_are_refused_with_a_reason() {
    let wallet = Wallet::new(3);
    let node = node(&["--block-generation-on", "demand"]);
    let client = node.client();
    // A contract that is no account, and could pay.
    let no_account = testing::transfer_call(STRK_ADDRESS, UDC_ADDRESS, 2 * 10_u128.pow(20));
    let good = wallet.multicall(0, 0, &[no_account]);
    client.submit(&good).expect("it is good");
    wait_for("the first transfer", || {
        (client.nonce(wallet.address(0)).expect("the node answers") == 1).then_some(())
    });
    // Waits for the nonce before it, so it can be replaced.
    let waiting = wallet.transfer(1, 1, 0, 1);
    client.submit(&waiting).expect("nonces may be ahead");

    let next = wallet.transfer(0, 1, 1, 1);
    let mut rich = testing::ample_bounds();
    rich.l2_gas.max_price_per_unit.0 = 10_u128.pow(30);
    let rich = wallet.multicall_within(0, 1, &[], rich);
    let mut poor = testing::ample_bounds();
    poor.l2_gas.max_amount.0 = 10;
    let poor = wallet.multicall_within(0, 1, &[], poor);
    let no_account = |body: &mut Value| {
        body["sender_address"] = json!(hex(UDC_ADDRESS));
        body["nonce"] = json!("0x0");
    };
    let nobody = |body: &mut Value| body["sender_address"] = json!("0x123456");
    run(
        &client,
        vec![
            refused(&wallet.transfer(0, 0, 1, 2), unchanged, 52, "nonce"),
            refused(&wallet.transfer(0, 1_000, 1, 2), unchanged, 52, "nonce"),
            refused(
                &next,
                |body| {
                    for gas in ["l1_gas", "l2_gas", "l1_data_gas"] {
                        body["resource_bounds"][gas]["max_amount"] = json!("0x0");
                    }
                },
                53,
                "resources",
            ),
            refused(&poor, unchanged, 53, "resources"),
            refused(&rich, unchanged, 54, "balance"),
            refused(&next, |body| body["signature"] = json!(["0x1", "0x2"]), 55, "signature"),
            refused(&next, no_account, 58, "account"),
            refused(&next, nobody, 54, "balance"),
            refused(&good, unchanged, 59, "same hash"),
            refused(&waiting, unchanged, 59, "same hash"),
            refused(&wallet.transfer(1, 1, 0, 2), unchanged, 64, "underpriced"),
            refused(&next, |body| body["version"] = json!("0x1"), 61, "version"),
            refused(
                &next,
                |body| body["version"] = json!("0x100000000000000000000000000000003"),
                61,
                "version",
            ),
            refused(&next, |body| body["proof_facts"] = json!(["0x1"]), 69, "proof"),
        ],
    );
    // None of them is in the way of a good one.
    client.submit(&next).expect("it is still good");
}

#[test]
fn bad_declares_and_deployments_are_refused_with_a_reason() {
    let wallet = Wallet::new(1);
    let node = node(&[]);
    let client = node.client();
    let ledger = Ledger::get();
    let declare = |nonce, ledger: &Ledger| {
        wallet.declare(0, nonce, ledger.class.clone(), ledger.compiled_class_hash)
    };
    let good = declare(0, ledger);
    client.accepted(client.submit(&good).expect("it is good").hash);

    let other = ledger.variant("[]");
    let mut lie = other.clone();
    lie.compiled_class_hash += Felt::ONE;
    let large = ledger.variant(&format!("[{}]", " ".repeat(4_200_000)));
    let mut broken = other.clone();
    let length = broken.class.sierra_program.len();
    broken.class.sierra_program.truncate(length - 20);
    let mut newer = other.clone();
    // The program begins with the version of its language.
    newer.class.sierra_program[1] = Felt::from(99);
    let (account, deploy) = wallet.new_account(Felt::from(77));
    run(
        &client,
        vec![
            refused(&good, unchanged, 59, "same hash"),
            refused(&declare(1, ledger), unchanged, 51, "already declared"),
            refused(&declare(1, &lie), unchanged, 60, "compiled class hash"),
            refused(&declare(1, &large), unchanged, 57, "too large"),
            refused(&declare(1, &broken), unchanged, 56, "Compilation failed"),
            refused(&declare(1, &newer), unchanged, 62, "class version"),
            refused(&declare(1, &other), |body| body["version"] = json!("0x2"), 61, "version"),
            // Nobody has given it anything yet.
            refused(&deploy, unchanged, 54, "balance"),
        ],
    );

    // The address of an account whose class nobody has declared.
    let unknown = ClassHash(Felt::from(0x1234));
    let classless = testing::account(Felt::from(78), unknown, Felt::ONE);
    let bounds = testing::ample_bounds();
    let classless_deploy =
        testing::deploy_account(wallet.chain(), &classless, unknown, Felt::ONE, bounds);
    let gifts = [account.address, classless.address]
        .map(|to| testing::transfer_call(STRK_ADDRESS, to, 2 * 10_u128.pow(20)));
    let gift = client.submit(&wallet.multicall(0, 1, &gifts)).expect("it is good");
    assert_eq!(client.accepted(gift.hash)["execution_status"], "SUCCEEDED");
    let forge = |body: &mut Value| body["signature"] = json!(["0x1", "0x2"]);
    run(
        &client,
        vec![
            refused(&deploy, forge, 55, "signature"),
            refused(&classless_deploy, unchanged, 28, "Class hash"),
        ],
    );
    client.accepted(client.submit(&deploy).expect("now it can pay").hash);
    run(&client, vec![refused(&deploy, unchanged, 59, "same hash")]);

    // A revert is no refusal: it is in a block, and says why.
    let (again, _) = deploy_call(ledger.class_hash, Felt::ONE, &[]);
    let reverted = client.submit(&wallet.multicall(0, 2, &[again])).expect("reverts are included");
    let receipt = client.accepted(reverted.hash);
    assert_eq!(receipt["execution_status"], "REVERTED");
    let reason = receipt["revert_reason"].as_str().expect("a reason");
    assert!(reason.contains("deserialize"), "{reason}");
}

#[test]
fn requests_that_make_no_sense_are_refused_by_the_field() {
    let node = node(&[]);
    let client = node.client();
    let block = "starknet_getBlockWithTxHashes";
    run(
        &client,
        vec![
            case("starknet_getLuck", json!([]), -32601, "Method not found"),
            case("devnet_impersonateAccount", json!(["0x1"]), -32601, "Method not found"),
            case(block, json!([]), -32602, "block_id"),
            case(block, json!(["newest"]), -32602, "block_id"),
            case(block, json!([{ "block_number": -1 }]), -32602, "block_number"),
            case(block, json!({ "block_id": "latest", "colour": "blue" }), -32602, "colour"),
            case(block, json!(["latest", 1]), -32602, ""),
            case("starknet_getNonce", json!(["latest", "12"]), -32602, "contract_address"),
            case("starknet_getNonce", json!(["latest", 12]), -32602, "contract_address"),
            case("starknet_getTransactionReceipt", json!(["0xg"]), -32602, "transaction_hash"),
            case("starknet_getEvents", json!([{ "chunk_size": 0 }]), -32602, "chunk_size"),
            case("starknet_addInvokeTransaction", json!([{ "type": "INVOKE" }]), -32602, "version"),
            case("devnet_mint", json!({ "address": "0x1", "amount": -1 }), -32602, "amount"),
        ],
    );

    let old = r#"{"jsonrpc": "1.0", "id": 5, "method": "starknet_chainId"}"#;
    for (body, code, id) in [
        ("{", -32700, Value::Null),
        ("[1", -32700, Value::Null),
        ("1", -32600, Value::Null),
        ("{}", -32600, Value::Null),
        ("[]", -32600, Value::Null),
        (old, -32600, json!(5)),
    ] {
        let answer = client.post(body).expect("an answer with status 200");
        assert_eq!(answer["error"]["code"], code, "{body}: {answer}");
        assert_eq!(answer["id"], id, "{body}: {answer}");
    }

    // One bad request of a batch does not spoil the others.
    let batch = r#"[
        {"jsonrpc": "2.0", "id": 1, "method": "starknet_chainId"},
        {"jsonrpc": "2.0", "id": "two", "method": "starknet_getLuck"},
        7
    ]"#;
    let answers = client.post(batch).expect("an answer");
    assert_eq!(answers[0]["result"], "0x534e5f5345504f4c4941");
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!("two"), &json!(-32601)));
    assert_eq!(answers[2]["error"]["code"], -32600);

    let (status, body) = client.get_path("/is_alive").expect("an answer");
    assert_eq!((status, body.as_str()), (200, "Alive!!!"));
}
