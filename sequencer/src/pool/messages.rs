//! Messages of L1. Nobody sends them: there is no account that waits, no price and no nonce to wait
//! for, so they go before everything else.

use std::collections::{HashSet, VecDeque};

use kraken_execution::Prepared;
use starknet_api::transaction::TransactionHash;

use super::Pool;
use crate::{Move, SubmitError};

/// How many may wait.
const MESSAGES_MAX: usize = 256;

/// Messages that are in no block yet.
#[derive(Debug, Default)]
pub(super) struct Messages {
    waiting: VecDeque<Prepared>,
    under_way: HashSet<TransactionHash>,
}

impl Messages {
    /// The oldest, at most `count_max`; they are under way from now on.
    pub(super) fn take(&mut self, count_max: usize) -> Vec<Prepared> {
        let count = count_max.min(self.waiting.len());
        let taken: Vec<_> = self.waiting.drain(..count).collect();
        self.under_way.extend(taken.iter().map(Prepared::hash));
        taken
    }

    /// Takes out everything that waits.
    pub(super) fn take_waiting(&mut self) -> Vec<Prepared> {
        self.waiting.drain(..).collect()
    }

    /// The message has an outcome.
    pub(super) fn ended(&mut self, hash: TransactionHash) {
        self.under_way.remove(&hash);
    }

    /// Whether the message waits or is under way.
    pub(super) fn holds(&self, hash: TransactionHash) -> bool {
        self.under_way.contains(&hash) || self.waiting.iter().any(|message| message.hash() == hash)
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty()
    }
}

impl Pool {
    /// A message waits from now on.
    ///
    /// # Errors
    /// [`SubmitError::Duplicate`] and [`SubmitError::Full`].
    pub(crate) fn deliver(&mut self, message: Prepared) -> Result<(), SubmitError> {
        if self.messages.holds(message.hash()) {
            return Err(SubmitError::Duplicate);
        }
        let pending = self.messages.waiting.len();
        if MESSAGES_MAX <= pending {
            return Err(SubmitError::Full { pending });
        }
        self.outcomes.forget(message.hash());
        self.moves.tell(|| Move::Received(message.clone()));
        self.messages.waiting.push_back(message);
        Ok(())
    }
}
