//! Own batches: W1 to W4, W7 and W8.

use super::*;

#[test]
fn a_batch_is_stored_then_sent_to_everyone_and_sealed_by_a_quorum_once() {
    let mut worker = worker(4, 0);
    let own = batch(0, 0, 5);
    let (made, outputs) = make(&mut worker, 0, 5);
    assert_eq!(made, own.0);
    let store = Output::Store { held: held(0, &own), bytes: own.1.clone() };
    let sent = |to| send(to, Message::Batch(own.1.clone()));
    assert_eq!(outputs, [store, sent(1), sent(2), sent(3)]);

    assert_eq!(hear(&mut worker, 2, Message::Stored(made.digest)), []);
    assert_eq!(hear(&mut worker, 2, Message::Stored(made.digest)), [], "the same again");
    assert_eq!(hear(&mut worker, 3, Message::Stored(made.digest)), [Output::Sealed(made)]);
    assert_eq!(tick(&mut worker, 110), [sent(1)], "goes on for the rest");
    assert_eq!(hear(&mut worker, 1, Message::Stored(made.digest)), [], "sealed before");
    assert_eq!(worker.step(at(100_000), Input::Tick), [], "everyone has it");
}

#[test]
fn a_batch_is_sent_again_ever_more_rarely_until_it_is_ordered() {
    let mut worker = worker(4, 0);
    let (made, _) = make(&mut worker, 0, 5);
    let mut now = 10;
    for wait in [100, 200, 400, 800, 1_600, 3_200, 3_200] {
        now += wait;
        assert_eq!(tick(&mut worker, now - 1), []);
        assert_eq!(tick(&mut worker, now).len(), 3);
    }
    assert_eq!(worker.step(at(now), Input::Ordered(vec![(ValidatorId(0), made)])), []);
    assert_eq!(worker.step(at(100_000), Input::Tick), []);
}

#[test]
fn a_tick_that_comes_early_asks_for_the_next_one() {
    let mut worker = worker(4, 0);
    let transaction = || Input::Transaction(Bytes::from_static(b"a"));
    assert_eq!(worker.step(at(0), transaction()), [Output::WakeAt(at(10))]);
    assert_eq!(worker.step(at(5), transaction()), [], "asked already");
    assert_eq!(worker.step(at(6), Input::Tick), [Output::WakeAt(at(10))]);
    let outputs = worker.step(at(10), Input::Tick);
    assert_eq!(outputs.last(), Some(&Output::WakeAt(at(110))), "to send again");
}

#[test]
fn a_lone_validator_seals_at_once() {
    let mut worker = worker(1, 0);
    let own = batch(0, 0, 5);
    let (made, outputs) = make(&mut worker, 0, 5);
    let store = Output::Store { held: held(0, &own), bytes: own.1 };
    assert_eq!(outputs, [store, Output::Sealed(made)]);
    assert_eq!(worker.step(at(100_000), Input::Tick), []);
}

#[test]
fn sending_again_keeps_to_the_allowance_of_the_peer() {
    let mut worker = worker(2, 0);
    for _ in 0..6 {
        make(&mut worker, 0, 5);
    }
    assert_eq!(tick(&mut worker, 110).len(), 4);
    assert_eq!(tick(&mut worker, 209).len(), 0);
    assert_eq!(tick(&mut worker, 210).len(), 2, "the wait of those not sent did not grow");
}

#[test]
fn the_oldest_sealed_batches_are_not_kept_for_those_who_never_answer() {
    let own_bytes_max = 2_000;
    let mut worker = Worker::new(Config { own_bytes_max, ..config(4, 0) });
    let made: Vec<_> = (0..3).map(|_| make(&mut worker, 0, 400).0).collect();
    for batch in &made {
        hear(&mut worker, 1, Message::Stored(batch.digest));
        hear(&mut worker, 2, Message::Stored(batch.digest));
    }
    let again = tick(&mut worker, 110);
    let newer = |sequence| send(3, Message::Batch(batch(0, sequence, 400).1));
    assert_eq!(again, [newer(1), newer(2)], "two fit into half of the budget");
    let want = Message::Want(vec![made[0].digest]);
    let read = Output::Read { digest: made[0].digest, to: ValidatorId(3) };
    assert_eq!(hear(&mut worker, 3, want), [read], "but whoever asks gets it");
}

#[test]
fn transactions_wait_while_too_many_own_bytes_are_not_released() {
    let own_bytes_max = 2 * (27 + 100 + 256);
    let mut worker = Worker::new(Config { own_bytes_max, ..config(1, 0) });
    let (first, outputs) = make(&mut worker, 0, 100);
    assert!(!outputs.contains(&Output::Full(true)));
    let (_, outputs) = make(&mut worker, 0, 100);
    assert_eq!(outputs.last(), Some(&Output::Full(true)));
    let (third, outputs) = make(&mut worker, 0, 100);
    assert!(!outputs.contains(&Output::Full(true)), "said already");
    assert_eq!(worker.step(at(0), Input::Release(vec![first.digest])), []);
    assert_eq!(worker.step(at(0), Input::Release(vec![third.digest])), [Output::Full(false)]);
    assert_eq!(worker.step(at(0), Input::Release(vec![third.digest])), []);
}

