//! Requests that are none, and parameters that make no sense.

use kraken_tests::{Client, Matrix, Node};
use serde_json::{Value, json};

use super::{case, run, told};

/// Sends a body as it is; the id and the code of the refusal.
fn refusal_of(client: &Client, matrix: &mut Matrix, input: &str, body: &str) -> (Value, Value) {
    let mut answer = client.post(body).expect("an answer with status 200");
    // A batch of one has an answer of one.
    if answer.is_array() {
        answer = answer[0].take();
    }
    let error = answer["error"].take();
    let said = told(error["message"].as_str().expect("a message"), &error["data"]);
    matrix.row(input, &error["code"], &said);
    (answer["id"].take(), error["code"].clone())
}

#[test]
fn parameters_are_refused_by_the_field() {
    let node = Node::start_checked(&[]);
    let mut matrix = Matrix::new("errors::requests::parameters_are_refused_by_the_field");
    let block = "starknet_getBlockWithTxHashes";
    let nonce = "starknet_getNonce";
    run(
        &node.client(),
        &mut matrix,
        vec![
            case("unknown method", ("starknet_getLuck", json!([])), -32601, "Method not found"),
            case(
                "unknown method of devnet",
                ("devnet_getLuck", json!(["0x1"])),
                -32601,
                "devnet_getLuck",
            ),
            case("no parameters where one must be", (block, json!([])), -32602, "block_id"),
            case(
                "the second of two by position is missing",
                (nonce, json!(["latest"])),
                -32602,
                "contract_address",
            ),
            case(
                "one of two by name is missing",
                (nonce, json!({ "contract_address": "0x1" })),
                -32602,
                "block_id",
            ),
            case("one parameter too many by position", (block, json!(["latest", 1])), -32602, ""),
            case(
                "unknown parameter by name",
                (block, json!({ "block_id": "latest", "colour": "blue" })),
                -32602,
                "colour",
            ),
            case("unknown word for a block", (block, json!(["newest"])), -32602, "block_id"),
            case(
                "negative block number",
                (block, json!([{ "block_number": -1 }])),
                -32602,
                "block_number",
            ),
            case(
                "address without `0x`",
                (nonce, json!(["latest", "12"])),
                -32602,
                "contract_address",
            ),
            case(
                "address that is a number of JSON",
                (nonce, json!(["latest", 12])),
                -32602,
                "contract_address",
            ),
            case(
                "address beyond the field",
                (nonce, json!(["latest", format!("0x{}", "f".repeat(63))])),
                -32602,
                "contract_address",
            ),
            case(
                "hash with a letter that is no digit",
                ("starknet_getTransactionReceipt", json!(["0xg"])),
                -32602,
                "transaction_hash",
            ),
            case(
                "hash of L1 with 65 digits",
                ("starknet_getMessagesStatus", json!([format!("0x{}", "1".repeat(65))])),
                -32602,
                "transaction_hash",
            ),
            case("parameters that are a text", (block, json!("latest")), -32602, ""),
            case(
                "transaction without most of its fields",
                ("starknet_addInvokeTransaction", json!([{ "type": "INVOKE" }])),
                -32602,
                "version",
            ),
            case(
                "amount below zero",
                ("devnet_mint", json!({ "address": "0x1", "amount": -1 })),
                -32602,
                "amount",
            ),
        ],
    );
    matrix.check();
}

#[test]
fn bodies_that_are_no_request_are_refused() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix = Matrix::new("errors::requests::bodies_that_are_no_request_are_refused");
    let old = r#"{"jsonrpc": "1.0", "id": 5, "method": "starknet_chainId"}"#;
    let large = format!("[{}]", " ".repeat(17 << 20));
    let crowd = format!("[{}7]", "7,".repeat(1_000));
    for (input, body, code, id) in [
        ("`{`", "{", -32700, Value::Null),
        ("`[1`", "[1", -32700, Value::Null),
        ("an empty body", "", -32700, Value::Null),
        ("`1`", "1", -32600, Value::Null),
        ("`{}`", "{}", -32600, Value::Null),
        ("`[]`, an empty batch", "[]", -32600, Value::Null),
        ("a batch of 1,001 requests", &crowd, -32600, Value::Null),
        ("a request of JSON-RPC 1.0", old, -32600, json!(5)),
        ("a body of 17 MiB", &large, -32600, Value::Null),
    ] {
        let got = refusal_of(&client, &mut matrix, input, body);
        assert_eq!(got, (id, json!(code)), "{input}");
    }
    matrix.check();

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

#[test]
fn depth_is_refused_and_not_fallen_into() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    let mut matrix = Matrix::new("errors::requests::depth_is_refused_and_not_fallen_into");
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    let objects = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let request = |method: &str, params: &str| {
        format!(r#"{{"jsonrpc": "2.0", "id": 1, "method": "{method}", "params": {params}}}"#)
    };
    let declare = |class: &str| {
        let transaction = format!(
            r#"{{"type": "DECLARE", "version": "0x3", "sender_address": "0x1",
                "compiled_class_hash": "0x1", "signature": [], "nonce": "0x0",
                "contract_class": {class}}}"#
        );
        request("starknet_addDeclareTransaction", &format!("[{transaction}]"))
    };
    for (input, body) in [
        ("100,000 lists within each other, which are a batch", deep(100_000)),
        ("100,000 objects within each other", objects.clone()),
        ("parameters 100,000 lists deep", request("starknet_getNonce", &deep(100_000))),
        (
            "a block id 1,000 lists deep",
            request("starknet_getNonce", &format!("[{}]", deep(1_000))),
        ),
        ("a class 100,000 objects deep", declare(&objects)),
        (
            "a Sierra program 100,000 lists deep",
            declare(&format!(r#"{{"sierra_program": {}}}"#, deep(100_000))),
        ),
    ] {
        let (_, code) = refusal_of(&client, &mut matrix, input, &body);
        assert!([-32700, -32600, -32602].map(Value::from).contains(&code), "{input}: {code}");
    }
    matrix.check();
    client.get("starknet_chainId", json!([]));
}
