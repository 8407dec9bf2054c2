//! Questions about what is not there, searches that ask for too much, calls that fail.

use kraken_execution::genesis::STRK_ADDRESS;
use kraken_tests::{
    Matrix, Node, Wallet,
    client::hex,
    wallet::{broadcasted, call},
};
use serde_json::{Value, json};
use starknet_api::rpc_transaction::RpcTransaction;
use starknet_types_core::felt::Felt;

use super::{case, run};

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
fn what_is_not_there_is_not_found() {
    let node = Node::start_checked(&[]);
    let mut matrix = Matrix::new("errors::reads::what_is_not_there_is_not_found");
    let client = node.client();
    let (nowhere, latest) = ("0x123456", json!("latest"));
    let unknown_blocks = [
        ("block number beyond the newest", json!({ "block_number": 99 })),
        ("unknown block hash", json!({ "block_hash": "0x5" })),
        ("`l1_accepted` where no L1 is", json!("l1_accepted")),
    ];
    for (input, id) in unknown_blocks {
        let cases = [
            ("starknet_getBlockWithTxHashes", json!([id])),
            ("starknet_getBlockWithTxs", json!([id])),
            ("starknet_getBlockWithReceipts", json!([id])),
            ("starknet_getStateUpdate", json!([id])),
            ("starknet_getBlockTransactionCount", json!([id])),
            ("starknet_getTransactionByBlockIdAndIndex", json!([id, 0])),
            ("starknet_getStorageAt", json!([strk(), "0x1", id])),
            ("starknet_getNonce", json!([id, strk()])),
            ("starknet_getClassHashAt", json!([id, strk()])),
            ("starknet_getClassAt", json!([id, strk()])),
            ("starknet_getClass", json!([id, nowhere])),
        ];
        let cases = cases.map(|request| case(input, request, 24, "Block not found"));
        run(&client, &mut matrix, cases.into());
    }
    let no_contract = [
        ("starknet_getStorageAt", json!([nowhere, "0x1", latest])),
        ("starknet_getNonce", json!([latest, nowhere])),
        ("starknet_getClassHashAt", json!([latest, nowhere])),
        ("starknet_getClassAt", json!([latest, nowhere])),
    ]
    .map(|request| case("address without a contract", request, 20, "Contract not found"));
    run(&client, &mut matrix, no_contract.into());
    let no_transaction = [
        "starknet_getTransactionByHash",
        "starknet_getTransactionReceipt",
        "starknet_getTransactionStatus",
    ]
    .map(|method| {
        case("unknown transaction hash", (method, json!([nowhere])), 29, "hash not found")
    });
    run(&client, &mut matrix, no_transaction.into());
    let on_l1 = ("starknet_getMessagesStatus", json!([format!("0x{}", "f".repeat(64))]));
    let by_index = ("starknet_getTransactionByBlockIdAndIndex", json!([latest, 7]));
    let class = ("starknet_getClass", json!([latest, nowhere]));
    let others = vec![
        case("hash of L1, which is not connected", on_l1, 29, "Transaction hash"),
        case("index beyond the last transaction", by_index, 27, "index"),
        case("unknown class hash", class, 28, "Class hash not found"),
    ];
    run(&client, &mut matrix, others);
    matrix.check();
}

#[test]
fn searches_for_events_have_limits() {
    let node = Node::start_checked(&[]);
    let mut matrix = Matrix::new("errors::reads::searches_for_events_have_limits");
    let many: Vec<_> = (1..=2_000).map(|number| format!("{number:#x}")).collect();
    let filter = |fields: Value| ("starknet_getEvents", json!({ "filter": fields }));
    let token = json!({ "chunk_size": 10, "continuation_token": "what" });
    let keys = json!({ "chunk_size": 10, "keys": [many] });
    let from = json!({ "chunk_size": 10, "from_block": { "block_number": 99 } });
    run(
        &node.client(),
        &mut matrix,
        vec![
            case("`chunk_size` of 1,025", filter(json!({ "chunk_size": 1_025 })), 31, "page size"),
            case("made-up `continuation_token`", filter(token), 33, "continuation token"),
            case("2,000 keys", filter(keys), 34, "Too many keys"),
            case("`from_block` beyond the newest", filter(from), 24, "Block not found"),
            case("`chunk_size` of 0", filter(json!({ "chunk_size": 0 })), -32602, "chunk_size"),
        ],
    );
    matrix.check();
}

