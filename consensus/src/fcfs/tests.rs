use std::time::Duration;

use kraken_types::{Digest, Header, Round};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::testing::{
    Delivery, Drawing, Random, certify, commits, committee, config, random, records,
};

const GC_DEPTH: u64 = 5;
const OTHER: ValidatorId = ValidatorId(2);

fn fcfs(drawing: &Drawing, id: u16) -> Fcfs {
    Fcfs::new(config(&drawing.committee, id, GC_DEPTH))
}

fn step(fcfs: &mut Fcfs, input: Input) -> Vec<Effect> {
    fcfs.step(Timestamp::ZERO, input)
}

fn deliver(fcfs: &mut Fcfs, certificate: &Verified<Certificate>) -> Vec<Effect> {
    step(fcfs, Input::Certificate(certificate.clone()))
}

fn hear(fcfs: &mut Fcfs, from: ValidatorId, message: Message) -> Vec<Effect> {
    step(fcfs, Input::Message { from, message: crate::Message::Fcfs(message) })
}

/// A few certificates, and the announcements of the first validator, one message each.
fn announced() -> (Drawing, Fcfs, Vec<Order>) {
    let drawing = Drawing::of(4, "A B C D\nA B C D");
    let mut first = fcfs(&drawing, 0);
    let effects = drawing.all().flat_map(|made| deliver(&mut first, made)).collect::<Vec<_>>();
    let orders = commits(&effects).iter().map(Order::of).collect();
    (drawing, first, orders)
}

fn ask_timer(after_ms: u64) -> Effect {
    Effect::SetTimer { timer: crate::TimerId(0), after: Duration::from_millis(after_ms) }
}

fn send(to: ValidatorId, message: Message) -> Effect {
    Effect::Send { to, message: crate::Message::Fcfs(message) }
}

#[test]
fn a_commit_is_durable_then_announced_then_done() {
    let drawing = Drawing::of(4, "A B C D");
    let effects = deliver(&mut fcfs(&drawing, 0), drawing.get("C1"));
    let [Effect::Persist(Record::Committed { commit: durable, .. }), Effect::Broadcast(said), done] =
        effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    assert_eq!(*done, Effect::Commit(durable.clone()));
    assert_eq!(durable.anchor, drawing.get("C1").digest());
    assert_eq!(*said, crate::Message::Fcfs(Message::Orders(vec![Order::of(durable)])));
}

#[test]
fn a_lone_validator_closes_blocks_and_speaks_to_nobody() {
    let drawing = Drawing::of(1, "A!@5\nA@3");
    let mut fcfs = fcfs(&drawing, 0);
    let effects = deliver(&mut fcfs, drawing.get("A1"));
    let [Effect::Persist(Record::Committed { commit: durable, .. }), Effect::Commit(commit)] =
        effects.as_slice()
    else {
        panic!("{effects:?}");
    };
    assert_eq!(durable, commit);
    assert!(commit.close_block);
    assert_eq!(commit.timestamp, Timestamp::from_millis(5));
    let next = commits(&deliver(&mut fcfs, drawing.get("A2")));
    assert!(!next[0].close_block);
    assert_eq!(next[0].timestamp, Timestamp::from_millis(5), "never earlier");
}

#[test]
fn nobody_closes_blocks_in_a_committee_of_several() {
    let drawing = Drawing::of(4, "A!");
    let commits = commits(&deliver(&mut fcfs(&drawing, 0), drawing.get("A1")));
    assert!(!commits[0].close_block);
}

#[test]
fn a_follower_commits_in_the_order_of_the_numbers_what_was_delivered() {
    let (drawing, _, orders) = announced();
    let mut follower = fcfs(&drawing, 1);
    assert_eq!(deliver(&mut follower, drawing.get("B1")), [ask_timer(100)]);
    assert_eq!(hear(&mut follower, FIRST, Message::Orders(vec![orders[1]])), []);
    assert_eq!(hear(&mut follower, FIRST, Message::Orders(vec![orders[0]])), []);
    let committed = commits(&deliver(&mut follower, drawing.get("A1")));
    let anchors: Vec<_> = committed.iter().map(|commit| drawing.name(&commit.anchor)).collect();
    assert_eq!(anchors, ["A1", "B1"]);
    assert_eq!(committed.iter().map(Order::of).collect::<Vec<_>>(), orders[..2]);
}

