//! Where a block begins and ends: a function of the order and of what was executed before.
//!
//! The order reaches the builder as a line of [`Item`]s. For the first of them, [`Rules::decide`]
//! says what to do. Execution runs ahead of its results, so a decision that depends on a result that
//! is still out is [`Decision::Wait`]; every other decision is the same however the results come in.
//! That rests on two facts: commit times never go back, and a block that replaces another (because
//! that one was full) never begins earlier. So what one block does not hold up, no later one does.
//!
//! The rules, first match wins:
//! 1. An item that comes an interval or more after the open block began ends that block before it.
//!    A block that would be empty is dropped instead, unless empty blocks are wanted.
//! 2. An open block without a transaction makes way for one that begins at a later item.
//! 3. A transaction opens a block, or joins the open one; a block ends with the transaction that
//!    fills it.
//! 4. The end of a commit that asks for it ends the block, empty or not.
//! 5. Where empty blocks are wanted, any item opens a block.
//!
//! Source: `docs/protocol.md`, section on blocks.

use std::time::Duration;

use kraken_types::{Timestamp, genesis::BlockRules};

/// When a block ends; the same on all validators.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    interval: Option<Duration>,
    /// An interval without transactions still makes a block.
    pub(crate) empty_blocks: bool,
    /// A block ends with this many transactions.
    pub(crate) transactions_max: u32,
}

/// What comes next in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// A transaction.
    Transaction,
    /// The end of a commit, which may ask for the end of the block.
    End {
        /// The block ends here.
        close_block: bool,
    },
}

/// What the rules need to know of the open block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// The time of the commit it began with.
    pub(crate) began: Timestamp,
    /// Transactions that are in it.
    pub(crate) included: u32,
    /// Transactions that were submitted and have no result yet.
    pub(crate) unresolved: u32,
}

/// What to do about the next item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask again once there are more results.
    Wait,
    /// End the open block before this item, and ask again.
    EndBefore,
    /// Drop the open block, which is empty, and ask again.
    Drop,
    /// Open a block at the time of this item, and ask again.
    Open,
    /// Submit this transaction and go on.
    Submit,
    /// End the open block behind this item, and go on.
    EndBehind,
    /// Nothing to do; go on.
    Pass,
}

impl Rules {
    /// Reads the rules of a genesis.
    pub(crate) fn new(rules: &BlockRules) -> Self {
        Self {
            interval: rules.interval_millis.map(Duration::from_millis),
            empty_blocks: rules.empty_blocks,
            transactions_max: rules.transactions_max,
        }
    }

    /// When a block that began at `began` wants a commit, so that it can end.
    pub(crate) fn ends_at(&self, began: Timestamp) -> Option<Timestamp> {
        self.interval.map(|interval| began + interval)
    }

    /// What to do about the next item, whose commit has time `at`.
    pub(crate) fn decide(&self, open: Option<Open>, item: Item, at: Timestamp) -> Decision {
        let Some(open) = open else {
            return self.decide_without_block(item);
        };
        let is_over = self.ends_at(open.began).is_some_and(|end| end <= at);
        let makes_way = !self.empty_blocks && open.included == 0 && open.began < at;
        if (is_over || makes_way) && 0 < open.unresolved {
            return Decision::Wait;
        }
        if is_over && (0 < open.included || self.empty_blocks) {
            return Decision::EndBefore;
        }
        if is_over || makes_way {
            return Decision::Drop;
        }
        match item {
            Item::Transaction if open.included + open.unresolved < self.transactions_max => {
                Decision::Submit
            }
            Item::Transaction => Decision::Wait,
            Item::End { close_block: true } if 0 < open.unresolved => Decision::Wait,
            Item::End { close_block: true } => Decision::EndBehind,
            Item::End { close_block: false } => Decision::Pass,
        }
    }

    fn decide_without_block(&self, item: Item) -> Decision {
        match item {
            Item::Transaction | Item::End { close_block: true } => Decision::Open,
            Item::End { close_block: false } if self.empty_blocks => Decision::Open,
            Item::End { close_block: false } => Decision::Pass,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Item = Item::End { close_block: false };
    const CLOSE: Item = Item::End { close_block: true };

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn open(began: u64, included: u32, unresolved: u32) -> Option<Open> {
        Some(Open { began: at(began), included, unresolved })
    }

    fn every_second(empty_blocks: bool) -> Rules {
        Rules { interval: Some(Duration::from_secs(1)), empty_blocks, transactions_max: 3 }
    }

    const ON_DEMAND: Rules = Rules { interval: None, empty_blocks: false, transactions_max: 3 };

    #[test]
    fn a_block_begins_with_a_transaction_and_ends_before_the_item_past_its_interval() {
        let rules = every_second(false);
        assert_eq!(rules.decide(None, END, at(5)), Decision::Pass);
        assert_eq!(rules.decide(None, Item::Transaction, at(5)), Decision::Open);
        assert_eq!(rules.decide(open(5, 0, 0), Item::Transaction, at(5)), Decision::Submit);
        assert_eq!(rules.decide(open(5, 1, 0), Item::Transaction, at(1_004)), Decision::Submit);
        assert_eq!(rules.decide(open(5, 2, 0), Item::Transaction, at(1_005)), Decision::EndBefore);
        assert_eq!(rules.decide(open(5, 2, 0), END, at(1_005)), Decision::EndBefore);
    }

    #[test]
    fn whatever_hangs_on_a_result_waits_for_it() {
        let rules = every_second(false);
        assert_eq!(rules.decide(open(5, 2, 1), END, at(1_005)), Decision::Wait);
        assert_eq!(rules.decide(open(5, 0, 1), Item::Transaction, at(6)), Decision::Wait);
        assert_eq!(rules.decide(open(5, 1, 1), CLOSE, at(6)), Decision::Wait);
        assert_eq!(rules.decide(open(5, 2, 1), Item::Transaction, at(6)), Decision::Wait);
    }

    #[test]
    fn an_empty_block_is_dropped_unless_it_is_wanted() {
        let rules = every_second(false);
        assert_eq!(rules.decide(open(5, 0, 0), END, at(1_005)), Decision::Drop);
        assert_eq!(rules.decide(open(5, 0, 0), Item::Transaction, at(6)), Decision::Drop);
        let rules = every_second(true);
        assert_eq!(rules.decide(None, END, at(5)), Decision::Open);
        assert_eq!(rules.decide(open(5, 0, 0), END, at(6)), Decision::Pass);
        assert_eq!(rules.decide(open(5, 0, 0), Item::Transaction, at(6)), Decision::Submit);
        assert_eq!(rules.decide(open(5, 0, 0), END, at(1_005)), Decision::EndBefore);
    }

    #[test]
    fn a_wish_to_close_makes_even_an_empty_block() {
        assert_eq!(ON_DEMAND.decide(None, CLOSE, at(5)), Decision::Open);
        assert_eq!(ON_DEMAND.decide(open(5, 0, 0), CLOSE, at(5)), Decision::EndBehind);
        assert_eq!(ON_DEMAND.decide(open(5, 2, 0), CLOSE, at(90_000)), Decision::EndBehind);
    }

    #[test]
    fn without_an_interval_only_the_other_rules_end_a_block() {
        let late = at(u64::MAX);
        assert_eq!(ON_DEMAND.decide(open(5, 1, 0), END, late), Decision::Pass);
        assert_eq!(ON_DEMAND.decide(open(5, 1, 0), Item::Transaction, late), Decision::Submit);
        assert_eq!(ON_DEMAND.ends_at(at(5)), None);
    }
}
