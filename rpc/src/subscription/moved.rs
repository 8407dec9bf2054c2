//! A transaction in no block as subscribers are told of it.

use std::sync::{Arc, OnceLock};

use kraken_sequencer::Move;
use starknet_api::core::ContractAddress;

use crate::subscription::sheet::{Text, sender, write_transaction};

/// A transaction in no block has come further, with what was written of that so far.
#[derive(Debug)]
pub(crate) struct Moved {
    moved: Move,
    /// Who sent it; `None` if no account has.
    sender: OnceLock<Option<ContractAddress>>,
    /// Without proof facts, and with them.
    transaction: [OnceLock<Text>; 2],
}

impl Moved {
    /// Nothing is written yet.
    pub(crate) fn new(moved: Move) -> Self {
        let transaction = [OnceLock::new(), OnceLock::new()];
        Self { moved, sender: OnceLock::new(), transaction }
    }

    /// What happened.
    pub(crate) fn moved(&self) -> &Move {
        &self.moved
    }

    /// Who sent the transaction; `None` if no account has, and of one that was left out.
    pub(crate) fn sender(&self) -> Option<ContractAddress> {
        *self.sender.get_or_init(|| match &self.moved {
            Move::Received(transaction) | Move::Candidate(transaction) => {
                sender(&transaction.stored())
            }
            Move::Rejected { .. } => None,
        })
    }

    /// TXN_WITH_HASH, and how far the transaction has come; `None` of one that was left out, because
    /// there is no status for that.
    pub(crate) fn transaction(&self, with_proof_facts: bool) -> Option<Text> {
        let (transaction, status) = match &self.moved {
            Move::Received(transaction) => (transaction, "RECEIVED"),
            Move::Candidate(transaction) => (transaction, "CANDIDATE"),
            Move::Rejected { .. } => return None,
        };
        let write = || {
            let stored = transaction.stored();
            write_transaction((transaction.hash(), &stored), status, with_proof_facts)
        };
        let written = &self.transaction[usize::from(with_proof_facts)];
        Some(Arc::clone(written.get_or_init(write)))
    }
}
