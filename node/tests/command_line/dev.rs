//! `kraken dev` and `kraken inspect`.

use std::{fs, io::Read, net::TcpListener, os::unix::net::UnixListener, path::Path};

use crate::process::{Node, failure, get, run};

/// `failure` of `kraken dev` on a free port with a data folder.
fn folder_failure(folder: &Path, more: &[&str]) -> String {
    let folder = folder.to_str().expect("text");
    let dev = ["dev", "--port", "0", "--log", "off", "--data-dir", folder];
    failure(&[&dev, more].concat())
}

#[test]
fn a_busy_port_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let line = failure(&["dev", "--port", &port, "--log", "off"]);
    assert!(line.contains(&port) && line.contains("--port"), "{line}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let file = directory.path().join("file");
    fs::write(&file, "in the way").expect("writable");
    let line = folder_failure(&file.join("chain"), &[]);
    assert!(line.contains("file/chain") && line.contains("--data-dir"), "{line}");
}

#[test]
fn a_folder_of_something_else_stays_as_it_is() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    fs::write(directory.path().join("photo.jpg"), "sunset").expect("writable");
    let line = folder_failure(directory.path(), &[]);
    assert!(line.contains("no chain of Kraken"), "{line}");
    assert_eq!(fs::read_dir(directory.path()).expect("readable").count(), 1);
}

#[test]
fn a_chain_outlives_its_node_and_keeps_its_genesis() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("chain");
    let folder = path.to_str().expect("text");
    let command = ["--data-dir", folder, "--accounts", "2"];

    let node = Node::start(&command);
    let seed = node.told("Seed to replicate this account sequence:").to_owned();
    assert!(get(node.address(), "/is_alive").ends_with("Alive!!!"));
    let line = folder_failure(&path, &[]);
    assert!(line.contains("in use by another process"), "{line}");
    assert_eq!(node.end("TERM"), Some(0));

    // The same command goes on, with the seed that the first start drew.
    let node = Node::start(&command);
    assert_eq!(node.told("Seed to replicate this account sequence:"), seed);
    assert_eq!(node.banner.matches("| Private key").count(), 2);
    assert_eq!(node.end("INT"), Some(0));

    let line = folder_failure(&path, &["--accounts", "3"]);
    assert!(line.contains("has --accounts 2, but 3 was asked for"), "{line}");

    let inspected = run(&["inspect", "--data-dir", folder]);
    let text = String::from_utf8(inspected.stdout).expect("text");
    assert!(inspected.status.success() && text.contains("SN_SEPOLIA"), "{text}");

    // A genesis that somebody changed is not the one that the blocks were made with.
    let file = path.join("genesis.toml");
    let genesis = fs::read_to_string(&file).expect("readable");
    let changed = genesis.replace("l2_gas_target = 1040000000", "l2_gas_target = 1040000001");
    assert_ne!(changed, genesis);
    fs::write(&file, changed).expect("writable");
    let line = folder_failure(&path, &[]);
    assert!(line.contains("genesis"), "{line}");
}

#[test]
fn the_port_is_told_to_a_socket() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let socket = directory.path().join("port");
    let listener = UnixListener::bind(&socket).expect("bound");
    let node = Node::start(&["--unix-socket", socket.to_str().expect("text")]);
    let (mut stream, _) = listener.accept().expect("the node calls");
    let mut port = [0; 2];
    stream.read_exact(&mut port).expect("two bytes");
    assert!(node.address().ends_with(&format!(":{}", u16::from_be_bytes(port))));
}

#[test]
fn nothing_to_inspect_is_said_and_nothing_is_made() {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let path = directory.path().join("nowhere");
    let line = failure(&["inspect", "--data-dir", path.to_str().expect("text")]);
    assert!(line.contains("no chain in"), "{line}");
    assert!(!path.exists());
}
