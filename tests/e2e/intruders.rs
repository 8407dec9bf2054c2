//! Whoever has no business on the ports of a validator, and whoever abuses the business he has.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::Duration,
};

use kraken_tests::{
    Committee, Wallet,
    client::wait_for,
    committee::{self, Impostor, VALIDATORS, Validator, agree, same_tip},
};
use rand::{RngCore, SeedableRng, rngs::StdRng};

/// Connections of one flood to each port.
const FLOOD: usize = 60;

/// Bytes that one such connection sends.
const GARBAGE_BYTES: usize = 256 * 1_024;

/// What a flood may leave in the memory of a validator, in bytes. Each flood brings four times as
/// much, and what the allocator keeps for later is no leak.
const GROWTH_MAX: u64 = 24 << 20;

/// The swarms of a validator, in the order of its ports.
const SWARMS: [&str; 3] = ["primary", "sync", "worker 0"];

const REFUSED: &str = "kraken_network_connections_refused_total";
const BROKEN: &str = "kraken_network_connections_broken_total";
const MALFORMED: &str = "kraken_order_malformed_total";

/// A transfer to one validator is executed by these.
fn goes_on(committee: &Committee, wallet: &Wallet, ids: &[usize]) {
    let clients = committee.clients();
    let to = &clients[ids[0]];
    let nonce = to.nonce(wallet.address(0)).expect("the node answers");
    let hash = to.submit(&wallet.transfer(0, nonce, 1, 1)).expect("it takes a transfer").hash;
    for &id in ids {
        assert_eq!(clients[id].accepted(hash)["execution_status"], "SUCCEEDED");
    }
}

/// Waits until a validator has counted something.
fn wait_for_count(validator: &Validator, name: &str, labels: &str) {
    wait_for(&format!("{name} {labels} at validator {}", validator.id()), || {
        validator.metric(name, labels).filter(|count| 0 < *count)
    });
}

#[test]
fn garbage_is_refused_counted_and_forgotten() {
    let committee = Committee::start("hotstuff");
    let wallet = Wallet::new(2);
    goes_on(&committee, &wallet, &[0, 1, 2, 3]);
    // Memory that is taken once, and kept for the next time, is taken by now.
    flood(&committee, 1);
    let resident = || committee.validators().iter().map(Validator::resident_bytes);
    let before: Vec<_> = resident().collect();
    flood(&committee, 2);
    goes_on(&committee, &wallet, &[3, 2, 1, 0]);
    for (id, (after, before)) in resident().zip(before).enumerate() {
        let grown = after.saturating_sub(before);
        assert!(grown < GROWTH_MAX, "validator {id} grew from {before} bytes by {grown}");
    }
    for validator in committee.validators() {
        for swarm in SWARMS {
            wait_for_count(validator, REFUSED, &format!("swarm=\"{swarm}\",reason=\"not_libp2p\""));
        }
    }
    agree(&committee.clients());
}

/// Sends what is not libp2p to every port of every validator.
fn flood(committee: &Committee, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut garbage = vec![0; GARBAGE_BYTES];
    random.fill_bytes(&mut garbage);
    // A length of multistream-select, and of our own frames, that nobody may announce.
    let oversized = [[0xff; 4].as_slice(), &garbage].concat();
    let greeted = [b"\x13/multistream/1.0.0\n".as_slice(), &oversized].concat();
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let what = [garbage, oversized, greeted, http, Vec::new()];
    let ports: Vec<_> =
        committee.validators().iter().flat_map(|validator| validator.network()).collect();
    thread::scope(|scope| {
        for port in ports {
            let what = &what;
            scope.spawn(move || {
                // Silent ones are kept open together, beside those that talk.
                let streams = (0..FLOOD).map(|place| throw(port, &what[place % what.len()]));
                drop(streams.collect::<Vec<_>>());
            });
        }
    });
}

/// Connects, sends, and stays; a validator may end it at any moment.
fn throw(port: SocketAddr, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(port).ok()?;
    stream.set_write_timeout(Some(Duration::from_secs(1))).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    if !bytes.is_empty() {
        stream.write_all(bytes).ok()?;
        stream.shutdown(Shutdown::Write).ok()?;
        // Whatever it answers, a little of it is enough.
        let mut answer = [0; 64];
        if stream.read(&mut answer).ok()? == 0 {
            return None;
        }
    }
    Some(stream)
}

#[test]
fn strangers_other_chains_and_liars_are_refused_and_counted() {
    let mut committee = Committee::start("hotstuff");
    let wallet = Wallet::new(2);
    goes_on(&committee, &wallet, &[0, 1, 2, 3]);
    let others = [0, 1, 2];

    // With a key that is in no genesis.
    for swarm in ["primary", "worker 0"] {
        let outsider = Impostor::outsider(&committee, swarm);
        let labels = format!("swarm=\"{swarm}\",reason=\"outsider\"");
        for validator in committee.validators() {
            wait_for_count(validator, REFUSED, &labels);
        }
        drop(outsider);
    }
    goes_on(&committee, &wallet, &[0, 1, 2, 3]);

    // A validator whose operator has another genesis.
    committee.validator(3).kill_9();
    run_with_other_genesis(&mut committee, 3);
    for id in others {
        wait_for_count(&committee.validators()[id], REFUSED, "reason=\"wrong_chain\"");
    }
    goes_on(&committee, &wallet, &others);
    committee.validator(3).kill_9();

    // A validator that says what nobody can read, and more than anybody may.
    for (swarm, room) in [("primary", ["ordering", "attestation"]), ("worker 0", ["worker"; 2])] {
        let liar = Impostor::of_validator(&committee, 3, swarm);
        for (lane, room) in (0..).zip(room) {
            for id in others {
                let validator = &committee.validators()[id];
                wait_for(&format!("{room} of {id} hears garbage on lane {lane}"), || {
                    liar.send(id, lane, b"garbage".to_vec());
                    let labels = format!("room=\"{room}\"");
                    validator.metric(MALFORMED, &labels).filter(|count| 0 < *count)
                });
            }
        }
        for id in others {
            let labels = format!("swarm=\"{swarm}\",reason=\"oversized_frame\"");
            wait_for(&format!("{id} hears too large a frame"), || {
                liar.send(id, 0, vec![0; Impostor::OVERSIZED_BYTES]);
                committee.validators()[id].metric(BROKEN, &labels).filter(|count| 0 < *count)
            });
        }
    }
    goes_on(&committee, &wallet, &others);

    committee.validator(3).launch();
    committee.validator(3).wait_until_served();
    goes_on(&committee, &wallet, &[3, 0, 1, 2]);
    assert_eq!(committee.clients().len(), VALIDATORS);
    same_tip(&committee.clients(), committee::WITHIN);
    agree(&committee.clients());
}

/// Starts a dead validator with a genesis that differs in one number, and a data folder for it.
fn run_with_other_genesis(committee: &mut Committee, id: usize) {
    let genesis = fs::read_to_string(committee.folder().join("genesis.toml")).expect("it is ours");
    let other = genesis.replace("interval_millis = 1000", "interval_millis = 1001");
    assert_ne!(other, genesis);
    let validator = committee.validator(id);
    let home = validator.home();
    fs::write(home.join("other.toml"), other).expect("the folder is ours");
    let settings = fs::read_to_string(home.join("kraken.toml")).expect("it is ours");
    let settings = settings
        .replace("\"../genesis.toml\"", "\"other.toml\"")
        .replace("\"data\"", "\"other-data\"");
    fs::write(home.join("other-kraken.toml"), settings).expect("the folder is ours");
    validator.launch_with("other-kraken.toml");
}
