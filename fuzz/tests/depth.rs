//! Seeds get somewhere: a target whose events all miss would find nothing.

use kraken_fuzz::{ordering, primary, protocol, seeds, worker};
use kraken_types::genesis::Protocol;

#[test]
fn rounds_of_the_dag_are_ordered() {
    let protocols = [Protocol::Bullshark, Protocol::Fcfs, Protocol::HotStuff];
    for (protocol, (_, begin)) in protocols.into_iter().zip(seeds::PROTOCOLS) {
        let commits = protocol::run(protocol, &seeds::rounds(begin, 50));
        assert!(10 < commits, "{protocol:?}: {commits}");
    }
}

#[test]
fn validators_that_talk_order_batches() {
    for protocol in 0..3 {
        let commits = ordering::run(&seeds::talk(protocol, 30));
        assert!(5 < commits, "protocol {protocol}: {commits}");
    }
}

#[test]
fn a_primary_votes_and_makes_headers() {
    let (votes, headers) = primary::run(&seeds::votes(30));
    assert!(10 < votes && 10 < headers, "{votes} votes, {headers} headers");
}

#[test]
fn a_worker_stores_what_it_packs_and_what_is_sent() {
    let stored = worker::run(&seeds::batches());
    assert!(16 < stored, "{stored}");
}
