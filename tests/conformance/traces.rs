//! Traces, simulations and messages of L1 on a running node: each answer is of the shape that the
//! official documents give it, and they agree with each other.

use kraken_execution::{genesis::STRK_ADDRESS, testing};
use kraken_tests::{
    Client, Ledger, Node, Verifier, Wallet,
    client::{felt, hex},
    wallet::{CHAIN_ID, broadcasted, call, deploy_call},
};
use serde_json::{Value, json};
use starknet_api::rpc_transaction::RpcTransaction;
use starknet_types_core::felt::Felt;

/// Who writes from L1.
const WRITER: &str = "0x0000000000000000000000000000000000001234";

/// A transaction of L1.
const ON_L1: &str = "0xfabc000000000000000000000000000000000000000000000000000000000001";

/// What was executed, in order.
pub(crate) struct Scenario {
    pub(crate) wallet: Wallet,
    hashes: Vec<Felt>,
    pub(crate) mailbox: Felt,
}

fn deposit(client: &Client, mailbox: Felt, nonce: u64, amount: &str) -> Felt {
    let answer = client.get(
        "devnet_postmanSendMessageToL2",
        json!({
            "l2_contract_address": hex(mailbox),
            "entry_point_selector": hex(call(mailbox, "deposit", Vec::new()).selector.0),
            "l1_contract_address": WRITER,
            "payload": ["0x7", amount],
            "paid_fee_on_l1": "0x1",
            "nonce": format!("{nonce:#x}"),
            "l1_transaction_hash": ON_L1,
        }),
    );
    felt(&answer["transaction_hash"])
}

/// Every kind of transaction, messages in both directions, a change of class, and reverts.
pub(crate) fn play(client: &Client) -> Scenario {
    let wallet = Wallet::new(2);
    let class = Ledger::mailbox();
    let (deploy, mailbox) = deploy_call(class.class_hash, Felt::THREE, &[]);
    let (account, open) = wallet.new_account(Felt::from(4_711));
    let gift = testing::transfer_call(STRK_ADDRESS, account.address, 2 * 10_u128.pow(20));
    let withdraw = |amount: u64| {
        call(mailbox, "withdraw", vec![felt(&json!(WRITER)), Felt::from(7), Felt::from(amount)])
    };
    let by_class = call(mailbox, "balance_by", vec![class.class_hash, Felt::from(7)]);
    let upgrade = call(mailbox, "upgrade", vec![Ledger::get().class_hash]);
    let submit = |transaction: RpcTransaction| {
        let hash = client.submit(&transaction).expect("it is good").hash;
        kraken_tests::client::wait_for("its execution", || client.receipt(hash).expect("answers"));
        hash
    };
    let ledger = Ledger::get();
    let mut hashes = vec![
        submit(wallet.declare(0, 0, class.class.clone(), class.compiled_class_hash)),
        submit(wallet.declare(0, 1, ledger.class.clone(), ledger.compiled_class_hash)),
        submit(wallet.multicall(0, 2, &[deploy, gift])),
        submit(open),
    ];
    hashes.push(deposit(client, mailbox, 0, "0x32"));
    hashes.push(deposit(client, mailbox, 1, "0x0"));
    hashes.push(submit(wallet.multicall(1, 0, &[withdraw(20), by_class])));
    hashes.push(submit(wallet.multicall(1, 1, &[withdraw(1_000)])));
    hashes.push(submit(wallet.multicall(1, 2, &[upgrade])));
    Scenario { wallet, hashes, mailbox }
}

fn trace(client: &Client, hash: Felt) -> Value {
    client.get("starknet_traceTransaction", json!([hex(hash)]))
}

fn traces(client: &Client, id: &Value) -> Value {
    client.get("starknet_traceBlockTransactions", json!([id]))
}

/// The trace of each transaction alone is that of its block, and says what its receipt says.
pub(crate) fn check_traces(client: &Client, scenario: &Scenario) {
    for hash in &scenario.hashes {
        let receipt = client.get("starknet_getTransactionReceipt", json!([hex(*hash)]));
        let id = json!({ "block_number": receipt["block_number"] });
        let of_block = traces(client, &id);
        let found = of_block.as_array().expect("a list").iter();
        let alone = trace(client, *hash);
        let mut same = found.filter(|traced| traced["transaction_hash"] == hex(*hash));
        assert_eq!(same.next().map(|traced| &traced["trace_root"]), Some(&alone));
        assert_eq!(alone["type"], receipt["type"]);
        assert_eq!(alone["execution_resources"], receipt["execution_resources"]);
        let main =
            ["execute_invocation", "function_invocation"].iter().find_map(|it| alone.get(it));
        let reason = main.and_then(|main| main.get("revert_reason"));
        assert_eq!(reason, receipt.get("revert_reason"), "{alone}");
    }
}

