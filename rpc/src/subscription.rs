//! Subscriptions: what is told, to whom, and when.
//!
//! ```text
//! sequencer ─► feed ─► look ─► position ─► piece ─► stream ─► notices ─► socket
//!  events      one     shared   of each subscriber             written once
//! ```
//!
//! Nothing is queued for a subscriber but what it is being told of now: it has a [`Position`], and
//! whenever it has taken what it was told, it goes on from there with the newest [`Look`]. So a slow
//! one costs no memory, and history and news are the same walk, with no seam between them.

pub(crate) mod events;
pub(crate) mod feed;
pub(crate) mod look;
pub(crate) mod moved;
pub(crate) mod new_heads;
pub(crate) mod position;
pub(crate) mod sheet;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
pub(crate) mod transaction_status;
pub(crate) mod transactions;

use std::sync::Arc;

use self::{
    look::Look,
    moved::Moved,
    position::{Interest, Piece, Position, Step},
    sheet::Sheet,
    stream::{Notice, Stream},
    transaction_status::Known,
};
use starknet_api::transaction::TransactionHash;

/// What a subscriber wants, and how far it was told.
#[derive(Debug)]
pub(crate) struct Subscription {
    position: Position,
    stream: Box<dyn Stream>,
    /// Whether it has been told of everything at least once.
    is_live: bool,
}

/// What a subscriber does next.
#[derive(Debug)]
pub(crate) enum Next {
    /// These are told, none of them perhaps.
    Notices(Vec<Notice>),
    /// A closed block must be read.
    Read(u64),
    /// The present of a transaction must be known.
    Ask(TransactionHash),
    /// Nothing until there is another look.
    Rest,
}

impl Subscription {
    /// Goes on from a position.
    pub(crate) fn new(position: Position, stream: impl Stream + 'static) -> Self {
        Self { position, stream: Box::new(stream), is_live: false }
    }

    /// Whether it wants to know of what is pre-confirmed.
    pub(crate) fn interest(&self) -> Interest {
        self.stream.interest()
    }

    /// Whether it wants to know of transactions that are in no block.
    pub(crate) fn wants_moves(&self) -> bool {
        self.stream.wants_moves()
    }

    /// How many closed blocks it is behind, if it was not once.
    pub(crate) fn behind_by(&self, look: &Look) -> u64 {
        if self.is_live { self.position.behind_by(look) } else { 0 }
    }

    /// Goes on by a step. `read` is the block that it lacked, if it lacked one.
    pub(crate) fn advance(&mut self, look: &Look, read: Option<&Arc<Sheet>>) -> Next {
        if let Some(hash) = self.stream.asks() {
            return Next::Ask(hash);
        }
        match self.position.advance(look, self.stream.interest(), read) {
            Step::Piece(piece) => Next::Notices(self.told(&piece)),
            Step::Lacks(number) => Next::Read(number),
            Step::Rest => {
                self.is_live |= self.position.is_shown_by(look);
                Next::Rest
            }
        }
    }

    /// What is told of the present of the transaction that it asked for.
    pub(crate) fn known(&mut self, known: &Known) -> Option<Notice> {
        self.stream.known(known)
    }

    /// What is told of a transaction that is in no block.
    pub(crate) fn moved(&mut self, moved: &Moved) -> Option<Notice> {
        self.stream.moved(moved)
    }

    fn told(&mut self, piece: &Piece) -> Vec<Notice> {
        let mut notices = self.stream.notices(piece);
        if let Piece::Reverted(revert) = piece {
            notices.extend(revert.orphaned.as_ref().map(Notice::reorg));
        }
        notices
    }
}
