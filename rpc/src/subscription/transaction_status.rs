//! How far one transaction has come.
//!
//! The first notice is the status of now; what nobody knows yet is told of once it appears. A status
//! is told once, and none below it afterwards, until blocks are taken back.

use std::sync::Arc;

use kraken_sequencer::Progress;
use kraken_storage::ExecutedTransaction;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::transaction::TransactionHash;
use starknet_types_core::felt::Felt;

use crate::{
    dto::receipt::Finality,
    method::get_transaction_status::Status,
    schema,
    subscription::{
        moved::Moved,
        position::{Interest, Piece},
        sheet::{Sheet, write},
        stream::{Kind, Notice, Stream},
    },
};

/// `starknet_subscribeTransactionStatus`.
#[derive(Debug)]
pub(crate) struct TransactionStatus {
    hash: TransactionHash,
    /// Whether its present is known; from then on, news are enough.
    is_known: bool,
    /// The last status that was told.
    told: Option<Rank>,
    /// The block that holds it, and what became of it there.
    found: Option<(u64, Arc<ExecutedTransaction>)>,
}

/// The present of a transaction.
#[derive(Debug)]
pub(crate) struct Known {
    /// Where it is if it is in no block.
    pub(crate) progress: Option<Progress>,
    /// The block that holds it, how far that has come, and what became of the transaction.
    pub(crate) found: Option<(u64, Finality, Arc<ExecutedTransaction>)>,
}

/// Statuses, from lowest to highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Received,
    Candidate,
    /// It may come again and be executed after all.
    Rejected,
    Executed(Finality),
}

/// NEW_TXN_STATUS.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "NEW_TXN_STATUS")]
pub(crate) struct NewStatus<'a> {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
    status: Status<'a>,
}

impl TransactionStatus {
    /// Nothing is known yet.
    pub(crate) const fn new(hash: TransactionHash) -> Self {
        Self { hash, is_known: false, told: None, found: None }
    }

    fn waits(&mut self, progress: &Progress) -> Option<Notice> {
        let rank = match progress {
            Progress::Received => Rank::Received,
            Progress::Candidate => Rank::Candidate,
            Progress::Rejected { .. } => Rank::Rejected,
        };
        self.rise(rank, Status::waiting(progress))
    }

    /// It is in the block that was found, and that has come so far.
    fn executed(&mut self, finality: Finality) -> Option<Notice> {
        let (_, executed) = self.found.clone()?;
        self.rise(Rank::Executed(finality), Status::executed(&executed, finality))
    }

    fn rise(&mut self, rank: Rank, status: Status<'_>) -> Option<Notice> {
        if Some(rank) <= self.told {
            return None;
        }
        self.told = Some(rank);
        let result = write(&NewStatus { transaction_hash: self.hash.0, status });
        Some(Notice { kind: Kind::TransactionStatus, result })
    }

    /// Looks for it among the transactions of a block from one on.
    fn look(&mut self, sheet: &Sheet, from: usize) -> Option<Notice> {
        if self.found.is_none() {
            let is_it = |executed: &&Arc<ExecutedTransaction>| executed.hash == self.hash;
            let executed = sheet.transactions()[from..].iter().find(is_it);
            self.found = executed.map(|executed| (sheet.number(), Arc::clone(executed)));
        }
        let is_here = self.found.as_ref().is_some_and(|(number, _)| *number == sheet.number());
        if is_here { self.executed(sheet.finality()) } else { None }
    }
}

impl Stream for TransactionStatus {
    fn interest(&self) -> Interest {
        Interest::PreConfirmed
    }

    fn wants_moves(&self) -> bool {
        true
    }

    fn asks(&self) -> Option<TransactionHash> {
        (!self.is_known).then_some(self.hash)
    }

    fn known(&mut self, known: &Known) -> Option<Notice> {
        self.is_known = true;
        if let Some((number, finality, executed)) = &known.found {
            self.found = Some((*number, Arc::clone(executed)));
            return self.executed(*finality);
        }
        self.waits(known.progress.as_ref()?)
    }

    fn notices(&mut self, piece: &Piece) -> Vec<Notice> {
        let notice = match piece {
            Piece::Executed { sheet, from } => self.look(sheet, *from),
            Piece::Closed(sheet) => self.look(sheet, 0),
            Piece::AcceptedOnL1(number) => match &self.found {
                Some((found, _)) if *found <= number.0 => self.executed(Finality::AcceptedOnL1),
                Some(_) | None => None,
            },
            Piece::Reverted(revert) => {
                let is_kept = |found: &(u64, _)| found.0 <= revert.kept.0;
                if !self.found.as_ref().is_some_and(is_kept) {
                    *self = Self::new(self.hash);
                }
                None
            }
        };
        notice.into_iter().collect()
    }

    fn moved(&mut self, moved: &Moved) -> Option<Notice> {
        if moved.moved().hash() == self.hash { self.waits(&moved.moved().progress()) } else { None }
    }
}
