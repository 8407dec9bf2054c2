//! A disk that is full, and one that gives back other bytes than were written.

use std::{fs, path::Path, process::Command};

use kraken_tests::{CallError, Matrix, Node, Wallet, client::wait_for};
use starknet_types_core::felt::Felt;

use super::command_line::Shell;

/// Transfers that have a receipt.
fn transfer(node: &Node, wallet: &Wallet, nonces: std::ops::Range<u64>) -> Vec<Felt> {
    let client = node.client();
    let submit = |nonce| {
        let hash = client.submit(&wallet.transfer(0, nonce, 0, 1)).expect("it is good").hash;
        client.accepted(hash);
        hash
    };
    nonces.map(submit).collect()
}

/// Turns a byte over, and gives back what was there.
fn flip(file: &Path, at: usize) -> Vec<u8> {
    let bytes = fs::read(file).expect("readable");
    let mut flipped = bytes.clone();
    flipped[at] ^= 0x40;
    fs::write(file, flipped).expect("writable");
    bytes
}

fn all_are_there(node: &Node, hashes: &[Felt]) {
    for hash in hashes {
        let receipt = node.client().receipt(*hash).expect("the node answers");
        assert!(receipt.is_some(), "{hash:#x} had a receipt, and is lost");
    }
}

#[test]
fn damage_is_named_and_nothing_of_it_is_served() {
    let wallet = Wallet::new(1);
    let mut node = Node::start(&[]);
    let hashes = transfer(&node, &wallet, 0..5);
    assert_eq!(node.stop().code(), Some(0));
    let mut shell = Shell::new("errors::disk::damage_is_named_and_nothing_of_it_is_served");
    let folder = node.folder().display().to_string();
    let dev = ["dev", "--port", "0", "--log", "off", "--data-dir", &folder];
    let chain = "storage/chain/0000000000.segment";
    for (input, file, at, says) in [
        ("flipped bit in a block of the chain log", chain, 1_000, "damaged record"),
        ("flipped bit in the header of the chain log", chain, 3, "damaged record"),
        ("flipped bit in `IDENTITY`", "storage/IDENTITY", 30, "IDENTITY is damaged"),
    ] {
        let file = node.folder().join(file);
        let bytes = flip(&file, at);
        shell.refuses(input, &dev, &folder, &[says]);
        fs::write(&file, bytes).expect("writable");
    }
    let identity = node.folder().join("storage/IDENTITY");
    let text = fs::read_to_string(&identity).expect("readable");
    let (_, rest) = text.split_once("\ngenesis ").expect("it has a genesis");
    fs::write(&identity, format!("kraken data folder\nschema 999\ngenesis {rest}"))
        .expect("writable");
    shell.refuses(
        "folder of another version",
        &dev,
        &folder,
        &["schema 999", "run the version that wrote it"],
    );
    fs::write(&identity, text).expect("writable");
    shell.check();
    // With the bytes as they were, all is as it was.
    node.restart();
    all_are_there(&node, &hashes);
}

/// Lets the files of a running process grow up to so many bytes, as a quota would.
fn allow_bytes(process: u32, bytes: u64) {
    let limit = format!("--fsize={bytes}:");
    let id = process.to_string();
    let done = Command::new("prlimit").args(["--pid", &id, &limit]).status();
    assert!(done.expect("util-linux is installed").success(), "prlimit {limit}");
}

/// Bytes of the longest of the files that grow with the chain. That of the engine is made longer than
/// it need be, with zeros.
fn written(node: &Node) -> u64 {
    let length = |file| {
        let bytes = fs::read(node.folder().join("storage").join(file)).expect("readable");
        bytes.iter().rposition(|byte| *byte != 0).expect("something is there")
    };
    let longest = length("chain/0000000000.segment").max(length("engine/0.jnl"));
    longest.try_into().expect("a length")
}

#[test]
fn a_full_disk_ends_the_node_and_loses_nothing() {
    let wallet = Wallet::new(1);
    let mut node = Node::start(&[]);
    let mut hashes = transfer(&node, &wallet, 0..3);
    // Room for a few blocks more.
    allow_bytes(node.process_id(), written(&node) + 30_000);
    let client = node.client();
    let accepted = |nonce| -> Result<Felt, CallError> {
        let hash = client.submit(&wallet.transfer(0, nonce, 0, 1))?.hash;
        loop {
            let receipt = client.receipt(hash)?;
            if receipt.is_some_and(|receipt| receipt["finality_status"] == "ACCEPTED_ON_L2") {
                return Ok(hash);
            }
        }
    };
    let mut error = None;
    for nonce in 3..200 {
        match accepted(nonce) {
            Ok(hash) => hashes.push(hash),
            Err(cause) => {
                error = Some(cause);
                break;
            }
        }
    }
    let error = error.expect("two hundred blocks have more bytes than that");
    assert!(matches!(error, CallError::NoAnswer { .. } | CallError::Refused { .. }), "{error}");
    assert!(3 < hashes.len(), "nothing fitted at all");
    let status = wait_for("the node's end", || node.ended());
    assert_eq!(status.code(), Some(1), "{status}");
    let logged = node.logged();
    assert!(!logged.contains("panicked"), "{logged}");
    let last = logged.lines().last().expect("it says why");
    assert!(last.starts_with("error: ") && last.contains("File too large"), "{last}");
    assert!(last.contains("make room"), "{last}");
    let mut matrix = Matrix::new("errors::disk::a_full_disk_ends_the_node_and_loses_nothing");
    // Which of its files is full first is no matter.
    let (_, line) = last.split_once("File too large").expect("looked at above");
    let line = format!("the node stopped: … File too large{line}");
    matrix.row("no room for the next block", "exit 1", &line);
    matrix.check();

    // The disk has room again.
    node.restart();
    all_are_there(&node, &hashes);
    let nonce = node.client().nonce(wallet.address(0)).expect("the node answers");
    transfer(&node, &wallet, nonce..nonce + 3);
}
