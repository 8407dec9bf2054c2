//! `kill -9` at random moments under load.
//!
//! `KRAKEN_CRASHES` says how often (default 5), `KRAKEN_SEED` when and what; both are printed.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use kraken_tests::{
    CallError, Client, Node, Verifier, Wallet,
    client::{felt, wait_for},
    wallet::CHAIN_ID,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use crate::setting;

/// How many closed blocks are looked at again after a crash, about, and as large a share of receipts.
const CHECKED_MAX: f64 = 100.0;

/// Accounts that send at the same time.
const SENDERS: u16 = 6;

/// What somebody outside has seen, which a crash must not take back.
#[derive(Debug, Default)]
struct Seen {
    /// Every receipt, the newest one of each transaction.
    receipts: BTreeMap<Felt, Value>,
    /// The hash of each block, by number.
    blocks: BTreeMap<u64, Felt>,
    /// Transactions that the node took.
    taken: Vec<Felt>,
}

#[test]
fn crashes_lose_nothing_that_was_seen_in_blocks_by_time() {
    crash_and_check("0.2", setting("KRAKEN_CRASHES", 5));
}

#[test]
fn crashes_lose_nothing_that_was_seen_in_blocks_by_transaction() {
    crash_and_check("transaction", setting("KRAKEN_CRASHES", 5).div_ceil(2));
}

#[expect(clippy::print_stderr, reason = "the seed is needed to see a failure again")]
fn crash_and_check(block_generation: &str, crashes: u64) {
    let seed = setting("KRAKEN_SEED", rand::thread_rng().gen_range(0..1_000_000));
    eprintln!("KRAKEN_SEED={seed} KRAKEN_CRASHES={crashes}, blocks on {block_generation}");
    let mut random = StdRng::seed_from_u64(seed);
    let wallet = Wallet::new(SENDERS);
    let mut node = Node::start(&["--block-generation-on", block_generation]);
    let mut verifier = Verifier::new(CHAIN_ID);
    let mut seen = Seen::default();

    for crash in 1..=crashes {
        let life = Duration::from_millis(random.gen_range(100..1_500));
        live(&mut node, &wallet, &mut seen, life, random.r#gen());
        node.restart();
        let open = seen.receipts.values().filter(|receipt| is_open(receipt)).count();
        // The closed ones cost the more the longer this goes on, so most of them wait for the end.
        let share =
            if crash == crashes { 1.0 } else { CHECKED_MAX / seen.blocks.len().max(1) as f64 };
        check(&node.client(), &mut seen, &mut verifier, &mut random, share);
        eprintln!(
            "crash {crash} after {life:?}: {} taken, {} seen ({open} in open blocks), {} executed, \
             {} blocks",
            seen.taken.len(),
            seen.receipts.len(),
            verifier.transactions(),
            verifier.next_number(),
        );
    }
    go_on(&node.client(), &wallet, &mut verifier);
    assert!(0 < verifier.transactions(), "nothing happened between the crashes");
}

/// Sends from all accounts, and kills the node while they do.
fn live(node: &mut Node, wallet: &Wallet, seen: &mut Seen, life: Duration, seed: u64) {
    let client = node.client();
    let shared = Mutex::new(std::mem::take(seen));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for from in 0..wallet.len() {
            let (client, shared, is_over) = (&client, &shared, &is_over);
            let random = StdRng::seed_from_u64(seed.wrapping_add(from as u64));
            scope.spawn(move || {
                let end = send(client, wallet, from, random, shared, is_over);
                assert!(
                    is_over.load(Ordering::SeqCst),
                    "account {from} stopped before the crash: {end}"
                );
            });
        }
        thread::sleep(life);
        // Told first: whoever loses the node from here on, loses it to the crash.
        is_over.store(true, Ordering::SeqCst);
        node.kill_9();
    });
    *seen = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
}