#[test]
fn only_the_first_validator_is_believed() {
    let (drawing, _, orders) = announced();
    let mut follower = fcfs(&drawing, 1);
    let _ = deliver(&mut follower, drawing.get("A1"));
    assert_eq!(hear(&mut follower, OTHER, Message::Orders(orders.clone())), []);
    assert_eq!(commits(&hear(&mut follower, FIRST, Message::Orders(orders))).len(), 1);
}

#[test]
fn a_follower_stops_where_the_digests_differ() {
    let (drawing, _, mut orders) = announced();
    let mut follower = fcfs(&drawing, 1);
    for certificate in drawing.all() {
        let _ = deliver(&mut follower, certificate);
    }
    orders[1].chain = ChainDigest(Digest::from_bytes([1; 32]));
    assert_eq!(commits(&hear(&mut follower, FIRST, Message::Orders(orders.clone()))).len(), 1);
    assert_eq!(hear(&mut follower, FIRST, Message::Orders(orders)), []);
    assert_eq!(step(&mut follower, Input::Timer(crate::TimerId(0))), []);
}

#[test]
fn a_follower_stops_when_something_is_announced_twice() {
    let (drawing, _, orders) = announced();
    let mut follower = fcfs(&drawing, 1);
    let _ = deliver(&mut follower, drawing.get("A1"));
    let again = Order { index: CommitIndex(1), ..orders[0] };
    assert_eq!(
        commits(&hear(&mut follower, FIRST, Message::Orders(vec![orders[0], again]))).len(),
        1
    );
    assert_eq!(hear(&mut follower, FIRST, Message::Orders(orders)), []);
}

#[test]
fn what_was_lost_is_asked_for_ever_less_often_until_the_order_goes_on() {
    let (drawing, mut first, orders) = announced();
    let mut follower = fcfs(&drawing, 1);
    let ask = |follower: &mut Fcfs| step(follower, Input::Timer(crate::TimerId(0)));
    assert_eq!(deliver(&mut follower, drawing.get("A1")), [ask_timer(100)]);
    let want = Message::Want(CommitIndex(0));
    for after in [200, 400, 800, 800] {
        assert_eq!(ask(&mut follower), [send(FIRST, want.clone()), ask_timer(after)]);
    }
    let answer = hear(&mut first, ValidatorId(1), want);
    assert_eq!(answer, [send(ValidatorId(1), Message::Orders(orders.clone()))]);
    assert_eq!(commits(&hear(&mut follower, FIRST, Message::Orders(orders))).len(), 1);

    // Now the certificate of the next one is missing, and nobody else may ever mention it.
    let lost = drawing.get("B1");
    let want = Effect::Want { certificate: lost.digest(), from: FIRST };
    assert_eq!(ask(&mut follower), [want, ask_timer(200)]);
    for certificate in drawing.all() {
        let _ = deliver(&mut follower, certificate);
    }
    assert_eq!(ask(&mut follower), [], "nothing is missing any more");
}

#[test]
fn announcements_far_ahead_are_not_kept() {
    let (drawing, _, orders) = announced();
    let mut follower = fcfs(&drawing, 1);
    let far = |index| Order { index: CommitIndex(index), ..orders[0] };
    let many = (0..10_000).chain([u64::MAX]).map(far).collect();
    let _ = hear(&mut follower, FIRST, Message::Orders(many));
    assert_eq!(follower.size(), HISTORY_MAX);
}

