//! Sockets and subscriptions of the real binary; every answer and every notice is held against the
//! official documents, where they are at hand.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use kraken_tests::{
    Client, Committee, Node, Socket, Wallet,
    client::{hex, wait_for},
};
use serde_json::{Value, json};

/// Subscribers of one node, each with a socket of its own.
const SUBSCRIBERS: usize = 1_000;

fn create_block(client: &Client) {
    client.get("devnet_createBlock", json!([]));
}

/// The next notices, by subscription, until there are so many.
fn gather(socket: &mut Socket, count: usize) -> BTreeMap<String, Vec<(String, Value)>> {
    let mut told: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for _ in 0..count {
        let notice = socket.notice();
        told.entry(notice.subscription).or_default().push((notice.kind, notice.result));
    }
    told
}

/// What was told of how far something has come.
fn finality(told: &[(String, Value)]) -> Vec<&str> {
    told.iter()
        .map(|(_, result)| result.get("status").unwrap_or(result)["finality_status"].as_str())
        .map(|status| status.expect("a status"))
        .collect()
}

#[test]
fn every_kind_of_subscription_tells_of_a_transaction_from_the_pool_to_its_end() {
    let node = Node::start_checked(&["--block-generation-on", "demand"]);
    let client = node.client();
    let tags = json!({ "tags": ["INCLUDE_PROOF_FACTS"] });
    follow_a_transaction(&client, client.socket("/ws/rpc/v0_10"), tags);
}

#[test]
fn the_older_version_tells_of_the_same() {
    let node = Node::start_checked(&["--block-generation-on", "demand"]);
    let client = node.client();
    let mut socket = client.older().socket("");
    let tags = json!({ "tags": ["INCLUDE_PROOF_FACTS"] });
    let refused = socket.call("starknet_subscribeNewTransactions", tags).expect_err("it is newer");
    assert_eq!(refused.code(), -32602);
    follow_a_transaction(&client, socket, json!({}));
}

/// Every kind of subscription; that of transactions has these parameters as well.
fn follow_a_transaction(client: &Client, mut socket: Socket, mut transactions: Value) {
    let wallet = Wallet::new(2);
    let proof_facts = transactions.get("tags").map(|_| json!([]));
    // It waits in the pool for the one with the nonce before it.
    let late = client.submit(&wallet.transfer(0, 1, 1, 1)).expect("it is good").hash;
    let both = json!(["PRE_CONFIRMED", "ACCEPTED_ON_L2"]);
    let all = json!(["RECEIVED", "CANDIDATE", "PRE_CONFIRMED", "ACCEPTED_ON_L2"]);
    let sender = json!([hex(wallet.address(0))]);
    let heads = socket.subscribe("NewHeads", json!([]));
    let events = socket.subscribe("Events", json!({ "finality_status": "PRE_CONFIRMED" }));
    let receipts = json!({ "finality_status": both, "sender_address": sender });
    let receipts = socket.subscribe("NewTransactionReceipts", receipts);
    transactions["finality_status"] = all;
    let transactions = socket.subscribe("NewTransactions", transactions);
    let status = socket.subscribe("TransactionStatus", json!([hex(late)]));
    assert_eq!(socket.told(&status)["status"]["finality_status"], "RECEIVED");

    client.submit(&wallet.transfer(0, 0, 1, 1)).expect("it is good");
    wait_for("its execution", || client.receipt(late).expect("the node answers"));
    create_block(client);
    let count = |hash| {
        let receipt = client.receipt(hash).expect("an answer").expect("it is in a block");
        receipt["events"].as_array().expect("a list").len()
    };
    let events_each = count(late);
    // A head, events and receipts of both at both times, transactions at four times, of which the one
    // that waits was received before, and the other statuses of that one.
    let told = gather(&mut socket, 1 + 2 * 2 * events_each + 2 * 2 + 4 + 3 + 3);
    assert_eq!(told[&heads].len(), 1);
    assert_eq!(finality(&told[&events]).len(), 4 * events_each);
    let [early, closed] = ["PRE_CONFIRMED", "ACCEPTED_ON_L2"];
    assert_eq!(finality(&told[&receipts]), [early, early, closed, closed]);
    assert_eq!(finality(&told[&status]), ["CANDIDATE", early, closed]);
    for (kind, transaction) in &told[&transactions] {
        assert_eq!(kind, "NewTransaction");
        assert_eq!(transaction.get("proof_facts"), proof_facts.as_ref());
    }
    let of_late: Vec<_> = told[&transactions]
        .iter()
        .filter(|(_, it)| it["transaction_hash"] == hex(late))
        .cloned()
        .collect();
    assert_eq!(finality(&of_late), ["CANDIDATE", early, closed]);

    let aborted = client.get("devnet_abortBlocks", json!([{ "block_number": 1 }]));
    let told = gather(&mut socket, 5);
    for subscription in [&heads, &events, &receipts, &transactions, &status] {
        let [(kind, reorg)] = &told[subscription][..] else {
            panic!("{told:?}");
        };
        assert_eq!(kind, "Reorg");
        assert_eq!(reorg["starting_block_hash"], aborted["aborted"][0]);
    }
    create_block(client);
    let head = socket.told(&heads);
    assert_eq!(head["block_number"], 1);
    assert_ne!(head["block_hash"], aborted["aborted"][0]);
    assert_eq!(socket.get("starknet_unsubscribe", json!([heads])), true);
    let refused = socket.call("starknet_unsubscribe", json!([heads])).expect_err("it is closed");
    assert_eq!(refused.code(), 66);
    assert!(socket.is_quiet_for(Duration::from_millis(300)));
}

