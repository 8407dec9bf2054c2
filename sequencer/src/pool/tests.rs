use std::sync::OnceLock;

use kraken_execution::{
    Chain,
    genesis::{PredeployedAccount, accounts, dev_genesis},
    testing,
};
use kraken_types::Signer;
use proptest::prelude::*;
use starknet_api::{
    block::GasPrice,
    rpc_transaction::{RpcInvokeTransaction, RpcTransaction},
    transaction::fields::Tip,
};

use super::{account::bid, *};
use crate::SubmitError;

pub(super) const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let key = Signer::from_seed([1; 32]).public_key();
        Chain::new(&dev_genesis("SN_SEPOLIA", 0, 3, 0, &key)).expect("valid")
    })
}

pub(super) fn senders() -> Vec<PredeployedAccount> {
    accounts(0, 4)
}

fn transaction(sender: usize, nonce: u64) -> Prepared {
    bidding(sender, nonce, 0, 100)
}

pub(super) fn bidding(sender: usize, nonce: u64, tip: u64, price: u128) -> Prepared {
    let from = &senders()[sender];
    let mut transfer = testing::transfer(chain(), from, nonce, from.address, 1);
    if let RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) = &mut transfer {
        invoke.tip = Tip(tip);
        invoke.resource_bounds.l2_gas.max_price_per_unit = GasPrice(price);
    }
    Prepared::new(transfer, chain()).expect("well formed")
}

/// What every transaction of these tests counts with.
const BYTES: usize = 100;

const LIMITS: Limits = Limits { transactions_max: 100, bytes_max: 100 * BYTES, account_part: 2 };

fn pool() -> Pool {
    pool_of(LIMITS)
}

pub(super) fn pool_of(limits: Limits) -> Pool {
    let time_to_live = Duration::from_secs(60);
    Pool::new(Config { limits, time_to_live, nonce_ahead_max: 5 }, 1, Moves::default())
}

impl Pool {
    fn add(&mut self, transaction: Prepared, nonce: u64) -> Result<bool, SubmitError> {
        self.insert(transaction, BYTES, nonce, NOW)
    }

    fn take(&mut self, count_max: usize) -> Vec<Prepared> {
        self.take_ready(count_max, Pace::Steady, NOW)
    }

    fn is_rejected(&self, transaction: &Prepared, why: &str) -> bool {
        let progress = self.progress(transaction.hash());
        matches!(progress, Some(Progress::Rejected { reason }) if reason.contains(why))
    }
}

fn nonces(taken: &[Prepared]) -> Vec<u64> {
    taken.iter().map(nonce_number).collect()
}

pub(super) fn rejection(kind: RejectionKind) -> Rejection {
    Rejection { kind, reason: "for a test".to_owned() }
}

#[test]
fn what_others_execute_does_not_wait_here() {
    let mut pool = pool();
    let (same, other) = (transaction(0, 0), bidding(1, 0, 5, 100));
    pool.add(same.clone(), 0).expect("admitted");
    pool.add(transaction(1, 0), 0).expect("admitted");
    pool.included(&same, NOW);
    pool.included(&other, NOW);
    assert_eq!((pool.pending(), pool.take(10).len()), (0, 0));
    assert_eq!(pool.progress(same.hash()), None, "it is in a block");
    let loser = pool.progress(transaction(1, 0).hash());
    assert!(matches!(loser, Some(Progress::Rejected { .. })), "{loser:?}");
}

#[test]
fn a_transaction_waits_for_the_nonces_before_it() {
    let mut pool = pool();
    for (nonce, can_run) in [(2, false), (0, true), (3, false)] {
        let inserted = pool.add(transaction(0, nonce), 0);
        assert_eq!(inserted.expect("within reach"), can_run, "nonce {nonce}");
    }
    assert_eq!(nonces(&pool.take(10)), [0]);
    assert_eq!(pool.take(10).len(), 0);
    pool.add(transaction(0, 1), 0).expect("the missing one");
    assert_eq!(nonces(&pool.take(10)), [1, 2, 3]);
}

