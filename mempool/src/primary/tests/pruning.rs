//! The horizon.

use kraken_types::{
    Commit, Header, HeaderDigest, Round, ValidatorId,
    testing::{batch, batches, certify, child, header},
};

use super::{
    super::{Input, Message, Output, Record},
    commit,
    one::{One, SIZE, certified, proposed, records, votes_for},
};

/// Rounds up to 20 of the others, an anchor of round 20 committed: the horizon is 10.
fn at_horizon_ten() -> (One, Vec<Vec<HeaderDigest>>, Vec<Output>) {
    let mut one = One::new();
    let rounds = one.rounds(20);
    let outputs = one.step(Input::Committed(commit(rounds[20][0], 20)));
    (one, rounds, outputs)
}

#[test]
fn what_may_be_forgotten_is_said_behind_the_record_of_it() {
    let (_, _, outputs) = at_horizon_ten();
    let (horizon, forgotten) = (Round(10), Round(5));
    let record = Output::Persist(Record::Pruned { horizon, forgotten });
    assert_eq!(outputs[..2], [record, Output::Pruned(forgotten)]);
}

#[test]
fn the_record_is_not_written_with_each_commit() {
    let mut one = One::new();
    let rounds = one.rounds(40);
    let written: Vec<_> = (11..41)
        .filter(|round| {
            let anchor = rounds[usize::try_from(*round).expect("small")][0];
            !records(&one.step(Input::Committed(commit(anchor, *round)))).is_empty()
        })
        .collect();
    assert_eq!(written, [13, 16, 19, 22, 25, 28, 31, 34, 37, 40]);
}

#[test]
fn nothing_at_or_below_the_horizon_is_accepted_or_voted_for() {
    let (mut one, rounds, _) = at_horizon_ten();
    let old = certify(child(0, 10, &rounds[9]), SIZE);
    assert!(certified(&one.learn(1, &old)).is_empty());
    assert!(votes_for(&one.ask(&child(1, 10, &rounds[9])), 1).is_empty());
    let voted = one.ask(&child(1, 11, &rounds[10]));
    assert_eq!(votes_for(&voted, 1).len(), 1, "its parents are still kept");
}

#[test]
fn parents_below_the_horizon_count_as_accepted() {
    let (mut one, rounds, _) = at_horizon_ten();
    let unknown = header(0, 10).digest();
    let above = certify(child(0, 11, &[&[unknown], &rounds[10][..2]].concat()), SIZE);
    assert_eq!(certified(&one.learn(1, &above)), [above.digest()]);

    let mut one = One::new();
    let rounds = one.rounds(20);
    let above = certify(child(0, 11, &[&[unknown], &rounds[10][..2]].concat()), SIZE);
    assert!(certified(&one.learn(1, &above)).is_empty());
    let outputs = one.step(Input::Committed(commit(rounds[20][0], 20)));
    assert_eq!(certified(&outputs), [above.digest()], "once the horizon passes them");
}

#[test]
fn certificates_are_served_for_some_rounds_more() {
    let (mut one, rounds, _) = at_horizon_ten();
    let wanted = vec![rounds[5][0], rounds[6][0], rounds[10][0]];
    let outputs = one.hear(1, Message::Want(wanted));
    let [Output::Send { message: Message::Certificates(found), .. }] = outputs.as_slice() else {
        panic!("{outputs:?}");
    };
    assert_eq!(found.len(), 2);
}

#[test]
fn own_payload_that_was_not_ordered_is_proposed_again_and_first() {
    let mut one = One::new();
    let _ = one.wait(50);
    let mut own = Vec::new();
    batches(3).into_iter().for_each(|batch| own.extend(proposed(&one.seal(batch))));
    assert_eq!(own[0].batches, batches(1), "the rest waits");
    let _ = one.votes(&own[0]);
    let rounds = one.rounds(20);
    let carried = proposed(&one.wait(50));
    assert_eq!(carried[0].batches, batches(3)[1..]);
    let ordered = vec![(ValidatorId(0), batch(2))];
    let _ = one.step(Input::Committed(Commit { batches: ordered, ..commit(rounds[20][0], 20) }));
    let _ = one.votes(&carried[0]);
    let _ = one.round(21, &[1, 2], &rounds[20]);
    let next = proposed(&one.seal(batch(7)));
    let next = if next.is_empty() { proposed(&one.wait(50)) } else { next };
    assert_eq!(next[0].batches, [batch(0), batch(7)]);
}

