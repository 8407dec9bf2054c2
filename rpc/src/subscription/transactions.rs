//! Transactions, and receipts of transactions, of some senders or of all.

use std::{collections::BTreeSet, ops::Range};

use kraken_sequencer::Move;
use starknet_api::core::ContractAddress;

use crate::subscription::{
    moved::Moved,
    position::{Interest, Piece},
    sheet::{Sheet, Text},
    stream::{Kind, Notice, Stream},
};

/// Whose transactions are wanted.
#[derive(Debug, Default)]
pub(crate) struct Senders(pub(crate) Option<BTreeSet<ContractAddress>>);

/// A time in the life of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Time {
    /// In the pool.
    Received,
    /// In the order.
    Candidate,
    /// Executed.
    PreConfirmed,
    /// In a closed block.
    AcceptedOnL2,
}

/// At which times in its life a transaction is told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Times(pub(crate) BTreeSet<Time>);

/// `starknet_subscribeNewTransactionReceipts`.
#[derive(Debug)]
pub(crate) struct Receipts {
    /// When.
    pub(crate) times: Times,
    /// Whose.
    pub(crate) senders: Senders,
}

/// `starknet_subscribeNewTransactions`.
#[derive(Debug)]
pub(crate) struct Transactions {
    /// When.
    pub(crate) times: Times,
    /// Whose.
    pub(crate) senders: Senders,
    /// Whether to show the proof facts of invokes.
    pub(crate) with_proof_facts: bool,
}

impl Senders {
    /// Nobody sent what came from L1, so only those who want all get that.
    fn want(&self, sender: impl FnOnce() -> Option<ContractAddress>) -> bool {
        let is_in =
            |senders: &BTreeSet<_>| sender().is_some_and(|sender| senders.contains(&sender));
        self.0.as_ref().is_none_or(is_in)
    }

    fn of(&self, sheet: &Sheet, range: Range<usize>) -> impl Iterator<Item = usize> {
        range.filter(|index| self.want(|| sheet.sender(*index)))
    }
}

impl Times {
    fn has(&self, time: Time) -> bool {
        self.0.contains(&time)
    }

    fn interest(&self) -> Interest {
        if self.has(Time::PreConfirmed) { Interest::PreConfirmed } else { Interest::Closed }
    }

    /// The transactions of a piece that are told of now.
    fn of<'a>(&self, piece: &'a Piece) -> Option<(&'a Sheet, Range<usize>)> {
        match piece {
            Piece::Executed { sheet, from } if self.has(Time::PreConfirmed) => {
                Some((sheet, *from..sheet.transactions().len()))
            }
            Piece::Closed(sheet) if self.has(Time::AcceptedOnL2) => {
                Some((sheet, 0..sheet.transactions().len()))
            }
            Piece::Executed { .. }
            | Piece::Closed(_)
            | Piece::AcceptedOnL1(_)
            | Piece::Reverted(_) => None,
        }
    }
}

impl Stream for Receipts {
    fn interest(&self) -> Interest {
        self.times.interest()
    }

    fn notices(&mut self, piece: &Piece) -> Vec<Notice> {
        let Some((sheet, range)) = self.times.of(piece) else {
            return Vec::new();
        };
        let notice = |result: Text| Notice { kind: Kind::NewTransactionReceipts, result };
        self.senders.of(sheet, range).map(|index| notice(sheet.receipt(index))).collect()
    }
}

impl Stream for Transactions {
    fn interest(&self) -> Interest {
        self.times.interest()
    }

    fn wants_moves(&self) -> bool {
        self.times.has(Time::Received) || self.times.has(Time::Candidate)
    }

    fn notices(&mut self, piece: &Piece) -> Vec<Notice> {
        let Some((sheet, range)) = self.times.of(piece) else {
            return Vec::new();
        };
        let of = |index| Notice {
            kind: Kind::NewTransaction,
            result: sheet.transaction(index, self.with_proof_facts),
        };
        self.senders.of(sheet, range).map(of).collect()
    }

    fn moved(&mut self, moved: &Moved) -> Option<Notice> {
        let time = match moved.moved() {
            Move::Received(_) => Time::Received,
            Move::Candidate(_) => Time::Candidate,
            Move::Rejected { .. } => return None,
        };
        if !self.times.has(time) || !self.senders.want(|| moved.sender()) {
            return None;
        }
        let result = moved.transaction(self.with_proof_facts)?;
        Some(Notice { kind: Kind::NewTransaction, result })
    }
}