#[test]
fn the_first_validator_answers_in_pieces_and_remembers_so_much() {
    let committee = committee(&[1; 4]);
    let drawing = Drawing::new(&committee);
    let mut first = fcfs(&drawing, 0);
    let mut ordered = Vec::new();
    let mut parent = None;
    for round in 1..=HISTORY_MAX as u64 + 10 {
        let parents = parent.into_iter().collect();
        let header = Header { parents, ..drawing.blank(round, FIRST) };
        let certificate = certify(&header, &committee);
        parent = Some(certificate.digest());
        ordered.extend(commits(&deliver(&mut first, &certificate)));
    }
    let mut ask = |index| hear(&mut first, OTHER, Message::Want(CommitIndex(index)));
    assert_eq!(ask(9), [], "forgotten");
    let piece = ordered[10..10 + ORDERS_MAX].iter().map(Order::of).collect();
    assert_eq!(ask(10), [send(OTHER, Message::Orders(piece))]);
    let last = ordered.last().map(Order::of).into_iter().collect();
    assert_eq!(ask(HISTORY_MAX as u64 + 9), [send(OTHER, Message::Orders(last))]);
    assert_eq!(ask(HISTORY_MAX as u64 + 10), [], "not yet");
    assert!(first.size() <= HISTORY_MAX + 5);
}

#[test]
fn the_largest_answer_is_a_message() {
    let order = announced().2[0];
    let message = crate::Message::Fcfs(Message::Orders(vec![order; ORDERS_MAX]));
    let bytes = kraken_types::codec::encode(&message);
    assert_eq!(crate::Message::decode(&bytes).expect("small enough"), message);
}

/// One validator of a committee: its protocol, what it made durable and what it was given.
struct Validator {
    fcfs: Fcfs,
    delivery: Delivery,
    records: Vec<Record>,
    commits: Vec<Commit>,
    wants_timer: bool,
}

impl Validator {
    fn new(drawing: &Drawing, id: u16, seed: u64) -> Self {
        Self {
            fcfs: fcfs(drawing, id),
            delivery: Delivery::new(drawing, seed),
            records: Vec::new(),
            commits: Vec::new(),
            wants_timer: false,
        }
    }

    /// Carries out effects; what it says to others is returned.
    fn carry_out(&mut self, effects: Vec<Effect>) -> Vec<Message> {
        self.records.extend(records(&effects));
        self.commits.extend(commits(&effects));
        let mut said = Vec::new();
        for effect in effects {
            match effect {
                Effect::Send { message: crate::Message::Fcfs(message), .. }
                | Effect::Broadcast(crate::Message::Fcfs(message)) => said.push(message),
                Effect::SetTimer { .. } => self.wants_timer = true,
                // The mempool brings everything in the end.
                Effect::Want { .. } | Effect::Persist(_) | Effect::Commit(_) => {}
                Effect::Send { .. }
                | Effect::Certificate(_)
                | Effect::Broadcast(_)
                | Effect::Hold { .. }
                | Effect::Equivocated { .. }
                | Effect::Attach(_) => panic!("not of this protocol"),
            }
        }
        said
    }

    fn deliver_next(&mut self) -> Vec<Message> {
        let highest = self.commits.iter().map(|commit| commit.round).max().unwrap_or(Round(0));
        let next = self.delivery.next(highest.back(GC_DEPTH));
        next.map_or(Vec::new(), |certificate| {
            let effects = deliver(&mut self.fcfs, &certificate);
            self.carry_out(effects)
        })
    }

