mod naive;

use kraken_types::{Awaited, Commit, HeaderDigest};
use proptest::prelude::*;

use super::*;
use crate::testing::{Delivery, Drawing, Random, commits, committee, config, random, records};

const DEEP: u64 = 50;

fn deliver(bullshark: &mut Bullshark, certificate: &Verified<Certificate>) -> Vec<Effect> {
    bullshark.step(Timestamp::ZERO, Input::Certificate(certificate.clone()))
}

/// Delivers a drawing from the first word to the last, and names what each commit orders.
fn order(drawing: &Drawing, gc_depth: u64) -> Vec<String> {
    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, gc_depth));
    let effects: Vec<_> = drawing.all().flat_map(|made| deliver(&mut bullshark, made)).collect();
    commits(&effects).iter().map(|commit| name(drawing, commit)).collect()
}

/// The anchor, and the certificates, told by their batches.
fn name(drawing: &Drawing, commit: &Commit) -> String {
    let letters = drawing.committee.ids().zip('A'..).collect::<std::collections::BTreeMap<_, _>>();
    let batches = commit.batches.iter();
    let batches = batches.map(|(author, batch)| format!(" {}{}", letters[author], batch.sequence));
    drawing.name(&commit.anchor) + ":" + &batches.collect::<String>()
}

// Leaders of a committee of four: B in round 2, C in 4, D in 6, A in 8.

#[test]
fn an_anchor_is_committed_once_validity_cites_it() {
    let text = "A     B     C     D
                A     B     C     D
                A:ABC B:ACD C:ACD D:ABD";
    let drawing = Drawing::of(4, text);
    assert_eq!(order(&drawing, DEEP), ["B2: A1 B1 C1 D1 B2"]);

    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, DEEP));
    for certificate in drawing.all() {
        let is_last = certificate == drawing.get("D3");
        assert_eq!(commits(&deliver(&mut bullshark, certificate)).is_empty(), !is_last);
    }
}

#[test]
fn an_anchor_that_one_faulty_validator_may_have_cited_is_not_committed() {
    let text = "A     B     C     D
                A     B     C     D
                A:ABC B:ACD C:ACD D:ACD";
    assert_eq!(order(&Drawing::of(4, text), DEEP), [""; 0]);
}

#[test]
fn an_anchor_with_too_little_support_is_committed_before_a_later_one_that_reaches_it() {
    let text = "A     B     C     D
                A     B     C     D
                A:ABC B:ACD C:ACD D:ACD
                A:ABC B:ABC C:ABC D:BCD
                A     B     C     D";
    let expected = ["B2: A1 B1 C1 D1 B2", "C4: A2 C2 D2 A3 B3 C3 C4"];
    assert_eq!(order(&Drawing::of(4, text), DEEP), expected);
}

#[test]
fn an_anchor_that_no_later_one_reaches_is_left_out_and_ordered_like_any_other() {
    let text = "A     B     C     D
                A     B     C     D
                A:ABC B:ACD C:ACD D:ACD
                A     B     C:BCD D
                A     B     C     D
                A     B     C     D
                A     B     C     D";
    let expected = ["C4: A1 B1 C1 D1 A2 C2 D2 B3 C3 D3 C4", "D6: B2 A3 A4 B4 D4 A5 B5 C5 D5 D6"];
    assert_eq!(order(&Drawing::of(4, text), DEEP), expected);
}

#[test]
fn a_missing_anchor_is_passed_over() {
    let text = "A B C D
                A C D
                A C D
                A B C
                A B C";
    assert_eq!(order(&Drawing::of(4, text), DEEP), ["C4: A1 B1 C1 D1 A2 C2 D2 A3 C3 D3 C4"]);
}

#[test]
fn the_walk_goes_on_from_the_anchor_that_was_found_last() {
    // D6 reaches B2 through A3 and A5, but not through C4.
    let text = "A     B     C     D
                A     B     C     D
                A:ABC B:ACD C:ACD D:ACD
                A     B     C:BCD D
                A:ABD B:ABD C:ABC D:ABD
                A     B     C     D:ABC
                A     B     C     D";
    let drawing = Drawing::of(4, text);
    let anchors: Vec<_> = order(&drawing, DEEP).iter().map(|name| name[..2].to_owned()).collect();
    assert_eq!(anchors, ["C4", "D6"]);
}

