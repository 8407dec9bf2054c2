//! Committees without liars, on seeds.

use std::time::Duration;

use kraken_simulation::{
    Choice, Plan, Report,
    plan::{Faults, Slice},
    run,
};
use kraken_types::genesis::Protocol;

const PROTOCOLS: [Protocol; 3] = [Protocol::Fcfs, Protocol::HotStuff, Protocol::Bullshark];

fn seed(protocol: Protocol, seed: u64, choice: Choice) -> Report {
    run(&Plan::of_seed(seed, protocol, choice), Vec::new(), false)
}

fn holds(protocol: Protocol) {
    for number in 0..50 {
        let report = seed(protocol, number, Choice::default());
        assert_eq!(report.violation, None, "seed {number}, {protocol:?}");
        assert!(0 < report.transactions, "seed {number}, {protocol:?}: nothing happened");
    }
}

#[test]
fn fcfs_holds_on_fifty_seeds() {
    holds(Protocol::Fcfs);
}

#[test]
fn hotstuff_holds_on_fifty_seeds() {
    holds(Protocol::HotStuff);
}

#[test]
fn bullshark_holds_on_fifty_seeds() {
    holds(Protocol::Bullshark);
}

#[test]
fn a_seed_is_one_run_whatever_the_signatures() {
    for protocol in PROTOCOLS {
        let cheap = Choice { validators: Some(4), has_real_signatures: false };
        let real = Choice { has_real_signatures: true, ..cheap };
        let first = seed(protocol, 3, cheap);
        assert_eq!(first, seed(protocol, 3, cheap), "{protocol:?}");
        assert_eq!(first, seed(protocol, 3, real), "{protocol:?}");
        assert_ne!(first.hash, seed(protocol, 4, cheap).hash, "{protocol:?}");
    }
}

/// Two of four are cut off from the others: there is no quorum, so nothing is ordered, and nothing
/// that contradicts what was ordered before; then all goes on.
#[test]
fn half_of_a_committee_waits_for_the_other() {
    let all = vec![vec![true; 4]; 4];
    let halves = (0..4).map(|from| (0..4).map(|to| (from < 2) == (to < 2)).collect()).collect();
    let seconds = Duration::from_secs;
    for protocol in PROTOCOLS {
        let choice = Choice { validators: Some(4), ..Choice::default() };
        let drawn = Plan::of_seed(5, protocol, choice);
        let plan = Plan {
            stakes: vec![1; 4],
            faults: Faults { every: None, ..drawn.faults },
            slices: vec![
                Slice { lasts: seconds(5), reaches: all.clone() },
                Slice { lasts: seconds(10), reaches: Vec::clone(&halves) },
            ],
            chaos: seconds(15),
            ..drawn
        };
        let report = run(&plan, Vec::new(), false);
        assert_eq!(report.violation, None, "{protocol:?}");
        // What was certified before the cut may still find its way on either side.
        let [before, cut, waited] = [4, 10, 14].map(|second| report.progress[second]);
        assert!(0 < before, "{protocol:?}: {:?}", report.progress);
        assert_eq!(cut, waited, "{protocol:?}: a minority ordered something");
        assert!(waited < report.commits, "{protocol:?}: {:?}", report.progress);
    }
}

/// Seeds that failed once; `docs/simulation.md` says why.
#[test]
fn seeds_that_failed_once_hold() {
    let table = [
        // Who lost its disk was silent for ever in a committee with nothing to do; and numbered its
        // batches from zero again.
        (Protocol::Bullshark, 7),
        (Protocol::HotStuff, 8),
        (Protocol::HotStuff, 9),
        // A lone validator made no header to commit the one before.
        (Protocol::Bullshark, 12),
        // Who lost its disk and stopped again numbered its batches at places that were taken; or
        // took its empty disk for a new chain.
        (Protocol::Bullshark, 1_211),
        (Protocol::Bullshark, 1_761),
        // A follower never got a certificate that nobody else mentioned.
        (Protocol::Fcfs, 232),
        (Protocol::Fcfs, 284),
    ];
    for (protocol, number) in table {
        let report = seed(protocol, number, Choice::default());
        assert_eq!(report.violation, None, "seed {number}, {protocol:?}");
    }
}
