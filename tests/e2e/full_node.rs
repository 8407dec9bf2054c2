//! A full node: it follows a committee, serves what it has, and hands on what it is sent.

use std::{thread, time::Duration};

use kraken_tests::{
    Client, Committee, Wallet,
    client::wait_for,
    committee::{self, agree, same_tip},
};
use serde_json::json;

/// A full node may be so many blocks behind a validator while blocks come every second.
const LAG_MAX: u64 = 3;

/// Sends a transfer of an account to one node, and waits until all have it in a block.
fn pay(wallet: &Wallet, from: usize, to: &Client, readers: &[&Client]) {
    let nonce = to.nonce(wallet.address(from)).expect("the node answers");
    let sent = to.submit(&wallet.transfer(from, nonce, 1 - from, 1)).expect("it is taken");
    for reader in readers {
        assert_eq!(reader.accepted(sent.hash)["execution_status"], "SUCCEEDED");
    }
}

#[test]
fn a_full_node_has_the_chain_of_the_committee_whoever_dies() {
    let mut committee = Committee::start("hotstuff");
    let wallet = Wallet::new(2);
    let clients = committee.clients();
    pay(&wallet, 0, &clients[0], &[&clients[1]]);
    let mut full = committee.full_node();
    let ours = full.client();

    // What is sent to it is in blocks, at the validators and at itself.
    pay(&wallet, 1, &ours, &[&clients[3], &ours]);
    for _ in 0..3 {
        pay(&wallet, 0, &clients[2], &[&clients[2]]);
        let lag = clients[2].block_number().saturating_sub(ours.block_number());
        assert!(lag <= LAG_MAX, "it is {lag} blocks behind");
    }
    wait_for("it says that it is where the others are", || {
        let is_ready = |answer| answer == Ok((200, "ready\n".to_owned()));
        // At the address for watchers, and at that of JSON-RPC.
        (is_ready(full.watch("/ready")) && is_ready(ours.get_path("/ready"))).then_some(())
    });
    assert_eq!(ours.get("starknet_syncing", json!([])), json!(false));
    assert_eq!(full.metric("kraken_network_peers_connected", "swarm=\"sync\""), Some(4));

    // It is killed, and so is a validator; both go on, it without the validator at first.
    full.kill_9();
    pay(&wallet, 0, &clients[1], &[&clients[1]]);
    committee.validator(0).kill_9();
    full.launch();
    full.wait_until_served();
    pay(&wallet, 1, &ours, &[&clients[1], &ours]);
    committee.validator(0).launch();
    committee.validator(0).wait_until_served();
    committee.validator(3).kill_9();
    thread::sleep(Duration::from_secs(1));
    pay(&wallet, 1, &ours, &[&clients[0], &ours]);
    committee.validator(3).launch();
    committee.validator(3).wait_until_served();

    let mut all = clients;
    all.push(ours);
    same_tip(&all, committee::WITHIN);
    assert_eq!(agree(&all).transactions.len(), 8);
    full.assert_runs();
    assert_ne!(full.metric("kraken_blocks_synced_total", ""), Some(0));
}
