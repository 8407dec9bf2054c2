//! Committees of simulated validators, thousands at a time.
//!
//! Each validator is the code that ships: a [`kraken_mempool::worker::Worker`] and a
//! [`kraken_ordering::Ordering`], driven as `sequencer` drives them. Network, disks, clocks and
//! clients are simulated: one agenda of events in virtual time and one generator of chance, so a
//! seed replays a run exactly. A [`Plan`] is drawn from the seed, a [`World`] runs it, an observer
//! holds every honest validator to the invariants of `docs/simulation.md`.

mod agenda;
mod audit;
pub mod byzantine;
mod disk;
mod network;
mod node;
mod observer;
pub mod plan;
pub mod report;
pub mod scheme;
pub mod sin;
pub mod twins;
mod world;

use std::{
    any::Any,
    fmt,
    panic::{self, AssertUnwindSafe},
    time::Duration,
};

use kraken_types::{Digest, ValidatorId};

pub use plan::{Choice, Plan};
pub use report::{Invariant, Report, Violation};
pub use world::World;

use crate::sin::Sin;

/// The place of a node in its world. Twins are two nodes of one validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeId(pub usize);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// Runs a plan with liars. A panic of the code under test is a violation as any other.
pub fn run(plan: &Plan, sins: Vec<(ValidatorId, Box<dyn Sin>)>, is_traced: bool) -> Report {
    let world = World::new(plan.clone(), sins);
    let world = if is_traced { world.traced() } else { world };
    panic::catch_unwind(AssertUnwindSafe(|| world.run())).unwrap_or_else(|panic| Report {
        seed: plan.seed,
        protocol: plan.protocol,
        validators: plan.stakes.len(),
        events: 0,
        virtual_time: Duration::ZERO,
        commits: 0,
        transactions: 0,
        progress: Vec::new(),
        hash: Digest::default(),
        trace: Vec::new(),
        violation: Some(Violation {
            at: Duration::ZERO,
            invariant: Invariant::NoPanic,
            what: words_of(panic.as_ref()),
        }),
    })
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words").to_owned()
}
