//! Each sin against each protocol that must bear it: nobody honest disagrees, and all goes on.

use kraken_simulation::{
    Choice,
    byzantine::{Kind, all, run_liars},
};
use kraken_types::genesis::Protocol;

const SEEDS: u64 = 4;

fn bears(protocol: Protocol, sin: Option<Kind>, seeds: u64) {
    for seed in 0..seeds {
        let report = run_liars(seed, protocol, sin, Choice::default(), false);
        let name = sin.map_or("any", |kind| kind.name);
        assert_eq!(report.violation, None, "seed {seed}, {protocol:?}, --sin {name}");
        assert!(0 < report.transactions, "seed {seed}, {protocol:?}, --sin {name}");
    }
}

#[test]
fn hotstuff_bears_every_sin() {
    all().iter().for_each(|kind| bears(Protocol::HotStuff, Some(*kind), SEEDS));
}

#[test]
fn bullshark_bears_every_sin() {
    all().iter().for_each(|kind| bears(Protocol::Bullshark, Some(*kind), SEEDS));
}

#[test]
fn hotstuff_bears_several_sins_at_once() {
    bears(Protocol::HotStuff, None, 3 * SEEDS);
}

#[test]
fn bullshark_bears_several_sins_at_once() {
    bears(Protocol::Bullshark, None, 3 * SEEDS);
}
