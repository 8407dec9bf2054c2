//! Every method of the official documents with its answer and each of its errors, by both versions: on
//! a developer's chain and on a committee.

use std::{collections::BTreeSet, sync::Arc};

use kraken_execution::genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS};
use kraken_openrpc::Documents;
use kraken_tests::{
    Client, Committee, Coverage, Node, Official, Page, Socket, Wallet, client::hex,
    coverage::mutations,
};
use serde_json::json;
use starknet_api::rpc_transaction::RpcTransaction;

use crate::{answers, openrpc, refusals, traces};

/// What cannot occur, and why; code 0 is the answer.
type Never = (&'static str, i64, &'static str);

/// On no chain.
const NEVER: [Never; 8] = [
    ("starknet_blockNumber", 32, NO_BLOCKS),
    ("starknet_blockHashAndNumber", 32, NO_BLOCKS),
    ("starknet_addInvokeTransaction", 63, FULL),
    ("starknet_addDeployAccountTransaction", 63, FULL),
    ("starknet_addDeclareTransaction", 63, KILLED),
    ("starknet_addDeployAccountTransaction", 58, "its class runs its constructor first: 55"),
    ("starknet_addDeclareTransaction", 64, NEVER_WAITS),
    ("starknet_addDeployAccountTransaction", 64, NEVER_WAITS),
];

/// On no committee, or not as long as a test may take.
const NEVER_ON_A_COMMITTEE: [Never; 5] = [
    ("starknet_getMessagesStatus", 0, "no L1 is connected, and nobody acts in its place"),
    ("starknet_getStorageProof", 42, TOO_FEW_BLOCKS),
    ("starknet_subscribeNewHeads", 68, TOO_FEW_BLOCKS),
    ("starknet_subscribeEvents", 68, TOO_FEW_BLOCKS),
    ("starknet_subscriptionReorg", 0, "a committee takes nothing back"),
];

const NO_BLOCKS: &str = "block 0 is there before the node listens";
const FULL: &str = "only while the pool is full; see the tests of `sequencer::pool`";
const KILLED: &str = "only if somebody kills the process that compiles; see `errors::classes`";
const NEVER_WAITS: &str = "it never waits in the pool, where it could be replaced";
const TOO_FEW_BLOCKS: &str = "so many blocks are made on a developer's chain only";

/// A block that is followed by this many is too far back for a subscription.
const FAR_BACK: u64 = 1_025;

/// What was seen of each version.
#[derive(Default)]
struct Seen {
    newest: Arc<Coverage>,
    older: Arc<Coverage>,
}

impl Seen {
    /// The same client, which notes what it sees.
    fn by(&self, client: Client) -> Client {
        client.noted_in(&self.newest, &self.older)
    }

    /// Prints what was seen by each version, and compares the page with it; nothing is missing but
    /// what cannot be. It is as the official documents say, and as the node itself does.
    #[expect(clippy::print_stderr, reason = "the tables are what these tests are for")]
    fn check(&self, official: &Official, client: &Client, chain: &str, never: &[Never]) {
        for (version, documents, coverage, client) in [
            ("0.10.2", &official.newest, &self.newest, client),
            ("0.9.0", &official.older, &self.older, client.older()),
        ] {
            match coverage.table(documents, never) {
                Ok(table) => {
                    eprintln!("{version}, {chain}\n{table}");
                    Page::Conformance.check(&format!("{version}, {chain}"), &table);
                }
                Err(wrong) => panic!("{version}, {chain}:\n{}", wrong.join("\n")),
            }
            no_mutant_survives(coverage, documents);
            let served = openrpc::served(client);
            openrpc::all_fit(coverage, &served);
            no_mutant_survives(coverage, &served);
        }
    }
}

/// All kinds of transactions, and everything that can be asked about them, in the open block and
/// after it.
fn play(client: &Client) {
    let scenario = answers::play(client);
    for id in [json!("pre_confirmed"), json!("latest")] {
        answers::ask_for_estimates(client, &scenario, &id);
        if id == "pre_confirmed" {
            answers::ask_everything(client, &id, &scenario);
            client.get("devnet_createBlock", json!([]));
        }
    }
    answers::ask_everything(client, &json!({ "block_number": 1 }), &scenario);
    ask_about_all(client, &scenario);
}

/// The same where blocks end by themselves.
fn play_on_a_committee(client: &Client) {
    let scenario = answers::play(client);
    answers::wait_for_blocks(client, &scenario);
    for id in [json!("pre_confirmed"), json!("latest")] {
        answers::ask_for_estimates(client, &scenario, &id);
        answers::ask_everything(client, &id, &scenario);
    }
    ask_about_all(client, &scenario);
    answers::ask_about_transactions(client, &scenario);
}

fn ask_about_all(client: &Client, scenario: &answers::Scenario) {
    answers::ask_for_events(client, scenario);
    answers::ask_about_the_chain(client);
    let cells = json!([{ "contract_address": hex(STRK_ADDRESS), "storage_keys": ["0x1", "0x5"] }]);
    let classes = json!([hex(ACCOUNT_CLASS_HASH.0), "0x5"]);
    let contracts = json!([hex(STRK_ADDRESS), "0x5"]);
    client.get("starknet_getStorageProof", json!(["latest", classes, contracts, cells]));
    refusals::ask_for_nothing(client);
    refusals::ask_for_failures(client, &scenario.wallet, 0);
}

