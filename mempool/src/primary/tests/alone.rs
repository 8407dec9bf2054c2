//! A committee of one.

use kraken_types::{Certificate, Round, Timestamp, testing::batch};

use super::{
    super::{Input, Output, Record},
    one::{One, certified, proposed, records},
};

fn alone() -> One {
    One::unborn(1)
}

#[test]
fn a_header_is_durable_before_it_is_certified() {
    let mut one = alone();
    let outputs = one.seal(batch(1));
    let [
        Output::Persist(Record::Proposed(header)),
        Output::Persist(Record::Accepted(_)),
        Output::Certified(certificate),
        Output::WakeAt(_),
    ] = outputs.as_slice()
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(certificate.header(), header);
    assert_eq!(header.batches, [batch(1)]);
    assert_eq!((header.round, header.created_at), (Round(1), one.now));
}

#[test]
fn each_header_names_the_one_before() {
    let mut one = alone();
    let first = one.seal(batch(1));
    let anchor = certified(&first)[0];
    let _ = one.step(Input::Committed(super::commit(anchor, 1)));
    let second = one.step(Input::Propose { close_block: true });
    let [header] = proposed(&second).try_into().expect("one wish, one header");
    assert_eq!(header.parents, certified(&first));
    assert_eq!(header.round, Round(2));
    assert!(header.close_block && header.batches.is_empty());
    let _ = one.step(Input::Committed(super::commit(certified(&second)[0], 2)));
    assert!(one.wait(60_000).is_empty(), "a wish is fulfilled once");
}

#[test]
fn a_protocol_that_orders_later_gets_the_rounds_it_needs() {
    let mut one = alone();
    let first = certified(&one.seal(batch(1)))[0];
    assert_eq!(proposed(&one.wait(50)).len(), 1);
    assert_eq!(proposed(&one.wait(50)).len(), 1);
    let _ = one.step(Input::Committed(super::commit(first, 1)));
    assert!(proposed(&one.wait(60_000)).is_empty());
}

#[test]
fn a_restart_never_uses_a_round_twice() {
    let mut before = alone();
    let mut log = Vec::new();
    (0..3).for_each(|sequence| log.extend(records(&before.seal(batch(sequence)))));
    // The last certificate was not durable.
    assert!(matches!(log.pop(), Some(Record::Accepted(_))));

    let mut after = alone();
    let outputs = after.step(Input::Recovered(log));
    assert!(proposed(&outputs).is_empty());
    let [_, _, last] = certified(&outputs).try_into().expect("all three");
    let next = after.seal(batch(9));
    let [header] = proposed(&next).try_into().expect("one");
    assert_eq!((header.round, header.parents), (Round(4), vec![last]));
}

#[test]
fn time_in_headers_never_goes_back() {
    let mut one = alone();
    let first = proposed(&one.seal(batch(1)))[0].created_at;
    one.now = Timestamp::from_millis(20);
    assert_eq!(proposed(&one.seal(batch(2)))[0].created_at, first);
}

#[test]
fn losing_the_disk_alone_contradicts_nobody() {
    let mut one = alone();
    assert!(one.step(Input::Forgotten(Vec::new())).is_empty());
    assert_eq!(proposed(&one.seal(batch(0))).len(), 1);
}

#[test]
fn what_comes_back_is_what_was_accepted() {
    let mut one = alone();
    let log = records(&one.seal(batch(0)));
    let outputs = alone().step(Input::Recovered(log.clone()));
    let accepted = log.iter().filter_map(|record| {
        let Record::Accepted(certificate) = record else { return None };
        Some(Certificate::digest(certificate))
    });
    assert_eq!(certified(&outputs), accepted.collect::<Vec<_>>());
}
