//! The pool against a simple model: whatever happens, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    account::bid,
    tests::{NOW, bidding, pool_of, rejection, senders},
    *,
};

const SENDERS: usize = 4;
const NONCES: u64 = 8;
const TIPS: u64 = 3;
const PRICES: u128 = 4;
/// Small ones need all places, large ones all bytes.
const LIMITS: Limits = Limits { transactions_max: 9, bytes_max: 1_500, account_part: 3 };

/// What can happen to a pool.
#[derive(Clone, Debug)]
enum Event {
    Submit {
        sender: usize,
        nonce: u64,
        tip: u64,
        price: u128,
        bytes: usize,
    },
    Take {
        count_max: usize,
    },
    /// The oldest one that is under way has an outcome.
    Outcome {
        kind: Option<RejectionKind>,
    },
    Price(u128),
    Time {
        seconds: u64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let submit = (0..SENDERS, 0..NONCES, 0..TIPS, 1..=PRICES, 50_usize..300).prop_map(
        |(sender, nonce, tip, price, bytes)| Event::Submit { sender, nonce, tip, price, bytes },
    );
    let kind = prop_oneof![
        4 => Just(None),
        1 => Just(Some(RejectionKind::NonceAhead)),
        1 => Just(Some(RejectionKind::InsufficientBalance)),
    ];
    prop_oneof![
        6 => submit,
        3 => (1_usize..6).prop_map(|count_max| Event::Take { count_max }),
        4 => kind.prop_map(|kind| Event::Outcome { kind }),
        1 => (1..=PRICES).prop_map(Event::Price),
        1 => (0_u64..90).prop_map(|seconds| Event::Time { seconds }),
    ]
}

/// What must be true of a pool, from what goes in and comes out alone.
struct Model {
    pool: Pool,
    now: Timestamp,
    price: u128,
    /// The nonce of each account after everything executed.
    executed: BTreeMap<ContractAddress, u64>,
    under_way: Vec<Prepared>,
    /// How many places others got since an account had something that could go.
    passed_over: BTreeMap<ContractAddress, usize>,
}

impl Model {
    fn new() -> Self {
        Self {
            pool: pool_of(LIMITS),
            now: NOW,
            price: 1,
            executed: BTreeMap::new(),
            under_way: Vec::new(),
            passed_over: BTreeMap::new(),
        }
    }

    fn nonce(&self, sender: ContractAddress) -> u64 {
        self.executed.get(&sender).copied().unwrap_or_default()
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Submit { sender, nonce, tip, price, bytes } => {
                let transaction = bidding(*sender, *nonce, *tip, *price);
                let account_nonce = self.nonce(transaction.sender());
                // Whether it is taken is checked by what may never be the case afterwards.
                let _ = self.pool.insert(transaction, *bytes, account_nonce, self.now);
            }
            Event::Take { count_max } => self.take(*count_max),
            Event::Outcome { kind } if !self.under_way.is_empty() => self.outcome(*kind),
            Event::Outcome { .. } => {}
            Event::Price(price) => {
                self.price = *price;
                self.pool.set_price(*price);
            }
            Event::Time { seconds } => {
                self.now = self.now + Duration::from_secs(*seconds);
                self.pool.expire(self.now);
            }
        }
        self.check();
    }

    /// The next transaction of each account that could go now.
    fn ready(&self) -> BTreeMap<ContractAddress, Prepared> {
        let next = |(sender, account): (&ContractAddress, &Account)| {
            let head = account.head().filter(|head| self.price <= head.price_max)?;
            Some((*sender, account.waiting_at(head.nonce)?.clone()))
        };
        self.pool.accounts.iter().filter_map(next).collect()
    }

