//! How a run ended.

use std::{fmt, time::Duration};

use kraken_types::{Digest, genesis::Protocol};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which run.
    pub seed: u64,
    /// Of which protocol.
    pub protocol: Protocol,
    /// In a committee of so many.
    pub validators: usize,
    /// So many things happened.
    pub events: u64,
    /// It took so long, by the clock of the world.
    pub virtual_time: Duration,
    /// The order had so many commits.
    pub commits: u64,
    /// So many transactions were executed.
    pub transactions: u64,
    /// How many commits there were after the first second, the next, and so on.
    pub progress: Vec<u64>,
    /// Of everything that happened: equal for equal runs.
    pub hash: Digest,
    /// What happened, if that was asked for.
    pub trace: Vec<String>,
    /// What must never happen, but did.
    pub violation: Option<Violation>,
}

/// Something that must never happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, by the clock of the world; zero if that is not known.
    pub at: Duration,
    /// Which rule it broke.
    pub invariant: Invariant,
    /// How.
    pub what: String,
}

/// What must hold in every run; `docs/simulation.md` has the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Honest validators commit the same order.
    Agreement,
    /// Commits follow each other without gaps, each chained to the one before.
    Continuity,
    /// Nothing is ordered twice.
    NoDuplicates,
    /// What is ordered was made by those who are said to have made it.
    Integrity,
    /// Ancestors come before their descendants.
    Causality,
    /// Nobody honest contradicts what it said before, in any of its lives.
    NonEquivocation,
    /// What must not be forgotten is durable before anything that rests on it is said.
    DurableBeforeSpoken,
    /// What is certified can be had.
    Availability,
    /// No two blocks of a view are certified.
    UniqueQuorums,
    /// The order is what the rules make of the anchors, computed anew from the certificates.
    Recomputation,
    /// Every commit is executed once, in order.
    ExactlyOnce,
    /// Nobody keeps more than the settings allow.
    BoundedMemory,
    /// Once all is well, everything that was promised gets done.
    Liveness,
    /// Once all is well, everyone's work gets ordered.
    ChainQuality,
    /// What an honest validator sends or stores can be read.
    Decoding,
    /// A committee with nothing to do makes no headers.
    Quiet,
    /// The code under test does not panic.
    NoPanic,
    /// Nobody is busy without an end.
    NoLivelock,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.3} s: {}", self.invariant, self.at.as_secs_f64(), self.what)
    }
}
