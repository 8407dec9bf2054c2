//! Recomputes everything a block claims, from what JSON-RPC serves alone.
//!
//! Shares no code with the node: transaction hashes, commitments, tries, state root and block hash
//! are written again from the definitions, on top of the hash functions of `starknet-types-core`.
//!
//! Sources: *Starknet documentation, block structure, transactions, state*; for what it leaves open
//! starkware-libs/sequencer, `starknet_api::block_hash` and `starknet_api::transaction_hash`; SNIP-8.

pub mod class;
pub mod commitment;
pub mod diff;
mod field;
pub mod hash;
mod header;
pub mod proof;
pub mod state;
pub mod transaction;
pub mod trie;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;

use self::{diff::StateDiff, header::Header, state::State, transaction::Transaction};
use crate::Client;

/// Walks along a chain from block 0, and believes nothing.
#[derive(Debug)]
pub struct Verifier {
    /// As transaction hashes cover it.
    chain_id: Felt,
    state: State,
    /// Of the newest verified block.
    tip: Option<Header>,
    /// The next nonce of everybody who has sent: each is used once, in order.
    nonces: BTreeMap<Felt, Felt>,
    /// How many transactions were verified.
    transactions: u64,
}

impl Verifier {
    /// Starts before block 0 of a chain, for example `SN_SEPOLIA`.
    pub fn new(chain_id: &str) -> Self {
        Self {
            chain_id: Felt::from_bytes_be_slice(chain_id.as_bytes()),
            state: State::default(),
            tip: None,
            nonces: BTreeMap::new(),
            transactions: 0,
        }
    }

    /// The number of the next block.
    pub fn next_number(&self) -> u64 {
        self.tip.as_ref().map_or(0, |tip| tip.number + 1)
    }

    /// The hash of the newest verified block; zero before block 0.
    pub fn tip_hash(&self) -> Felt {
        self.tip.as_ref().map_or(Felt::ZERO, |tip| tip.hash)
    }

    /// How many transactions were verified so far.
    pub fn transactions(&self) -> u64 {
        self.transactions
    }

    /// The state after the newest verified block.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Fetches and verifies every closed block that is new; returns how many.
    ///
    /// # Errors
    /// The first thing that does not agree, with the number of its block.
    pub fn catch_up(&mut self, client: &Client) -> Result<u64> {
        let latest = client.block_number();
        let first = self.next_number();
        while self.next_number() <= latest {
            let number = self.next_number();
            let id = json!({ "block_number": number });
            let block = client.call("starknet_getBlockWithReceipts", json!([id]))?;
            let update = client.call("starknet_getStateUpdate", json!([id]))?;
            self.block(&block, &update).with_context(|| format!("block {number}"))?;
        }
        Ok(self.next_number() - first)
    }

    /// Verifies the next block: the answers of `starknet_getBlockWithReceipts` and
    /// `starknet_getStateUpdate`.
    ///
    /// # Errors
    /// The first thing that does not agree.
    pub fn block(&mut self, block: &Value, update: &Value) -> Result<()> {
        let header = Header::read(block)?;
        self.follows(&header)?;
        let transactions = transaction::read_all(block)?;
        for transaction in &transactions {
            let hash = transaction.hash;
            self.transaction(transaction, &header).with_context(|| format!("{hash:#x}"))?;
        }

        let diff = StateDiff::read(field::of(update, "state_diff")?)?;
        self.commitments(&header, &transactions, &diff)?;
        let old_root = self.tip.as_ref().map_or(Felt::ZERO, |tip| tip.state_root);
        self.nonces_advance(&transactions, &diff)?;
        self.state.apply(&diff)?;
        let new_root = self.state.root();
        let claims = [
            ("old root", field::felt(update, "old_root")?, old_root),
            ("new root", field::felt(update, "new_root")?, new_root),
            ("state root", header.state_root, new_root),
            ("block hash of the state update", field::felt(update, "block_hash")?, header.hash),
            ("block hash", header.hash, header.compute_hash()),
        ];
        for (what, claimed, computed) in claims {
            agree(what, claimed, computed)?;
        }
        self.transactions += header.transaction_count;
        self.tip = Some(header);
        Ok(())
    }

    fn follows(&self, header: &Header) -> Result<()> {
        let number = self.next_number();
        ensure!(header.number == number, "number {} instead of {number}", header.number);
        agree("parent hash", header.parent_hash, self.tip_hash())?;
        let time = self.tip.as_ref().map_or(0, |tip| tip.timestamp);
        ensure!(time <= header.timestamp, "time goes back from {time} to {}", header.timestamp);
        Ok(())
    }

    /// Hash, nonce and fee of one transaction.
    fn transaction(&mut self, transaction: &Transaction, header: &Header) -> Result<()> {
        agree("hash", transaction.hash, transaction.compute_hash(self.chain_id)?)?;
        let receipt = &transaction.receipt;
        let Some(sender) = transaction.sender()? else {
            return agree("fee", receipt.fee, Felt::ZERO);
        };
        let expected = self.nonces.get(&sender).copied();
        let expected = expected.unwrap_or_else(|| self.state.nonce(&sender));
        agree("nonce", transaction.nonce()?, expected)?;
        self.nonces.insert(sender, expected + Felt::ONE);
        agree("fee", receipt.fee, header.price_of(&receipt.gas))
    }

    fn commitments(
        &self,
        header: &Header,
        transactions: &[Transaction],
        diff: &StateDiff,
    ) -> Result<()> {
        let events: usize =
            transactions.iter().map(|transaction| transaction.receipt.events.len()).sum();
        let claims = [
            ("transaction count", header.transaction_count, transactions.len()),
            ("event count", header.event_count, events),
            ("state diff length", header.state_diff_length, diff.len()),
        ];
        for (what, claimed, counted) in claims {
            agree(what, Felt::from(claimed), Felt::from(counted))?;
        }
        let claims = [
            (
                "transaction commitment",
                header.transaction_commitment,
                commitment::transactions(transactions),
            ),
            ("event commitment", header.event_commitment, commitment::events(transactions)),
            ("receipt commitment", header.receipt_commitment, commitment::receipts(transactions)),
            ("state diff commitment", header.state_diff_commitment, diff.commitment()),
        ];
        for (what, claimed, computed) in claims {
            agree(what, claimed, computed)?;
        }
        Ok(())
    }

    /// The nonces of the state diff are those of the senders, and no others.
    fn nonces_advance(&self, transactions: &[Transaction], diff: &StateDiff) -> Result<()> {
        let mut senders = BTreeMap::new();
        for transaction in transactions {
            if let Some(sender) = transaction.sender()? {
                senders.insert(sender, transaction.nonce()? + Felt::ONE);
            }
        }
        ensure!(
            senders == diff.nonces,
            "the nonces of the senders are {senders:x?}, those of the state diff {:x?}",
            diff.nonces
        );
        Ok(())
    }
}

/// The hash of a closed block, from the fields of its header; what they claim is not looked into.
///
/// # Errors
/// If a field is missing or malformed.
pub fn block_hash(block: &Value) -> Result<Felt> {
    Ok(Header::read(block)?.compute_hash())
}

fn agree(what: &str, claimed: Felt, computed: Felt) -> Result<()> {
    ensure!(claimed == computed, "{what} {claimed:#x} is claimed, {computed:#x} is computed");
    Ok(())
}
