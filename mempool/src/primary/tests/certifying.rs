//! Rules P4 and P7.

use kraken_types::{
    Certificate, Header, ValidatorId,
    testing::{batch, header},
};

use super::{
    super::{Message, Output, Record},
    one::{One, certified, proposed, sent, signed, vote},
};

fn asking() -> (One, Header) {
    let mut one = One::new();
    let _ = one.wait(50);
    let own = proposed(&one.seal(batch(0)));
    (one, own[0].clone())
}

#[test]
fn a_quorum_of_votes_makes_a_certificate_that_is_durable_before_it_is_sent() {
    let (mut one, own) = asking();
    assert!(one.hear(1, vote(&own, 1)).is_empty());
    let outputs = one.hear(3, vote(&own, 3));
    let [
        Output::Persist(Record::Accepted(durable)),
        Output::Broadcast(Message::Certificate(sent)),
        Output::Certified(certificate),
        ..,
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(certificate.header(), &own);
    assert_eq!(certificate.signers().iter().collect::<Vec<_>>(), [0, 1, 3].map(ValidatorId));
    assert_eq!([durable, sent], [&Certificate::clone(certificate); 2]);
    assert!(certified(&one.hear(2, vote(&own, 2))).is_empty(), "once");
}

#[test]
fn votes_that_prove_nothing_do_not_count() {
    let (mut one, own) = asking();
    let _ = one.hear(1, vote(&own, 1));
    let checks = one.checks();
    let strays = [
        (1, vote(&own, 1)),
        (2, vote(&own, 3)),
        (2, vote(&header(0, 1), 2)),
        (0, vote(&own, 0)),
        (4, vote(&own, 4)),
    ];
    for (from, stray) in strays {
        assert!(one.hear(from, stray).is_empty());
    }
    assert_eq!(one.checks(), checks, "none costs a check");
    let (Message::Vote(mut forged), Message::Vote(other)) = (vote(&own, 2), vote(&own, 3)) else {
        panic!("votes");
    };
    forged.signature = other.signature;
    assert!(one.hear(2, Message::Vote(forged)).is_empty());
    assert_eq!(certified(&one.hear(2, vote(&own, 2))), [own.digest()]);
}

#[test]
fn a_header_is_sent_again_to_those_that_did_not_vote() {
    let (mut one, own) = asking();
    let _ = one.hear(2, vote(&own, 2));
    let message = Message::Header(signed(&own));
    let mut waits = Vec::new();
    let mut waited = 0;
    while waits.len() < 8 {
        let outputs = one.wait(100);
        waited += 100;
        if sent(&outputs, 1).contains(&message) {
            assert!(sent(&outputs, 3).contains(&message));
            assert!(!sent(&outputs, 2).contains(&message), "it voted");
            waits.push(waited);
            waited = 0;
        }
    }
    assert_eq!(waits, [100, 100, 200, 400, 800, 1_600, 3_200, 3_200]);
}

#[test]
fn a_certificate_is_sent_again_some_times_while_the_round_lasts() {
    let (mut one, own) = asking();
    let _ = one.votes(&own);
    let mut count = 0;
    for _ in 0..1_000 {
        let outputs = one.wait(100);
        count += outputs.iter().filter(|output| matches!(output, Output::Broadcast(_))).count();
    }
    assert_eq!(count, 5);
}

#[test]
fn after_a_restart_the_same_header_is_sent_and_certified() {
    let (_, own) = asking();
    let mut one = One::unborn(4);
    let log = vec![Record::Proposed(own.clone())];
    let outputs = one.step(super::super::Input::Recovered(log));
    assert!(sent(&outputs, 2).contains(&Message::Header(signed(&own))));
    assert_eq!(certified(&one.votes(&own)), [own.digest()]);
    assert!(proposed(&one.seal(batch(0))).is_empty(), "its payload is in that header");
}