#[test]
fn proofs_reach_back_so_far() {
    let node = Node::start_checked(&[]);
    let mut matrix = Matrix::new("errors::reads::proofs_reach_back_so_far");
    let client = node.client();
    let proof = |fields: Value| ("starknet_getStorageProof", fields);
    let many: Vec<_> = (1..=101).map(|number| format!("{number:#x}")).collect();
    let far = json!({ "block_id": { "block_number": 999 } });
    for _ in 0..161 {
        client.get("devnet_createBlock", json!([]));
    }
    let cases = vec![
        case("proof at an unknown block", proof(far), 24, "Block not found"),
        case(
            "proof 161 blocks below the newest",
            proof(json!({ "block_id": { "block_number": 0 } })),
            42,
            "too far in the past",
        ),
        case(
            "proof in the open block",
            proof(json!({ "block_id": "pre_confirmed" })),
            -32602,
            "block_id",
        ),
        case(
            "proof of 101 keys",
            proof(json!({ "block_id": "latest", "class_hashes": many })),
            -32602,
            "class_hashes",
        ),
    ];
    run(&client, &mut matrix, cases);
    matrix.check();
}

#[test]
fn failing_calls_and_estimates_say_why() {
    let wallet = Wallet::new(1);
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix = Matrix::new("errors::reads::failing_calls_and_estimates_say_why");
    let latest = json!("latest");
    let strk = Felt::from(STRK_ADDRESS);
    let nowhere = Felt::from(0x12_3456);
    let unknown = json!({
        "contract_address": hex(strk),
        "entry_point_selector": "0x1234",
        "calldata": [],
    });
    let to_nobody = function(strk, "transfer", &["0x0", "0x1", "0x0"]);
    let (call_of, estimate_of) = ("starknet_call", "starknet_estimateFee");
    let estimate = |transactions: &[&RpcTransaction], block: &Value| {
        let transactions: Vec<_> = transactions.iter().map(|it| broadcasted(it)).collect();
        (estimate_of, json!([transactions, [], block]))
    };
    let too_much = call(strk, "transfer", vec![Felt::TWO, Felt::from(10_u128.pow(36)), Felt::ZERO]);
    let good = wallet.transfer(0, 0, 0, 1);
    let reverting = wallet.multicall(0, 1, std::slice::from_ref(&too_much));
    let mut forged = broadcasted(&good);
    forged["signature"] = json!(["0x1", "0x2"]);
    let far = json!({ "block_number": 99 });
    let second_fails = estimate(&[&good, &reverting], &latest);
    run(
        &client,
        &mut matrix,
        vec![
            case(
                "call of no contract",
                (call_of, json!([function(nowhere, "name", &[]), latest])),
                20,
                "Contract",
            ),
            case(
                "call of a function that is not there",
                (call_of, json!([unknown, latest])),
                21,
                "entry point",
            ),
            case("call that reverts", (call_of, json!([to_nobody, latest])), 40, "ERC20"),
            case(
                "call at an unknown block",
                (call_of, json!([function(strk, "name", &[]), far])),
                24,
                "Block",
            ),
            case(
                "estimate of two transactions, of which the second reverts",
                second_fails.clone(),
                41,
                "insufficient balance",
            ),
            case(
                "estimate with a forged signature",
                (estimate_of, json!([[forged], [], latest])),
                41,
                "signature",
            ),
            case(
                "estimate at an unknown block",
                estimate(&[&reverting], &far),
                24,
                "Block not found",
            ),
        ],
    );
    matrix.check();

    // What is nested is nested as the specification says: from the outermost call inwards.
    let (_, _, data) = client.refusal(call_of, json!([to_nobody, latest]));
    let frame = &data["revert_error"];
    assert_eq!(frame["contract_address"], hex(strk), "{data}");
    let innermost = |frame: &Value| {
        let mut frame = frame.clone();
        while frame.is_object() {
            assert!(
                ["class_hash", "selector"].iter().all(|name| frame[name].is_string()),
                "{frame}"
            );
            frame = frame["error"].take();
        }
        frame
    };
    assert!(innermost(frame).is_string(), "{data}");
    let (_, _, data) = client.refusal(second_fails.0, second_fails.1);
    assert_eq!(data["transaction_index"], 1, "{data}");
    let frame = &data["execution_error"];
    assert_eq!(frame["contract_address"], hex(wallet.address(0)), "{data}");
    assert_eq!(frame["error"]["contract_address"], hex(strk), "{data}");
    assert!(innermost(frame).is_string(), "{data}");
}
