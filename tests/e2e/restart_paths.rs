//! A start on a folder that is not as the node left it, and a disk that changes under a running one.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use kraken_tests::{
    CallError, Client, Node, Verifier, Wallet, client::hex, node, wallet::CHAIN_ID,
};
use serde_json::{Value, json};

/// Blocks above block 0. A start reads the newest ones.
const BLOCKS: u64 = 16;

/// The block whose record is damaged.
const DAMAGED: u64 = 3;

fn chain_log(node: &Node) -> PathBuf {
    node.folder().join("storage/chain/0000000000.segment")
}

fn engine(node: &Node) -> PathBuf {
    node.folder().join("storage/engine")
}

/// Where the last record of a log ends; zeros may follow.
fn end_of(log: &Path) -> u64 {
    let bytes = fs::read(log).expect("readable");
    let last = bytes.iter().rposition(|byte| *byte != 0).expect("something is there");
    u64::try_from(last).expect("a length") + 1
}

/// One block for each transfer; returns where the record of each block ends, from block 0 on.
fn grow(node: &Node, wallet: &Wallet) -> Vec<u64> {
    let client = node.client();
    let log = chain_log(node);
    let mut ends = vec![end_of(&log)];
    for number in 1..=BLOCKS {
        let transfer = wallet.transfer(0, number - 1, 1, u128::from(number));
        let receipt = client.accepted(client.submit(&transfer).expect("it is good").hash);
        assert_eq!(receipt["block_number"], number);
        ends.push(end_of(&log));
    }
    ends
}

/// What the record of a block is needed for.
fn of_record(client: &Client, number: u64) -> Vec<Result<Value, CallError>> {
    let id = json!({ "block_number": number });
    ["starknet_getBlockWithReceipts", "starknet_getBlockWithTxs", "starknet_getStateUpdate"]
        .map(|method| client.call(method, json!([id])))
        .into()
}

/// What the engine alone knows about a block.
fn of_engine(client: &Client, wallet: &Wallet, number: u64) -> Vec<Value> {
    let id = json!({ "block_number": number });
    let accounts = (0..wallet.len()).map(|account| hex(wallet.address(account)));
    accounts.map(|address| client.get("starknet_getNonce", json!([id, address]))).collect()
}

/// What is answered about a block: from its record, and by the engine alone.
type Answers = (Vec<Result<Value, CallError>>, Vec<Value>);

/// Both, of every block.
fn everything(client: &Client, wallet: &Wallet) -> Vec<Answers> {
    (0..=BLOCKS)
        .map(|number| (of_record(client, number), of_engine(client, wallet, number)))
        .collect()
}

/// Turns one bit of a file over, where it lies.
fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).expect("it is there");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("readable");
    byte[0] ^= 0x10;
    file.write_all_at(&byte, at).expect("writable");
}

/// Starts a node that ends by itself.
fn start_in_vain(node: &Node) -> Output {
    Command::new(node::binary())
        .args(["dev", "--seed", "0", "--port", "0", "--log", "off", "--data-dir"])
        .arg(node.folder())
        .env_clear()
        .env("XDG_CACHE_HOME", node::cache())
        .output()
        .expect("the binary runs")
}

/// The whole chain is right, and ends in the same block as before.
fn assert_is_as_before(node: &Node, before: &Verifier) {
    let mut verifier = Verifier::new(CHAIN_ID);
    verifier.catch_up(&node.client()).expect("every block is what it claims to be");
    assert_eq!(verifier.next_number(), before.next_number());
    assert_eq!(verifier.tip_hash(), before.tip_hash());
}

fn verified(node: &Node) -> Verifier {
    let mut verifier = Verifier::new(CHAIN_ID);
    verifier.catch_up(&node.client()).expect("every block is what it claims to be");
    verifier
}

