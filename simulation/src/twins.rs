//! Twins: two honest nodes with one identity, in a network that is cut in ever new ways.
//!
//! Each twin follows the rules, but knows nothing of what the other said; together they say whatever
//! a liar could want to say: two headers, two proposals, two votes (Bano et al., arXiv:2004.10617).
//! A scenario is a sequence of slices of time; in each, it is fixed who reaches whom. After the last
//! one everyone reaches everyone, and all that was promised must get done.

use std::time::Duration;

use kraken_types::{ValidatorId, genesis::Protocol};
use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::{
    Choice, Plan, Report,
    plan::{Faults, Links, Slice, millis},
    run,
    sin::Sin,
};

/// A twin: what it does wrong is to exist.
#[derive(Debug)]
struct Twin;

impl Sin for Twin {}

/// Runs one scenario, in which as many validators have a twin as may be faulty.
pub fn run_twins(seed: u64, protocol: Protocol, choice: Choice, is_traced: bool) -> Report {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn = [4, 4, 7].choose(&mut random).copied();
    let choice = Choice { validators: choice.validators.or(drawn), ..choice };
    let plan = draw(&mut random, Plan::of_seed(seed, protocol, choice));
    let validators = u16::try_from(plan.stakes.len()).unwrap_or(u16::MAX);
    let mut ids: Vec<_> = (0..validators).map(ValidatorId).collect();
    ids.shuffle(&mut random);
    ids.truncate(faulty_max(validators).into());
    // The second sin of a validator makes the second node; these come last, in this order.
    let sins = [ids.clone(), ids.clone()].concat();
    let sins = sins.into_iter().map(|id| (id, Box::new(Twin) as Box<dyn Sin>)).collect();
    let firsts: Vec<_> = ids.iter().map(|id| usize::from(id.0)).collect();
    let slices = draw_slices(&mut random, &plan, usize::from(validators), &firsts);
    let chaos = slices.iter().map(|slice| slice.lasts).sum();
    run(&Plan { slices, chaos, ..plan }, sins, is_traced)
}

/// The most of equal validators that may be faulty.
const fn faulty_max(validators: u16) -> u16 {
    validators.div_ceil(3) - 1
}

/// A plan without any trouble but the slices.
fn draw(random: &mut ChaCha8Rng, plan: Plan) -> Plan {
    let links = Links {
        latency_ms: 1..=random.gen_range(1..=20),
        jitter_ms: random.gen_range(1..=20),
        straggling: 0,
        loss: 0,
        doubled: 0,
        is_ordered: true,
    };
    let faults = Faults { every: None, kinds: Vec::new(), skew_ms: 0, ..plan.faults };
    Plan { stakes: vec![1; plan.stakes.len()], links, faults, ..plan }
}

/// Slices as long as a message, a round or a view takes.
fn draw_slices(
    random: &mut ChaCha8Rng,
    plan: &Plan,
    validators: usize,
    firsts: &[usize],
) -> Vec<Slice> {
    let view = plan.settings.view_timeout;
    let count = random.gen_range(4..=24);
    let slice = |random: &mut ChaCha8Rng| {
        let lasts = match random.gen_range(0..3) {
            0 => millis(random.gen_range(5..=60)),
            1 => millis(random.gen_range(60..=400)),
            _ => view + Duration::from_millis(random.gen_range(0..=400)),
        };
        Slice { lasts, reaches: draw_reach(random, validators, firsts) }
    };
    (0..count).map(|_| slice(random)).collect()
}

/// Who reaches whom: a matrix of nodes by nodes.
fn draw_reach(random: &mut ChaCha8Rng, validators: usize, firsts: &[usize]) -> Vec<Vec<bool>> {
    let nodes = validators + firsts.len();
    let mut sides: Vec<_> = (0..nodes).map(|_| random.gen_range(0..2)).collect();
    // Most of the time twins are on different sides.
    for (twin, first) in firsts.iter().enumerate() {
        if random.gen_ratio(3, 4) {
            sides[validators + twin] = 1 - sides[*first];
        }
    }
    let is_twin = |node: usize| validators <= node || firsts.contains(&node);
    match random.gen_range(0..8) {
        // Two committees, each with its own twins.
        0..4 => matrix(nodes, |from, to| sides[from] == sides[to]),
        // The others reach each other; each twin has its own audience.
        4..6 => {
            matrix(nodes, |from, to| sides[from] == sides[to] || !(is_twin(from) || is_twin(to)))
        }
        // Links fail one by one.
        6 => {
            let lost = random.gen_range(0.05..0.5);
            let links: Vec<_> = (0..nodes * nodes).map(|_| !random.gen_bool(lost)).collect();
            matrix(nodes, |from, to| links[from * nodes + to])
        }
        _ => matrix(nodes, |_, _| true),
    }
}

fn matrix(nodes: usize, reaches: impl Fn(usize, usize) -> bool) -> Vec<Vec<bool>> {
    (0..nodes).map(|from| (0..nodes).map(|to| reaches(from, to)).collect()).collect()
}