    fn restart(&mut self, drawing: &Drawing, id: u16) {
        self.fcfs = fcfs(drawing, id);
        self.wants_timer = false;
        self.delivery.restart();
        assert_eq!(step(&mut self.fcfs, Input::Recovered(self.records.clone())), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 50, ..ProptestConfig::default() })]

    /// Whatever the clocks say and wherever the process dies: numbers without gaps, time that never
    /// goes back, each certificate once, and the same order as without the crash.
    #[test]
    fn a_crash_does_not_change_the_order_of_a_lone_validator(
        times in vec(0_u64..1_000, 1..40),
        crash_after in 0_usize..40,
    ) {
        let text: Vec<_> = times.iter().map(|millis| format!("A@{millis}")).collect();
        let drawing = Drawing::of(1, &text.join("\n"));
        let mut steady = fcfs(&drawing, 0);
        let expected: Vec<_> =
            drawing.all().flat_map(|made| commits(&deliver(&mut steady, made))).collect();

        let mut alone = fcfs(&drawing, 0);
        let (mut kept, mut order) = (Vec::new(), Vec::new());
        for (number, certificate) in drawing.all().enumerate() {
            if number == crash_after {
                alone = fcfs(&drawing, 0);
                // The newest is enough.
                let newest = kept.last().cloned().into_iter().collect();
                prop_assert_eq!(step(&mut alone, Input::Recovered(newest)), []);
                let above = number.saturating_sub(usize::try_from(GC_DEPTH).expect("small"));
                for again in drawing.all().take(number).skip(above) {
                    prop_assert_eq!(deliver(&mut alone, again), []);
                }
            }
            for _ in 0..2 {
                let effects = deliver(&mut alone, certificate);
                kept.extend(records(&effects));
                order.extend(commits(&effects));
            }
        }

        prop_assert_eq!(&order, &expected);
        prop_assert_eq!(order.len(), times.len());
        for (index, commit) in (0..).zip(&order) {
            prop_assert_eq!(commit.index, CommitIndex(index));
        }
        prop_assert!(order.is_sorted_by_key(|commit| commit.timestamp));
    }

    /// Messages are lost, certificates come in any causal order, both crash: the follower gets the
    /// order of the first validator in the end, and never another.
    #[test]
    fn a_follower_gets_the_whole_order(seed in any::<u64>(), loss in 0_usize..90) {
        let drawing = random(4, 20, seed);
        let mut dice = Random(seed);
        let mut first = Validator::new(&drawing, 0, seed ^ 1);
        let mut follower = Validator::new(&drawing, 1, seed ^ 2);
        for turn in 0..6_000 {
            let at_ease = 3_000 < turn;
            let mut to_follower = Vec::new();
            match dice.below(100) {
                0..40 => to_follower = first.deliver_next(),
                40..80 => prop_assert_eq!(follower.deliver_next(), []),
                80..98 if follower.wants_timer => {
                    follower.wants_timer = false;
                    let effects = step(&mut follower.fcfs, Input::Timer(crate::TimerId(0)));
                    for question in follower.carry_out(effects) {
                        if at_ease || !dice.percent(loss) {
                            let effects = hear(&mut first.fcfs, ValidatorId(1), question);
                            to_follower.extend(first.carry_out(effects));
                        }
                    }
                }
                98 if !at_ease && dice.percent(20) => first.restart(&drawing, 0),
                99 if !at_ease && dice.percent(20) => follower.restart(&drawing, 1),
                _ => {}
            }
            for message in to_follower {
                if at_ease || !dice.percent(loss) {
                    let effects = hear(&mut follower.fcfs, FIRST, message);
                    prop_assert_eq!(follower.carry_out(effects), []);
                }
            }
            prop_assert!(first.commits.starts_with(&follower.commits));
        }
        prop_assert_eq!(&follower.commits, &first.commits);
        let lost = drawing.all().count() - first.commits.len();
        prop_assert!(lost < 20, "{lost} certificates were not ordered");
    }

    /// Anything may be said by anybody to anybody.
    #[test]
    fn no_message_brings_a_validator_down(
        id in 0_u16..2,
        said in vec((0_u16..6, 0_u8..6, 0_u64..12, any::<u64>()), 0..60),
    ) {
        let (drawing, _, orders) = announced();
        let mut fcfs = fcfs(&drawing, id);
        let all: Vec<_> = drawing.all().collect();
        for (from, kind, small, any) in said {
            let place = usize::try_from(small).expect("small") % all.len();
            let order = Order { index: CommitIndex(small), ..orders[place] };
            let message = match kind {
                0 => Message::Orders(vec![order, orders[place]]),
                1 => Message::Orders(vec![Order { index: CommitIndex(any), ..order }]),
                2 => Message::Want(CommitIndex(any)),
                _ => Message::Want(CommitIndex(small)),
            };
            let _ = hear(&mut fcfs, ValidatorId(from), message);
            let _ = deliver(&mut fcfs, all[place % 4]);
            let _ = step(&mut fcfs, Input::Timer(crate::TimerId(kind)));
            prop_assert!(fcfs.size() <= 4_200);
        }
    }
}