/// What transactions read of the state before their block is what that state holds.
pub(crate) fn check_reads(client: &Client, number: u64) {
    let id = json!({ "block_number": number });
    let flags = json!(["RETURN_INITIAL_READS"]);
    let with_reads = client.get("starknet_traceBlockTransactions", json!([id, flags]));
    assert_eq!(with_reads["traces"], traces(client, &id));
    let before = json!({ "block_number": number - 1 });
    let reads = with_reads["initial_reads"]["storage"].as_array().expect("a list");
    assert!(!reads.is_empty());
    for read in reads {
        // The contracts of the system are no contracts for this method.
        if ["0x1", "0x2"].contains(&read["contract_address"].as_str().expect("text")) {
            continue;
        }
        let request = json!([read["contract_address"], read["key"], before]);
        match client.call("starknet_getStorageAt", request) {
            Ok(value) => assert_eq!(value, read["value"]),
            // It was deployed in this block.
            Err(error) => assert_eq!((error.code(), &read["value"]), (20, &json!("0x0"))),
        }
    }
}

pub(crate) fn check_messages(client: &Client, scenario: &Scenario) {
    let statuses = client.get("starknet_getMessagesStatus", json!([ON_L1]));
    let shown: Vec<_> = statuses.as_array().expect("a list").iter().collect();
    assert_eq!(shown.len(), 2, "{statuses}");
    for (status, hash) in shown.iter().zip(&scenario.hashes[4..]) {
        assert_eq!(status["transaction_hash"], hex(*hash));
    }
    assert_eq!(shown[0]["execution_status"], "SUCCEEDED");
    assert_eq!(shown[1]["execution_status"], "REVERTED");
    let reason = shown[1]["failure_reason"].as_str().expect("a reason");
    assert!(reason.contains("Mailbox: nothing to deposit"), "{reason}");
    let handled = client.get("starknet_getTransactionByHash", json!([hex(scenario.hashes[4])]));
    assert_eq!(handled["type"], "L1_HANDLER");
    let receipt = client.get("starknet_getTransactionReceipt", json!([hex(scenario.hashes[6])]));
    assert_eq!(receipt["messages_sent"][0]["to_address"], json!("0x1234"));
    // The same message again, and one that nobody paid for.
    let again = json!({
        "l2_contract_address": hex(scenario.mailbox),
        "entry_point_selector": hex(call(scenario.mailbox, "deposit", Vec::new()).selector.0),
        "l1_contract_address": WRITER,
        "payload": ["0x7", "0x32"],
        "paid_fee_on_l1": "0x1",
        "nonce": "0x0",
    });
    assert_eq!(client.refusal("devnet_postmanSendMessageToL2", again.clone()).0, 59);
    let mut free = again;
    free["paid_fee_on_l1"] = json!("0x0");
    assert_eq!(client.refusal("devnet_postmanSendMessageToL2", free).0, -1);
}

#[test]
fn traces_and_messages_are_of_the_specification_and_outlive_a_restart() {
    let mut node = Node::start_checked(&["--block-generation-on", "demand"]);
    let client = node.client();
    let scenario = play(&client);
    let open = traces(&client, &json!({ "block_number": 1 }));
    check_traces(&client, &scenario);
    client.get("devnet_createBlock", json!([]));
    check_traces(&client, &scenario);
    let closed = traces(&client, &json!("latest"));
    assert_eq!(open, closed);
    check_reads(&client, 1);
    check_messages(&client, &scenario);
    Verifier::new(CHAIN_ID).catch_up(&client).expect("every block is what it claims to be");
    assert_eq!(
        client.refusal("starknet_traceBlockTransactions", json!(["pre_confirmed"])).0,
        -32602
    );
    assert_eq!(traces(&client, &json!({ "block_number": 0 })), json!([]));

    // Nothing is kept, so the block is executed once more.
    node.kill_9();
    node.restart();
    let client = node.client();
    assert_eq!(traces(&client, &json!("latest")), closed);
    check_traces(&client, &scenario);
}

/// Plays, and asks everything that this file asks, once.
pub(crate) fn ask_everything(client: &Client) {
    let scenario = play(client);
    client.get("devnet_createBlock", json!([]));
    check_traces(client, &scenario);
    check_reads(client, 1);
    check_messages(client, &scenario);
    ask_for_simulations(client, &scenario.wallet.transfer(0, 3, 1, 5));
    // The first one has become another contract.
    let class_hash = Ledger::mailbox().class_hash;
    let (deploy, second) = deploy_call(class_hash, Felt::TWO, &[]);
    client.submit(&scenario.wallet.multicall(0, 3, &[deploy])).expect("it is good");
    client.get("devnet_createBlock", json!([]));
    ask_about_the_mailbox(client, second);
}