#[test]
fn own_payload_that_the_order_dropped_is_not_proposed_again() {
    let mut one = One::new();
    let _ = one.wait(50);
    let own = proposed(&one.seal(batch(0)));
    let _ = one.votes(&own[0]);
    let first = [&[own[0].digest()], &one.round(1, &[1, 2, 3], &[])[..]].concat();
    let mut parents = one.round(2, &[1, 2, 3], &first);
    for round in 3..21 {
        parents = one.round(round, &[1, 2, 3], &parents);
        let _ = one.step(Input::Committed(commit(parents[0], round)));
    }
    let outputs = one.round(21, &[1, 2, 3], &parents);
    let _ = one.step(Input::Committed(commit(outputs[0], 21)));
    assert!(proposed(&one.wait(60_000)).is_empty());
}

#[test]
fn ordered_payload_is_no_reason_any_more() {
    let mut one = One::new();
    let first = certify(Header { batches: batches(1), ..header(1, 1) }, SIZE);
    let _ = one.learn(1, &first);
    let others = one.round(1, &[2, 3], &[]);
    let second = one.round(2, &[1, 2, 3], &[&[first.digest()], &others[..]].concat());
    let _ = one.step(Input::Committed(commit(second[0], 2)));
    assert!(proposed(&one.wait(60_000)).is_empty());
}

#[test]
fn ordered_payload_that_we_still_lack_is_fetched_again() {
    let first = certify(Header { batches: batches(2), ..header(1, 1) }, SIZE);
    let mut one = One::recovered(vec![Record::Accepted(first.clone().into_inner())]);
    let author = ValidatorId(1);
    let _ = one.step(Input::Stored { author, batch: batch(0) });
    let ordered = batches(2).into_iter().map(|batch| (author, batch)).collect();
    let outputs =
        one.step(Input::Committed(Commit { batches: ordered, ..commit(first.digest(), 1) }));
    let holders = first.signers().clone();
    let fetches = outputs.iter().filter(|output| matches!(output, Output::Fetch { .. }));
    assert_eq!(fetches.collect::<Vec<_>>(), [&Output::Fetch { author, batch: batch(1), holders }]);
}

#[test]
fn a_restart_goes_on_at_the_horizon_of_the_log() {
    let mut before = One::new();
    let mut log = Vec::new();
    let mut parents = Vec::new();
    for round in 1..=20 {
        let next = (1..4).map(|author| certify(child(author, round, &parents), SIZE));
        let next: Vec<_> = next.collect();
        parents = next.iter().map(|certificate| certificate.digest()).collect();
        next.iter().for_each(|learnt| log.extend(records(&before.learn(1, learnt))));
    }
    log.extend(records(&before.step(Input::Committed(commit(parents[0], 20)))));
    let mut after = One::unborn(SIZE);
    let outputs = after.step(Input::Recovered(log));
    assert_eq!(certified(&outputs).len(), 30, "those above");
    assert_eq!(after.primary.dag.len(), 45, "and some to serve");
    assert_eq!(after.primary.dag.horizon(), Round(10));
}

#[test]
fn what_is_remembered_stays_within_the_depths() {
    let mut one = One::new();
    let mut parents = Vec::new();
    let mut size = 0;
    for round in 1..=80 {
        for author in 1..4 {
            let _ = one.ask(&child(author, round, &parents));
        }
        parents = one.round(round, &[1, 2, 3], &parents);
        let _ = one.step(Input::Committed(commit(parents[0], round)));
        size = size.max(one.primary.size());
    }
    assert!(size <= 3 * (10 + 5 + 1) + 3 * (10 + 1), "{size}");
    assert_eq!(one.primary.round(), Round(80));
}
