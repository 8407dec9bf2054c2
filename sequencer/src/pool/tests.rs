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

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_000);

fn chain() -> &'static Chain {
    static CHAIN: OnceLock<Chain> = OnceLock::new();
    CHAIN.get_or_init(|| {
        let key = Signer::from_seed([1; 32]).public_key();
        Chain::new(&dev_genesis("SN_SEPOLIA", 0, 3, 0, &key)).expect("valid")
    })
}

fn senders() -> Vec<PredeployedAccount> {
    accounts(0, 3)
}

fn transaction(sender: usize, nonce: u64) -> Prepared {
    bidding(sender, nonce, 0, 100)
}

fn bidding(sender: usize, nonce: u64, tip: u64, price: u128) -> Prepared {
    let from = &senders()[sender];
    let mut transfer = testing::transfer(chain(), from, nonce, from.address, 1);
    if let RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) = &mut transfer {
        invoke.tip = Tip(tip);
        invoke.resource_bounds.l2_gas.max_price_per_unit = GasPrice(price);
    }
    Prepared::new(transfer, chain()).expect("well formed")
}

fn pool() -> Pool {
    Pool::new(Config {
        transactions_max: 100,
        time_to_live: Duration::from_secs(60),
        nonce_ahead_max: 5,
    })
}

fn nonces(taken: &[Prepared]) -> Vec<u64> {
    taken.iter().map(nonce_number).collect()
}

fn rejection(kind: RejectionKind) -> Rejection {
    Rejection { kind, reason: "for a test".to_owned() }
}

#[test]
fn what_others_execute_does_not_wait_here() {
    let mut pool = pool();
    let (same, other) = (transaction(0, 0), bidding(1, 0, 5, 100));
    pool.insert(same.clone(), 0, NOW).expect("admitted");
    pool.insert(transaction(1, 0), 0, NOW).expect("admitted");
    pool.included(&same);
    pool.included(&other);
    assert_eq!((pool.pending(), pool.take_ready(10).len()), (0, 0));
    assert_eq!(pool.progress(same.hash()), None, "it is in a block");
    let loser = pool.progress(transaction(1, 0).hash());
    assert!(matches!(loser, Some(Progress::Rejected { .. })), "{loser:?}");
}

#[test]
fn a_transaction_waits_for_the_nonces_before_it() {
    let mut pool = pool();
    for (nonce, can_run) in [(2, false), (0, true), (3, false)] {
        let inserted = pool.insert(transaction(0, nonce), 0, NOW);
        assert_eq!(inserted.expect("within reach"), can_run, "nonce {nonce}");
    }
    assert_eq!(nonces(&pool.take_ready(10)), [0]);
    assert_eq!(pool.take_ready(10).len(), 0);
    pool.insert(transaction(0, 1), 0, NOW).expect("the missing one");
    assert_eq!(nonces(&pool.take_ready(10)), [1, 2, 3]);
}

#[test]
fn used_far_and_known_nonces_are_told_apart() {
    let mut pool = pool();
    let low = pool.insert(transaction(0, 3), 4, NOW);
    assert!(matches!(
        low,
        Err(SubmitError::Rejected(Rejection { kind: RejectionKind::InvalidNonce, .. }))
    ));
    pool.insert(transaction(0, 4), 4, NOW).expect("the next one");
    // One is here, so five more than the fifth are in reach.
    pool.insert(transaction(0, 10), 4, NOW).expect("five ahead of what is here");
    assert!(matches!(pool.insert(transaction(0, 11), 4, NOW), Err(SubmitError::Rejected(_))));
    assert!(matches!(pool.insert(transaction(0, 4), 4, NOW), Err(SubmitError::Duplicate)));
}

#[test]
fn a_replacement_must_pay_a_tenth_more_on_both_counts() {
    let mut pool = pool();
    pool.insert(bidding(0, 1, 10, 100), 0, NOW).expect("the first bid");
    for (tip, price) in [(10, 111), (11, 109), (10, 100)] {
        let bid = pool.insert(bidding(0, 1, tip, price + 1_000 * u128::from(tip == 12)), 0, NOW);
        let is_refused =
            matches!(bid, Err(SubmitError::ReplacementUnderpriced | SubmitError::Duplicate));
        assert!(is_refused, "tip {tip}, price {price}");
    }
    pool.insert(bidding(0, 1, 11, 110), 0, NOW).expect("a tenth more");
    let replaced = pool.progress(bidding(0, 1, 10, 100).hash());
    assert!(matches!(replaced, Some(Progress::Rejected { .. })));
    pool.insert(transaction(0, 0), 0, NOW).expect("the missing one");
    let tips: Vec<_> = pool.take_ready(10).iter().map(|taken| taken.rpc().tip().0).collect();
    assert_eq!(tips, [0, 11]);
}

