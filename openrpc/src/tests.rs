use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Documents, LoadError, Release};

const FELT_63: &str = "0x7ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

/// Two documents with the habits of the official ones: a reference across files, the wrapper, the
/// short forms, and a choice of which one branch contains the other.
fn documents() -> Documents {
    let api = json!({
        "openrpc": "1.0.0-rc1",
        "methods": [{
            "name": "test_block",
            "params": [{ "name": "block_id", "required": true, "schema": { "type": "string" } }],
            "result": { "name": "result", "schema": { "oneOf": [
                { "$ref": "#/components/schemas/BLOCK" },
                { "$ref": "#/components/schemas/OPEN_BLOCK" },
            ] } },
            "errors": [
                { "$ref": "#/components/errors/NOT_FOUND" },
                { "$ref": "#/components/errors/REFUSED" },
            ],
        }],
        "components": {
            "contentDescriptors": {},
            "schemas": {
                "FELT": {
                    "type": "string",
                    "pattern": "^0x(0|[a-fA-F1-9]{1}[a-fA-F0-9]{0,62})$",
                },
                "OPEN_BLOCK": {
                    "type": "object",
                    "properties": {
                        "number": { "type": "integer" },
                        "hashes": {
                            "type": "array",
                            "items": { "schema": { "$ref": "#/components/schemas/FELT" } },
                        },
                    },
                    "required": ["number", "hashes"],
                },
                "BLOCK": { "allOf": [
                    { "$ref": "#/components/schemas/OPEN_BLOCK" },
                    {
                        "type": "object",
                        "properties": { "hash": { "$ref": "#/components/schemas/FELT" } },
                        "required": "hash",
                    },
                ] },
            },
            "errors": {
                "NOT_FOUND": { "code": 24, "message": "Block not found" },
                "REFUSED": { "code": 55, "message": "Refused", "data": "string" },
            },
        },
    });
    let trace = json!({
        "methods": [
            {
                "name": "test_number",
                "params": [],
                "result": { "name": "result", "schema": {
                    "$ref": "./api/api.json#/components/schemas/FELT",
                } },
                "errors": [{ "$ref": "./api/api.json#/components/errors/NOT_FOUND" }],
            },
            {
                "name": "test_notification",
                "params": [
                    { "name": "id", "schema": { "schema": { "type": "string" } } },
                    { "name": "result", "schema": {
                        "$ref": "./api/api.json#/components/schemas/BLOCK",
                    } },
                ],
            },
        ],
        "components": { "schemas": {} },
    });
    let files = BTreeMap::from([("api.json".to_owned(), api), ("trace.json".to_owned(), trace)]);
    Documents::compile(files).expect("the documents of this test are sound")
}

