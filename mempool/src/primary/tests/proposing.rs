//! Rules P1 and P2.

use bytes::Bytes;
use kraken_types::{
    Awaited, Round, Timestamp, ValidatorId, codec,
    testing::{batch, batches, certify, child, header},
};

use super::{
    super::{Input, Message, Output},
    one::{One, SIZE, proposed, rounds_of},
};

/// A primary whose header of round 1 is certified, as are those of 1 and 2.
fn in_round_one() -> One {
    let mut one = One::new();
    let _ = one.wait(50);
    let own = proposed(&one.seal(batch(0)));
    let _ = one.votes(&own[0]);
    let _ = one.round(1, &[1, 2], &[]);
    one
}

#[test]
fn nobody_makes_a_header_without_a_reason() {
    let mut one = One::new();
    assert!(proposed(&one.wait(60_000)).is_empty());
    let _ = one.rounds(3);
    assert!(proposed(&one.wait(60_000)).is_empty(), "the others need nobody");
    assert_eq!(rounds_of(&proposed(&one.seal(batch(0)))), [Round(4)]);
}

#[test]
fn a_little_payload_waits_and_enough_does_not() {
    let mut one = in_round_one();
    assert!(proposed(&one.seal(batch(1))).is_empty());
    let own = proposed(&one.wait(50));
    assert_eq!((own[0].round, &own[0].batches), (Round(2), &vec![batch(1)]));

    let mut one = in_round_one();
    assert!(proposed(&one.seal(batch(1))).is_empty());
    assert!(proposed(&one.seal(batch(2))).is_empty());
    assert_eq!(proposed(&one.seal(batch(3)))[0].batches, batches(4)[1..]);
}

#[test]
fn all_certificates_of_the_round_before_are_parents_in_the_order_of_their_authors() {
    let mut one = One::new();
    let late = certify(child(1, 1, &[]), SIZE);
    let _ = one.round(1, &[3, 2], &[]);
    let _ = one.learn(3, &late);
    let own = proposed(&one.wait(50));
    assert!(own.is_empty(), "no reason");
    let own = proposed(&one.seal(batch(0)));
    let expected: Vec<_> = (1..4).map(|author| header(author, 1).digest()).collect();
    assert_eq!(own[0].parents, expected);
}

#[test]
fn a_header_is_not_earlier_than_its_parents_nor_than_its_predecessor() {
    let mut one = One::new();
    let mut future = header(1, 1);
    future.created_at = Timestamp::from_millis(10_400);
    let _ = one.learn(1, &certify(future, SIZE));
    let _ = one.round(1, &[2, 3], &[]);
    let own = proposed(&one.seal(batch(0)));
    assert!(own.is_empty());
    let own = proposed(&one.wait(50));
    assert_eq!(own[0].created_at, Timestamp::from_millis(10_400));
}

#[test]
fn unordered_payload_of_others_is_a_reason() {
    let mut one = One::new();
    let mut first = header(1, 1);
    first.batches = batches(1);
    let _ = one.learn(1, &certify(first, SIZE));
    let _ = one.round(1, &[2, 3], &[]);
    assert_eq!(rounds_of(&proposed(&one.wait(50))), [Round(2)]);
}

#[test]
fn who_went_ahead_is_joined() {
    let mut one = One::new();
    let rounds = one.rounds(3);
    let _ = one.round(4, &[2], &rounds[3]);
    assert_eq!(rounds_of(&proposed(&one.wait(50))), [Round(4)]);
    assert!(proposed(&one.wait(60_000)).is_empty(), "once");
}

#[test]
fn our_own_certificate_is_awaited_until_the_deadline_of_the_round() {
    let mut one = One::new();
    let _ = one.wait(50);
    let own = proposed(&one.seal(batch(0)));
    let _ = one.round(1, &[1, 2, 3], &[]);
    batches(4).into_iter().skip(1).for_each(|batch| {
        assert!(proposed(&one.seal(batch)).is_empty());
    });
    assert!(proposed(&one.wait(399)).is_empty());
    let next = proposed(&one.wait(1));
    assert_eq!((next[0].round, &next[0].batches), (Round(2), &batches(4)), "nothing is lost");

    let mut one = One::new();
    let _ = one.wait(50);
    assert_eq!(proposed(&one.seal(batch(0)))[0], own[0]);
    let _ = one.round(1, &[1, 2, 3], &[]);
    let _ = one.wait(60);
    let certified = one.votes(&own[0]);
    let next = proposed(&certified);
    assert_eq!(next[0].parents[0], own[0].digest(), "with it there is nothing to wait for");
}

#[test]
fn a_header_that_others_left_behind_is_given_up_at_once() {
    let mut one = One::new();
    let _ = one.wait(50);
    let own = proposed(&one.seal(batch(0)));
    let _ = one.rounds(2);
    let outputs = one.votes(&own[0]);
    assert_eq!(outputs, []);
    let next = proposed(&one.wait(50));
    assert_eq!((next[0].round, &next[0].batches), (Round(3), &vec![batch(0)]));
}