#[test]
fn what_lies_too_deep_below_an_anchor_is_never_ordered() {
    // Nobody cites D1 and D2 before D3.
    let text = "A     B     C     D
                A:ABC B:ABC C:ABC D:BCD
                A:ABC B:ABC C:ABC D:BCD
                A     B     C     D
                A     B     C     D";
    let drawing = Drawing::of(4, text);
    let shallow = ["B2: A1 B1 C1 B2", "C4: A2 C2 D2 A3 B3 C3 D3 C4"];
    assert_eq!(order(&drawing, 3), shallow);
    let deep = ["B2: A1 B1 C1 B2", "C4: D1 A2 C2 D2 A3 B3 C3 D3 C4"];
    assert_eq!(order(&drawing, 4), deep);
}

#[test]
fn stake_decides_not_heads() {
    // Validity is 4 of 10; A alone has as much.
    let committee = committee(&[4, 2, 2, 2]);
    let text = "A     B     C     D
                A     B     C     D
                A:ABC B:ACD C:ACD D:ACD";
    assert_eq!(order(&Drawing::with(&committee, text), DEEP), ["B2: A1 B1 C1 D1 B2"]);
    let text = "A     B     C     D
                A     B     C     D
                A:ACD B:ABC C:ACD D:ACD";
    assert_eq!(order(&Drawing::with(&committee, text), DEEP), [""; 0]);
}

#[test]
fn a_lone_validator_orders_every_other_round() {
    let expected = ["A2: A1 A2", "A4: A3 A4"];
    assert_eq!(order(&Drawing::of(1, "A\nA\nA\nA\nA"), DEEP), expected);
}

/// What the effects ask the mempool to wait for.
fn holds(effects: &[Effect]) -> Vec<(u64, Awaited)> {
    let hold = |effect: &Effect| match effect {
        Effect::Hold { round, until } => Some((round.0, *until)),
        Effect::Persist(_)
        | Effect::Send { .. }
        | Effect::Broadcast(_)
        | Effect::SetTimer { .. }
        | Effect::Attach(_)
        | Effect::Certificate(_)
        | Effect::Want { .. }
        | Effect::Equivocated { .. }
        | Effect::Commit(_) => None,
    };
    effects.iter().filter_map(hold).collect()
}

#[test]
fn the_mempool_hears_in_time_what_to_wait_for() {
    let drawing = Drawing::of(4, "A B C D\nA B C D\nA B C D");
    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, DEEP));
    let mut hear = |name| holds(&deliver(&mut bullshark, drawing.get(name)));
    let b = Awaited::Certificate(ValidatorId(1));
    assert_eq!(hear("A1"), [(1, Awaited::Nothing), (2, b)]);
    assert_eq!([hear("B1"), hear("C1"), hear("D1")], [[], [], []]);
    assert_eq!(hear("A2"), [(3, Awaited::Nothing)]);
    assert_eq!(hear("B2"), [(3, Awaited::Verdict(drawing.get("B2").digest()))]);
    assert_eq!([hear("C2"), hear("D2")], [[], []]);
    assert_eq!(hear("A3"), [(4, Awaited::Certificate(ValidatorId(2)))]);
}

/// Thirty rounds without D, whose turns are those of rounds 6, 14, 22 and 30.
fn without_d() -> Drawing {
    Drawing::of(4, &["A B C D"].into_iter().chain(["A B C"; 32]).collect::<Vec<_>>().join("\n"))
}

#[test]
fn the_turns_of_an_absent_leader_go_to_another_and_the_mempool_is_told() {
    let drawing = without_d();
    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, DEEP));
    let (mut anchors, mut awaited) = (Vec::new(), Vec::new());
    for certificate in drawing.all() {
        let effects = deliver(&mut bullshark, certificate);
        anchors.extend(commits(&effects).iter().map(|commit| drawing.name(&commit.anchor)));
        awaited.extend(holds(&effects));
    }
    // The tenth commit is that of round 26: rounds 6, 14 and 22 had none.
    let expected =
        ["B2", "C4", "A8", "B10", "C12", "A16", "B18", "C20", "A24", "B26", "C28", "A30", "A32"];
    assert_eq!(anchors, expected);
    let in_round =
        |round| awaited.iter().filter(move |(at, _)| *at == round).map(|(_, until)| *until);
    let of_d = Awaited::Certificate(ValidatorId(3));
    assert_eq!(in_round(22).collect::<Vec<_>>(), [of_d]);
    assert_eq!(in_round(30).collect::<Vec<_>>(), [Awaited::Certificate(ValidatorId(0))]);
    // Known already when turns changed hands, and told again.
    let again = [Awaited::Certificate(ValidatorId(2)); 2];
    assert_eq!(in_round(28).collect::<Vec<_>>(), again);
}