#[test]
fn used_far_and_known_nonces_are_told_apart() {
    let mut pool = pool();
    let low = pool.add(transaction(0, 3), 4);
    assert!(matches!(
        low,
        Err(SubmitError::Rejected(Rejection { kind: RejectionKind::InvalidNonce, .. }))
    ));
    pool.add(transaction(0, 4), 4).expect("the next one");
    // One is here, so five more than the fifth are in reach.
    pool.add(transaction(0, 10), 4).expect("five ahead of what is here");
    assert!(matches!(pool.add(transaction(0, 11), 4), Err(SubmitError::Rejected(_))));
    assert!(matches!(pool.add(transaction(0, 4), 4), Err(SubmitError::Duplicate)));
}

#[test]
fn a_replacement_must_pay_a_tenth_more_on_both_counts() {
    let mut pool = pool();
    pool.add(bidding(0, 1, 10, 100), 0).expect("the first bid");
    for (tip, price) in [(10, 111), (11, 109), (10, 100)] {
        let bid = pool.add(bidding(0, 1, tip, price + 1_000 * u128::from(tip == 12)), 0);
        let is_refused =
            matches!(bid, Err(SubmitError::ReplacementUnderpriced | SubmitError::Duplicate));
        assert!(is_refused, "tip {tip}, price {price}");
    }
    pool.add(bidding(0, 1, 11, 110), 0).expect("a tenth more");
    let replaced = pool.progress(bidding(0, 1, 10, 100).hash());
    assert!(matches!(replaced, Some(Progress::Rejected { .. })));
    pool.add(transaction(0, 0), 0).expect("the missing one");
    let tips: Vec<_> = pool.take(10).iter().map(|taken| bid(taken).0).collect();
    assert_eq!(tips, [0, 11]);
}

#[test]
fn a_full_pool_refuses_and_says_how_full_it_is() {
    for limits in [
        Limits { transactions_max: 2, account_part: 1, ..LIMITS },
        Limits { bytes_max: 3 * BYTES - 1, account_part: 1, ..LIMITS },
    ] {
        let mut pool = pool_of(limits);
        pool.add(transaction(0, 0), 0).expect("room");
        pool.add(transaction(1, 0), 0).expect("room");
        let full = pool.add(transaction(2, 0), 0);
        assert!(matches!(full, Err(SubmitError::Full { pending: 2 })), "{limits:?}: {full:?}");
        pool.included(&transaction(0, 0), NOW);
        pool.add(transaction(2, 0), 0).expect("room again");
    }
}

#[test]
fn once_half_is_in_use_an_account_may_only_hold_its_part() {
    let mut pool = pool_of(Limits { transactions_max: 12, account_part: 4, ..LIMITS });
    for nonce in 0..6 {
        pool.add(transaction(0, nonce), 0).expect("nobody else is there");
    }
    for nonce in 0..3 {
        pool.add(transaction(1, nonce), 0).expect("its part");
    }
    let beyond = pool.add(transaction(1, 3), 0);
    assert!(matches!(beyond, Err(SubmitError::AccountFull { pending: 3 })), "{beyond:?}");
    // What is under way counts as well.
    pool.take(100);
    let beyond = pool.add(transaction(0, 6), 0);
    assert!(matches!(beyond, Err(SubmitError::AccountFull { pending: 6 })), "{beyond:?}");
    pool.included(&transaction(0, 0), NOW);
    pool.included(&transaction(1, 0), NOW);
    pool.add(transaction(1, 3), 1).expect("its part again");
}

