//! Fetching, serving, and rule P8.

use kraken_types::{
    Certificate, HeaderDigest, Round,
    testing::{certify, child, header},
};

use super::{
    super::{Message, Output, Record},
    one::{One, SIZE, certified, sent, votes_for},
};

fn is_behind(message: &Message) -> bool {
    matches!(message, Message::Behind(_))
}

fn served(outputs: &[Output], to: u16) -> Vec<Certificate> {
    let answers = sent(outputs, to).into_iter().filter_map(|message| {
        let Message::Certificates(certificates) = message else { return None };
        Some(certificates)
    });
    answers.flatten().collect()
}

#[test]
fn a_missing_certificate_is_asked_of_one_after_the_other() {
    let mut one = One::new();
    let missing = vec![header(1, 1).digest()];
    let outputs = one.learn(3, &certify(child(2, 2, &missing), SIZE));
    let want = Message::Want(missing);
    assert!(sent(&outputs, 3).contains(&want));
    let mut asked = Vec::new();
    for _ in 0..16 {
        let outputs = one.wait(100);
        asked.extend((1..4).filter(|peer| sent(&outputs, *peer).contains(&want)));
    }
    assert_eq!(asked, [1, 1, 2, 3], "after 1, 2, 4 and 8 times 100 ms");
}

#[test]
fn a_certificate_that_came_is_asked_for_no_more() {
    let mut one = One::new();
    let low = certify(header(1, 1), SIZE);
    let _ = one.learn(3, &certify(child(2, 2, &[low.digest()]), SIZE));
    let _ = one.learn(3, &low);
    assert_eq!(one.primary.sync.len(), 0);
}

#[test]
fn what_is_wanted_is_sent_in_causal_order() {
    let mut one = One::new();
    let rounds = one.rounds(4);
    let wanted = [rounds[4][1], rounds[2][0], rounds[3][2], header(3, 77).digest(), rounds[2][0]];
    let outputs = one.hear(2, Message::Want(wanted.to_vec()));
    let found: Vec<_> = served(&outputs, 2).iter().map(Certificate::digest).collect();
    assert_eq!(found, [rounds[2][0], rounds[3][2], rounds[4][1]]);
    assert!(one.hear(2, Message::Want(vec![rounds[1][0]; 257])).is_empty(), "too many");
}

#[test]
fn who_is_behind_is_sent_what_it_misses() {
    let mut one = One::new();
    let rounds = one.rounds(3);
    let outputs = one.hear(2, Message::Behind([0, 3, 1, 2].map(Round).to_vec()));
    let found: Vec<_> = served(&outputs, 2).iter().map(Certificate::digest).collect();
    assert_eq!(found, [rounds[2][1], rounds[3][1], rounds[3][2]]);
    for nonsense in [vec![], vec![Round(0); 3], vec![Round(0); 5], vec![Round(u64::MAX); 4]] {
        assert!(served(&one.hear(2, Message::Behind(nonsense)), 2).is_empty());
    }
}

#[test]
fn nobody_is_served_without_end() {
    let mut one = One::new();
    let digests: Vec<HeaderDigest> = one.rounds(6).concat();
    let mut total = 0;
    for _ in 0..1_000 {
        total += served(&one.hear(2, Message::Want(digests.clone())), 2).len();
    }
    assert_eq!(total, 1_024);
    let behind = || Message::Behind(vec![Round(0); 4]);
    assert!(served(&one.hear(2, behind()), 2).is_empty());
    let answers = (0..10).filter(|_| !served(&one.hear(3, behind()), 3).is_empty()).count();
    assert_eq!(answers, 4);
    let _ = one.wait(50);
    assert_eq!(served(&one.hear(2, behind()), 2).len(), 18, "after a while again");
}

#[test]
fn everyone_is_told_from_time_to_time_how_far_we_are() {
    let mut one = One::new();
    let mut told = Vec::new();
    for tenth in 0..32 {
        let outputs = one.wait(100);
        told.extend((1..4).filter(|peer| sent(&outputs, *peer).iter().any(is_behind)));
        assert_eq!(told.len(), (tenth + 1) / 8, "every 800 ms");
    }
    assert_eq!(told, [2, 3, 1, 2], "the first was told at the start");
}

#[test]
fn who_shows_to_be_ahead_is_asked_and_a_liar_has_one_turn_of_several() {
    let mut one = One::new();
    let _ = one.wait(50);
    let mut asked = Vec::new();
    for _ in 0..12 {
        let _ = one.hear(1, Message::Behind(vec![Round(u64::MAX); 4]));
        let _ = one.hear(3, Message::Behind([0, 1, 0, 0].map(Round).to_vec()));
        let outputs = one.wait(25);
        asked.extend((1..4).filter(|peer| sent(&outputs, *peer).iter().any(is_behind)));
    }
    let turns = |peer: u16| asked.iter().filter(|asked| **asked == peer).count();
    assert!(4 <= turns(1) && 4 <= turns(3), "{asked:?}");
}

#[test]
fn an_answer_that_helps_is_followed_by_the_next_question() {
    let mut one = One::new();
    let _ = one.wait(100);
    let low = (1..4).map(|author| certify(header(author, 1), SIZE).into_inner()).collect();
    let outputs = one.hear(3, Message::Certificates(low));
    assert!(sent(&outputs, 3).contains(&Message::Behind([0, 1, 1, 1].map(Round).to_vec())));
    let known = (1..4).map(|author| certify(header(author, 1), SIZE).into_inner()).collect();
    let _ = one.wait(100);
    let outputs = one.hear(3, Message::Certificates(known));
    assert!(!sent(&outputs, 3).iter().any(is_behind), "it did not help");
}

/// Nothing is accepted yet, and the rounds of the others are far above the first.
#[test]
fn who_goes_on_from_a_checkpoint_asks_for_what_is_above_the_horizon() {
    let pruned = Record::Pruned { horizon: Round(1_000), forgotten: Round(999) };
    let mut one = One::recovered(vec![pruned]);
    let _ = one.wait(100);
    let parents: Vec<_> = (1..4).map(|author| header(author, 1_000).digest()).collect();
    let low = [1, 2, 3].map(|author| certify(child(author, 1_001, &parents), SIZE));
    let digests = low.clone().map(|low| low.digest());
    assert!(votes_for(&one.ask(&child(1, 1_002, &digests)), 1).is_empty());

    let answer = low.map(|low| low.into_inner()).to_vec();
    let outputs = one.hear(3, Message::Certificates(answer));
    assert_eq!(certified(&outputs), digests);
    assert_eq!(votes_for(&outputs, 1).len(), 1, "the header has waited for its parents");
    let behind = Message::Behind([1_000, 1_001, 1_001, 1_001].map(Round).to_vec());
    assert!(sent(&outputs, 3).contains(&behind), "what others keep below the horizon is no news");
}

#[test]
fn an_answer_is_read_up_to_the_first_lie() {
    let mut one = One::new();
    let good = |author| certify(header(author, 1), SIZE).into_inner();
    let lie = super::altered(&certify(header(2, 1), SIZE));
    let _ = one.hear(3, Message::Certificates(vec![good(1), lie, good(3)]));
    assert_eq!(one.primary.dag.len(), 1);
    let _ = one.hear(3, Message::Certificates(vec![good(3); 257]));
    assert_eq!(one.primary.dag.len(), 1, "too many");
}