/// Subscriptions are had over sockets. `is_far` says that there are blocks enough to go back too far.
fn subscribe(client: &Client, is_far: bool) {
    let mut socket = client.socket("");
    let refused = |socket: &mut Socket, kind: &str, params, code| {
        let refused = socket.call(&format!("starknet_subscribe{kind}"), params);
        assert_eq!(refused.expect_err("it is refused").code(), code, "{kind}");
    };
    let many: Vec<_> = (1..=1_025).map(|number| format!("{number:#x}")).collect();
    for kind in ["NewHeads", "Events"] {
        let from = |number: u64| json!({ "block_id": { "block_number": number } });
        refused(&mut socket, kind, from(99_999_999), 24);
        if is_far {
            refused(&mut socket, kind, from(0), 68);
        }
    }
    refused(&mut socket, "Events", json!({ "keys": [many] }), 34);
    for kind in ["NewTransactions", "NewTransactionReceipts"] {
        refused(&mut socket, kind, json!({ "sender_address": many }), 67);
    }
    let id = socket.subscribe("TransactionStatus", json!(["0x123"]));
    assert_eq!(socket.call("starknet_unsubscribe", json!([id])), Ok(json!(true)));
    let gone = socket.call("starknet_unsubscribe", json!([id]));
    assert_eq!(gone.expect_err("it is gone").code(), 66);
}

/// What a subscriber is told of a transaction, in every way there is.
fn hear(client: &Client, transaction: &RpcTransaction) {
    let mut socket = client.socket("");
    for kind in ["NewHeads", "Events", "NewTransactions", "NewTransactionReceipts"] {
        socket.subscribe(kind, json!({}));
    }
    let hash = client.submit(transaction).expect("it is good").hash;
    socket.subscribe("TransactionStatus", json!([hex(hash)]));
    let mut kinds = BTreeSet::new();
    while kinds.len() < 5 {
        kinds.insert(socket.notice().kind);
    }
}

/// The newest block is taken back, and who has heard of it hears of that.
fn take_back(client: &Client) {
    let mut socket = client.socket("");
    let heads = socket.subscribe("NewHeads", json!([]));
    let newest = json!({ "block_number": client.block_number() });
    client.get("devnet_abortBlocks", json!([newest]));
    socket.told(&heads);
}

#[test]
fn every_answer_and_every_error_is_of_the_documents() {
    let Some(official) = Official::get() else { return };
    let seen = Seen::default();
    {
        let node = Node::start_checked(&["--block-generation-on", "demand"]);
        play(&seen.by(node.client()));
    }
    {
        let node = Node::start_checked(&["--block-generation-on", "demand"]);
        traces::ask_everything(&seen.by(node.client()));
    }
    let node = Node::start_checked(&[]);
    let client = seen.by(node.client());
    answers::declare_the_ledger(&client, 0);
    refusals::send_bad_ones(&client, 1);
    let mut socket = client.socket("/");
    while client.block_number() <= FAR_BACK {
        socket.get("devnet_createBlock", json!([]));
    }
    let long_past = json!([{ "block_number": 0 }]);
    assert_eq!(client.refusal("starknet_getStorageProof", long_past).0, 42);
    for (nonce, client) in (0..).zip([&client, client.older()]) {
        subscribe(client, true);
        hear(client, &Wallet::new(7).transfer(6, nonce, 0, 1));
    }
    take_back(&client);
    take_back(client.older());
    seen.check(official, &client, "developer's chain", &NEVER);
}

#[test]
fn every_answer_and_every_error_of_a_committee_is_of_the_documents() {
    let Some(official) = Official::get() else { return };
    let seen = Seen::default();
    let committee = Committee::start("hotstuff");
    let client = seen.by(committee.validators()[1].client().checked());
    play_on_a_committee(&client);
    traces::ask_without_messages(&client, 3);
    refusals::send_bad_ones(&client, 4);
    for (nonce, client) in (0..).zip([&client, client.older()]) {
        subscribe(client, false);
        hear(client, &Wallet::new(8).transfer(7, nonce, 0, 1));
    }
    let never: Vec<_> = NEVER.iter().chain(&NEVER_ON_A_COMMITTEE).copied().collect();
    seen.check(official, &client, "committee", &never);
}

/// A check that lets a wrong answer or notice through is worth nothing.
fn no_mutant_survives(coverage: &Coverage, documents: &Documents) {
    let (mut killed, mut survivors) = (0, Vec::new());
    let mut check = |method: &str, pointer: &str, is_let_through: bool| {
        if is_let_through {
            survivors.push(format!("{method} {pointer}"));
        } else {
            killed += 1;
        }
    };
    for (method, answers) in coverage.answers() {
        // Methods of developers are not in the documents.
        for (pointer, mutant) in answers.iter().flat_map(mutations) {
            if documents.method(&method).is_some() {
                check(&method, &pointer, documents.check_result(&method, &mutant).is_ok());
            }
        }
    }
    for (method, notices) in coverage.notices() {
        for (pointer, mutant) in notices.iter().flat_map(mutations) {
            check(&method, &pointer, documents.check_notice(&method, &mutant).is_ok());
        }
    }
    assert!(survivors.is_empty(), "{} survivors:\n{}", survivors.len(), survivors.join("\n"));
    assert!(1_000 < killed, "{killed} mutants are few");
}