    fn take(&mut self, count_max: usize) {
        for _ in 0..count_max {
            let ready = self.ready();
            let place = self.pool.turns.places_given();
            let taken = self.pool.take_ready(1, Pace::Steady, self.now);
            let Some(transaction) = taken.first() else {
                assert!(ready.is_empty(), "{ready:?} could go");
                return;
            };
            let expected = ready.get(&transaction.sender()).expect("it could go");
            assert_eq!(expected.hash(), transaction.hash());
            let tips = ready.values().map(|ready| bid(ready).0);
            let is_by_tip = place % 4 != 3;
            assert!(!is_by_tip || tips.max() == Some(bid(transaction).0), "by tip");
            self.passed_over.retain(|sender, _| ready.contains_key(sender));
            for sender in ready.keys().filter(|sender| **sender != transaction.sender()) {
                let passed_over = self.passed_over.entry(*sender).or_default();
                *passed_over += 1;
                assert!(*passed_over <= 4 * SENDERS, "{sender} starves");
            }
            self.passed_over.remove(&transaction.sender());
            self.pool.ordered(transaction, self.now);
            self.under_way.extend(taken);
        }
    }

    /// What execution would say: only the next nonce can be included.
    fn outcome(&mut self, kind: Option<RejectionKind>) {
        let transaction = self.under_way.remove(0);
        let (sender, nonce) = (transaction.sender(), nonce_number(&transaction));
        match (kind, nonce == self.nonce(sender)) {
            (None, true) => {
                self.executed.insert(sender, nonce + 1);
                self.pool.included(&transaction, self.now);
            }
            (Some(RejectionKind::InsufficientBalance), true) => {
                let rejection = rejection(RejectionKind::InsufficientBalance);
                self.pool.left_out(&transaction, rejection, self.now);
            }
            (_, true) => self.under_way.push(transaction),
            (_, false) => {
                let rejection = rejection(RejectionKind::NonceAhead);
                self.pool.left_out(&transaction, rejection, self.now);
            }
        }
    }

    fn check(&self) {
        let mut nonces = BTreeSet::new();
        for transaction in &self.under_way {
            let (sender, nonce) = (transaction.sender(), nonce_number(transaction));
            assert!(nonces.insert((sender, nonce)), "nonce {nonce} of {sender} is under way twice");
            assert!(self.pool.holds(sender, nonce), "what is under way is never given up");
        }
        assert!(self.pool.pending() <= LIMITS.transactions_max, "{}", self.pool.pending());
        assert!(self.pool.bytes() <= LIMITS.bytes_max, "{}", self.pool.bytes());
        let held = self.pool.accounts.values().map(|account| account.usage.transactions);
        assert_eq!(held.sum::<usize>(), self.pool.pending());
        let bytes = self.pool.accounts.values().map(|account| account.usage.bytes);
        assert_eq!(bytes.sum::<usize>(), self.pool.bytes());
        assert_eq!(self.pool.known.len(), self.pool.pending());
    }

    /// Everything that can go, goes; then nothing is left but gaps and what offers too little.
    fn drain(&mut self) {
        for _ in 0..1_000 {
            self.step(&Event::Take { count_max: 1 });
            self.step(&Event::Outcome { kind: None });
        }
        assert!(self.under_way.is_empty());
        for sender in senders() {
            let next = self.nonce(sender.address);
            let waits = self.pool.accounts.get(&sender.address);
            let waits = waits.and_then(|account| account.waiting_at(next));
            assert!(waits.is_none_or(|waits| bid(waits).1 < self.price), "{waits:?} could go");
        }
        self.step(&Event::Price(0));
        self.step(&Event::Time { seconds: 61 });
        for _ in 0..1_000 {
            self.step(&Event::Take { count_max: 1 });
            self.step(&Event::Outcome { kind: None });
        }
        self.step(&Event::Time { seconds: 61 });
        assert_eq!((self.pool.pending(), self.pool.bytes()), (0, 0));
        assert!(self.pool.accounts.is_empty() && self.pool.known.is_empty());
    }
}

proptest! {
    /// Whatever happens: one transaction of a nonce is under way, the pool is never beyond its
    /// bounds, the highest tip goes first, and nobody starves.
    #[test]
    fn a_pool_keeps_its_promises(events in proptest::collection::vec(event(), 1..120)) {
        let mut model = Model::new();
        for event in &events {
            model.step(event);
        }
        model.drain();
    }
}