/// Sends transfers one after the other, and looks at what became of them, until the node is gone.
fn send(
    client: &Client,
    wallet: &Wallet,
    from: usize,
    mut random: StdRng,
    seen: &Mutex<Seen>,
    is_over: &AtomicBool,
) -> CallError {
    let mut step = || -> Result<(), CallError> {
        let (mut unseen, mut own) = (VecDeque::new(), Vec::new());
        let mut nonce = client.nonce(wallet.address(from))?;
        loop {
            if is_over.load(Ordering::SeqCst) {
                return Ok(());
            }
            let to = random.gen_range(0..wallet.len());
            let transfer = wallet.transfer(from, nonce, to, u128::from(random.r#gen::<u16>()));
            let hash = match client.submit(&transfer) {
                Ok(submitted) => submitted.hash,
                // What an earlier life ordered was not executed yet when we asked for the nonce.
                Err(CallError::Refused { code: 52, .. }) => {
                    nonce = client.nonce(wallet.address(from))?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            nonce += 1;
            unseen.push_back(hash);
            lock(seen).taken.push(hash);
            while let Some(hash) = unseen.front().copied() {
                let Some(receipt) = client.receipt(hash)? else {
                    break;
                };
                lock(seen).receipts.insert(hash, receipt);
                own.extend(unseen.pop_front());
            }
            // A receipt that was seen before may be of a closed block by now.
            if let Some(hash) = own.choose(&mut random).copied()
                && let Some(receipt) = client.receipt(hash)?
            {
                lock(seen).receipts.insert(hash, receipt);
            }
        }
    };
    match step() {
        Ok(()) => CallError::NoAnswer { reason: "the crash came".to_owned() },
        Err(error) => error,
    }
}

fn lock(seen: &Mutex<Seen>) -> std::sync::MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was seen is still there, and every new block is right. Of what was closed before, this share
/// is looked at.
fn check(
    client: &Client,
    seen: &mut Seen,
    verifier: &mut Verifier,
    random: &mut StdRng,
    share: f64,
) {
    let mut is_checked = || random.gen_bool(share.clamp(0.0, 1.0));
    for (hash, before) in &mut seen.receipts {
        if !is_open(before) && !is_checked() {
            continue;
        }
        let after = wait_for(&format!("the receipt of {hash:#x} after a crash"), || {
            client.receipt(*hash).expect("the node answers")
        });
        assert_keeps(before, &after);
        *before = after;
    }
    // Whatever was ordered before the crash is in front of this.
    client.get("devnet_createBlock", json!([]));
    // Blocks that were verified before are the ones that are there now.
    for (number, hash) in &seen.blocks {
        if !is_checked() {
            continue;
        }
        let block =
            client.get("starknet_getBlockWithTxHashes", json!([{ "block_number": number }]));
        assert_eq!(felt(&block["block_hash"]), *hash, "block {number} is another one");
    }
    let first = verifier.next_number();
    verifier.catch_up(client).expect("every block is what it claims to be");
    for number in first..verifier.next_number() {
        let block =
            client.get("starknet_getBlockWithTxHashes", json!([{ "block_number": number }]));
        seen.blocks.insert(number, felt(&block["block_hash"]));
    }
}

fn is_open(receipt: &Value) -> bool {
    receipt["finality_status"] == "PRE_CONFIRMED"
}

/// A receipt may only become more final.
fn assert_keeps(before: &Value, after: &Value) {
    if !is_open(before) {
        assert_eq!(before, after, "a receipt of a closed block has changed");
        return;
    }
    // What was executed and seen is executed again, in the same block.
    for field in [
        "transaction_hash",
        "block_number",
        "execution_status",
        "actual_fee",
        "events",
        "execution_resources",
    ] {
        assert_eq!(before[field], after[field], "{field} of {}", before["transaction_hash"]);
    }
}

/// After all crashes the chain takes transactions as if nothing had been.
fn go_on(client: &Client, wallet: &Wallet, verifier: &mut Verifier) {
    let mut sent = Vec::new();
    for from in 0..wallet.len() {
        // What was taken and is still on its way counts as well.
        let hash = wait_for(&format!("account {from} can send"), || {
            let nonce = client.nonce(wallet.address(from)).expect("the node answers");
            client.submit(&wallet.transfer(from, nonce, 0, 1)).ok().map(|submitted| submitted.hash)
        });
        sent.push(hash);
    }
    for hash in sent {
        assert_eq!(client.accepted(hash)["execution_status"], "SUCCEEDED");
    }
    verifier.catch_up(client).expect("every block is what it claims to be");
    for from in 0..wallet.len() {
        // The verifier counts each sender's transactions over all blocks; see `Verifier`.
        let nonce = client.nonce(wallet.address(from)).expect("the node answers");
        assert_eq!(verifier.state().nonce(&wallet.address(from)), Felt::from(nonce));
    }
}