#[test]
fn history_and_news_meet_without_gap_or_doublet_while_blocks_come() {
    let node = Node::start_checked(&[]);
    let (client, wallet) = (node.client(), Wallet::new(2));
    for nonce in 0..20 {
        client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it is good");
    }
    let writer = {
        let client = client.clone();
        thread::spawn(move || {
            for nonce in 20..60 {
                client.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it is good");
            }
        })
    };
    let mut sockets: Vec<_> = (0..8).map(|_| client.socket("/")).collect();
    let ids: Vec<_> = sockets
        .iter_mut()
        .map(|socket| {
            let first = json!({ "block_id": { "block_number": 3 } });
            (socket.subscribe("NewHeads", first.clone()), socket.subscribe("Events", first))
        })
        .collect();
    writer.join().expect("all are sent");
    let events = json!({ "from_block": { "block_number": 3 }, "chunk_size": 1_000 });
    let expected = client.get("starknet_getEvents", json!([events]))["events"].clone();
    let expected = expected.as_array().expect("a list");
    for (socket, (heads, events)) in sockets.iter_mut().zip(ids) {
        let told = gather(socket, 58 + expected.len());
        let numbers: Vec<_> =
            told[&heads].iter().map(|(_, it)| it["block_number"].clone()).collect();
        assert_eq!(numbers, (3..=60).map(|number| json!(number)).collect::<Vec<_>>());
        for ((_, told), expected) in told[&events].iter().zip(expected) {
            assert_eq!(told["transaction_hash"], expected["transaction_hash"]);
            assert_eq!(told["event_index"], expected["event_index"]);
        }
        assert!(socket.is_quiet_for(Duration::from_millis(50)));
    }
}

#[test]
fn a_slow_reader_is_cut_off_and_a_thousand_subscribers_do_not_notice() {
    let limits =
        ["--limits.stall", "10", "--limits.sockets", "1100", "--limits.connections", "1200"];
    let node = Node::start_checked(&[&limits[..], &["--block-generation-on", "demand"]].concat());
    let client = node.client();
    let mut slow = client.socket("/");
    for _ in 0..1_000 {
        slow.subscribe("NewHeads", json!([]));
    }
    let mut sockets: Vec<_> = (0..SUBSCRIBERS)
        .map(|_| {
            let mut socket = client.socket("/");
            let id = socket.subscribe("NewHeads", json!([]));
            (socket, id)
        })
        .collect();
    let (mut blocked, mut number) = (None, 0_u64);
    // The slow one has a thousand subscriptions, so the network holds no more than twenty blocks for
    // it. It is cut off ten seconds later, and has ten more to read why.
    while blocked.is_none_or(|since: Instant| since.elapsed() < Duration::from_secs(11)) {
        create_block(&client);
        number += 1;
        if number == 20 {
            blocked = Some(Instant::now());
        }
        for (socket, id) in &mut sockets {
            assert_eq!(socket.told(id)["block_number"], number);
        }
    }
    let (code, reason) = slow.closed();
    assert_eq!(code, 1008);
    assert!(reason.contains("read too slowly"), "{reason}");
    let began = Instant::now();
    create_block(&client);
    for (socket, id) in &mut sockets {
        assert_eq!(socket.told(id)["block_number"], number + 1);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[test]
fn a_node_that_ends_says_so_to_its_sockets() {
    let mut node = Node::start_checked(&[]);
    let mut socket = node.client().socket("/ws");
    socket.subscribe("NewHeads", json!([]));
    assert!(node.stop().success());
    assert_eq!(socket.closed(), (1001, "the node shuts down".to_owned()));
}

#[test]
fn a_committee_tells_the_same_at_every_validator() {
    let committee = Committee::start("hotstuff");
    let wallet = Wallet::new(2);
    let clients: Vec<_> = committee.clients().into_iter().map(Client::checked).collect();
    let mut sockets: Vec<_> = clients.iter().map(|client| client.socket("/rpc/v0_10")).collect();
    let latest = clients[0].block_number();
    let heads: Vec<_> = sockets
        .iter_mut()
        .map(|socket| socket.subscribe("NewHeads", json!([{ "block_number": latest }])))
        .collect();

    let transaction = wallet.transfer(0, 0, 1, 1);
    let sent = clients[0].submit(&transaction).expect("it is good").hash;
    let statuses: Vec<_> = sockets
        .iter_mut()
        .map(|socket| socket.subscribe("TransactionStatus", json!([hex(sent)])))
        .collect();
    let ranks = ["RECEIVED", "CANDIDATE", "PRE_CONFIRMED", "ACCEPTED_ON_L2"];
    let mut chains = Vec::new();
    for ((socket, head), status) in sockets.iter_mut().zip(&heads).zip(&statuses) {
        let (mut told, mut chain) = (Vec::new(), BTreeMap::new());
        while told.last() != Some(&3) || chain.len() < 2 {
            let notice = socket.notice();
            if notice.subscription == *head {
                let number = notice.result["block_number"].as_u64().expect("a number");
                let previous = chain.insert(number, notice.result["block_hash"].clone());
                assert_eq!((previous, number), (None, latest + chain.len() as u64 - 1));
            } else {
                assert_eq!(notice.subscription, *status);
                let now = notice.result["status"]["finality_status"].clone();
                told.push(ranks.iter().position(|rank| now == *rank).expect("a status"));
            }
        }
        assert!(told.is_sorted_by(|one, next| one < next), "{told:?}");
        chains.push(chain);
    }
    for (number, hash) in &chains[0] {
        for chain in &chains[1..] {
            assert!(chain.get(number).is_none_or(|other| other == hash), "block {number}");
        }
    }
}
