//! When blocks end, and what time they have.

use std::{
    thread,
    time::{Duration, Instant},
};

use kraken_tests::{
    Client, Node, Verifier, Wallet,
    client::{hex, wait_for},
    wallet::CHAIN_ID,
};
use serde_json::{Value, json};

fn block(client: &Client, id: &Value) -> Value {
    client.get("starknet_getBlockWithTxHashes", json!([id]))
}

fn timestamp(block: &Value) -> u64 {
    block["timestamp"].as_u64().expect("a number")
}

fn count(block: &Value) -> usize {
    block["transactions"].as_array().expect("a list").len()
}

fn verify(client: &Client) {
    Verifier::new(CHAIN_ID).catch_up(client).expect("every block is what it claims to be");
}

#[test]
fn each_transaction_has_a_block_that_is_there_when_it_is_answered() {
    let wallet = Wallet::new(2);
    let node = Node::start(&[]);
    let client = node.client();
    for nonce in 0..3 {
        let hash = client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it is good").hash;
        assert_eq!(client.block_number(), nonce + 1);
        let block = block(&client, &json!("latest"));
        assert_eq!(block["transactions"], json!([hex(hash)]));
    }
    // An empty block is made on demand only.
    client.get("devnet_createBlock", json!([]));
    assert_eq!(client.block_number(), 4);
    assert_eq!(count(&block(&client, &json!("latest"))), 0);
    verify(&client);
}

#[test]
fn blocks_on_demand_hold_everything_since_the_one_before() {
    let wallet = Wallet::new(2);
    let node = Node::start(&["--block-generation-on", "demand"]);
    let client = node.client();
    let mut hashes = Vec::new();
    for nonce in 0..5 {
        hashes.push(hex(client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("good").hash));
    }
    wait_for("five executed transactions", || {
        (client.nonce(wallet.address(0)).expect("the node answers") == 5).then_some(())
    });
    assert_eq!(client.block_number(), 0);
    assert_eq!(block(&client, &json!("pre_confirmed"))["transactions"], json!(hashes));

    let created = client.get("devnet_createBlock", json!([]));
    assert_eq!(client.block_number(), 1);
    let closed = block(&client, &json!("latest"));
    assert_eq!(closed["block_hash"], created["block_hash"]);
    assert_eq!(closed["transactions"], json!(hashes));
    assert_eq!(count(&block(&client, &json!("pre_confirmed"))), 0);
    verify(&client);
}

#[test]
fn blocks_come_every_fraction_of_a_second_with_and_without_transactions() {
    let wallet = Wallet::new(2);
    let node = Node::start(&["--block-generation-on", "0.3"]);
    let client = node.client();
    let (began, first) = (Instant::now(), client.block_number());
    let mut nonce = 0;
    while began.elapsed() < Duration::from_secs(3) {
        client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it is good");
        nonce += 1;
        thread::sleep(Duration::from_millis(50));
    }
    let made = client.block_number() - first;
    // Ten fit. A slow machine may be late, but no block comes early.
    assert!((3..=11).contains(&made), "{made} blocks in {:?}", began.elapsed());
    wait_for("a block for everything", || {
        let state = client.get("starknet_getNonce", json!(["latest", hex(wallet.address(0))]));
        (state == json!(format!("{nonce:#x}"))).then_some(())
    });
    let latest = client.block_number();
    let sizes: Vec<_> = (1..=latest)
        .map(|number| count(&block(&client, &json!({ "block_number": number }))))
        .collect();
    assert_eq!(sizes.iter().sum::<usize>(), usize::try_from(nonce).expect("small"));
    assert!(sizes.iter().any(|size| 1 < *size), "{sizes:?}");
    // Nobody sends any more, and blocks go on.
    let empty = wait_for("an empty block", || {
        let newest = block(&client, &json!("latest"));
        (count(&newest) == 0).then_some(newest)
    });
    assert!(latest <= empty["block_number"].as_u64().expect("a number"));
    verify(&client);
}

#[test]
fn time_goes_where_the_developer_puts_it_and_never_back() {
    let wallet = Wallet::new(2);
    let node = Node::start(&["--block-generation-on", "demand"]);
    let client = node.client();
    let now = timestamp(&block(&client, &json!("latest")));

    let later = now + 1_000_000;
    let set = client.get("devnet_setTime", json!({ "time": later }));
    assert_eq!(set["block_timestamp"], json!(later));
    let newest = block(&client, &json!("latest"));
    assert_eq!(newest["block_hash"], set["block_hash"]);
    assert_eq!(timestamp(&newest), later);

    client.get("devnet_increaseTime", json!({ "time": 5_000 }));
    let increased = timestamp(&block(&client, &json!("latest")));
    assert!((later + 5_000..later + 5_060).contains(&increased), "{increased}");

    // Without a block of its own, the time is that of the next one.
    let even_later = increased + 1_000_000;
    let blocks = client.block_number();
    client.get("devnet_setTime", json!({ "time": even_later, "generate_block": false }));
    assert_eq!(client.block_number(), blocks);
    client.submit(&wallet.transfer(0, 0, 1, 1)).expect("it is good");
    client.get("devnet_createBlock", json!([]));
    let newest = timestamp(&block(&client, &json!("latest")));
    assert!((even_later..even_later + 60).contains(&newest), "{newest}");

    let (code, message, _) = client.refusal("devnet_setTime", json!({ "time": now }));
    assert!(code < 0 && message.contains(&now.to_string()), "{code} {message}");
    verify(&client);
}
