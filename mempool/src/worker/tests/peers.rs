//! Batches of peers, and requests of theirs: W3, W5, W7.

use proptest::{collection::vec, prelude::*, strategy::LazyJust};

use super::*;

fn stored(author: u16, (batch, bytes): &(BatchRef, Bytes)) -> [Output; 3] {
    let (held, bytes) = (held(author, &(*batch, bytes.clone())), bytes.clone());
    [
        Output::Store { held, bytes },
        send(author, Message::Stored(batch.digest)),
        Output::Stored { author: ValidatorId(author), batch: *batch },
    ]
}

#[test]
fn a_batch_is_stored_then_acknowledged_then_reported() {
    let mut worker = worker(4, 0);
    let theirs = batch(1, 3, 5);
    let acknowledged = || [send(1, Message::Stored(theirs.0.digest))];
    let message = || Message::Batch(theirs.1.clone());
    assert_eq!(hear(&mut worker, 1, message()), stored(1, &theirs));
    assert_eq!(hear(&mut worker, 1, message()), acknowledged(), "again");
    assert_eq!(hear(&mut worker, 2, message()), [], "of someone else");
    let _ = worker.step(at(0), Input::Release(vec![theirs.0.digest]));
    assert_eq!(hear(&mut worker, 1, message()), acknowledged(), "late");
}

#[test]
fn what_is_no_batch_of_the_sender_here_and_now_is_passed_over() {
    let good = Batch {
        epoch: Epoch(0),
        author: ValidatorId(1),
        worker: WorkerId(0),
        sequence: 0,
        transactions: vec![Bytes::from_static(b"a")],
    };
    let large = |bytes| Bytes::from(vec![0; bytes]);
    let beyond = codec::TRANSACTION_BYTES_MAX + codec::BATCH_BYTES_MAX;
    let bad = [
        Batch { epoch: Epoch(1), ..good.clone() },
        Batch { author: ValidatorId(2), ..good.clone() },
        Batch { author: ValidatorId(0), ..good.clone() },
        Batch { author: ValidatorId(4), ..good.clone() },
        Batch { worker: WorkerId(1), ..good.clone() },
        Batch { transactions: vec![], ..good.clone() },
        Batch { transactions: vec![large(codec::BATCH_BYTES_MAX), large(0)], ..good.clone() },
        Batch { transactions: vec![large(beyond)], ..good },
    ];
    let mut worker = Worker::new(Config { peer_bytes_max: usize::MAX, ..config(4, 0) });
    let good = batch(1, 0, 1).1;
    for batch in bad {
        let (_, bytes) = batch.encode();
        assert_eq!(hear(&mut worker, 1, Message::Batch(bytes)), [], "{batch:.40?}");
    }
    assert_eq!(hear(&mut worker, 1, Message::Batch(Bytes::from_static(b"junk"))), []);
    for from in [0, 4] {
        assert_eq!(hear(&mut worker, from, Message::Batch(good.clone())), [], "{from}");
        let theirs = batch(from, 0, 1).1;
        assert_eq!(hear(&mut worker, from, Message::Batch(theirs)), [], "{from}, its own");
    }
    assert_eq!(worker.size(), 0);
    let (_, single) = batch(1, 0, codec::TRANSACTION_BYTES_MAX);
    assert_eq!(hear(&mut worker, 1, Message::Batch(single)).len(), 3);
}

#[test]
fn a_peer_gets_no_more_room_than_its_budget() {
    let peer_bytes_max = 2 * (27 + 100 + 256);
    let mut worker = Worker::new(Config { peer_bytes_max, ..config(4, 0) });
    let theirs: Vec<_> = (0..3).map(|sequence| batch(1, sequence, 100)).collect();
    let message = |place: usize| Message::Batch(theirs[place].1.clone());
    assert_eq!(hear(&mut worker, 1, message(0)).len(), 3);
    assert_eq!(hear(&mut worker, 1, message(1)).len(), 3);
    assert_eq!(hear(&mut worker, 1, message(2)), []);
    assert_eq!(hear(&mut worker, 2, Message::Batch(batch(2, 0, 100).1)).len(), 3, "another's");

    let _ = worker.step(at(0), Input::Release(vec![theirs[0].0.digest]));
    assert_eq!(hear(&mut worker, 1, message(2)), stored(1, &theirs[2]));
}

#[test]
fn after_a_restart_what_is_not_ordered_is_reported() {
    let mut worker = worker(4, 0);
    let (ordered, other) = (batch(1, 0, 5), batch(2, 0, 5));
    let on_disk = vec![held(1, &ordered), held(2, &other)];
    assert_eq!(worker.step(at(7), Input::Recovered(on_disk)), [Output::WakeAt(at(7))]);
    let _ = worker.step(at(7), Input::Ordered(vec![(ValidatorId(1), ordered.0)]));
    let report = Output::Stored { author: ValidatorId(2), batch: other.0 };
    assert_eq!(worker.step(at(7), Input::Tick), [report]);
    assert_eq!(worker.step(at(7), Input::Tick), []);
    let again = send(1, Message::Stored(ordered.0.digest));
    assert_eq!(hear(&mut worker, 1, Message::Batch(ordered.1)), [again]);
}