#[test]
fn a_full_pool_makes_room_for_what_can_run() {
    let limits = Limits { transactions_max: 4, bytes_max: 4 * BYTES, account_part: 4 };
    let gap = |pool: &mut Pool| {
        pool.add(transaction(0, 2), 0).expect("room");
        pool.add(transaction(0, 1), 0).expect("room");
        transaction(0, 2)
    };
    let cheap = |pool: &mut Pool| {
        pool.add(bidding(0, 0, 0, 5), 0).expect("room");
        pool.add(transaction(0, 1), 0).expect("room");
        transaction(0, 1)
    };
    let heavy = |pool: &mut Pool| {
        pool.add(transaction(0, 0), 0).expect("room");
        pool.add(transaction(0, 1), 0).expect("room");
        transaction(0, 1)
    };
    type Fill = fn(&mut Pool) -> Prepared;
    let cases: [(Fill, _); 3] =
        [(gap, "before it are missing"), (cheap, "offers less"), (heavy, "more than its part")];
    for (fill, why) in cases {
        let mut pool = pool_of(limits);
        let victim = fill(&mut pool);
        pool.add(transaction(1, 0), 0).expect("room");
        pool.add(transaction(2, 0), 0).expect("room");
        pool.set_price(10);
        // One that takes turns with the cheap shows the pool that it is too cheap.
        let behind_gap = pool.add(transaction(3, 1), 0);
        assert!(matches!(behind_gap, Err(SubmitError::Full { .. })), "{why}: {behind_gap:?}");
        pool.turns.next();
        pool.add(transaction(3, 0), 0).expect("it can run");
        assert!(pool.is_rejected(&victim, why), "{why}: {:?}", pool.progress(victim.hash()));
        assert_eq!((pool.pending(), pool.bytes()), (4, 4 * BYTES));
    }
}

#[test]
fn what_is_under_way_is_not_given_up_for_others() {
    let mut pool = pool_of(Limits { transactions_max: 2, account_part: 4, ..LIMITS });
    pool.add(transaction(0, 0), 0).expect("room");
    pool.add(transaction(1, 0), 0).expect("room");
    assert_eq!(pool.take(10).len(), 2);
    let full = pool.add(transaction(2, 0), 0);
    assert!(matches!(full, Err(SubmitError::Full { pending: 2 })), "{full:?}");
}

#[test]
fn what_offers_too_little_waits_for_a_lower_price() {
    let mut pool = pool();
    let cheap = bidding(0, 0, 0, 100);
    pool.add(cheap.clone(), 0).expect("the price of now");
    pool.add(transaction(0, 1), 0).expect("the one behind it");
    pool.add(bidding(1, 0, 0, 200), 0).expect("enough");
    pool.set_price(150);
    assert_eq!(pool.take(10).len(), 1);
    assert_eq!(pool.progress(cheap.hash()), Some(Progress::Received));
    pool.set_price(100);
    assert_eq!(nonces(&pool.take(10)), [0, 1]);
}

#[test]
fn what_offers_too_little_for_too_long_is_dropped_and_told_why() {
    let mut pool = pool();
    let cheap = bidding(0, 0, 0, 100);
    pool.add(cheap.clone(), 0).expect("the price of now");
    pool.expire(NOW + Duration::from_secs(600));
    assert_eq!(pool.progress(cheap.hash()), Some(Progress::Received), "it only waits its turn");
    pool.set_price(101);
    pool.expire(NOW + Duration::from_secs(60));
    assert_eq!(pool.progress(cheap.hash()), Some(Progress::Received));
    pool.expire(NOW + Duration::from_secs(61));
    assert!(pool.is_rejected(&cheap, "max price of L2 gas"));
}

#[test]
fn accounts_take_turns_whatever_one_of_them_piles_up() {
    let mut pool = pool();
    for nonce in 0..6 {
        pool.add(transaction(0, nonce), 0).expect("within reach");
    }
    for sender in 1..4 {
        pool.add(transaction(sender, 0), 0).expect("within reach");
    }
    let senders: Vec<_> = pool.take(10).iter().map(Prepared::sender).collect();
    let expected = [0, 1, 2, 3, 0, 0, 0, 0, 0].map(|sender| accounts(0, 4)[sender].address);
    assert_eq!(senders, expected);
}

