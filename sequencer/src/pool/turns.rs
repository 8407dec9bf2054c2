//! Who goes next. Of each account one transaction competes at a time, its next one.
//!
//! 1. The highest tip goes first; of equal tips the one whose turn began first. A turn begins when
//!    the transaction becomes the next of its account, so one that had a thousand behind it is
//!    followed by everyone who came in meanwhile.
//! 2. Every fourth place goes to whoever has waited longest, whatever it pays: tips buy three
//!    quarters of the places, and nobody waits for ever. Who is the k-th to wait leaves within the
//!    next 4·k places.
//! 3. One that offers less than the next block costs does not compete. It keeps its turn.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use starknet_api::core::ContractAddress;

/// One place in so many goes to whoever has waited longest.
const LONGEST_EVERY: u64 = 4;

/// The next transaction of an account, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) nonce: u64,
    pub(super) tip: u64,
    /// The most that it pays for a unit of L2 gas, in fri.
    pub(super) price_max: u128,
}

/// Who goes next.
#[derive(Debug)]
pub(super) struct Turns {
    /// What a unit of L2 gas costs in the next block, in fri.
    price: u128,
    /// The next transaction of each account that has one, and when its turn began.
    heads: BTreeMap<ContractAddress, (Head, u64)>,
    by_tip: BTreeSet<(Reverse<u64>, u64, ContractAddress)>,
    by_turn: BTreeSet<(u64, ContractAddress)>,
    /// Those that do not compete, by what they pay. Of those that a new price leaves behind, each
    /// comes here when its turn is up.
    cheap: BTreeSet<(u128, u64, ContractAddress)>,
    next_turn: u64,
    /// How many places were given.
    places: u64,
}

impl Turns {
    /// Starts with nobody.
    pub(super) fn new(price: u128) -> Self {
        Self {
            price,
            heads: BTreeMap::new(),
            by_tip: BTreeSet::new(),
            by_turn: BTreeSet::new(),
            cheap: BTreeSet::new(),
            next_turn: 0,
            places: 0,
        }
    }

    /// The next transaction of an account is this one now. One that outbids another takes over its
    /// turn.
    pub(super) fn set(&mut self, sender: ContractAddress, head: Option<Head>) {
        let before = self.heads.get(&sender).copied();
        if before.map(|(head, _)| head) == head {
            return;
        }
        if let Some((before, turn)) = before {
            self.heads.remove(&sender);
            self.by_tip.remove(&(Reverse(before.tip), turn, sender));
            self.by_turn.remove(&(turn, sender));
            self.cheap.remove(&(before.price_max, turn, sender));
        }
        if let Some(head) = head {
            let kept = before.filter(|(before, _)| before.nonce == head.nonce);
            let turn = kept.map_or(self.next_turn, |(_, turn)| turn);
            self.next_turn += 1;
            self.heads.insert(sender, (head, turn));
            self.place(sender, head, turn);
        }
    }

    /// The account that goes next; it stays where it is until its next transaction is another one.
    pub(super) fn next(&mut self) -> Option<ContractAddress> {
        loop {
            let is_for_the_longest = self.places % LONGEST_EVERY == LONGEST_EVERY - 1;
            let sender =
                if is_for_the_longest { self.by_turn.first()?.1 } else { self.by_tip.first()?.2 };
            let (head, turn) = self.heads[&sender];
            if self.price <= head.price_max {
                self.places += 1;
                return Some(sender);
            }
            self.by_tip.remove(&(Reverse(head.tip), turn, sender));
            self.by_turn.remove(&(turn, sender));
            self.place(sender, head, turn);
        }
    }

    /// How many places were given.
    #[cfg(test)]
    pub(super) fn places_given(&self) -> u64 {
        self.places
    }

    /// The next block has another price.
    pub(super) fn set_price(&mut self, price: u128) {
        self.price = price;
        let back = self.cheap.split_off(&(price, 0, ContractAddress::default()));
        for (_, turn, sender) in back {
            let (head, _) = self.heads[&sender];
            self.place(sender, head, turn);
        }
    }

    /// Whether the account's next transaction offers less than the next block costs.
    pub(super) fn is_cheap(&self, sender: ContractAddress) -> bool {
        self.heads.get(&sender).is_some_and(|(head, _)| head.price_max < self.price)
    }

