//! Batches that the primary misses: W6.

use super::*;

fn fetch<const N: usize>(author: u16, batch: BatchRef, holders: [u16; N]) -> Input {
    Input::Fetch { author: ValidatorId(author), batch, holders: validators(holders) }
}

fn want(to: u16, batch: &BatchRef) -> Output {
    send(to, Message::Want(vec![batch.digest]))
}

#[test]
fn the_author_is_asked_first_then_those_who_vouch_in_turn() {
    let mut worker = worker(7, 2);
    let (missing, bytes) = batch(4, 0, 5);
    let asked = worker.step(at(0), fetch(4, missing, [1, 2, 4, 6]));
    assert_eq!(asked, [Output::WakeAt(at(0))]);
    let mut now = 0;
    for (wait, whom) in [(0, 4), (100, 1), (200, 6), (400, 4), (800, 1), (1_600, 6), (3_200, 4)] {
        now += wait;
        assert_eq!(tick(&mut worker, now), [want(whom, &missing)], "{now}");
        assert_eq!(tick(&mut worker, now + 99), []);
    }
    let outputs = hear(&mut worker, 6, Message::Batch(bytes));
    assert_eq!(outputs.len(), 3, "stored, acknowledged to the author, reported");
    assert_eq!(outputs[1], send(4, Message::Stored(missing.digest)));
    assert_eq!(worker.step(at(100_000), Input::Tick), []);
}

#[test]
fn what_is_probably_on_its_way_has_some_time_to_come() {
    let mut worker = worker(4, 0);
    let (missing, _) = batch(1, 0, 5);
    assert_eq!(worker.step(at(0), fetch(1, missing, [])), [Output::WakeAt(at(100))]);
    assert_eq!(tick(&mut worker, 99), []);
    assert_eq!(tick(&mut worker, 100), [want(1, &missing)]);
    assert_eq!(tick(&mut worker, 200), [want(1, &missing)], "nobody else vouches for it");
}

#[test]
fn as_soon_as_others_vouch_for_a_batch_they_are_asked() {
    let mut worker = worker(4, 0);
    let (missing, _) = batch(1, 0, 5);
    let _ = worker.step(at(0), fetch(1, missing, []));
    for now in [100, 200, 400, 800, 1_600, 3_200] {
        assert_eq!(tick(&mut worker, now), [want(1, &missing)], "its author holds it back");
    }
    let asked = worker.step(at(3_300), fetch(1, missing, [2, 3]));
    assert_eq!(asked, [Output::WakeAt(at(3_300))]);
    for (now, whom) in [(3_300, 2), (3_500, 3), (3_900, 1), (4_700, 2)] {
        assert_eq!(tick(&mut worker, now), [want(whom, &missing)], "{now}");
    }
    let again = worker.step(at(4_700), fetch(1, missing, [2, 3]));
    assert_eq!(again, [], "it is no news any more");
}

#[test]
fn what_is_vouched_for_before_its_author_was_asked_is_asked_of_the_author() {
    let mut worker = worker(4, 0);
    let (missing, _) = batch(1, 0, 5);
    let _ = worker.step(at(0), fetch(1, missing, []));
    let _ = worker.step(at(50), fetch(1, missing, [3]));
    assert_eq!(tick(&mut worker, 50), [want(1, &missing)]);
    assert_eq!(tick(&mut worker, 150), [want(3, &missing)]);
}

#[test]
fn many_batches_are_asked_for_together_within_what_will_be_answered() {
    let mut worker = worker(4, 0);
    let missing: Vec<_> = (0..10).map(|sequence| batch(1, sequence, 5).0).collect();
    for batch in &missing {
        let _ = worker.step(at(0), fetch(1, *batch, [2]));
    }
    let these =
        |batches: &[BatchRef]| Message::Want(batches.iter().map(|batch| batch.digest).collect());
    let (first, second, last) = (these(&missing[..4]), these(&missing[4..8]), these(&missing[8..]));
    assert_eq!(tick(&mut worker, 0), [send(1, first.clone()), send(2, second.clone())]);
    assert_eq!(tick(&mut worker, 100), [send(1, second), send(2, first)], "the other one");
    assert_eq!(tick(&mut worker, 200), [send(1, last)]);
}

