//! Messages that a developer has L1 send.

use std::{
    collections::{HashMap, VecDeque},
    sync::PoisonError,
};

use kraken_execution::{L1Message, Prepared};
use starknet_api::{core::Nonce, transaction::TransactionHash};

use super::DevControl;
use crate::{SubmitError, lives::WayIn};

/// How many transactions of L1 are remembered.
const SENT_MAX: usize = 10_000;

/// Which messages a transaction of L1 sent; oldest transactions are forgotten first, and all of them
/// when the node ends.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    messages: HashMap<[u8; 32], Vec<TransactionHash>>,
    order: VecDeque<[u8; 32]>,
}

impl Sent {
    fn note(&mut self, sender: [u8; 32], message: TransactionHash) {
        let messages = self.messages.entry(sender).or_default();
        if messages.is_empty() {
            self.order.push_back(sender);
        }
        messages.push(message);
        if SENT_MAX < self.order.len()
            && let Some(oldest) = self.order.pop_front()
        {
            self.messages.remove(&oldest);
        }
    }
}

impl DevControl {
    /// Has a message handled, as if L1 had sent it: in the transaction `sender`, if there is one.
    /// Returns the hash of the transaction that handles it.
    ///
    /// # Errors
    /// [`SubmitError`] if the message is known already, too many wait, or the node is going down.
    pub async fn send_message(
        &self,
        message: &L1Message,
        nonce: Nonce,
        sender: Option<[u8; 32]>,
    ) -> Result<TransactionHash, SubmitError> {
        let _lasting = self.sequencer.lives.lasting().await;
        let life = self.sequencer.lives.current();
        let WayIn::Pool(gateway) = &life.way_in else { return Err(SubmitError::Stopped) };
        let prepared = Prepared::message(message.transaction(nonce), &self.sequencer.chain)?;
        let hash = prepared.hash();
        gateway.deliver(prepared)?;
        if let Some(sender) = sender {
            self.dev.sent.lock().unwrap_or_else(PoisonError::into_inner).note(sender, hash);
        }
        Ok(hash)
    }

    /// The transactions that handle the messages of a transaction of L1, in the order in which they
    /// were sent; none if it sent none.
    pub fn messages_of(&self, sender: [u8; 32]) -> Vec<TransactionHash> {
        let sent = self.dev.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.messages.get(&sender).cloned().unwrap_or_default()
    }
}