#[test]
fn a_peer_is_served_what_is_there_within_its_allowance() {
    let mut worker = worker(4, 0);
    let theirs: Vec<_> = (0..6).map(|sequence| batch(1, sequence, 5)).collect();
    for (_, bytes) in &theirs {
        hear(&mut worker, 1, Message::Batch(bytes.clone()));
    }
    let unknown = batch(1, 9, 5).0.digest;
    let digests: Vec<_> = theirs.iter().map(|(batch, _)| batch.digest).collect();
    let want = |from: u16, millis, digests: &[BatchDigest]| {
        let message = Message::Want(digests.to_vec());
        (at(millis), Input::Message { from: ValidatorId(from), message })
    };
    let mut ask = |(now, input)| {
        let outputs = worker.step(now, input);
        let is_read = |output: &Output| matches!(output, Output::Read { .. });
        assert!(outputs.iter().all(is_read), "{outputs:?}");
        outputs.len()
    };
    assert_eq!(ask(want(2, 0, &[unknown])), 0);
    assert_eq!(ask(want(2, 0, &[digests[0], digests[0]])), 1, "each once");
    assert_eq!(ask(want(2, 0, &digests)), 3, "four in all");
    assert_eq!(ask(want(2, 99, &digests)), 0);
    assert_eq!(ask(want(3, 99, &digests)), 4, "another's allowance");
    assert_eq!(ask(want(2, 100, &digests)), 4);

    let many = [vec![unknown; Message::WANT_MAX], digests].concat();
    assert_eq!(ask(want(2, 300, &many)), 0, "no more than the first are looked at");
}

#[test]
fn what_was_released_before_it_was_read_is_not_sent() {
    let mut worker = worker(4, 0);
    let (digest, to) = (batch(1, 0, 5).0.digest, ValidatorId(2));
    assert_eq!(worker.step(at(0), Input::Read { digest, to, bytes: None }), []);
}

/// Batches from a small world, so that the same ones come up again.
fn arbitrary_batch() -> impl Strategy<Value = (BatchRef, Bytes)> {
    let parts = (0_u16..6, 0_u64..20, 0_u8..8, 0_u64..8, 0_usize..3, 0_usize..600);
    parts.prop_map(|(author, sequence, worker, epoch, count, bytes)| {
        encode(&Batch {
            epoch: Epoch(epoch / 7),
            author: ValidatorId(author),
            worker: WorkerId(worker / 7),
            sequence,
            transactions: vec![Bytes::from(vec![0; bytes]); count],
        })
    })
}

fn arbitrary_message() -> impl Strategy<Value = Message> {
    let digests = || vec(arbitrary_batch().prop_map(|(batch, _)| batch.digest), 0..4);
    prop_oneof![
        4 => arbitrary_batch().prop_map(|(_, bytes)| Message::Batch(bytes)),
        1 => vec(any::<u8>(), 0..80).prop_map(|bytes| Message::Batch(Bytes::from(bytes))),
        1 => arbitrary_batch().prop_map(|(batch, _)| Message::Stored(batch.digest)),
        1 => digests().prop_map(Message::Want),
    ]
}

fn arbitrary_input() -> impl Strategy<Value = Input> {
    prop_oneof![
        8 => (0_u16..6, arbitrary_message())
            .prop_map(|(from, message)| Input::Message { from: ValidatorId(from), message }),
        1 => (0_u16..6, arbitrary_batch()).prop_map(|(author, (batch, _))| Input::Fetch {
            author: ValidatorId(author),
            batch,
            holders: Signers::default(),
        }),
        1 => vec(0_u8..9, 0..300).prop_map(|bytes| Input::Transaction(Bytes::from(bytes))),
        1 => arbitrary_batch().prop_map(|(batch, _)| Input::Release(vec![batch.digest])),
        1 => (0_u16..6, arbitrary_batch())
            .prop_map(|(author, (batch, _))| Input::Ordered(vec![(ValidatorId(author), batch)])),
        1 => LazyJust::new(|| Input::Tick),
    ]
}

proptest! {
    /// Nobody can make a worker panic, or keep more for a peer than its budget, or acknowledge what
    /// was not stored before.
    #[test]
    fn whatever_comes_budgets_hold(inputs in vec((arbitrary_input(), 0_u64..60), 0..150)) {
        let peer_bytes_max = 3_000;
        let mut worker = Worker::new(Config { peer_bytes_max, ..config(4, 0) });
        let (mut now, mut on_disk) = (at(0), BTreeSet::new());
        for (input, gap) in inputs {
            now = now + Duration::from_millis(gap);
            for output in worker.step(now, input) {
                match output {
                    Output::Store { held, .. } => {
                        on_disk.insert(held.batch.digest);
                    }
                    Output::Send { message: Message::Stored(digest), .. } => {
                        prop_assert!(on_disk.contains(&digest));
                    }
                    Output::Send { .. } | Output::Read { .. } | Output::Sealed(_)
                    | Output::Stored { .. } | Output::Full(_) | Output::WakeAt(_) => {}
                }
            }
            for peer in 1..6 {
                prop_assert!(worker.shelf.used(ValidatorId(peer)) <= peer_bytes_max);
            }
        }
    }
}
