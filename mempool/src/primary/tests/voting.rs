//! Rule P3.

use kraken_types::{
    BatchRef, Equivocation, Header, Round, Signers, Timestamp, ValidatorId,
    testing::{batch, batches, certify, child, header, identity},
};

use super::{
    super::{Input, Message, Output, Record},
    one::{One, SIZE, records, sent, signed, vote, votes_for},
};

#[test]
fn a_vote_is_durable_before_it_is_sent_and_the_same_for_ever() {
    let mut one = One::new();
    let asked = header(1, 1);
    let outputs = one.ask(&asked);
    let author = ValidatorId(1);
    let record = Record::Voted { author, round: Round(1), header: asked.digest() };
    let Message::Vote(expected) = vote(&asked, 0) else { panic!("a vote") };
    let message = Message::Vote(expected);
    let send = Output::Send { to: author, message };
    assert_eq!(outputs[..2], [Output::Persist(record.clone()), send]);

    let checks = one.checks();
    let again = one.ask(&asked);
    assert_eq!((records(&again), votes_for(&again, 1)), (vec![], vec![asked.digest()]));
    let other = Header { created_at: Timestamp::from_millis(9), ..asked.clone() };
    let accused = [Output::Equivocated { whom: author, what: Equivocation::Header }];
    assert_eq!(one.ask(&other), accused, "one header for each author and round");
    assert_eq!(one.checks(), checks, "neither costs a check");

    let mut one = One::recovered(vec![record]);
    assert!(votes_for(&one.ask(&other), 1).is_empty(), "not even after a restart");
    assert_eq!(votes_for(&one.ask(&asked), 1), [asked.digest()]);
}

#[test]
fn a_header_waits_for_its_parents() {
    let mut one = One::new();
    let parents: Vec<_> = (1..4).map(|author| certify(header(author, 1), SIZE)).collect();
    let digests: Vec<_> = parents.iter().map(|parent| parent.digest()).collect();
    let asked = child(1, 2, &digests);
    let _ = one.learn(1, &parents[0]);
    let outputs = one.ask(&asked);
    let mut missing = digests[1..].to_vec();
    missing.sort();
    assert_eq!(sent(&outputs, 1), [Message::Want(missing)]);
    assert!(votes_for(&one.learn(2, &parents[1]), 1).is_empty());
    assert_eq!(votes_for(&one.learn(3, &parents[2]), 1), [asked.digest()]);
}

#[test]
fn a_header_waits_for_its_payload() {
    let mut one = One::new();
    let author = ValidatorId(2);
    let store = |one: &mut One, batch| one.step(Input::Stored { author, batch });
    let _ = store(&mut one, batch(0));
    let asked = Header { batches: batches(2), ..header(2, 1) };
    let outputs = one.ask(&asked);
    let fetch = Output::Fetch { author, batch: batch(1), holders: Signers::default() };
    assert_eq!(outputs, [fetch]);
    assert_eq!(votes_for(&store(&mut one, batch(1)), 2), [asked.digest()]);
}

#[test]
fn a_batch_must_be_the_very_one() {
    let mut one = One::new();
    let author = ValidatorId(2);
    let _ = one.step(Input::Stored { author, batch: batch(0) });
    let other = BatchRef { sequence: 9, ..batch(0) };
    assert!(one.ask(&Header { batches: vec![other], ..header(2, 1) }).is_empty());

    let mut one = One::new();
    let asked = Header { batches: vec![other], ..header(2, 1) };
    assert_eq!(one.ask(&asked).len(), 1, "a fetch");
    let outputs = one.step(Input::Stored { author, batch: batch(0) });
    assert!(votes_for(&outputs, 2).is_empty());
}

#[test]
fn a_header_that_breaks_a_rule_gets_no_vote() {
    let mut one = One::new();
    let rounds = one.rounds(2);
    let low = &rounds[1];
    let good = child(1, 2, low);
    let mut reversed = low.clone();
    reversed.reverse();
    let late =
        Header { created_at: one.now + std::time::Duration::from_millis(501), ..header(3, 1) };
    let bad = [
        ("of the future", late),
        ("earlier than its parents", Header { created_at: Timestamp::ZERO, ..good.clone() }),
        ("without a quorum of parents", child(1, 2, &low[..2])),
        ("with parents in another order", child(1, 2, &reversed)),
        ("with parents of another round", child(1, 3, low)),
        ("with a parent of another round", child(1, 3, &[&low[..1], &rounds[2][1..]].concat())),
    ];
    for (why, asked) in bad {
        let outputs = one.ask(&asked);
        assert!(votes_for(&outputs, asked.author.0).is_empty(), "{why}");
    }
    let forged = good.clone().sign(&identity(SIZE, 2)).into_inner();
    assert!(one.hear(1, Message::Header(forged)).is_empty(), "forged");
    let outputs = one.hear(2, Message::Header(signed(&good)));
    assert!(outputs.is_empty(), "sent by another");
    assert_eq!(votes_for(&one.ask(&good), 1), [good.digest()]);
}

#[test]
fn a_header_far_ahead_makes_us_ask_its_author() {
    let mut one = One::new();
    let _ = one.wait(1_000);
    let parents = one.rounds(1)[1].clone();
    let near = child(2, 51, &parents);
    assert!(!sent(&one.ask(&near), 2).iter().any(|message| matches!(message, Message::Behind(_))));
    let _ = one.wait(1_000);
    let checks = one.checks();
    for round in [52, u64::MAX] {
        let _ = (one.wait(1_000), one.wait(50));
        let far = child(2, round, &parents);
        let behind = Message::Behind([0, 1, 1, 1].map(Round).to_vec());
        assert!(sent(&one.ask(&far), 2).contains(&behind), "{round}");
    }
    assert_eq!(one.checks(), checks);
}

#[test]
fn of_each_author_the_newest_header_waits() {
    let mut one = One::new();
    let parents: Vec<_> = (1..4).map(|author| certify(header(author, 1), SIZE)).collect();
    let digests: Vec<_> = parents.iter().map(|parent| parent.digest()).collect();
    let asked = child(1, 2, &digests);
    let _ = one.ask(&asked);
    let checks = one.checks();
    assert_eq!(one.ask(&asked), []);
    let second = Header { created_at: Timestamp::from_millis(3), ..asked.clone() };
    let accused = Output::Equivocated { whom: ValidatorId(1), what: Equivocation::Header };
    assert_eq!(one.ask(&second), [accused]);
    assert_eq!(one.ask(&header(1, 1)), []);
    assert_eq!(one.checks(), checks, "the first of a round stays, and older ones do not matter");
    let newer = child(1, 3, &[asked.digest()]);
    let _ = one.ask(&newer);
    assert_eq!(one.primary.voter.len(), 1);
    for parent in &parents {
        assert!(votes_for(&one.learn(3, parent), 1).is_empty(), "its author gave it up");
    }
}

#[test]
fn no_header_needs_a_vote_once_its_author_has_a_certificate_of_the_round() {
    let mut one = One::new();
    let asked = Header { batches: batches(1), ..header(2, 1) };
    let _ = one.ask(&asked);
    let _ = one.learn(2, &certify(asked, SIZE));
    assert_eq!(one.primary.voter.len(), 0);
}