#[test]
fn no_more_is_under_way_than_the_window_has_room_for() {
    let mut pool =
        pool_of(Limits { transactions_max: 1_000, bytes_max: 1_000 * BYTES, account_part: 1 });
    for nonce in 0..200 {
        pool.add(transaction(0, nonce), 0).expect("within reach");
    }
    let window = pool.window();
    let taken = pool.take(1_000);
    assert_eq!(taken.len(), window);
    let late = NOW + Duration::from_secs(1);
    for transaction in &taken {
        pool.ordered(transaction, NOW);
        pool.included(transaction, late);
    }
    assert!(pool.window() < window, "they stood in line for a second");
    assert_eq!(pool.take_ready(1_000, Pace::Steady, late).len(), pool.window());
    assert_eq!(pool.take_ready(1_000, Pace::AtOnce, late).len(), pool.pending() - pool.window());
}

#[test]
fn a_nonce_that_is_under_way_is_not_taken_again() {
    let mut pool = pool();
    for nonce in 0..3 {
        pool.add(transaction(0, nonce), 0).expect("within reach");
    }
    let taken = pool.take(10);
    pool.left_out(&taken[0], rejection(RejectionKind::InsufficientBalance), NOW);
    let again = pool.add(bidding(0, 1, 9, 900), 0);
    assert!(matches!(again, Err(SubmitError::Rejected(_))), "{again:?}");
    pool.add(bidding(0, 0, 9, 900), 0).expect("its nonce is free again");
    assert_eq!(nonces(&pool.take(10)), [0]);
}

#[test]
fn what_is_lost_on_its_way_is_given_up() {
    let mut pool = pool();
    let (lost, ordered) = (transaction(0, 0), transaction(1, 0));
    for transaction in [&lost, &ordered] {
        pool.add(transaction.clone(), 0).expect("the next one");
    }
    pool.take(10);
    pool.ordered(&ordered, NOW);
    pool.expire(NOW + Duration::from_secs(601));
    assert!(pool.is_rejected(&lost, "nothing came of it"));
    assert_eq!(pool.progress(ordered.hash()), Some(Progress::Candidate));
    pool.add(lost, 0).expect("it may come again");
    assert_eq!(nonces(&pool.take(10)), [0]);
}

#[test]
fn what_comes_behind_a_failed_transaction_comes_again() {
    let mut pool = pool();
    for nonce in 0..3 {
        pool.add(transaction(0, nonce), 0).expect("within reach");
    }
    let taken = pool.take(10);
    pool.included(&taken[0], NOW);
    pool.left_out(&taken[1], rejection(RejectionKind::InsufficientBalance), NOW);
    pool.left_out(&taken[2], rejection(RejectionKind::NonceAhead), NOW);

    assert!(matches!(pool.progress(taken[1].hash()), Some(Progress::Rejected { .. })));
    assert_eq!(pool.progress(taken[2].hash()), Some(Progress::Received));
    assert_eq!(pool.take(10).len(), 0, "nonce 1 is missing now");
    pool.add(bidding(0, 1, 1, 200), 1).expect("another one with nonce 1");
    assert_eq!(nonces(&pool.take(10)), [1, 2]);
}

#[test]
fn what_others_order_too_early_is_not_taken_over() {
    let mut pool = pool();
    pool.add(transaction(0, 0), 0).expect("the next one");
    let own = pool.take(10).remove(0);
    let foreign = transaction(1, 1);
    for early in [&own, &foreign] {
        pool.ordered(early, NOW);
        assert_eq!(pool.progress(early.hash()), Some(Progress::Candidate));
        pool.left_out(early, rejection(RejectionKind::NonceAhead), NOW);
    }
    assert_eq!(pool.progress(own.hash()), Some(Progress::Received));
    assert_eq!(pool.progress(foreign.hash()), None);
    pool.add(transaction(1, 0), 0).expect("the missing one");
    let taken = pool.take(10);
    assert!(taken.iter().all(|taken| taken.hash() != foreign.hash()), "it was not ours");
}