#[test]
fn a_wish_makes_headers_until_an_anchor_above_the_first_is_ordered() {
    let mut one = One::new();
    let outputs = one.step(Input::Propose { close_block: true });
    assert!(proposed(&outputs).is_empty());
    let own = proposed(&one.wait(50));
    assert_eq!(rounds_of(&own), [Round(1)]);
    assert!(!own[0].close_block, "only who is alone closes blocks");
    let _ = one.votes(&own[0]);
    let first = one.round(1, &[1, 2], &[]);
    let own = proposed(&one.wait(50));
    assert_eq!(rounds_of(&own), [Round(2)]);
    let _ = one.votes(&own[0]);
    let anchor = one.round(2, &[1, 2], &own[0].parents)[0];
    let _ = one.step(Input::Committed(super::commit(first[0], 1)));
    let _ = one.step(Input::Committed(super::commit(anchor, 2)));
    assert!(proposed(&one.wait(60_000)).is_empty());
}

#[test]
fn a_round_is_not_left_before_the_awaited_certificate_or_the_deadline() {
    let hold = |one: &mut One, until| {
        let outputs = one.step(Input::Hold { round: Round(1), until });
        assert!(proposed(&outputs).is_empty());
    };
    let mut one = in_round_one();
    hold(&mut one, Awaited::Certificate(ValidatorId(3)));
    assert!(proposed(&one.wait(399)).is_empty());
    assert_eq!(rounds_of(&proposed(&one.wait(1))), [Round(2)], "the deadline");

    let mut one = in_round_one();
    hold(&mut one, Awaited::Certificate(ValidatorId(3)));
    assert!(proposed(&one.wait(60)).is_empty());
    let certificate = certify(header(3, 1), SIZE);
    assert_eq!(rounds_of(&proposed(&one.learn(3, &certificate))), [Round(2)], "it came");

    let mut one = in_round_one();
    hold(&mut one, Awaited::Certificate(ValidatorId(3)));
    let _ = one.wait(60);
    let lifted = one.step(Input::Hold { round: Round(1), until: Awaited::Nothing });
    assert_eq!(rounds_of(&proposed(&lifted)), [Round(2)], "it is not awaited any more");
}

#[test]
fn a_verdict_is_enough_for_or_enough_against() {
    for (citing, expected) in [(2, true), (1, false), (0, true)] {
        let mut one = One::new();
        let mut first = header(1, 1);
        first.batches = batches(1);
        let leader = certify(first, SIZE);
        let _ = one.learn(1, &leader);
        let others = one.round(1, &[0, 2, 3], &[]);
        let _ = one.step(Input::Hold { round: Round(2), until: Awaited::Verdict(leader.digest()) });
        for author in 1..4 {
            let mut parents = others.clone();
            if author <= citing {
                parents.push(leader.digest());
            }
            let _ = one.learn(author, &certify(child(author, 2, &parents), SIZE));
        }
        assert_eq!(!proposed(&one.wait(60)).is_empty(), expected, "{citing} cite it");
        assert_eq!(proposed(&one.wait(400)).is_empty(), expected, "{citing} cite it");
    }
}

#[test]
fn what_is_attached_goes_into_one_header() {
    let mut one = One::new();
    let _ = one.step(Input::Attach(Bytes::from_static(b"old")));
    let _ = one.step(Input::Attach(Bytes::from_static(b"new")));
    let _ = one.wait(50);
    let own = proposed(&one.seal(batch(0)));
    assert_eq!(own[0].attachment, b"new".as_slice());
    let _ = one.votes(&own[0]);
    let _ = one.round(1, &[1, 2], &[]);
    let own = proposed(&one.wait(50));
    assert!(own[0].attachment.is_empty(), "its payload is the reason");
}

#[test]
fn no_header_names_more_batches_than_it_may() {
    let mut one = One::new();
    let mut own = Vec::new();
    batches(1_100).into_iter().for_each(|batch| own.extend(proposed(&one.seal(batch))));
    for round in 1..3 {
        let newest = own[own.len() - 1].clone();
        let _ = one.votes(&newest);
        for author in 1..3 {
            let certificate = certify(child(author, round, &newest.parents), SIZE);
            own.extend(proposed(&one.learn(author, &certificate)));
        }
    }
    own.extend(proposed(&one.wait(50)));
    let counts = own.iter().map(|header| header.batches.len());
    assert_eq!(counts.collect::<Vec<_>>(), [3, codec::HEADER_BATCHES_MAX, 73]);
}

#[test]
fn rounds_become_slow_while_the_order_lags_behind() {
    let mut one = One::new();
    let rounds = one.rounds(22);
    let _ = one.round(23, &[1], &rounds[22]);
    assert!(proposed(&one.wait(799)).is_empty());
    assert_eq!(rounds_of(&proposed(&one.wait(1))), [Round(23)]);
}

#[test]
fn headers_are_broadcast_behind_their_record() {
    let mut one = One::new();
    let _ = one.wait(50);
    let outputs = one.seal(batch(0));
    let [Output::Persist(_), Output::Broadcast(Message::Header(signed)), Output::WakeAt(_)] =
        outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(signed.header(), &proposed(&outputs)[0]);
}
