//! Committees that live through loss, crashes and silence.

use kraken_types::Round;
use proptest::prelude::*;

use super::{
    super::{Input, Record},
    net::Net,
};

#[test]
fn four_make_rounds_order_payload_and_fall_silent() {
    let mut net = Net::new(4, 1);
    net.run(2_000);
    assert_eq!(net.headers(), 0, "nobody has a reason");
    (0..40).for_each(|sequence| {
        net.seal(u16::try_from(sequence % 4).expect("few"), sequence);
        net.run(10);
    });
    net.run(5_000);
    assert_eq!(net.ordered(), 40);
    let (top, headers) = (net.top(), net.headers());
    assert!(Round(5) < top, "{top:?}");
    net.run(60_000);
    assert_eq!((net.top(), net.headers()), (top, headers), "everything is ordered");
}

/// A committee under way, with loss and a crash of one validator at a time in the middle of what it
/// does.
fn live_through_crashes(seed: u64, lost: u64) -> Net {
    let mut net = Net::new(4, seed);
    net.lost = lost;
    for sequence in 0..60 {
        let author = u16::try_from(net.random(4)).expect("few");
        net.seal(author, sequence);
        let pause = net.random(60);
        net.run(pause);
        if net.random(6) == 0 {
            let node = usize::from(author);
            net.input_and_crash(node, Input::Tick);
            let pause = net.random(400);
            net.run(pause);
            net.restart(node);
        }
    }
    net.lost = 0;
    net.run(30_000);
    net
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn crashes_and_loss_never_contradict_or_lose_anything(seed in any::<u64>(), lost in 0_u64..300) {
        let mut net = live_through_crashes(seed, lost);
        prop_assert_eq!(net.ordered(), 60);
        let (top, headers) = (net.top(), net.headers());
        net.run(60_000);
        prop_assert_eq!((net.top(), net.headers()), (top, headers), "all is ordered");
        let committed: Vec<_> = net.nodes.iter().map(|node| node.committed).collect();
        prop_assert_eq!(committed, vec![net.commits.len(); 4]);
    }
}

#[test]
fn a_validator_that_was_away_catches_up() {
    let mut net = Net::new(4, 3);
    net.nodes[3].is_up = false;
    (0..100).for_each(|sequence| {
        net.seal(u16::try_from(sequence % 3).expect("few"), sequence);
        net.run(40);
    });
    net.run(5_000);
    assert_eq!(net.ordered(), 100);
    net.restart(3);
    net.run(5_000);
    assert_eq!(net.nodes[3].committed, net.commits.len());
    net.seal(3, 100);
    net.run(5_000);
    assert_eq!(net.ordered(), 101, "it takes part again");
}

#[test]
fn who_lost_its_disk_is_silent_for_a_while_and_joins_again() {
    let mut net = Net::new(4, 5);
    let mut sequence = 0;
    let mut feed = |net: &mut Net, batches: u64| {
        for _ in 0..batches {
            net.seal(u16::try_from(sequence % 4).expect("few"), sequence);
            sequence += 1;
            net.run(100);
        }
    };
    feed(&mut net, 10);
    net.restart_without_disk(2);
    feed(&mut net, 150);
    net.run(30_000);
    assert_eq!(net.ordered(), 160);
    let own = |record: &Record| matches!(record, Record::Proposed(_));
    assert!(net.nodes[2].log.iter().any(own), "it makes headers again");
}