#[test]
fn a_transaction_that_waits_too_long_is_dropped_and_said_to_be() {
    let mut pool = pool();
    let waiting = transaction(0, 1);
    pool.add(waiting.clone(), 0).expect("within reach");
    pool.expire(NOW + Duration::from_secs(60));
    assert_eq!(pool.progress(waiting.hash()), Some(Progress::Received));
    pool.expire(NOW + Duration::from_secs(61));
    assert!(matches!(pool.progress(waiting.hash()), Some(Progress::Rejected { .. })));
    assert_eq!(pool.pending(), 0);
    pool.add(waiting, 0).expect("it may come again");
}

#[test]
fn the_one_who_waits_learns_the_outcome() {
    let mut pool = pool();
    let (kept, lost) = (transaction(0, 0), transaction(1, 0));
    let mut kept_outcome = pool.settled(kept.hash());
    let mut lost_outcome = pool.settled(lost.hash());
    pool.left_out(&lost, rejection(RejectionKind::ValidationFailure), NOW);
    assert!(matches!(lost_outcome.try_recv(), Ok(Err(_))));
    pool.included(&kept, NOW);
    assert!(kept_outcome.try_recv().is_err(), "executed is not durable");
    pool.accepted([kept.hash()].into_iter());
    assert_eq!(kept_outcome.try_recv(), Ok(Ok(())));
}

proptest! {
    /// Whatever the order of arrival: each account's transactions leave once each, in nonce order.
    #[test]
    fn every_transaction_leaves_once_in_nonce_order(
        arrivals in Just((0..4).flat_map(|sender| (0..5).map(move |nonce| (sender, nonce))).collect::<Vec<_>>()).prop_shuffle(),
        takes in proptest::collection::vec(1_usize..4, 20),
    ) {
        let mut pool = pool();
        let mut taken = Vec::new();
        for ((sender, nonce), count_max) in arrivals.into_iter().zip(takes) {
            pool.add(transaction(sender, nonce), 0).expect("within reach");
            taken.extend(pool.take(count_max));
        }
        taken.extend(pool.take(100));
        for sender in senders() {
            let own: Vec<_> =
                taken.iter().filter(|one| one.sender() == sender.address).cloned().collect();
            prop_assert_eq!(nonces(&own), [0, 1, 2, 3, 4]);
        }
        prop_assert_eq!(taken.len(), 20);
    }
}

#[test]
fn every_move_is_told_to_those_who_listen() {
    let mut pool = pool();
    pool.add(transaction(1, 0), 0).expect("nobody listens yet");
    let mut moves = pool.moves();
    let (good, bad) = (transaction(0, 0), transaction(0, 1));
    for transaction in [&good, &bad] {
        pool.add(transaction.clone(), 0).expect("within reach");
    }
    for transaction in pool.take(10) {
        pool.ordered(&transaction, NOW);
    }
    pool.included(&good, NOW);
    pool.left_out(&bad, rejection(RejectionKind::InsufficientBalance), NOW);

    let mut told = Vec::new();
    while let Ok(moved) = moves.try_recv() {
        told.push((moved.hash(), moved.progress()));
    }
    let of = |transaction: &Prepared| {
        let is_its = |(hash, _): &&(TransactionHash, Progress)| *hash == transaction.hash();
        told.iter().filter(is_its).map(|(_, progress)| progress.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&good), [Progress::Received, Progress::Candidate]);
    assert!(matches!(
        of(&bad)[..],
        [Progress::Received, Progress::Candidate, Progress::Rejected { .. }]
    ));
}