#[test]
fn a_full_pool_refuses_and_says_how_full_it_is() {
    let mut pool = pool();
    pool.config.transactions_max = 2;
    pool.insert(transaction(0, 0), 0, NOW).expect("room");
    pool.insert(transaction(1, 0), 0, NOW).expect("room");
    let full = pool.insert(transaction(2, 0), 0, NOW);
    assert!(matches!(full, Err(SubmitError::Full { pending: 2 })));
}

#[test]
fn what_comes_behind_a_failed_transaction_comes_again() {
    let mut pool = pool();
    for nonce in 0..3 {
        pool.insert(transaction(0, nonce), 0, NOW).expect("within reach");
    }
    let taken = pool.take_ready(10);
    pool.included(&taken[0]);
    pool.left_out(&taken[1], rejection(RejectionKind::InsufficientBalance), NOW);
    pool.left_out(&taken[2], rejection(RejectionKind::NonceAhead), NOW);

    assert!(matches!(pool.progress(taken[1].hash()), Some(Progress::Rejected { .. })));
    assert_eq!(pool.progress(taken[2].hash()), Some(Progress::Received));
    assert_eq!(pool.take_ready(10).len(), 0, "nonce 1 is missing now");
    pool.insert(bidding(0, 1, 1, 200), 1, NOW).expect("another one with nonce 1");
    assert_eq!(nonces(&pool.take_ready(10)), [1, 2]);
}

#[test]
fn what_others_order_too_early_is_not_taken_over() {
    let mut pool = pool();
    pool.insert(transaction(0, 0), 0, NOW).expect("the next one");
    let own = pool.take_ready(10).remove(0);
    let foreign = transaction(1, 1);
    for early in [&own, &foreign] {
        pool.ordered(early.hash());
        assert_eq!(pool.progress(early.hash()), Some(Progress::Candidate));
        pool.left_out(early, rejection(RejectionKind::NonceAhead), NOW);
    }
    assert_eq!(pool.progress(own.hash()), Some(Progress::Received));
    assert_eq!(pool.progress(foreign.hash()), None);
    pool.insert(transaction(1, 0), 0, NOW).expect("the missing one");
    let taken = pool.take_ready(10);
    assert!(taken.iter().all(|taken| taken.hash() != foreign.hash()), "it was not ours");
}

#[test]
fn a_transaction_that_waits_too_long_is_dropped_and_said_to_be() {
    let mut pool = pool();
    let waiting = transaction(0, 1);
    pool.insert(waiting.clone(), 0, NOW).expect("within reach");
    pool.expire(NOW + Duration::from_secs(60));
    assert_eq!(pool.progress(waiting.hash()), Some(Progress::Received));
    pool.expire(NOW + Duration::from_secs(61));
    assert!(matches!(pool.progress(waiting.hash()), Some(Progress::Rejected { .. })));
    assert_eq!(pool.pending(), 0);
    pool.insert(waiting, 0, NOW).expect("it may come again");
}

#[test]
fn the_one_who_waits_learns_the_outcome() {
    let mut pool = pool();
    let (kept, lost) = (transaction(0, 0), transaction(1, 0));
    let mut kept_outcome = pool.settled(kept.hash());
    let mut lost_outcome = pool.settled(lost.hash());
    pool.left_out(&lost, rejection(RejectionKind::ValidationFailure), NOW);
    assert!(matches!(lost_outcome.try_recv(), Ok(Err(_))));
    pool.included(&kept);
    assert!(kept_outcome.try_recv().is_err(), "executed is not durable");
    pool.accepted([kept.hash()].into_iter());
    assert_eq!(kept_outcome.try_recv(), Ok(Ok(())));
}

proptest! {
    /// Whatever the order of arrival: each account's transactions leave once each, in nonce order.
    #[test]
    fn every_transaction_leaves_once_in_nonce_order(
        arrivals in Just((0..3).flat_map(|sender| (0..5).map(move |nonce| (sender, nonce))).collect::<Vec<_>>()).prop_shuffle(),
        takes in proptest::collection::vec(1_usize..4, 15),
    ) {
        let mut pool = pool();
        let mut taken = Vec::new();
        for ((sender, nonce), count_max) in arrivals.into_iter().zip(takes) {
            pool.insert(transaction(sender, nonce), 0, NOW).expect("within reach");
            taken.extend(pool.take_ready(count_max));
        }
        taken.extend(pool.take_ready(100));
        for sender in senders() {
            let own: Vec<_> =
                taken.iter().filter(|one| one.sender() == sender.address).cloned().collect();
            prop_assert_eq!(nonces(&own), [0, 1, 2, 3, 4]);
        }
        prop_assert_eq!(taken.len(), 15);
    }
}