    /// Of those that do not compete the account that offers least.
    pub(super) fn cheapest(&self) -> Option<ContractAddress> {
        self.cheap.first().map(|(_, _, sender)| *sender)
    }

    fn place(&mut self, sender: ContractAddress, head: Head, turn: u64) {
        if head.price_max < self.price {
            self.cheap.insert((head.price_max, turn, sender));
        } else {
            self.by_tip.insert((Reverse(head.tip), turn, sender));
            self.by_turn.insert((turn, sender));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(number: u8) -> ContractAddress {
        ContractAddress::from(number)
    }

    fn head(nonce: u64, tip: u64) -> Option<Head> {
        Some(Head { nonce, tip, price_max: 100 })
    }

    /// The next places, where every account has one transaction after the other of the same tip.
    fn places(turns: &mut Turns, count: usize) -> Vec<ContractAddress> {
        let mut places = Vec::new();
        for _ in 0..count {
            let sender = turns.next().expect("somebody is there");
            let (head, _) = turns.heads[&sender];
            turns.set(sender, Some(Head { nonce: head.nonce + 1, ..head }));
            places.push(sender);
        }
        places
    }

    #[test]
    fn accounts_that_pay_alike_take_turns() {
        let mut turns = Turns::new(1);
        for number in 1..=3 {
            turns.set(account(number), head(0, 0));
        }
        let expected = [1, 2, 3, 1, 2, 3, 1].map(account);
        assert_eq!(places(&mut turns, 7), expected);
    }

    #[test]
    fn a_tip_buys_three_places_of_four_and_the_rest_go_to_those_who_wait() {
        let mut turns = Turns::new(1);
        turns.set(account(1), head(0, 0));
        turns.set(account(2), head(0, 0));
        turns.set(account(9), head(0, 7));
        let expected = [9, 9, 9, 1, 9, 9, 9, 2, 9, 9, 9].map(account);
        assert_eq!(places(&mut turns, 11), expected);
    }

    #[test]
    fn whoever_offers_too_little_keeps_its_turn_until_the_price_falls() {
        let mut turns = Turns::new(101);
        turns.set(account(1), head(0, 0));
        turns.set(account(2), Some(Head { nonce: 0, tip: 0, price_max: 200 }));
        assert!(turns.is_cheap(account(1)) && !turns.is_cheap(account(2)));
        assert_eq!(places(&mut turns, 2), [2, 2].map(account));
        turns.set_price(100);
        assert_eq!(turns.cheapest(), None);
        assert_eq!(places(&mut turns, 2), [1, 2].map(account));
        turns.set_price(150);
        assert_eq!(places(&mut turns, 2), [2, 2].map(account));
        turns.set_price(201);
        assert_eq!(turns.next(), None);
        assert_eq!(turns.cheapest(), Some(account(1)));
    }

    #[test]
    fn one_that_outbids_another_takes_over_its_turn() {
        let mut turns = Turns::new(1);
        turns.set(account(1), head(0, 0));
        turns.set(account(2), head(0, 0));
        turns.set(account(1), Some(Head { nonce: 0, tip: 0, price_max: 200 }));
        assert_eq!(turns.next(), Some(account(1)));
        turns.set(account(1), None);
        assert_eq!(turns.next(), Some(account(2)));
        turns.set(account(2), None);
        assert_eq!(turns.next(), None);
    }

    proptest! {
        /// However much others pay: of n accounts none waits for more than 4·n places.
        #[test]
        fn nobody_starves(tips in proptest::collection::vec((0_u8..5, 0_u64..3), 1..200)) {
            let mut turns = Turns::new(1);
            let mut waits: BTreeMap<ContractAddress, u64> = BTreeMap::new();
            for (nonce, (number, tip)) in (0..).zip(tips) {
                if let Some(sender) = turns.next() {
                    waits.remove(&sender);
                    // Whoever had its turn has another one that pays more than anybody.
                    turns.set(sender, head(nonce, 10));
                }
                if !turns.heads.contains_key(&account(number)) {
                    turns.set(account(number), head(nonce, tip));
                }
                for sender in turns.heads.keys() {
                    *waits.entry(*sender).or_default() += 1;
                }
                prop_assert!(waits.values().all(|wait| *wait <= 4 * 5 + 1), "{waits:?}");
            }
        }
    }
}
