//! How far a subscriber was told, and what comes next.
//!
//! Whatever looks there are and whichever of them somebody misses, the pieces are the same: each
//! closed block once and in order; before it, for those who want that, each of its transactions once
//! as a pre-confirmed one.

use std::sync::Arc;

use kraken_sequencer::{Revert, View};
use starknet_api::block::BlockNumber;

use crate::{
    dto::receipt::Finality,
    subscription::{look::Look, sheet::Sheet},
};

/// How far a subscriber was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// The next closed block.
    next: u64,
    /// Up to where transactions were told when they were pre-confirmed: a block, at least the next
    /// one unless that is history, and how many of its transactions.
    told: (u64, usize),
    /// Reverts so far.
    reverts: u64,
    /// The newest block that was told to be accepted on L1.
    accepted_on_l1: Option<BlockNumber>,
    /// The newest closed block when it began.
    since: u64,
}

/// Something that happened to the chain.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    /// The transactions of a block from one on are executed.
    Executed {
        /// The block, which may have more of them later.
        sheet: Arc<Sheet>,
        /// The first one that is new.
        from: usize,
    },
    /// A block is closed.
    Closed(Arc<Sheet>),
    /// The blocks up to this one are accepted on L1.
    AcceptedOnL1(BlockNumber),
    /// The end of the chain was taken back.
    Reverted(Revert),
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Step {
    /// This.
    Piece(Piece),
    /// A closed block that must be read.
    Lacks(u64),
    /// Nothing until there is another look.
    Rest,
}

/// Whether somebody is told of transactions before their block is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// As soon as they are executed.
    PreConfirmed,
    /// Not before.
    Closed,
}

impl Position {
    /// Behind all closed blocks: what is open now is new.
    pub(crate) fn behind(view: &View) -> Self {
        Self::at(view.latest().0 + 1, view)
    }

    /// At a closed block, which is told of as the history that it is, or one to come.
    pub(crate) fn at(next: u64, view: &View) -> Self {
        Self {
            next,
            told: (next.max(view.latest().0 + 1), 0),
            reverts: view.reverts().count(),
            accepted_on_l1: view.accepted_on_l1(),
            since: view.latest().0,
        }
    }

    /// How many closed blocks are to be told of.
    pub(crate) const fn behind_by(&self, look: &Look) -> u64 {
        (look.latest + 1).saturating_sub(self.next)
    }

    /// Whether a look is from when it began, or later.
    pub(crate) const fn is_shown_by(&self, look: &Look) -> bool {
        self.since <= look.latest
    }

    /// Goes on by a step. `read` is the block that it lacked, if it lacked one.
    pub(crate) fn advance(
        &mut self,
        look: &Look,
        interest: Interest,
        read: Option<&Arc<Sheet>>,
    ) -> Step {
        if look.reverts.count() < self.reverts {
            // The look is from before this subscriber was there.
            return Step::Rest;
        }
        if let Some(revert) = self.next_revert(look) {
            return Step::Piece(Piece::Reverted(revert));
        }
        if self.next <= look.latest {
            return self.closed(look, interest, read);
        }
        if interest == Interest::PreConfirmed
            && let Some(piece) = look.unsealed.iter().find_map(|sheet| self.executed(sheet))
        {
            return Step::Piece(piece);
        }
        match look.accepted_on_l1 {
            Some(number) if self.accepted_on_l1 < Some(number) => {
                self.accepted_on_l1 = Some(number);
                Step::Piece(Piece::AcceptedOnL1(number))
            }
            Some(_) | None => Step::Rest,
        }
    }

    /// The oldest revert that was not told of. What is above the block that stayed is new again.
    fn next_revert(&mut self, look: &Look) -> Option<Revert> {
        let revert = *look.reverts.since(self.reverts).next()?;
        let left = look.reverts.since(self.reverts).count() as u64;
        self.reverts = look.reverts.count() - left + 1;
        let above = revert.kept.0 + 1;
        self.next = self.next.min(above);
        if above <= self.told.0 {
            self.told = (above, 0);
        }
        self.accepted_on_l1 = self.accepted_on_l1.min(Some(revert.kept));
        Some(revert)
    }

    fn closed(&mut self, look: &Look, interest: Interest, read: Option<&Arc<Sheet>>) -> Step {
        let number = self.next;
        if interest == Interest::PreConfirmed && self.told.0 <= number {
            let Some(sheet) = look.closed(number, Finality::PreConfirmed, read) else {
                return Step::Lacks(number);
            };
            if let Some(piece) = self.executed(&sheet) {
                return Step::Piece(piece);
            }
        }
        let Some(sheet) = look.closed(number, Finality::AcceptedOnL2, read) else {
            return Step::Lacks(number);
        };
        self.next = number + 1;
        if self.told.0 <= number {
            self.told = (self.next, 0);
        }
        Step::Piece(Piece::Closed(sheet))
    }

    /// The transactions of a block that are new, if any are.
    fn executed(&mut self, sheet: &Arc<Sheet>) -> Option<Piece> {
        let (block, count) = self.told;
        let from = if block == sheet.number() { count } else { 0 };
        let transactions = sheet.transactions().len();
        if sheet.number() < block || transactions <= from {
            return None;
        }
        self.told = (sheet.number(), transactions);
        Some(Piece::Executed { sheet: Arc::clone(sheet), from })
    }
}

#[cfg(test)]
mod tests;
