//! Rules P5 and P6.

use kraken_types::{
    Certificate, Header, HeaderDigest, Verified,
    testing::{batch, batches, certify, child, header},
};

use super::{
    super::{Input, Message, Output, Record},
    one::{One, SIZE, certified, records, sent},
};

/// Three rounds of three, each citing all before.
fn three_rounds() -> Vec<Vec<Verified<Certificate>>> {
    let mut rounds: Vec<Vec<Verified<Certificate>>> = Vec::new();
    for round in 1..4 {
        let parents = rounds.last().into_iter().flatten().map(|parent| parent.digest());
        let parents: Vec<HeaderDigest> = parents.collect();
        rounds.push((1..4).map(|author| certify(child(author, round, &parents), SIZE)).collect());
    }
    rounds
}

#[test]
fn a_certificate_waits_for_all_its_ancestors() {
    let rounds = three_rounds();
    let mut one = One::new();
    let mut outputs = Vec::new();
    for certificate in rounds.iter().flatten().rev() {
        outputs.extend(one.learn(2, certificate));
    }
    let order = certified(&outputs);
    let place = |certificate: &Verified<Certificate>| {
        order.iter().position(|digest| *digest == certificate.digest()).expect("delivered")
    };
    assert_eq!(order.len(), 9);
    for (low, high) in rounds.iter().zip(&rounds[1..]) {
        assert!(low.iter().map(place).max() < high.iter().map(place).min());
    }
    let accepted = records(&outputs).into_iter().map(|record| {
        let Record::Accepted(certificate) = record else { panic!("{record:?}") };
        certificate.digest()
    });
    assert_eq!(accepted.collect::<Vec<_>>(), order, "durable in the same order");
}

#[test]
fn missing_parents_are_asked_of_the_sender_and_what_waits_is_not() {
    let rounds = three_rounds();
    let mut one = One::new();
    let _ = one.wait(1_000);
    let mut parents: Vec<_> = rounds[1].iter().map(|parent| parent.digest()).collect();
    parents.sort();
    let outputs = one.learn(3, &rounds[2][0]);
    assert!(sent(&outputs, 3).contains(&Message::Want(parents)));
    let outputs = one.learn(3, &rounds[2][1]);
    assert!(!sent(&outputs, 3).iter().any(|message| matches!(message, Message::Want(_))));
}

#[test]
fn a_certificate_is_checked_once_and_a_forged_one_is_nothing() {
    let rounds = three_rounds();
    let mut one = One::new();
    let certificate = &rounds[0][0];
    let _ = one.learn(1, certificate);
    let _ = one.learn(1, &rounds[1][0]);
    let checks = one.checks();
    for known in [certificate, &rounds[1][0]] {
        assert!(certified(&one.learn(2, known)).is_empty());
    }
    assert_eq!(one.checks(), checks, "accepted or waiting, it is known");

    let stranger = certify(header(2, 1), 5);
    let forged = super::altered(&rounds[0][1]);
    assert!(certified(&one.hear(2, Message::Certificate(forged))).is_empty());
    assert!(certified(&one.learn(2, &stranger)).is_empty(), "one of its signers is nobody");
}

#[test]
fn what_the_protocol_found_is_accepted_too() {
    let rounds = three_rounds();
    let mut one = One::new();
    let outputs = one.step(Input::Certificate(rounds[0][2].clone()));
    assert_eq!(certified(&outputs), [rounds[0][2].digest()]);
}

#[test]
fn a_certificate_whose_parents_cannot_be_is_never_accepted() {
    let rounds = three_rounds();
    let mut one = One::new();
    for certificate in rounds.iter().flatten() {
        let _ = one.learn(1, certificate);
    }
    let digests = |round: usize| rounds[round].iter().map(|low| low.digest()).collect::<Vec<_>>();
    let few = child(0, 3, &digests(1)[..2]);
    let low = child(0, 3, &digests(0));
    for header in [few, low] {
        assert!(certified(&one.learn(1, &certify(header, SIZE))).is_empty());
    }
    assert_eq!(one.primary.waiting.len(), 0);
}

#[test]
fn payload_that_we_lack_is_fetched_and_not_waited_for() {
    let mut one = One::new();
    let author = kraken_types::ValidatorId(2);
    let _ = one.step(Input::Stored { author, batch: batch(0) });
    let certificate = certify(Header { batches: batches(2), ..header(2, 1) }, SIZE);
    let outputs = one.learn(1, &certificate);
    let holders = certificate.signers().clone();
    assert!(outputs.contains(&Output::Fetch { author, batch: batch(1), holders }));
    assert_eq!(outputs.iter().filter(|output| matches!(output, Output::Fetch { .. })).count(), 1);
    assert_eq!(certified(&outputs), [certificate.digest()]);
}