/// The same where nobody can write from L1. `from` is an account that has sent nothing.
pub(crate) fn ask_without_messages(client: &Client, from: usize) {
    let scenario = play_up_to_the_mailbox(client, from);
    check_traces(client, &scenario);
    let receipt = client.get("starknet_getTransactionReceipt", json!([hex(scenario.hashes[1])]));
    check_reads(client, receipt["block_number"].as_u64().expect("a number"));
    ask_for_simulations(client, &scenario.wallet.transfer(from, 2, from, 5));
    ask_about_the_mailbox(client, scenario.mailbox);
}

/// Simulates a transaction with different flags.
fn ask_for_simulations(client: &Client, transaction: &RpcTransaction) {
    let mut bare = broadcasted(transaction);
    for flags in [json!([]), json!(["RETURN_INITIAL_READS"])] {
        client.get("starknet_simulateTransactions", json!(["latest", [bare], flags]));
    }
    bare["signature"] = json!([]);
    client.get("starknet_simulateTransactions", json!(["latest", [bare], ["SKIP_VALIDATE"]]));
}

fn ask_about_the_mailbox(client: &Client, mailbox: Felt) {
    let message = json!({
        "from_address": WRITER,
        "to_address": hex(mailbox),
        "entry_point_selector": hex(call(mailbox, "deposit", Vec::new()).selector.0),
        "payload": ["0x7", "0x1"],
    });
    client.get("starknet_estimateMessageFee", json!([message, "latest"]));
    client.get("starknet_getCompiledCasm", json!([hex(Ledger::mailbox().class_hash)]));
}

#[test]
fn a_transaction_that_waits_has_no_trace() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    let wallet = Wallet::new(2);
    let waiting = client.submit(&wallet.transfer(0, 1, 1, 1)).expect("nonces may be ahead").hash;
    let (code, _, data) = client.refusal("starknet_traceTransaction", json!([hex(waiting)]));
    assert_eq!((code, data), (10, json!({ "status": "RECEIVED" })));
    assert_eq!(client.refusal("starknet_traceTransaction", json!(["0x123"])).0, 29);
}

#[test]
fn what_is_simulated_happens() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    let wallet = Wallet::new(2);
    let ledger = Ledger::get();
    let declare = wallet.declare(0, 0, ledger.class.clone(), ledger.compiled_class_hash);
    let (deploy, address) =
        deploy_call(ledger.class_hash, Felt::ONE, &[wallet.address(0), Felt::from(7)]);
    let transactions = [
        declare,
        wallet.multicall(0, 1, &[deploy]),
        wallet.multicall(0, 2, &[call(address, "add", vec![Felt::TWO, Felt::from(40)])]),
        wallet.multicall(0, 3, &[call(address, "refuse", vec![Felt::TWO])]),
    ];
    for transaction in &transactions {
        let id = json!("pre_confirmed");
        let request = json!([id, [broadcasted(transaction)], []]);
        let simulated = client.get("starknet_simulateTransactions", request);
        let hash = client.submit(transaction).expect("it is good").hash;
        let receipt = client.accepted(hash);
        assert_eq!(simulated[0]["transaction_trace"], trace(&client, hash));
        let fee = &simulated[0]["fee_estimation"]["overall_fee"];
        assert_eq!(*fee, receipt["actual_fee"]["amount"]);
    }
    check_flags(&client, &wallet);
}

/// Flags leave things out, and starknet.js has one of its own.
pub(crate) fn check_flags(client: &Client, wallet: &Wallet) {
    let next = broadcasted(&wallet.transfer(0, 4, 1, 5));
    let mut bare = next.clone();
    bare["signature"] = json!([]);
    bare["version"] = json!("0x100000000000000000000000000000003");
    for gas in ["l1_gas", "l2_gas", "l1_data_gas"] {
        bare["resource_bounds"][gas] = json!({ "max_amount": "0x0", "max_price_per_unit": "0x0" });
    }
    let skip = json!(["SKIP_VALIDATE", "SKIP_FEE_CHARGE"]);
    let free = client.get("starknet_simulateTransactions", json!(["latest", [bare], skip]));
    let estimate = json!([[bare], ["SKIP_VALIDATE"], "latest"]);
    assert_eq!(free[0]["fee_estimation"], client.get("starknet_estimateFee", estimate)[0]);
    for absent in ["validate_invocation", "fee_transfer_invocation"] {
        assert!(free[0]["transaction_trace"].get(absent).is_none());
    }
    let (code, ..) = client.refusal("starknet_simulateTransactions", json!(["latest", [bare], []]));
    assert_eq!(code, 41);
    let flags = json!(["RETURN_INITIAL_READS"]);
    let by_flag = client.get("starknet_simulateTransactions", json!(["latest", [next], flags]));
    let by_own = json!({
        "block_id": "latest",
        "transactions": [next],
        "simulation_flags": [],
        "trace_flags": flags,
    });
    assert_eq!(client.get("starknet_simulateTransactions", by_own), by_flag);
    assert!(by_flag["initial_reads"]["nonces"].as_array().is_some_and(|reads| !reads.is_empty()));
}

