//! Whether all validators have the same chain.

use std::{
    collections::BTreeMap,
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use crate::{Client, Verifier, client::felt, wallet::CHAIN_ID};

/// A tip counts once it has stayed for so long: blocks come once a second while there is work.
const STEADY: Duration = Duration::from_secs(3);

/// How long to sleep between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The chain that all validators have.
#[derive(Debug, Default)]
pub struct Agreed {
    /// How many blocks it has.
    pub blocks: u64,
    /// Every transaction, by hash.
    pub transactions: BTreeMap<Felt, Included>,
    /// The next nonce of everybody who has sent.
    pub nonces: BTreeMap<Felt, u64>,
}

/// A transaction in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Included {
    /// The number of the block.
    pub block: u64,
    /// What it has cost, in fri.
    pub fee: u128,
}

/// Compares every block that these validators have, with receipts; recomputes one of the chains.
///
/// # Panics
/// If there is a fork, a transaction twice, one that failed, or a block that is not what it claims.
pub fn agree(clients: &[Client]) -> Agreed {
    let (first, others) = clients.split_first().expect("there are validators");
    let mut agreed = Agreed { blocks: first.block_number() + 1, ..Agreed::default() };
    for number in 0..agreed.blocks {
        let block = block(first, number);
        for other in others {
            // Hash and state root are in it.
            let theirs = self::block(other, number);
            assert_eq!(block, theirs, "block {number} of {} and {}", first.url(), other.url());
        }
        agreed.include(number, &block);
    }
    let mut verifier = Verifier::new(CHAIN_ID);
    while verifier.next_number() < agreed.blocks {
        verifier.catch_up(first).expect("every block is what it claims to be");
    }
    for (sender, nonce) in &agreed.nonces {
        assert_eq!(verifier.state().nonce(sender), Felt::from(*nonce), "the nonce of {sender:#x}");
    }
    agreed
}

impl Agreed {
    fn include(&mut self, number: u64, block: &Value) {
        for entry in block["transactions"].as_array().expect("a block has transactions") {
            let (transaction, receipt) = (&entry["transaction"], &entry["receipt"]);
            let hash = felt(&receipt["transaction_hash"]);
            assert_eq!(receipt["execution_status"], "SUCCEEDED", "{hash:#x} in block {number}");
            let fee = u128::try_from(felt(&receipt["actual_fee"]["amount"])).expect("an amount");
            let twice = self.transactions.insert(hash, Included { block: number, fee });
            assert_eq!(twice, None, "{hash:#x} is in block {number} as well");
            let next = self.nonces.entry(felt(&transaction["sender_address"])).or_default();
            assert_eq!(felt(&transaction["nonce"]), Felt::from(*next), "the nonce of {hash:#x}");
            *next += 1;
        }
    }
}

fn block(client: &Client, number: u64) -> Value {
    client.get("starknet_getBlockWithReceipts", json!([{ "block_number": number }]))
}

/// Waits until these validators have the same tip, and keep it; returns how long that took.
///
/// # Panics
/// If it takes longer than this.
pub fn same_tip(clients: &[Client], within: Duration) -> Duration {
    let began = Instant::now();
    let mut since: Option<(Instant, Value)> = None;
    loop {
        let tips: Vec<_> = clients
            .iter()
            .map(|client| client.get("starknet_blockHashAndNumber", json!([])))
            .collect();
        let is_same = tips.windows(2).all(|pair| pair[0] == pair[1]);
        since = match since {
            Some((at, tip)) if is_same && tip == tips[0] => Some((at, tip)),
            Some(_) | None => is_same.then(|| (Instant::now(), tips[0].clone())),
        };
        if let Some((at, _)) = &since
            && STEADY <= at.elapsed()
        {
            return *at - began;
        }
        let waited = since.as_ref().map_or(began.elapsed(), |(at, _)| *at - began);
        assert!(waited < within, "no common tip after {waited:?}: {tips:?}");
        thread::sleep(LOOK_AGAIN);
    }
}
