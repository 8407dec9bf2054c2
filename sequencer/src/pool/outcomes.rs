//! What became of transactions, and who waits to know.

use std::collections::{HashMap, VecDeque};

use kraken_execution::Rejection;
use starknet_api::transaction::TransactionHash;
use tokio::sync::oneshot;

use crate::{Move, events::Moves};

/// How many rejections are remembered for the status answer.
const REJECTED_MAX: usize = 10_000;

/// What became of a transaction, for the one who waits for it.
pub(crate) type Settled = Result<(), Rejection>;

/// What became of transactions, and who waits to know.
#[derive(Debug)]
pub(super) struct Outcomes {
    rejected: HashMap<TransactionHash, String>,
    rejected_order: VecDeque<TransactionHash>,
    settling: HashMap<TransactionHash, Vec<oneshot::Sender<Settled>>>,
    moves: Moves,
}

impl Outcomes {
    /// Knows of nothing yet.
    pub(super) fn new(moves: Moves) -> Self {
        Self {
            rejected: HashMap::new(),
            rejected_order: VecDeque::new(),
            settling: HashMap::new(),
            moves,
        }
    }

    /// The transaction was left out for good.
    pub(super) fn reject(&mut self, hash: TransactionHash, rejection: Rejection) {
        self.moves.tell(|| Move::Rejected { hash, reason: rejection.reason.clone() });
        if self.rejected.insert(hash, rejection.reason.clone()).is_none() {
            self.rejected_order.push_back(hash);
        }
        while REJECTED_MAX < self.rejected_order.len() {
            if let Some(oldest) = self.rejected_order.pop_front() {
                self.rejected.remove(&oldest);
            }
        }
        self.settle(hash, &Err(rejection));
    }

    /// Why the transaction was left out; `None` if it was not.
    pub(super) fn reason(&self, hash: TransactionHash) -> Option<&str> {
        self.rejected.get(&hash).map(String::as_str)
    }

    /// The transaction came again.
    pub(super) fn forget(&mut self, hash: TransactionHash) {
        if self.rejected.remove(&hash).is_some() {
            self.rejected_order.retain(|known| *known != hash);
        }
    }

    /// Resolves once the transaction is in an accepted block, or left out for good.
    pub(super) fn settled(&mut self, hash: TransactionHash) -> oneshot::Receiver<Settled> {
        let (sender, receiver) = oneshot::channel();
        self.settling.entry(hash).or_default().push(sender);
        receiver
    }

    /// Nobody waits for this transaction any more.
    pub(super) fn unsettle(&mut self, hash: TransactionHash) {
        if let Some(waiting) = self.settling.get_mut(&hash) {
            waiting.retain(|sender| !sender.is_closed());
            if waiting.is_empty() {
                self.settling.remove(&hash);
            }
        }
    }

    /// Tells those who wait.
    pub(super) fn settle(&mut self, hash: TransactionHash, settled: &Settled) {
        for waiting in self.settling.remove(&hash).unwrap_or_default() {
            // The one who waited may have gone; then nobody needs to know.
            drop(waiting.send(settled.clone()));
        }
    }
}
