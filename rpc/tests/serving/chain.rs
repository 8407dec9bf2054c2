//! The methods of the specification on a real chain.

use kraken_execution::{
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS, UDC_LEGACY_ADDRESS, UDC_LEGACY_CLASS_HASH},
    testing,
};
use serde_json::{Value, json};
use starknet_api::{abi::abi_utils::selector_from_name, core::ContractAddress};
use starknet_types_core::felt::Felt;

use crate::node::{Node, Wishes, account, sent, start, wishes};

fn hex(felt: impl Into<Felt>) -> Value {
    json!(felt.into())
}

fn len(list: &Value) -> usize {
    list.as_array().expect("a list").len()
}

async fn on_demand() -> Node {
    start(Wishes { on_demand: true, ..wishes() }).await
}

/// Waits until the open block holds so many transactions.
pub(crate) async fn executed(node: &Node, count: usize) {
    let mut events = node.sequencer.subscribe();
    let wait = async {
        while node.sequencer.view().pre_confirmed().transactions.len() < count {
            events.recv().await.expect("events go on");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), wait).await.expect("in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn block_0_is_served_before_anything_happens() {
    let node = start(wishes()).await;
    assert_eq!(node.ask("starknet_specVersion", json!([])).await, "0.10.2");
    assert_eq!(node.ask("starknet_chainId", json!({})).await, "0x534e5f5345504f4c4941");
    assert_eq!(node.ask("starknet_blockNumber", json!([])).await, 0);
    assert_eq!(node.ask("starknet_syncing", json!([])).await, false);

    let block = node.ask("starknet_getBlockWithTxs", json!(["latest"])).await;
    assert_eq!(block["parent_hash"], "0x0");
    assert_eq!(block["status"], "ACCEPTED_ON_L2");
    assert_eq!(block["starknet_version"], "0.14.4");
    assert_eq!(block["transactions"], json!([]));
    let newest = node.ask("starknet_blockHashAndNumber", json!([])).await;
    assert_eq!(newest, json!({"block_hash": block["block_hash"], "block_number": 0}));
    let by_hash = json!({"block_id": {"block_hash": block["block_hash"]}});
    assert_eq!(node.ask("starknet_getBlockTransactionCount", by_hash).await, 0);

    let update = node.ask("starknet_getStateUpdate", json!([{"block_number": 0}])).await;
    assert_eq!(update["old_root"], "0x0");
    assert_eq!(update["new_root"], block["new_root"]);
    assert_eq!(update["state_diff"]["replaced_classes"], json!([]));
    assert!(4 < len(&update["state_diff"]["deployed_contracts"]));
    let one = json!([{"block_number": 0}, [hex(account(0).address)]]);
    let update = node.ask("starknet_getStateUpdate", one).await;
    assert_eq!(
        update["state_diff"]["deployed_contracts"],
        json!([{"address": hex(account(0).address), "class_hash": hex(ACCOUNT_CLASS_HASH)}])
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_are_not_there_are_not_found() {
    let node = start(wishes()).await;
    for block_id in
        [json!({"block_number": 99}), json!({"block_hash": "0x99"}), json!("l1_accepted")]
    {
        for method in ["starknet_getBlockWithTxHashes", "starknet_getStateUpdate"] {
            assert_eq!(node.code(method, json!([block_id])).await, 24, "{method} {block_id}");
        }
        let nonce = json!([block_id, hex(account(0).address)]);
        assert_eq!(node.code("starknet_getNonce", nonce).await, 24, "{block_id}");
    }
    for hash in ["starknet_getTransactionByHash", "starknet_getTransactionReceipt"] {
        assert_eq!(node.code(hash, json!(["0x99"])).await, 29);
    }
    assert_eq!(node.code("starknet_getTransactionStatus", json!(["0x99"])).await, 29);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_and_classes_are_served_in_their_own_form() {
    let node = start(wishes()).await;
    let at = |address: ContractAddress| json!(["latest", hex(address)]);
    let account_class = node.ask("starknet_getClassAt", at(account(0).address)).await;
    assert!(account_class["abi"].is_string());
    assert!(1_000 < len(&account_class["sierra_program"]));
    let by_hash = json!(["latest", hex(ACCOUNT_CLASS_HASH)]);
    assert_eq!(node.ask("starknet_getClass", by_hash).await, account_class);

    let deprecated = node.ask("starknet_getClassAt", at(UDC_LEGACY_ADDRESS)).await;
    assert!(deprecated["program"].as_str().expect("text").starts_with("H4sI"));
    assert!(deprecated["abi"].is_array());
    let class_hash = node.ask("starknet_getClassHashAt", at(UDC_LEGACY_ADDRESS)).await;
    assert_eq!(class_hash, hex(UDC_LEGACY_CLASS_HASH));

    for method in ["starknet_getClassAt", "starknet_getClassHashAt", "starknet_getNonce"] {
        assert_eq!(node.code(method, json!(["latest", "0x99"])).await, 20, "{method}");
    }
    assert_eq!(node.code("starknet_getClass", json!(["latest", "0x99"])).await, 28);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn storage_is_readable_where_there_is_a_contract_and_where_the_protocol_writes() {
    let node = start(wishes()).await;
    let read =
        |address: Value| json!({"contract_address": address, "key": "0x5", "block_id": "latest"});
    assert_eq!(node.code("starknet_getStorageAt", read(json!("0x99"))).await, 20);
    for address in ["0x1", "0x2"] {
        assert_eq!(node.ask("starknet_getStorageAt", read(json!(address))).await, "0x0");
    }

    let key = starknet_api::abi::abi_utils::get_storage_var_address(
        "ERC20_balances",
        &[Felt::from_hex("0xdead").expect("hexadecimal")],
    );
    let dated = |block_id: Value| {
        json!([hex(STRK_ADDRESS), hex(key), block_id, ["INCLUDE_LAST_UPDATE_BLOCK"]])
    };
    let never = json!({"value": "0x0", "last_update_block": 0});
    assert_eq!(node.ask("starknet_getStorageAt", dated(json!("latest"))).await, never);
    node.send(0, 0).await;
    node.send(0, 1).await;
    node.ask("devnet_createBlock", json!([])).await;
    let second = json!({"value": "0x2", "last_update_block": 2});
    assert_eq!(node.ask("starknet_getStorageAt", dated(json!("latest"))).await, second);
    let first = json!({"value": "0x1", "last_update_block": 1});
    let block_id = json!({"block_number": 1});
    assert_eq!(node.ask("starknet_getStorageAt", dated(block_id)).await, first);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_is_found_everywhere_once_it_is_in_a_block() {
    let node = start(wishes()).await;
    let hash = node.send(0, 0).await;
    assert_eq!(
        node.ask("starknet_getTransactionStatus", json!([hash])).await,
        json!({"finality_status": "ACCEPTED_ON_L2", "execution_status": "SUCCEEDED"})
    );
    let block = node.ask("starknet_getBlockWithReceipts", json!([{"block_number": 1}])).await;
    let hashes = node.ask("starknet_getBlockWithTxHashes", json!(["latest"])).await;
    assert_eq!(hashes["transactions"], json!([hash]));
    let transaction = node.ask("starknet_getTransactionByHash", json!([hash])).await;
    let sent = node.transfer(0, 0);
    for (field, value) in sent.as_object().expect("an object") {
        assert_eq!(&transaction[field], value, "{field}");
    }
    let by_index = json!([{"block_number": 1}, 0]);
    let same = node.ask("starknet_getTransactionByBlockIdAndIndex", by_index).await;
    assert_eq!(same, transaction);
    let beyond = json!([{"block_number": 1}, 1]);
    assert_eq!(node.code("starknet_getTransactionByBlockIdAndIndex", beyond).await, 27);

    let receipt = node.ask("starknet_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["block_hash"], block["block_hash"]);
    assert_eq!(receipt["block_number"], 1);
    assert_eq!(receipt["actual_fee"]["unit"], "FRI");
    for (field, value) in block["transactions"][0]["receipt"].as_object().expect("an object") {
        assert_eq!(&receipt[field], value, "{field}");
    }
    assert_eq!(
        node.ask("starknet_getNonce", json!(["latest", hex(account(0).address)])).await,
        "0x1"
    );
    let before = json!([{"block_number": 0}, hex(account(0).address)]);
    assert_eq!(node.ask("starknet_getNonce", before).await, "0x0");

    let update = node.ask("starknet_getStateUpdate", json!(["latest"])).await;
    let nonce = json!({"contract_address": hex(account(0).address), "nonce": "0x1"});
    assert_eq!(update["state_diff"]["nonces"], json!([nonce]));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_refuses_has_the_code_of_the_specification() {
    let node = start(wishes()).await;
    let method = "starknet_addInvokeTransaction";
    let add = |change: Value| {
        let mut transfer = node.transfer(0, 0);
        let object = transfer.as_object_mut().expect("an object");
        object.extend(change.as_object().expect("an object").clone());
        json!([transfer])
    };
    assert_eq!(node.code(method, add(json!({"version": "0x1"}))).await, 61);
    let query = json!({"version": "0x100000000000000000000000000000003"});
    assert_eq!(node.code(method, add(query)).await, 61);
    assert_eq!(node.code(method, add(json!({"proof_facts": ["0x1"]}))).await, 69);
    assert_eq!(node.code(method, add(json!({"proof": "AQI="}))).await, 69);
    assert_eq!(node.code(method, add(json!({"type": "DECLARE"}))).await, -32602);
    let refused = node.fail(method, add(json!({"signature": ["0x1", "0x2"]}))).await;
    assert_eq!(refused["code"], 55);
    assert!(refused["data"].is_string(), "{refused}");

    node.send(0, 0).await;
    let again = node.fail(method, json!([node.transfer(0, 0)])).await;
    assert_eq!(again["code"], 59, "{again}");
    let old_nonce = sent(&testing::transfer(&node.chain, &account(0), 0, 0xbeef_u128.into(), 1));
    let old_nonce = node.fail(method, json!([old_nonce])).await;
    assert_eq!(old_nonce["code"], 52);
    assert!(old_nonce["data"].is_string(), "{old_nonce}");
    node.stop().await;
}

fn balance_of(address: &Value) -> Value {
    json!({
        "contract_address": hex(STRK_ADDRESS),
        "entry_point_selector": hex(selector_from_name("balanceOf").0),
        "calldata": [address],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_answer_or_say_what_went_wrong() {
    let node = start(wishes()).await;
    let request = balance_of(&hex(account(0).address));
    assert_eq!(
        node.ask("starknet_call", json!([request, "latest"])).await,
        json!(["0x3635c9adc5dea00000", "0x0"])
    );
    let mut nobody = request.clone();
    nobody["contract_address"] = json!("0x99");
    assert_eq!(node.code("starknet_call", json!([nobody, "latest"])).await, 20);
    let mut nothing = request.clone();
    nothing["entry_point_selector"] = json!("0x99");
    assert_eq!(node.code("starknet_call", json!([nothing, "latest"])).await, 21);
    let mut short = request;
    short["calldata"] = json!([]);
    let error = node.fail("starknet_call", json!([short, "latest"])).await;
    assert_eq!(error["code"], 40);
    assert!(!error["data"]["revert_error"].is_null(), "{error}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_are_estimated_without_signature_and_bounds() {
    let node = start(wishes()).await;
    let nothing = json!({"max_amount": "0x0", "max_price_per_unit": "0x0"});
    let unsigned = |nonce, amount| {
        let transfer =
            testing::transfer(&node.chain, &account(0), nonce, 0xdead_u128.into(), amount);
        let mut transfer = sent(&transfer);
        transfer["version"] = json!("0x100000000000000000000000000000003");
        transfer["signature"] = json!([]);
        transfer["resource_bounds"] =
            json!({"l1_gas": nothing, "l2_gas": nothing, "l1_data_gas": nothing});
        transfer
    };
    let params = json!({
        "request": [unsigned(0, 1), unsigned(1, 1)],
        "simulation_flags": ["SKIP_VALIDATE"],
        "block_id": "pre_confirmed",
    });
    let estimates = node.ask("starknet_estimateFee", params).await;
    assert_eq!(len(&estimates), 2);
    assert_eq!(estimates[0]["unit"], "FRI");
    assert_eq!(estimates[0]["l2_gas_price"], "0x3b9aca00");

    let too_much = unsigned(1, u128::MAX);
    let params = json!([[unsigned(0, 1), too_much], ["SKIP_VALIDATE"], "latest"]);
    let error = node.fail("starknet_estimateFee", params).await;
    assert_eq!(error["code"], 41, "{error}");
    assert_eq!(error["data"]["transaction_index"], 1);
    assert!(!error["data"]["execution_error"].is_null(), "{error}");
    let mut transfer = unsigned(0, 1);
    transfer["version"] = json!("0x1");
    let params = json!([[transfer], [], "latest"]);
    assert_eq!(node.code("starknet_estimateFee", params).await, -32602);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_open_block_shows_what_is_executed() {
    let node = on_demand().await;
    let hash = node.send(0, 0).await;
    executed(&node, 1).await;
    assert_eq!(node.ask("starknet_blockNumber", json!([])).await, 0);
    assert_eq!(
        node.ask("starknet_getTransactionStatus", json!([hash])).await,
        json!({"finality_status": "PRE_CONFIRMED", "execution_status": "SUCCEEDED"})
    );
    let block = node.ask("starknet_getBlockWithReceipts", json!(["pre_confirmed"])).await;
    assert_eq!(block["block_number"], 1);
    assert_eq!(block.get("block_hash"), None);
    assert_eq!(block.get("status"), None);
    assert_eq!(block["transactions"][0]["receipt"]["finality_status"], "PRE_CONFIRMED");
    let by_number = json!([{"block_number": 1}]);
    assert_eq!(node.ask("starknet_getBlockWithReceipts", by_number.clone()).await, block);

    let receipt = node.ask("starknet_getTransactionReceipt", json!([hash])).await;
    assert_eq!(receipt["block_number"], 1);
    assert_eq!(receipt.get("block_hash"), None);
    let nonce = |block_id: &str| json!([block_id, hex(account(0).address)]);
    assert_eq!(node.ask("starknet_getNonce", nonce("pre_confirmed")).await, "0x1");
    assert_eq!(node.ask("starknet_getNonce", nonce("latest")).await, "0x0");
    let latest = node.ask("starknet_getBlockWithTxHashes", json!(["latest"])).await;
    let update = node.ask("starknet_getStateUpdate", json!(["pre_confirmed"])).await;
    assert_eq!(update["old_root"], latest["new_root"]);
    assert_eq!(update.get("new_root"), None);
    let changed = json!({"contract_address": hex(account(0).address), "nonce": "0x1"});
    assert_eq!(update["state_diff"]["nonces"], json!([changed]));

    let created = node.ask("devnet_createBlock", json!([])).await;
    let closed = node.ask("starknet_getBlockWithReceipts", by_number).await;
    assert_eq!(closed["block_hash"], created["block_hash"]);
    assert_eq!(closed["transactions"][0]["receipt"]["finality_status"], "ACCEPTED_ON_L2");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_address_and_key_page_by_page() {
    let node = on_demand().await;
    node.send(0, 0).await;
    node.send(0, 1).await;
    executed(&node, 2).await;
    node.ask("devnet_createBlock", json!([])).await;
    node.send(0, 2).await;
    executed(&node, 1).await;

    let method = "starknet_getEvents";
    let transfers = json!([hex(selector_from_name("Transfer").0)]);
    let filter = |more: Value| {
        let mut filter =
            json!({"chunk_size": 100, "address": hex(STRK_ADDRESS), "keys": [transfers]});
        let object = filter.as_object_mut().expect("an object");
        object.extend(more.as_object().expect("an object").clone());
        json!({ "filter": filter })
    };
    let all = node.ask(method, filter(json!({}))).await;
    assert_eq!(all.get("continuation_token"), None);
    // Each transfer emits one event for the amount and one for the fee.
    let all = all["events"].as_array().expect("a list").clone();
    assert_eq!(all.len(), 6);
    let place = |event: &Value| {
        ["block_number", "transaction_index", "event_index"].map(|field| event[field].as_u64())
    };
    assert!(all.is_sorted_by_key(place));
    assert!(all[..4].iter().all(|event| event["block_hash"].is_string()));
    assert!(all[4..].iter().all(|event| event.get("block_hash").is_none()));

    let mut paged: Vec<Value> = Vec::new();
    let mut more = json!({"chunk_size": 1});
    loop {
        let page = node.ask(method, filter(more.clone())).await;
        paged.extend(page["events"].as_array().expect("a list").iter().cloned());
        let Some(token) = page.get("continuation_token") else {
            break;
        };
        more["continuation_token"] = token.clone();
    }
    assert_eq!(paged, all);

    let closed_only = node.ask(method, filter(json!({"to_block": "latest"}))).await;
    assert_eq!(len(&closed_only["events"]), 4);
    let open_only = node.ask(method, filter(json!({"from_block": "pre_confirmed"}))).await;
    assert_eq!(len(&open_only["events"]), 2);
    let elsewhere = node.ask(method, filter(json!({"address": ["0x99", "0x98"]}))).await;
    assert_eq!(elsewhere, json!({"events": []}));

    assert_eq!(node.code(method, filter(json!({"chunk_size": 1_025}))).await, 31);
    for token in ["", "x", "1", "1-2-3", "-1-0", "01-0", "99-0"] {
        let bad = filter(json!({ "continuation_token": token }));
        assert_eq!(node.code(method, bad).await, 33, "{token}");
    }
    let keys: Vec<Vec<String>> = vec![(0..1_025).map(|key| format!("{key:#x}")).collect()];
    assert_eq!(node.code(method, filter(json!({ "keys": keys }))).await, 34);
    assert_eq!(node.code(method, filter(json!({"from_block": {"block_number": 99}}))).await, 24);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_named_by_name_and_by_position() {
    let node = start(wishes()).await;
    for (method, params, reason) in [
        ("starknet_getNonce", json!(["latest"]), "contract_address: missing"),
        ("starknet_getNonce", json!({"contract_address": "0x1"}), "block_id: missing"),
        (
            "starknet_getNonce",
            json!(["pending", "0x1"]),
            "block_id: expected latest, pre_confirmed, l1_accepted, {block_hash} or {block_number}, \
             got \"pending\"",
        ),
        (
            "starknet_getBlockWithTxs",
            json!(["latest", ["ALL"]]),
            "response_flags[0]: expected INCLUDE_PROOF_FACTS, got \"ALL\"",
        ),
        (
            "starknet_getClass",
            json!({"block_id": "latest", "class_hash": "0x1", "address": "0x1"}),
            "address: unknown field, expected block_id, class_hash",
        ),
        (
            "starknet_call",
            json!([{"contract_address": "0x1", "calldata": []}, "latest"]),
            "request.entry_point_selector: missing",
        ),
    ] {
        let error = node.fail(method, params).await;
        assert_eq!(error["code"], -32602);
        assert_eq!(error["message"], "Invalid params");
        assert_eq!(error["data"]["reason"], reason);
    }
    node.stop().await;
}
