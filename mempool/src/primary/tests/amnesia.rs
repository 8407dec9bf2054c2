//! After the loss of the disk.

use kraken_types::{
    Certificate, Round,
    testing::{batch, certify, child, header},
};

use super::{
    super::{Input, Message, Output, Record},
    one::{One, SIZE, proposed, records, rounds_of, sent, votes_for},
};

fn reached(round: u64) -> Message {
    let parents: Vec<_> = (1..4).map(|author| header(author, round - 1).digest()).collect();
    let parents = if round == 1 { &[] } else { parents.as_slice() };
    Message::Reached(Some(certify(child(1, round, parents), SIZE).into_inner()))
}

fn forgetful() -> One {
    let mut one = One::unborn(SIZE);
    let outputs = one.step(Input::Forgotten(Vec::new()));
    assert_eq!(outputs[0], Output::Persist(Record::Silent(Round(u64::MAX))));
    (1..4).for_each(|peer| assert!(sent(&outputs, peer).contains(&Message::Forgot)));
    one
}

#[test]
fn nothing_is_signed_up_to_a_round_that_we_cannot_have_reached() {
    let mut one = forgetful();
    let _ = one.seal(batch(0));
    assert!(proposed(&one.wait(1_000)).is_empty());
    assert!(votes_for(&one.ask(&header(1, 1)), 1).is_empty());
    let _ = one.hear(1, reached(2));
    let _ = one.hear(2, reached(4));
    let outputs = one.hear(3, Message::Reached(None));
    assert_eq!(records(&outputs), [Record::Silent(Round(7))]);

    let rounds = one.rounds(6);
    assert!(votes_for(&one.ask(&child(1, 7, &rounds[6])), 1).is_empty());
    assert!(proposed(&one.wait(60_000)).is_empty());
    let last = one.round(7, &[1, 2, 3], &rounds[6]);
    assert_eq!(rounds_of(&proposed(&one.wait(60_000))), [Round(8)]);
    assert_eq!(votes_for(&one.ask(&child(1, 8, &last)), 1).len(), 1);
}

#[test]
fn those_that_did_not_answer_are_asked_again() {
    let mut one = forgetful();
    let _ = one.hear(2, reached(1));
    let outputs = one.wait(100);
    let is_asked = |peer| sent(&outputs, peer).contains(&Message::Forgot);
    assert_eq!([1, 2, 3].map(is_asked), [true, false, true]);
}

#[test]
fn an_answer_needs_its_proof() {
    let mut one = forgetful();
    let _ = one.hear(2, reached(1));
    let _ = one.hear(2, reached(9));
    let _ = one.hear(3, reached(1));
    let Message::Reached(Some(far)) = reached(1_000) else { panic!("an answer") };
    let lie = super::altered(&far);
    assert!(records(&one.hear(1, Message::Reached(Some(lie)))).is_empty());
    let outputs = one.hear(1, reached(2));
    assert_eq!(records(&outputs), [Record::Silent(Round(5))], "the first answer of each counts");
    assert!(records(&one.hear(1, reached(9))).is_empty(), "nobody asks any more");
}

#[test]
fn a_crash_in_between_does_not_end_the_silence() {
    let log = vec![Record::Silent(Round(u64::MAX))];
    let mut one = One::unborn(SIZE);
    let outputs = one.step(Input::Recovered(log));
    assert!(sent(&outputs, 1).contains(&Message::Forgot));
    assert!(votes_for(&one.ask(&header(1, 1)), 1).is_empty());

    let log = vec![Record::Silent(Round(u64::MAX)), Record::Silent(Round(3))];
    let mut one = One::recovered(log);
    let _ = one.seal(batch(0));
    assert!(votes_for(&one.ask(&header(1, 1)), 1).is_empty());
    assert!(proposed(&one.wait(60_000)).is_empty());
}

#[test]
fn who_remembers_answers_with_its_highest_certificate() {
    let mut one = One::new();
    assert_eq!(sent(&one.hear(2, Message::Forgot), 2), [Message::Reached(None)]);
    let rounds = one.rounds(3);
    let answer = sent(&one.hear(2, Message::Forgot), 2);
    let [Message::Reached(Some(highest))] = answer.as_slice() else { panic!("{answer:?}") };
    assert!(rounds[3].contains(&Certificate::digest(highest)));
}

#[test]
fn who_does_not_remember_answers_nothing() {
    let mut one = forgetful();
    assert!(sent(&one.hear(2, Message::Forgot), 2).is_empty());
    (1..4).for_each(|peer| assert!(one.hear(peer, Message::Reached(None)).len() < 4));
    assert!(sent(&one.hear(2, Message::Forgot), 2).is_empty(), "nor while it is silent");
}

#[test]
fn the_others_make_the_rounds_that_must_pass_and_are_asked_for_them_again() {
    let mut one = One::new();
    let mut parents = one.rounds(4)[4].clone();
    let _ = one.hear(2, Message::Forgot);
    for round in 5..8 {
        let own = proposed(&one.wait(500));
        assert_eq!(rounds_of(&own), [Round(round)]);
        parents = one.round(round, &[1, 2, 3], &parents);
    }
    assert!(proposed(&one.wait(60_000)).is_empty());

    let mut one = forgetful();
    (1..4).for_each(|peer| drop(one.hear(peer, Message::Reached(None))));
    let asks = |one: &mut One| sent(&one.wait(60_000), 1).contains(&Message::Forgot);
    assert!(asks(&mut one));
    let _ = one.rounds(3);
    assert!(!asks(&mut one), "they are made");
}

#[test]
fn in_a_committee_of_two_the_other_one_must_answer() {
    let mut one = One::unborn(2);
    let _ = one.step(Input::Forgotten(Vec::new()));
    let outputs = one.hear(1, Message::Reached(None));
    assert_eq!(records(&outputs), [Record::Silent(Round(3))]);
}