#[test]
fn after_a_restart_a_quorum_is_gathered_anew_from_what_is_on_disk() {
    let mut worker = worker(4, 0);
    let own = batch(0, 8, 5);
    let digest = own.0.digest;
    let recovered = worker.step(at(0), Input::Recovered(vec![held(0, &own)]));
    assert_eq!(recovered, [Output::WakeAt(at(0))]);

    let read = |to| Output::Read { digest, to: ValidatorId(to) };
    assert_eq!(tick(&mut worker, 0), [read(1), read(2), read(3)]);
    let bytes = Some(own.1.clone());
    let answer = worker.step(at(0), Input::Read { digest, to: ValidatorId(2), bytes });
    assert_eq!(answer, [send(2, Message::Batch(own.1.clone()))]);
    assert_eq!(hear(&mut worker, 2, Message::Stored(digest)), []);
    assert_eq!(hear(&mut worker, 1, Message::Stored(digest)), [Output::Sealed(own.0)]);
    assert_eq!(tick(&mut worker, 100), [read(3)]);

    let (next, _) = make(&mut worker, 200, 5);
    assert_eq!(next.sequence, 9, "goes on behind what is on disk");
}

#[test]
fn after_a_restart_a_lone_validator_seals_what_is_not_ordered() {
    let mut worker = worker(1, 0);
    let (ordered, other) = (batch(0, 0, 5), batch(0, 1, 5));
    let on_disk = vec![held(0, &ordered), held(0, &other)];
    assert_eq!(deeds(worker.step(at(0), Input::Recovered(on_disk))), []);
    let known = Input::Ordered(vec![(ValidatorId(0), ordered.0)]);
    assert_eq!(deeds(worker.step(at(0), known)), []);
    assert_eq!(tick(&mut worker, 0), [Output::Sealed(other.0)]);
}

#[test]
fn who_lost_its_disk_seals_at_places_that_cannot_be_taken() {
    let mut worker = worker(4, 0);
    let _ = worker.step(at(7_000), Input::Recovered(vec![]));
    assert_eq!(make(&mut worker, 7_000, 5).0.sequence, 7_000_000);

    // It stops again before anything of its own is durable, or with an old batch that it fetched.
    for on_disk in [vec![], vec![held(0, &batch(0, 3, 5))]] {
        let mut again = super::worker(4, 0);
        let _ = again.step(at(8_000), Input::Recovered(on_disk));
        assert_eq!(make(&mut again, 8_000, 5).0.sequence, 8_000_000);
    }
}

#[test]
fn no_place_is_used_twice_even_if_the_disk_was_lost() {
    let mut worker = worker(4, 0);
    let _ = worker.step(at(0), Input::Recovered(vec![]));
    let _ = worker.step(at(0), Input::Ordered(vec![(ValidatorId(0), batch(0, 4, 5).0)]));
    assert_eq!(make(&mut worker, 0, 5).0.sequence, 5);
    let _ = worker.step(at(0), Input::Ordered(vec![(ValidatorId(1), batch(1, 9, 5).0)]));
    assert_eq!(make(&mut worker, 20, 5).0.sequence, 6, "places of others do not matter");

    let lost = batch(0, 20, 5);
    let (author, holders) = (ValidatorId(0), validators([1]));
    let _ = worker.step(at(50), Input::Fetch { author, batch: lost.0, holders });
    let want = send(1, Message::Want(vec![lost.0.digest]));
    assert_eq!(tick(&mut worker, 50), [want]);
    let store = Output::Store { held: held(0, &lost), bytes: lost.1.clone() };
    let stored = Output::Stored { author, batch: lost.0 };
    assert_eq!(hear(&mut worker, 1, Message::Batch(lost.1)), [store, stored]);
    assert_eq!(make(&mut worker, 60, 5).0.sequence, 21);
}

#[test]
fn what_is_released_is_forgotten() {
    let mut worker = worker(4, 0);
    let (made, _) = make(&mut worker, 0, 5);
    assert_eq!(worker.step(at(0), Input::Release(vec![made.digest])), []);
    assert_eq!(hear(&mut worker, 1, Message::Stored(made.digest)), []);
    assert_eq!(hear(&mut worker, 2, Message::Stored(made.digest)), []);
    assert_eq!(hear(&mut worker, 2, Message::Want(vec![made.digest])), []);
    assert_eq!(worker.step(at(100_000), Input::Tick), []);
}

#[test]
fn a_batch_is_not_sent_again_before_a_slow_peer_can_have_answered() {
    let mut worker = worker(4, 0);
    let (first, _) = make(&mut worker, 0, 5);
    assert_eq!(tick(&mut worker, 110).len(), 3, "nobody has answered");
    let stored = Message::Stored(first.digest);
    let _ = worker.step(at(160), Input::Message { from: ValidatorId(1), message: stored });

    // 150 ms, so the next one gets 300. The others do not answer at all, and are asked in vain.
    let (second, _) = make(&mut worker, 200, 5);
    let to_silent =
        |sequence| [2, 3].map(|peer| send(peer, Message::Batch(batch(0, sequence, 5).1)));
    let expected = [first, second].into_iter().flat_map(|batch| to_silent(batch.sequence));
    assert_eq!(tick(&mut worker, 310), expected.collect::<Vec<_>>());
}