#[test]
fn a_message_costs_what_it_was_said_to_cost() {
    let node = Node::start_checked(&[]);
    let client = node.client();
    let Scenario { mailbox, wallet, .. } = play_up_to_the_mailbox(&client, 0);
    let message = |to: Felt, amount: &str| {
        json!({
            "from_address": WRITER,
            "to_address": hex(to),
            "entry_point_selector": hex(call(mailbox, "deposit", Vec::new()).selector.0),
            "payload": ["0x7", amount],
        })
    };
    let ask = |message: Value| ("starknet_estimateMessageFee", json!([message, "latest"]));
    let (method, request) = ask(message(mailbox, "0x5"));
    let estimate = client.get(method, request);
    assert_eq!(estimate["unit"], "WEI");
    let hash = deposit(&client, mailbox, 0, "0x5");
    let receipt = client.accepted(hash);
    let used = receipt["execution_resources"]["l2_gas"].as_u64().expect("a number");
    assert_eq!(estimate["l2_gas_consumed"], format!("{used:#x}"));
    let (method, request) = ask(message(mailbox, "0x0"));
    let (code, _, data) = client.refusal(method, request);
    assert_eq!(code, 40);
    assert!(data.to_string().contains("Mailbox: nothing to deposit"), "{data}");
    let (method, request) = ask(message(Felt::from(0x123), "0x1"));
    assert_eq!(client.refusal(method, request).0, 20);
    check_machine_code(&client, &wallet);
}

/// `from` is an account that has sent nothing.
pub(crate) fn play_up_to_the_mailbox(client: &Client, from: usize) -> Scenario {
    let wallet = Wallet::new(u16::try_from(from + 1).expect("small"));
    let class = Ledger::mailbox();
    let (deploy, mailbox) = deploy_call(class.class_hash, Felt::THREE, &[]);
    let declare = wallet.declare(from, 0, class.class.clone(), class.compiled_class_hash);
    let hashes = [declare, wallet.multicall(from, 1, &[deploy])]
        .map(|transaction| client.submit(&transaction).expect("it is good").hash);
    for hash in hashes {
        client.accepted(hash);
    }
    Scenario { wallet, hashes: hashes.into(), mailbox }
}

/// What a class compiles to hashes to what was declared.
pub(crate) fn check_machine_code(client: &Client, wallet: &Wallet) {
    let class = Ledger::mailbox();
    let casm = client.get("starknet_getCompiledCasm", json!([hex(class.class_hash)]));
    let casm: cairo_lang_starknet_classes::casm_contract_class::CasmContractClass =
        serde_json::from_value(casm).expect("machine code");
    let compiled = kraken_execution::compile(class.class.clone(), &wallet.chain().genesis().limits);
    // Constants of hints are written in another way, and are in no hash.
    let expected = compiled.expect("it compiles").casm;
    assert_eq!(casm.bytecode, expected.bytecode);
    assert_eq!(casm.bytecode_segment_lengths, expected.bytecode_segment_lengths);
    assert_eq!(casm.entry_points_by_type, expected.entry_points_by_type);
    assert_eq!(casm.hints.len(), expected.hints.len());
    assert_eq!(client.refusal("starknet_getCompiledCasm", json!(["0x123"])).0, 28);
    // The universal deployer of old is of Cairo 0.
    let deprecated = "0x7b3e05f48f0c69e4a65ce5e076a66271a527aff2c34ce1083ec6e1526997a69";
    let (code, _, data) = client.refusal("starknet_getCompiledCasm", json!([deprecated]));
    assert_eq!(code, 100);
    assert!(data["compilation_error"].as_str().is_some_and(|said| said.contains("Cairo 0")));
}

#[test]
fn a_block_that_is_long_past_is_traced_as_it_was() {
    let mut node = Node::start(&[]);
    let wallet = Wallet::new(2);
    let client = node.client();
    // More than ten, so that blocks know hashes of older ones.
    let mut before = Vec::new();
    for nonce in 0..12 {
        let hash = client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it is good").hash;
        client.accepted(hash);
        before.push((hash, trace(&client, hash)));
    }
    node.kill_9();
    node.restart();
    let client = node.client();
    for (hash, expected) in before {
        assert_eq!(trace(&client, hash), expected);
    }
}