#[test]
fn an_engine_that_is_lost_or_damaged_is_made_again_from_the_chain_log() {
    let wallet = Wallet::new(2);
    let mut node = Node::start(&["--block-generation-on", "transaction"]);
    grow(&node, &wallet);
    let (before, verifier) = (everything(&node.client(), &wallet), verified(&node));
    assert!(node.stop().success());

    fs::remove_dir_all(engine(&node)).expect("removable");
    node.restart();
    let blocks = BLOCKS + 1;
    let says = format!("the storage engine lacks {blocks} of {blocks} blocks");
    assert!(node.logged().contains(&says), "{}", node.logged());
    assert_eq!(everything(&node.client(), &wallet), before);
    assert_is_as_before(&node, &verifier);

    assert!(node.stop().success());
    break_manifests(&engine(&node));
    node.restart();
    let says = "is not as it was written; it is made again from the chain log";
    assert!(node.logged().contains(says), "{}", node.logged());
    assert_eq!(everything(&node.client(), &wallet), before);
    assert_is_as_before(&node, &verifier);
}

/// Changes the number of levels in the manifest of every table: unnoticed, it would make the engine
/// abort the process.
fn break_manifests(engine: &Path) {
    let mut broken = 0;
    for keyspace in fs::read_dir(engine.join("keyspaces")).expect("listable") {
        for file in fs::read_dir(keyspace.expect("listable").path()).expect("listable") {
            let file = file.expect("listable");
            if file.file_name().to_string_lossy().starts_with('v') {
                let bytes = fs::read(file.path()).expect("readable");
                let levels = bytes.iter().position(|byte| *byte == 7).expect("seven levels");
                flip(&file.path(), levels.try_into().expect("small"));
                broken += 1;
            }
        }
    }
    assert_ne!(broken, 0, "there is no manifest");
}

#[test]
fn a_bit_of_the_chain_log_that_flips_is_named_while_it_runs_and_at_the_start_and_never_served() {
    let wallet = Wallet::new(2);
    let mut node = Node::start(&["--block-generation-on", "transaction"]);
    let ends = grow(&node, &wallet);
    let before = everything(&node.client(), &wallet);
    let verifier = verified(&node);
    // Another process, which remembers nothing.
    assert!(node.stop().success());
    node.restart();
    let damaged = usize::try_from(DAMAGED).expect("small");
    let (begin, end) = (ends[damaged - 1], ends[damaged]);
    let at = begin.midpoint(end);
    let log = chain_log(&node);
    flip(&log, at);

    let client = node.client();
    for (number, before) in (0..).zip(&before) {
        let codes = |records: Vec<Result<Value, CallError>>| -> Vec<_> {
            records.into_iter().map(|it| it.map_err(|no| no.code())).collect()
        };
        let mut expected = codes(before.0.clone());
        if number == DAMAGED {
            expected.fill(Err(-32603));
        } else if number == DAMAGED + 1 {
            // A state update begins with the root of the block before.
            expected[2] = Err(-32603);
        }
        assert_eq!(codes(of_record(&client, number)), expected, "block {number}");
        assert_eq!(of_engine(&client, &wallet, number), before.1, "block {number}");
    }
    let logged = node.logged();
    let place = format!("damaged record in {} at offset ", log.display());
    let said = logged.split_once(&place).unwrap_or_else(|| panic!("it is not named: {logged}")).1;
    let offset: String = said.chars().take_while(char::is_ascii_digit).collect();
    let named: u64 = offset.parse().expect("a number");
    assert!((begin..at).contains(&named), "{named} is not where block {DAMAGED} begins");
    // The chain goes on behind it.
    let transfer = wallet.transfer(0, BLOCKS, 1, 1);
    client.accepted(client.submit(&transfer).expect("it is good").hash);
    assert!(node.stop().success());

    let refused = start_in_vain(&node);
    let line = String::from_utf8(refused.stderr).expect("text");
    assert_eq!(refused.status.code(), Some(1), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(line.starts_with(&format!("error: {place}{named}: ")), "{line}");

    flip(&log, at);
    node.restart();
    assert_eq!(everything(&node.client(), &wallet), before);
    assert_eq!(verified(&node).next_number(), verifier.next_number() + 1);
}
