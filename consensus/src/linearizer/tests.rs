use std::collections::BTreeSet;

use kraken_types::codec;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::testing::{Drawing, Random, batch, random};

fn linearizer(drawing: &Drawing, gc_depth: u64, clock: Clock) -> Linearizer {
    Linearizer::new(drawing.committee.clone(), gc_depth, clock)
}

fn dag<'a>(certificates: impl IntoIterator<Item = &'a Verified<Certificate>>) -> Dag {
    let mut dag = Dag::new();
    for certificate in certificates {
        assert!(dag.insert(certificate.clone()));
    }
    dag
}

/// Orders these anchors of a drawing, one after the other.
fn order(drawing: &Drawing, gc_depth: u64, anchors: &[&str]) -> Vec<Option<Ordered>> {
    let mut linearizer = linearizer(drawing, gc_depth, Clock::Median);
    let dag = dag(drawing.all());
    anchors.iter().map(|anchor| linearizer.order(&dag, drawing.get(anchor))).collect()
}

fn names(drawing: &Drawing, ordered: &Ordered) -> String {
    let names = ordered.certificates.iter().map(|made| drawing.name(&made.digest()));
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn an_anchor_brings_its_history_by_round_then_author() {
    let drawing = Drawing::of(4, "A B C D\nA:BCD B:ABC C\nA:ABC B:ABC");
    let ordered = order(&drawing, 50, &["B2", "A3", "B2", "B3", "A1"]);
    let names: Vec<_> =
        ordered.iter().map(|one| one.as_ref().map(|one| names(&drawing, one))).collect();
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(names, [some("A1 B1 C1 B2"), some("D1 A2 C2 A3"), None, some("B3"), None]);

    let commits: Vec<_> = ordered.into_iter().flatten().map(|one| one.commit).collect();
    let indexes: Vec<_> = commits.iter().map(|commit| commit.index.0).collect();
    assert_eq!(indexes, [0, 1, 2]);
    let again = commits[1].clone().chained(commits[0].chain);
    assert_eq!(again, commits[1]);
}

#[test]
fn the_limit_lies_below_the_highest_anchor_not_below_the_lower_one_that_comes_later() {
    let text = "A     B     C     D
                A:ABC B:ABC C:ABC D:BCD
                A:ABC B:ABC C:ABC D:BCD
                A:ABC B:ABC C:ABC D:BCD";
    let drawing = Drawing::of(4, text);
    let name = |gc_depth, anchors: &[&str]| {
        order(&drawing, gc_depth, anchors)
            .iter()
            .map(|one| one.as_ref().map_or("stale".to_owned(), |one| names(&drawing, one)))
            .collect::<Vec<_>>()
    };
    assert_eq!(name(2, &["D2", "D3"]), ["B1 C1 D1 D2", "B2 C2 D3"]);
    // Round 1 is below the limit of A4; D2 is above it, but nothing below it.
    assert_eq!(name(3, &["A4", "D2"])[1], "D2");
    assert_eq!(name(4, &["A4", "D2"])[1], "D1 D2");
    assert_eq!(name(2, &["A4", "D2", "D1"])[1..], ["stale", "stale"], "too old");
}

#[test]
fn the_place_of_a_batch_is_taken_once() {
    let drawing = Drawing::of(4, "A#1#2 B#1 C D\nA#2#3#1#4 B C D\nA#1");
    let ordered = order(&drawing, 50, &["A2", "A3"]);
    let batches = |place: usize| {
        let ordered = ordered[place].as_ref().expect("new");
        ordered.commit.batches.iter().filter(|(author, _)| *author == ValidatorId(0)).collect()
    };
    let of_a = |sequence| (ValidatorId(0), batch(ValidatorId(0), sequence));
    let first: Vec<_> = batches(0);
    assert_eq!(first, [&of_a(1), &of_a(2), &of_a(3), &of_a(4)]);
    let second: Vec<_> = batches(1);
    assert!(second.is_empty());
    let all = &ordered[0].as_ref().expect("new").commit.batches;
    let of_b = (ValidatorId(1), batch(ValidatorId(1), 1));
    assert!(all.contains(&of_b), "each author has places of its own");
}

#[test]
fn places_are_counted_for_each_worker() {
    let mut drawing = Drawing::of(1, "");
    let of = |worker| BatchRef { worker: WorkerId(worker), ..batch(ValidatorId(0), 1) };
    let mut header = drawing.blank(1, ValidatorId(0));
    header.batches = vec![of(0), of(1), of(0)];
    drawing.add(&header);
    let ordered = order(&drawing, 50, &["A1"]);
    let expected = [(ValidatorId(0), of(0)), (ValidatorId(0), of(1))];
    assert_eq!(ordered[0].as_ref().expect("new").commit.batches, expected);
}

#[test]
fn the_time_is_the_lower_median_of_the_parents_and_never_goes_back() {
    let text = "A@10 B@20 C@30 D@40
                A@99 B@99 C@99 D@99
                A:ABC@1 B@2 C@3 D@4
                A B C D";
    let drawing = Drawing::of(4, text);
    let times = |anchors: &[&str]| {
        let ordered = order(&drawing, 50, anchors);
        ordered.into_iter().flatten().map(|one| one.commit.timestamp.millis()).collect::<Vec<_>>()
    };
    assert_eq!(times(&["A2"]), [20], "of four the second");
    assert_eq!(times(&["A3"]), [99]);
    assert_eq!(times(&["A2", "A3", "A4"]), [20, 99, 99], "2 would be earlier");
    assert_eq!(times(&["C1", "A2"]), [30, 30], "round 1 has no parents");
}

#[test]
fn where_nobody_lies_the_time_is_that_of_the_anchor() {
    let drawing = Drawing::of(1, "A@50\nA@70\nA@60");
    let mut linearizer = linearizer(&drawing, 50, Clock::Anchor);
    let dag = dag(drawing.all());
    let mut time = |name| {
        let ordered = linearizer.order(&dag, drawing.get(name)).expect("new");
        ordered.commit.timestamp.millis()
    };
    assert_eq!([time("A1"), time("A2"), time("A3")], [50, 70, 70]);
}

#[test]
fn a_lone_validator_closes_blocks_and_no_other() {
    let closes = |drawing: &Drawing| {
        let ordered = order(drawing, 50, &["A2", "A3"]);
        ordered.into_iter().flatten().map(|one| one.commit.close_block).collect::<Vec<_>>()
    };
    assert_eq!(
        closes(&Drawing::of(1, "A!\nA\nA")),
        [true, false],
        "any header of the stretch asks"
    );
    assert_eq!(closes(&Drawing::of(4, "A! B C D\nA! B C\nA!")), [false, false]);
}

#[test]
#[should_panic(expected = "an anchor is decided after it was delivered")]
fn an_anchor_that_was_not_delivered_is_a_broken_invariant() {
    let drawing = Drawing::of(4, "A B C D\nA B C D\nA");
    let dag = dag(drawing.all().filter(|made| *made != drawing.get("A3")));
    let _ = linearizer(&drawing, 50, Clock::Median).order(&dag, drawing.get("A3"));
}

#[test]
#[should_panic(expected = "a certificate comes after its ancestors")]
fn a_missing_parent_is_a_broken_invariant() {
    let drawing = Drawing::of(4, "A B C D\nA B C D\nA");
    let dag = dag(drawing.all().filter(|made| *made != drawing.get("B2")));
    let _ = linearizer(&drawing, 50, Clock::Median).order(&dag, drawing.get("A3"));
}

#[test]
fn the_bytes_of_the_state_do_not_change() {
    let drawing = Drawing::of(4, "A#3@5 B C D");
    let mut linearizer = linearizer(&drawing, 50, Clock::Median);
    let _ = linearizer.order(&dag(drawing.all()), drawing.get("A1"));
    let bytes = codec::encode(linearizer.state());
    let mut golden = vec![1, 0, 0, 0, 0, 0, 0, 0];
    golden.extend(linearizer.state().chain.0.as_bytes());
    golden.extend([5, 0, 0, 0, 0, 0, 0, 0]);
    golden.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    golden.extend([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    golden.extend([1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    golden.extend([3, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes, golden);
}

/// What L1 says, with nothing but sets.
fn expected(
    drawing: &Drawing,
    ordered: &BTreeSet<String>,
    limit: u64,
    anchor: &Certificate,
) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![drawing.name(&anchor.digest())]);
    while let Some(name) = next.pop() {
        let header = drawing.get(&name).header();
        if limit < header.round.0 && !ordered.contains(&name) && found.insert(name) {
            next.extend(header.parents.iter().map(|parent| drawing.name(parent)));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 50, ..ProptestConfig::default() })]

    /// Whether a validator prunes at once, never, or starts again before each anchor with nothing
    /// but its state and what lies above the horizon: the order is the same, and the one that the
    /// rules give. Anchors come in any order, stale ones and low ones too.
    #[test]
    fn what_is_pruned_does_not_matter(
        seed in any::<u64>(),
        gc_depth in 1_u64..9,
        clock in prop_oneof![Just(Clock::Median), Just(Clock::Anchor)],
    ) {
        let drawing = random(4, 16, seed);
        let mut dice = Random(seed);
        let mut anchors: Vec<_> = drawing.all().cloned().collect();
        // Roughly upwards: the order of random anchors would be over with the first high one.
        anchors.sort_by_cached_key(|made| 2 * made.header().round.0 + dice.below(12) as u64);
        let (mut hoarder, everything) = (linearizer(&drawing, gc_depth, clock), dag(drawing.all()));
        let (mut pruner, mut recent) = (linearizer(&drawing, gc_depth, clock), dag(drawing.all()));
        let mut state = State::default();
        let (mut highest, mut known) = (0, BTreeSet::new());
        for anchor in &anchors {
            let round = anchor.header().round.0;
            let limit = highest.max(round).saturating_sub(gc_depth);
            let history = expected(&drawing, &known, limit, anchor);

            let ordered = hoarder.order(&everything, anchor);
            prop_assert_eq!(&pruner.order(&recent, anchor), &ordered);
            recent.prune(pruner.horizon());
            let mut starter = linearizer(&drawing, gc_depth, clock);
            starter.restore(codec::decode(&codec::encode(&state), usize::MAX).expect("own"));
            let mut above = Dag::new();
            above.prune(starter.horizon());
            for certificate in drawing.all() {
                above.insert(certificate.clone());
            }
            prop_assert_eq!(&starter.order(&above, anchor), &ordered);
            prop_assert_eq!(starter.state(), hoarder.state());
            state = starter.state().clone();

            prop_assert_eq!(ordered.is_none(), history.is_empty(), "a stale anchor is no commit");
            let certificates = ordered.iter().flat_map(|one| &one.certificates);
            let names: Vec<_> = certificates.map(|made| drawing.name(&made.digest())).collect();
            prop_assert_eq!(names.iter().cloned().collect::<BTreeSet<_>>(), history.clone());
            prop_assert_eq!(names.len(), history.len());
            if ordered.is_some() {
                highest = highest.max(round);
                known.extend(history);
            }
        }
    }

    /// Those who may be faulty say what they like: the time lies between two honest ones.
    #[test]
    fn a_minority_does_not_move_the_time(
        honest in vec((1_000_u64..2_000, 1_u64..5), 1..8),
        lies in vec((prop_oneof![Just(0_u64), Just(u64::MAX), 0_u64..4_000], 1_u64..5), 0..4),
    ) {
        let weight = |times: &[(u64, u64)]| times.iter().map(|(_, stake)| stake).sum::<u64>();
        prop_assume!(weight(&lies) < weight(&honest));
        let all = honest.iter().chain(&lies);
        let time = median(all.map(|(at, stake)| (Timestamp::from_millis(*at), *stake)).collect());
        let times = || honest.iter().map(|(at, _)| *at);
        let (least, most) = (times().min().expect("one"), times().max().expect("one"));
        prop_assert!((least..=most).contains(&time.millis()));
    }
}