#[test]
fn a_commit_is_durable_before_it_is_announced_and_both_say_the_same() {
    let drawing = without_d();
    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, DEEP));
    let effects: Vec<_> = drawing.all().flat_map(|made| deliver(&mut bullshark, made)).collect();
    let is_spoken = |effect: &&Effect| !matches!(effect, Effect::Hold { .. });
    for pair in effects.iter().filter(is_spoken).collect::<Vec<_>>().chunks(2) {
        let [Effect::Persist(Record::Committed { commit: durable, .. }), Effect::Commit(commit)] =
            pair
        else {
            panic!("{pair:?}");
        };
        assert_eq!(durable, commit);
    }
    assert_eq!(commits(&effects).len(), 13);
}

#[test]
fn what_it_holds_does_not_grow_with_the_run() {
    let drawing = without_d();
    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, 4));
    for certificate in drawing.all() {
        let _ = deliver(&mut bullshark, certificate);
        // Four rounds below the last anchor, and those above it.
        assert!(bullshark.size() <= 4 * 10, "{}", bullshark.size());
    }
}

#[test]
fn what_is_not_for_it_moves_nothing() {
    let drawing = Drawing::of(4, "A");
    let mut bullshark = Bullshark::new(config(&drawing.committee, 0, DEEP));
    let from = ValidatorId(3);
    let message = crate::Message::Fcfs(crate::fcfs::Message::Want(kraken_types::CommitIndex(0)));
    for input in [
        Input::Message { from, message },
        Input::Timer(crate::TimerId(0)),
        Input::Forgotten(Vec::new()),
    ] {
        assert_eq!(bullshark.step(Timestamp::ZERO, input), []);
    }
    let _ = deliver(&mut bullshark, drawing.get("A1"));
    assert_eq!(deliver(&mut bullshark, drawing.get("A1")), [], "a second time");
}

/// The property below says something only if random DAGs reach these cases.
#[test]
fn random_dags_lose_certificates_and_drop_what_was_found_when_turns_change_hands() {
    let (mut lost, mut substitutes, mut stacks, mut dropped) = (0, 0, 0, 0);
    for seed in 0..60 {
        let drawing = random(4, 60, seed);
        let run = |gc_depth| {
            let mut bullshark = Bullshark::new(config(&drawing.committee, 0, gc_depth));
            drawing.all().map(|made| deliver(&mut bullshark, made)).collect::<Vec<_>>()
        };
        let (deep, steps) = (run(100), run(3));
        let order = |steps: &[Vec<Effect>]| {
            steps.iter().flat_map(|effects| commits(effects)).collect::<Vec<_>>()
        };
        let batches = |steps| order(steps).iter().map(|commit| commit.batches.len()).sum::<usize>();
        lost += usize::from(batches(&steps) < batches(&deep));
        substitutes += usize::from(order(&steps).iter().any(|commit| {
            let leader = "ABCD".split_at(usize::try_from(commit.round.0 / 2 % 4).expect("small")).1;
            !leader.starts_with(&drawing.name(&commit.anchor)[..1])
        }));
        for effects in steps {
            stacks += usize::from(1 < commits(&effects).len());
            // Hints between two commits: turns changed hands, and the order went on.
            let hint = effects.iter().rposition(|effect| matches!(effect, Effect::Hold { .. }));
            let (before, after) = effects.split_at(hint.unwrap_or(0));
            dropped += usize::from(!commits(before).is_empty() && !commits(after).is_empty());
        }
    }
    assert!(30 <= lost && 20 <= substitutes && 50 <= stacks && 3 <= dropped);
}

/// One validator: its protocol, what it made durable, and what it was given.
struct Validator {
    drawing: Drawing,
    gc_depth: u64,
    bullshark: Bullshark,
    delivery: Delivery,
    records: Vec<Record>,
    commits: Vec<Commit>,
    /// Everything that was ever delivered.
    seen: std::collections::BTreeMap<HeaderDigest, Verified<Certificate>>,
}

