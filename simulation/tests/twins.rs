//! Two honest nodes with one identity, in a network that is cut in ever new ways.

use kraken_simulation::{Choice, twins::run_twins};
use kraken_types::genesis::Protocol;

fn bears_twins(protocol: Protocol, validators: u16, scenarios: u64) {
    for seed in 0..scenarios {
        let choice = Choice { validators: Some(validators), has_real_signatures: false };
        let report = run_twins(seed, protocol, choice, false);
        assert_eq!(report.violation, None, "seed {seed}, {protocol:?}, {validators} validators");
        assert!(0 < report.transactions, "seed {seed}, {protocol:?}, {validators} validators");
    }
}

#[test]
fn hotstuff_bears_one_twin_of_four() {
    bears_twins(Protocol::HotStuff, 4, 60);
}

#[test]
fn hotstuff_bears_two_twins_of_seven() {
    bears_twins(Protocol::HotStuff, 7, 20);
}

#[test]
fn bullshark_bears_one_twin_of_four() {
    bears_twins(Protocol::Bullshark, 4, 60);
}

#[test]
fn bullshark_bears_two_twins_of_seven() {
    bears_twins(Protocol::Bullshark, 7, 20);
}