fn problems(documents: &Documents, method: &str, result: &Value) -> Vec<String> {
    match documents.check_result(method, result) {
        Ok(()) => Vec::new(),
        Err(violations) => violations.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn names_the_methods_that_answer_and_their_parameters() {
    let documents = documents();
    assert_eq!(documents.method_names().collect::<Vec<_>>(), ["test_block", "test_number"]);

    let block = documents.method("test_block").expect("it is described");
    assert_eq!(block.parameters()[0].name, "block_id");
    assert!(block.parameters()[0].is_required);
    assert_eq!(block.errors().iter().map(|error| error.code).collect::<Vec<_>>(), [24, 55]);
}

#[test]
fn accepts_both_kinds_of_block_though_one_contains_the_other() {
    let documents = documents();
    let confirmed = json!({ "number": 1, "hashes": [FELT_63], "hash": "0x0" });
    let open = json!({ "number": 1, "hashes": [] });
    assert_eq!(problems(&documents, "test_block", &confirmed), [""; 0]);
    assert_eq!(problems(&documents, "test_block", &open), [""; 0]);
}

#[test]
fn looks_behind_the_schema_wrapper() {
    let wrong = json!({ "number": 1, "hashes": ["0x01"], "hash": "0x0" });
    let problems = problems(&documents(), "test_block", &wrong);
    assert!(problems.iter().any(|problem| problem.contains("/hashes/0")), "{problems:?}");
}

#[test]
fn follows_references_into_other_documents() {
    let documents = documents();
    assert_eq!(problems(&documents, "test_number", &json!(FELT_63)), [""; 0]);
    assert_eq!(problems(&documents, "test_number", &json!("0x00")).len(), 1);
    assert_eq!(problems(&documents, "test_number", &json!(7)).len(), 1);
}

#[test]
fn refuses_a_result_with_a_field_of_no_branch() {
    let misspelt = json!({ "number": 1, "hashes": [], "hahs": "0x0" });
    assert!(!problems(&documents(), "test_block", &misspelt).is_empty());
}

#[test]
fn refuses_a_method_that_nobody_described() {
    let problems = problems(&documents(), "test_unheard_of", &json!(1));
    assert_eq!(problems, ["test_unheard_of at \"\": the documents do not describe this method"]);
}

#[test]
fn checks_code_message_and_data_of_errors() {
    let documents = documents();
    let check = |code, message, data: Option<&Value>| {
        documents.check_error("test_block", code, message, data).is_ok()
    };
    assert!(check(24, "Block not found", None));
    assert!(!check(24, "block not found", None), "another message");
    assert!(!check(24, "Block not found", Some(&json!("why"))), "data where there is none");
    assert!(!check(20, "Contract not found", None), "an error of other methods");
    assert!(check(55, "Refused", Some(&json!("why"))));
    assert!(!check(55, "Refused", Some(&json!(1))), "data of another type");
    assert!(!check(55, "Refused", None), "no reason");
    assert!(check(-32602, "Invalid params", Some(&json!({ "reason": "block_id" }))));
    assert!(!check(-32602, "", None), "no message");
}

#[test]
fn refuses_documents_without_methods_or_with_dangling_references() {
    assert!(matches!(Documents::compile(BTreeMap::new()), Err(LoadError::Empty)));

    let dangling = json!({ "methods": [{
        "name": "test",
        "params": [],
        "result": { "schema": { "type": "string" } },
        "errors": [{ "$ref": "#/components/errors/NONE" }],
    }] });
    let files = BTreeMap::from([("api.json".to_owned(), dangling)]);
    assert!(matches!(Documents::compile(files), Err(LoadError::Dangling { .. })));
}

/// The official documents, or a clear word that the test could not run.
#[expect(clippy::print_stderr, reason = "whoever runs the tests must see what was skipped")]
fn official() -> Option<Documents> {
    let documents = Documents::official(Release::V0_10);
    if documents.is_none() {
        eprintln!("skipped: no official documents in {}", Release::V0_10.folder().display());
    }
    documents
}

#[test]
fn knows_every_method_of_the_official_documents() {
    let Some(documents) = official() else { return };
    let names: Vec<_> = documents.method_names().collect();
    assert_eq!(names.len(), 38, "{names:?}");
    for name in ["starknet_call", "starknet_getCompiledCasm", "starknet_addInvokeTransaction"] {
        assert!(names.contains(&name), "{name} is missing");
    }
    assert!(!names.contains(&"starknet_subscriptionReorg"), "a notification has no answer");
}

fn official_block() -> Value {
    let price = json!({ "price_in_fri": "0x1", "price_in_wei": "0x1" });
    json!({
        "status": "ACCEPTED_ON_L2",
        "block_hash": FELT_63,
        "parent_hash": "0x0",
        "block_number": 1,
        "new_root": FELT_63,
        "timestamp": 1_700_000_000,
        "sequencer_address": "0x1",
        "l1_gas_price": price,
        "l2_gas_price": price,
        "l1_data_gas_price": price,
        "l1_da_mode": "BLOB",
        "starknet_version": "0.14.4",
        "event_commitment": "0x0",
        "transaction_commitment": "0x0",
        "receipt_commitment": "0x0",
        "state_diff_commitment": "0x0",
        "event_count": 0,
        "transaction_count": 1,
        "state_diff_length": 0,
        "transactions": [{
            "type": "INVOKE",
            "version": "0x3",
            "transaction_hash": FELT_63,
            "sender_address": "0x2",
            "calldata": [],
            "signature": [],
            "nonce": "0x0",
            "resource_bounds": {
                "l1_gas": { "max_amount": "0x0", "max_price_per_unit": "0x0" },
                "l2_gas": { "max_amount": "0x0", "max_price_per_unit": "0x0" },
                "l1_data_gas": { "max_amount": "0x0", "max_price_per_unit": "0x0" },
            },
            "tip": "0x0",
            "paymaster_data": [],
            "account_deployment_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        }],
    })
}

#[test]
fn official_documents_accept_a_block_and_refuse_each_mutation_of_it() {
    let Some(documents) = official() else { return };
    let method = "starknet_getBlockWithTxs";
    let block = official_block();
    assert_eq!(problems(&documents, method, &block), [""; 0]);

    for field in block.as_object().expect("a block is an object").keys() {
        let mut mutated = block.clone();
        mutated.as_object_mut().expect("a block is an object").remove(field);
        assert!(!problems(&documents, method, &mutated).is_empty(), "without {field}");

        let mut mutated = block.clone();
        mutated[field] = json!({ "unheard": "of" });
        assert!(!problems(&documents, method, &mutated).is_empty(), "with another {field}");
    }
    for field in block["transactions"][0].as_object().expect("so is a transaction").keys() {
        let mut mutated = block.clone();
        mutated["transactions"][0].as_object_mut().expect("as above").remove(field);
        assert!(!problems(&documents, method, &mutated).is_empty(), "without its {field}");
    }
}

#[test]
fn official_documents_know_the_errors_of_a_method() {
    let Some(documents) = official() else { return };
    let nested = json!({ "revert_error": {
        "contract_address": "0x1",
        "class_hash": "0x2",
        "selector": "0x3",
        "error": "0x4 ('no')",
    } });
    let check = |method: &str, code, message, data: Option<&Value>| {
        documents.check_error(method, code, message, data).is_ok()
    };
    assert!(check("starknet_call", 40, "Contract error", Some(&nested)));
    assert!(!check("starknet_call", 40, "Contract error", Some(&json!({}))));
    assert!(check("starknet_call", 20, "Contract not found", None));
    assert!(!check("starknet_blockNumber", 20, "Contract not found", None));

    let refused = json!("the signature is not valid");
    let message = "Account validation failed";
    assert!(check("starknet_addInvokeTransaction", 55, message, Some(&refused)));
}

#[test]
fn puts_right_what_no_chain_can_keep_to() {
    let key = json!({ "type": "string", "pattern": "^0x(0|[0-7]{1}[a-fA-F0-9]{0,62}$)" });
    let cell = json!({
        "title": "CellRef",
        "type": "object",
        "properties": { "offset": { "type": "integer", "minimum": 0 } },
    });
    let method = json!({
        "name": "test_read",
        "params": [],
        "result": { "schema": { "type": "object", "properties": { "key": key, "cell": cell } } },
    });
    let documents = BTreeMap::from([("api.json".to_owned(), json!({ "methods": [method] }))]);
    let documents = Documents::compile(documents).expect("it describes a method");
    let check = |key: &str, offset: i64| {
        let answer = json!({ "key": key, "cell": { "offset": offset } });
        problems(&documents, "test_read", &answer)
    };
    for key in ["0x0", "0x8", "0xfabc", "0x7abc", FELT_63] {
        assert_eq!(check(key, -3), Vec::<String>::new(), "{key}");
    }
    let too_large = format!("0x8{}", "0".repeat(62));
    for key in ["8", "0x", "0x00", "0xg", too_large.as_str()] {
        assert!(!check(key, 3).is_empty(), "{key}");
    }
}

#[test]
fn a_notification_has_the_described_parameters_and_no_others() {
    let documents = documents();
    assert_eq!(documents.notification_names().collect::<Vec<_>>(), ["test_notification"]);
    let block = json!({ "number": 1, "hashes": ["0x1"], "hash": "0x2" });
    let check = |params: Value| match documents.check_notice("test_notification", &params) {
        Ok(()) => Vec::new(),
        Err(violations) => {
            let mut paths: Vec<_> = violations.iter().map(|it| it.path.clone()).collect();
            paths.dedup();
            paths
        }
    };
    assert_eq!(check(json!({ "id": "1", "result": block })), Vec::<String>::new());
    assert_eq!(check(json!({ "id": 1, "result": block })), ["/id"]);
    assert_eq!(check(json!({ "result": block })), ["/id"]);
    assert_eq!(check(json!({ "id": "1", "result": { "number": 1, "hashes": [] } })), ["/result"]);
    assert_eq!(check(json!({ "id": "1", "result": block, "colour": 1 })), ["/colour"]);
    assert_eq!(check(json!([])), [""]);
    assert!(documents.check_notice("test_number", &json!({})).is_err());
}
