//! The order, as the builder walks along it: one item after the other.

use std::collections::VecDeque;

use kraken_execution::Prepared;
use kraken_types::{Commit, Cursor, Timestamp};

use super::rules::Item;

/// One step of the order.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    /// The transaction; `None` at the end of a commit.
    pub(crate) transaction: Option<Prepared>,
    /// The end of the commit asks for the end of the block.
    close_block: bool,
    /// The time of its commit.
    pub(crate) at: Timestamp,
    /// The place before this step.
    pub(crate) before: Cursor,
    /// The place behind this step.
    pub(crate) behind: Cursor,
}

impl Step {
    /// What the rules need to know of it.
    pub(crate) fn item(&self) -> Item {
        match &self.transaction {
            Some(_) => Item::Transaction,
            None => Item::End { close_block: self.close_block },
        }
    }
}

/// The steps that are not done.
#[derive(Debug, Default)]
pub(crate) struct Line {
    steps: VecDeque<Step>,
}

impl Line {
    /// Appends a commit. `None` among `transactions` is one that cannot be executed anywhere: it
    /// takes a place and does nothing. Those before `from` are done already.
    pub(crate) fn push(
        &mut self,
        commit: &Commit,
        transactions: Vec<Option<Prepared>>,
        from: Cursor,
    ) {
        let place = |transactions| Cursor { commit: commit.index, transactions };
        let mut end = place(0);
        for (index, transaction) in (0_u32..).zip(transactions) {
            let (before, behind) = (place(index), place(index + 1));
            end = behind;
            let Some(transaction) = transaction.filter(|_| from <= before) else {
                continue;
            };
            let transaction = Some(transaction);
            self.steps.push_back(Step {
                transaction,
                close_block: false,
                at: commit.timestamp,
                before,
                behind,
            });
        }
        self.steps.push_back(Step {
            transaction: None,
            close_block: commit.close_block,
            at: commit.timestamp,
            before: end,
            behind: Cursor { commit: commit.index.next(), transactions: 0 },
        });
    }

    /// The next step.
    pub(crate) fn front(&self) -> Option<&Step> {
        self.steps.front()
    }

    /// The next step is done, or under way.
    pub(crate) fn pop(&mut self) -> Option<Step> {
        self.steps.pop_front()
    }

    /// Steps that were under way belong to the next block.
    pub(crate) fn give_back(&mut self, steps: VecDeque<Step>) {
        for step in steps.into_iter().rev() {
            self.steps.push_front(step);
        }
    }

    /// Steps before this place are in a block that others executed; returns them.
    pub(crate) fn skip_to(&mut self, place: Cursor) -> VecDeque<Step> {
        let count = self.steps.partition_point(|step| step.behind <= place);
        let left = self.steps.split_off(count);
        std::mem::replace(&mut self.steps, left)
    }

    /// How many steps there are.
    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }
}
