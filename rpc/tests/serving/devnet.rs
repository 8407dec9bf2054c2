//! The controls of a developer's chain.

use kraken_sequencer::Mode;
use serde_json::{Value, json};

use crate::node::{SECONDS, Wishes, account, start, wishes};

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_those_of_devnet_with_their_balances_on_demand() {
    let node = start(wishes()).await;
    let plain = node.ask("devnet_getPredeployedAccounts", json!([])).await;
    assert_eq!(plain.as_array().expect("a list").len(), 4);
    let first = &plain[0];
    assert_eq!(
        first["address"],
        "0x64b48806902a367c8598f4f95c305e8c1a1acba5f082d294a43793113115691"
    );
    assert_eq!(first["private_key"], "0x71d7bb07b9a64f6f78ac4c816aff4da9");
    assert_eq!(first["initial_balance"], "1000000000000000000000");
    assert_eq!(first["balance"], Value::Null);

    let full = node.ask("devnet_getPredeployedAccounts", json!({"with_balance": true})).await;
    let balance = |unit: &str| json!({"amount": "1000000000000000000000", "unit": unit});
    assert_eq!(full[3]["balance"], json!({"eth": balance("WEI"), "strk": balance("FRI")}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn minting_pays_out_and_says_what_is_there_now() {
    let node = start(wishes()).await;
    let minted = node.ask("devnet_mint", json!({"address": "0xabc", "amount": 1e18})).await;
    assert_eq!(minted["new_balance"], "1000000000000000000");
    assert_eq!(minted["unit"], "FRI");
    let status = json!([minted["tx_hash"]]);
    let status = node.ask("starknet_getTransactionStatus", status).await;
    assert_eq!(status["execution_status"], "SUCCEEDED");

    let wei = json!({"address": "0xabc", "amount": 5, "unit": "WEI"});
    assert_eq!(node.ask("devnet_mint", wei.clone()).await["new_balance"], "5");
    assert_eq!(node.ask("devnet_mint", wei).await["new_balance"], "10");
    let balance = node.ask("devnet_getAccountBalance", json!(["0xabc", "WEI"])).await;
    assert_eq!(balance, json!({"amount": "10", "unit": "WEI"}));
    let at_genesis = json!(["0xabc", null, {"block_number": 0}]);
    let balance = node.ask("devnet_getAccountBalance", at_genesis).await;
    assert_eq!(balance, json!({"amount": "0", "unit": "FRI"}));
    let by_tag = json!({"address": "0xabc", "unit": "WEI", "block_tag": "pre_confirmed"});
    let balance = node.ask("devnet_getAccountBalance", by_tag).await;
    assert_eq!(balance, json!({"amount": "10", "unit": "WEI"}));

    let error = node.fail("devnet_mint", json!(["0xabc", -1])).await;
    assert_eq!(error["data"]["reason"], "amount: expected a number from 0 to 2^128 - 1, got -1");
    assert_eq!(node.code("devnet_getAccountBalance", json!(["0xabc", "GWEI"])).await, -32602);
    let nowhere = json!(["0xabc", "WEI", {"block_number": 99}]);
    assert_eq!(node.code("devnet_getAccountBalance", nowhere).await, 24);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mints_at_the_same_time_do_not_take_each_others_nonce() {
    let node = start(wishes()).await;
    let mint = || node.ask("devnet_mint", json!({"address": "0xabc", "amount": 1}));
    let (first, second, third) = tokio::join!(mint(), mint(), mint());
    let mut balances =
        [first, second, third].map(|minted| minted["new_balance"].as_str().map(str::to_owned));
    balances.sort();
    // Each may see what came after it, but the last one has all.
    assert_eq!(balances[2].as_deref(), Some("3"));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_goes_where_it_is_told_but_not_back() {
    let node = start(wishes()).await;
    let later = SECONDS + 1_000_000_000;
    let set = node.ask("devnet_setTime", json!({"time": later})).await;
    assert_eq!(set["block_timestamp"], later);
    let block = node.ask("starknet_getBlockWithTxHashes", json!(["latest"])).await;
    assert_eq!(block["timestamp"], later);
    assert_eq!(block["block_hash"], set["block_hash"]);

    let increased = node.ask("devnet_increaseTime", json!({"time": 500})).await;
    assert_eq!(increased["timestamp_increased_by"], 500);
    let block = node.ask("starknet_getBlockWithTxHashes", json!(["latest"])).await;
    assert_eq!(block["block_hash"], increased["block_hash"]);
    let timestamp = block["timestamp"].as_u64().expect("a number");
    assert!((later + 500..later + 530).contains(&timestamp), "{timestamp}");

    let quiet = json!({"time": later + 5_000, "generate_block": false});
    let quiet = node.ask("devnet_setTime", quiet).await;
    assert_eq!(quiet, json!({"block_timestamp": later + 5_000, "block_hash": null}));
    assert_eq!(node.ask("starknet_blockNumber", json!([])).await, 2);

    let error = node.fail("devnet_setTime", json!([1])).await;
    assert_eq!(error["code"], -1);
    assert!(error["message"].as_str().expect("text").starts_with("time 1 is before"), "{error}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn config_and_status_have_the_fields_that_tools_read() {
    let node = start(wishes()).await;
    let config = node.ask("devnet_getConfig", json!([])).await;
    assert_eq!(config["seed"], 0);
    assert_eq!(config["total_accounts"], 4);
    assert_eq!(config["chain_id"], "SN_SEPOLIA");
    assert_eq!(config["start_time"], SECONDS);
    assert_eq!(config["block_generation_on"], "transaction");
    assert_eq!(config["gas_price_fri"], 1_000_000_000);
    assert_eq!(config["dump_on"], Value::Null);
    assert_eq!(config["fork_config"]["url"], Value::Null);
    assert_eq!(config["server_config"]["host"], "127.0.0.1");
    assert_eq!(config["server_config"]["port"], node.server.address().port());
    assert_eq!(
        config["account_contract_class_hash"],
        "0x5b4b537eaa2399e3aa99c4e2e0208ebd6c71bc1467938cd52c798c601e43564"
    );

    node.send(0, 0).await;
    node.send(0, 1).await;
    let status = node.ask("devnet_getStatus", json!([])).await;
    assert_eq!(status["block_count"], 3);
    assert_eq!(status["transaction_count"], 2);
    assert_eq!(status["pre_confirmed_tx_count"], 0);
    assert_eq!(status["chain_id"], "SN_SEPOLIA");
    assert_eq!(status["is_forked"], false);
    assert_eq!(status["impersonated_accounts"], json!([]));
    node.send(0, 2).await;
    assert_eq!(node.ask("devnet_getStatus", json!([])).await["transaction_count"], 3);
    node.stop().await;
}

/// All methods of devnet that change something, with parameters that are good.
fn controls() -> [(&'static str, Value); 4] {
    [
        ("devnet_mint", json!([account(0).public_key, 1])),
        ("devnet_createBlock", json!([])),
        ("devnet_setTime", json!([SECONDS + 1_000])),
        ("devnet_increaseTime", json!([1_000])),
    ]
}

/// All methods of devnet that only read.
fn reads() -> [(&'static str, Value); 4] {
    [
        ("devnet_getPredeployedAccounts", json!([])),
        ("devnet_getAccountBalance", json!([account(0).address])),
        ("devnet_getConfig", json!([])),
        ("devnet_getStatus", json!([])),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_controls_a_committee() {
    for devnet in [true, false] {
        let node = start(Wishes { mode: Mode::Committee, devnet, ..wishes() }).await;
        for (method, params) in controls() {
            let error = node.fail(method, params).await;
            assert_eq!(error["code"], -32604);
            let reason = error["data"]["reason"].as_str().expect("a reason");
            assert!(reason.starts_with(&format!("{method} is served in dev mode only")));
        }
        assert_eq!(node.ask("starknet_blockNumber", json!([])).await, 0);
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committee_shows_its_accounts_where_the_operator_allows_it() {
    let node = start(Wishes { mode: Mode::Committee, ..wishes() }).await;
    for (method, params) in reads() {
        node.ask(method, params).await;
    }
    let accounts = node.ask("devnet_getPredeployedAccounts", json!({"with_balance": true})).await;
    assert_eq!(accounts[0]["address"], json!(account(0).address));
    assert_eq!(accounts[0]["balance"]["strk"]["amount"], "1000000000000000000000");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_committee_shows_no_keys_where_the_operator_does_not_allow_it() {
    let node = start(Wishes { mode: Mode::Committee, devnet: false, ..wishes() }).await;
    for (method, params) in reads() {
        let error = node.fail(method, params).await;
        assert_eq!(error["code"], -32604);
        let reason = error["data"]["reason"].as_str().expect("a reason");
        assert!(reason.contains("has not allowed it"), "{reason}");
    }
    node.stop().await;
}