#[test]
fn what_is_there_is_reported_again() {
    let mut worker = worker(4, 0);
    let (theirs, bytes) = batch(1, 0, 5);
    hear(&mut worker, 1, Message::Batch(bytes));
    let report = Output::Stored { author: ValidatorId(1), batch: theirs };
    assert_eq!(worker.step(at(0), fetch(1, theirs, [])), [report]);
}

#[test]
fn nobody_brings_a_batch_in_the_name_of_another() {
    let mut worker = worker(4, 0);
    let (forged, bytes) = batch(2, 0, 5);
    let _ = worker.step(at(0), fetch(1, forged, []));
    assert_eq!(hear(&mut worker, 1, Message::Batch(bytes)), [], "not wanted of its author");
    assert_eq!(worker.step(at(100), Input::Tick), [], "there is no such batch of validator 1");
}

#[test]
fn a_lie_about_the_author_does_not_hide_the_true_one() {
    let mut worker = worker(4, 0);
    let (missing, bytes) = batch(2, 0, 5);
    let _ = worker.step(at(0), fetch(1, missing, []));
    let _ = worker.step(at(0), fetch(2, missing, [3]));
    assert_eq!(hear(&mut worker, 3, Message::Batch(bytes)).len(), 3);
    assert_eq!(worker.step(at(0), Input::Tick), []);
}

#[test]
fn what_others_vouch_for_is_taken_beyond_the_budget() {
    let mut worker = Worker::new(Config { peer_bytes_max: 0, ..config(4, 0) });
    let (missing, bytes) = batch(1, 0, 5);
    let _ = worker.step(at(0), fetch(1, missing, []));
    assert_eq!(hear(&mut worker, 1, Message::Batch(bytes.clone())), []);
    let _ = worker.step(at(0), fetch(1, missing, [2, 3]));
    assert_eq!(hear(&mut worker, 1, Message::Batch(bytes)).len(), 3);
}

#[test]
fn wishes_end_when_the_batch_is_released() {
    let mut worker = worker(4, 0);
    let (missing, bytes) = batch(1, 0, 5);
    let _ = worker.step(at(0), fetch(1, missing, [2, 3]));
    let _ = worker.step(at(0), Input::Release(vec![missing.digest]));
    assert_eq!(worker.step(at(0), Input::Tick), []);
    assert_eq!(hear(&mut worker, 2, Message::Batch(bytes)), []);
}

#[test]
fn what_belongs_elsewhere_is_not_wanted() {
    let mut worker = worker(4, 0);
    let (missing, _) = batch(1, 0, 5);
    let elsewhere = BatchRef { worker: WorkerId(1), ..missing };
    assert_eq!(worker.step(at(0), fetch(1, elsewhere, [2])), []);
    assert_eq!(worker.step(at(0), fetch(4, missing, [2])), [], "of a stranger");
    assert_eq!(worker.size(), 0);
}

#[test]
fn the_wishes_for_one_author_alone_are_bounded() {
    let mut worker = worker(4, 0);
    let all = Fetch::UNVOUCHED_MAX as u64 + 100;
    for sequence in 0..all {
        let _ = worker.step(at(0), fetch(1, batch(1, sequence, 5).0, []));
    }
    assert_eq!(worker.size(), Fetch::UNVOUCHED_MAX);
    let is_wanted =
        |sequence| worker.fetch.is_wanted(batch(1, sequence, 5).0.digest, ValidatorId(1));
    assert!(!is_wanted(99) && is_wanted(100), "the oldest give way");
}