impl Validator {
    fn new(drawing: Drawing, gc_depth: u64, seed: u64) -> Self {
        Self {
            bullshark: Bullshark::new(config(&drawing.committee, 0, gc_depth)),
            delivery: Delivery::new(&drawing, seed),
            drawing,
            gc_depth,
            records: Vec::new(),
            commits: Vec::new(),
            seen: std::collections::BTreeMap::new(),
        }
    }

    /// Takes in the next certificate; of the effects only some are carried out. `None` if there is
    /// none.
    fn advance(&mut self, keep: impl FnOnce(&[Effect]) -> usize) -> Option<()> {
        let anchor = self.commits.iter().map(|commit| commit.round).max().unwrap_or_default();
        let certificate = self.delivery.next(anchor.back(self.gc_depth))?;
        let mut effects = deliver(&mut self.bullshark, &certificate);
        self.seen.insert(certificate.digest(), certificate);
        effects.truncate(keep(&effects));
        self.records.extend(records(&effects));
        self.commits.extend(commits(&effects));
        Some(())
    }

    /// Starts anew, with the newest record only or with all.
    fn restart(&mut self, oldest: usize) {
        // What is durable is done first.
        let known = self.commits.len();
        for record in self.records.iter().skip(known) {
            if let Record::Committed { commit, .. } = record {
                self.commits.push(commit.clone());
            }
        }
        self.bullshark = Bullshark::new(config(&self.drawing.committee, 0, self.gc_depth));
        let records = self.records.iter().skip(oldest).cloned().collect();
        let effects = self.bullshark.step(Timestamp::ZERO, Input::Recovered(records));
        assert_eq!(effects, []);
        self.delivery.restart();
    }

    fn expected(&self) -> Vec<Commit> {
        naive::order(self.seen.values(), &self.drawing.committee, self.gc_depth)
    }
}

/// Delivers a random DAG to two validators, each in an order of its own and with a crash in the midst
/// of a step, and compares with the reference after each certificate.
fn check(size: usize, seed: u64, gc_depth: u64, crash_at: usize) {
    let rounds = 20 + 160 / size as u64;
    let all = random(size, rounds, seed);
    let expected = naive::order(all.all(), &all.committee, gc_depth);
    for number in 0..2 {
        let mut validator = Validator::new(random(size, rounds, seed), gc_depth, seed ^ number);
        let mut dice = Random(seed.wrapping_add(number));
        let mut has_crashed = false;
        for step in 0.. {
            let mut crashes = false;
            let advanced = validator.advance(|effects| {
                let is_due = !has_crashed && crash_at <= step;
                crashes = is_due && (2 <= commits(effects).len() || dice.percent(10));
                if crashes { dice.below(effects.len() + 1) } else { effects.len() }
            });
            if advanced.is_none() {
                break;
            }
            if crashes {
                has_crashed = true;
                let newest = validator.records.len().saturating_sub(1);
                validator.restart(dice.below(newest + 1));
                assert!(validator.expected().starts_with(&validator.commits));
            } else if !has_crashed {
                assert_eq!(validator.commits, validator.expected());
            }
        }
        assert_eq!(validator.commits, validator.expected());
        assert_eq!(validator.commits, expected);
    }
}

/// After turns changed hands there may be more than one, and the next certificate that decides
/// something may be long in coming.
#[test]
fn all_anchors_that_a_new_schedule_decides_are_ordered_at_once() {
    check(4, 3_031_554_701_116_764_288, 6, 165);
    check(4, 11_676_678_975_025_368_920, 4, 127);
    check(10, 18_380_686_851_067_492_518, 5, 81);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 50, ..ProptestConfig::default() })]

    /// In whatever causal order a DAG is delivered, after each certificate the order is that of a
    /// reference which knows no state; and a crash in the midst of a step changes nothing.
    #[test]
    fn any_delivery_of_any_dag_commits_what_the_reference_commits(
        size in prop_oneof![4 => Just(4_usize), 1 => Just(7), 1 => Just(10)],
        seed in any::<u64>(),
        gc_depth in 1_u64..8,
        crash_at in 0_usize..200,
    ) {
        check(size, seed, gc_depth, crash_at);
    }
}
