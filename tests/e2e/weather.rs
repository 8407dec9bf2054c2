//! What the network between validators does to them: partitions, delays, resets, stalls, losses.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kraken_tests::{
    Client, Committee, Load, Wallet,
    client::wait_for,
    committee::{self, VALIDATORS, Weather, agree, same_tip},
};
use starknet_types_core::felt::Felt;

/// How long a committee without a quorum is watched.
const HALTED: Duration = Duration::from_secs(6);

/// Longer than a validator that says nothing is taken for alive.
const SILENT: Duration = Duration::from_secs(12);

/// How long each kind of bad weather lasts at least.
const BAD: Duration = Duration::from_secs(4);

/// Transfers a second, and accounts that send them, where datagrams are lost.
const PER_SECOND: u32 = 20;
const SENDERS: u16 = 10;

/// How long they are sent.
const LOADED: Duration = Duration::from_secs(12);

/// Somebody who pays a little, again and again.
struct Payer {
    wallet: Wallet,
    nonces: Vec<u64>,
}

impl Payer {
    fn new() -> Self {
        let wallet = Wallet::new(2);
        Self { nonces: vec![0; wallet.len()], wallet }
    }

    /// Goes on after others have used the same accounts.
    fn after_others(client: &Client) -> Self {
        let wallet = Wallet::new(2);
        let nonce = |account| client.nonce(wallet.address(account)).expect("the node answers");
        Self { nonces: (0..wallet.len()).map(nonce).collect(), wallet }
    }

    /// Sends a transfer of an account to a validator.
    fn send(&mut self, from: usize, to: &Client) -> Felt {
        let transfer = self.wallet.transfer(from, self.nonces[from], 1 - from, 1);
        self.nonces[from] += 1;
        to.submit(&transfer).expect("a validator takes it").hash
    }

    /// Sends a transfer to a validator and waits until all of `readers` have it in a block.
    fn pay(&mut self, to: &Client, readers: &[Client]) {
        let hash = self.send(0, to);
        for reader in readers {
            assert_eq!(reader.accepted(hash)["execution_status"], "SUCCEEDED");
        }
    }

    /// Does so at one validator after the other, for so long; returns how often.
    fn pay_for(
        &mut self,
        time: Duration,
        clients: &[Client],
        mut between: impl FnMut(usize),
    ) -> usize {
        let began = Instant::now();
        let mut paid = 0;
        while began.elapsed() < time {
            self.pay(&clients[paid % clients.len()], clients);
            between(paid);
            paid += 1;
        }
        paid
    }
}

#[test]
fn two_halves_halt_and_go_on_together() {
    let committee = Committee::start_with_proxies("hotstuff");
    let (clients, mut payer) = (committee.clients(), Payer::new());
    payer.pay(&clients[0], &clients);

    committee.proxies().around(&[0, 1], Weather::Cut);
    // Whatever was said before has arrived by now.
    thread::sleep(Duration::from_secs(1));
    let sent = [payer.send(0, &clients[0]), payer.send(1, &clients[2])];
    thread::sleep(HALTED);
    for client in &clients {
        for hash in sent {
            let receipt = client.receipt(hash).expect("a half answers");
            assert_eq!(receipt, None, "half of a committee executed at {}", client.url());
        }
    }

    committee.proxies().around(&[0, 1], Weather::Clear);
    for client in &clients {
        for hash in sent {
            client.accepted(hash);
        }
    }
    payer.pay(&clients[3], &clients);
    same_tip(&clients, committee::WITHIN);
    assert_eq!(agree(&clients).transactions.len(), 4);
}

#[test]
fn three_go_on_without_the_fourth_who_catches_up() {
    let committee = Committee::start_with_proxies("hotstuff");
    let (clients, mut payer) = (committee.clients(), Payer::new());
    payer.pay(&clients[0], &clients);

    let (alone, others) = (&clients[3], &clients[..3]);
    committee.proxies().around(&[3], Weather::Stalled);
    payer.pay_for(SILENT, others, |_| ());
    let missed = payer.send(0, &others[0]);
    others[1].accepted(missed);
    assert_eq!(alone.receipt(missed).expect("it answers"), None);
    // What it is told alone is executed once it is back.
    let told = payer.send(1, alone);

    committee.proxies().around(&[3], Weather::Clear);
    for client in &clients {
        client.accepted(missed);
        client.accepted(told);
    }
    payer.pay(alone, &clients);
    same_tip(&clients, committee::WITHIN);
    agree(&clients);
}

#[test]
fn delays_resets_and_stalls_stop_nobody() {
    let committee = Committee::start_with_proxies("hotstuff");
    let (clients, mut payer) = (committee.clients(), Payer::new());
    let proxies = committee.proxies();

    proxies.everywhere(Weather::Delayed(Duration::from_millis(200)));
    payer.pay_for(BAD, &clients, |_| ());

    proxies.everywhere(Weather::Clear);
    let pairs: Vec<_> =
        (0..VALIDATORS).flat_map(|one| (0..one).map(move |other| (one, other))).collect();
    payer.pay_for(BAD, &clients, |paid| {
        let (one, other) = pairs[paid % pairs.len()];
        proxies.reset(one, other);
    });
    let resets: u64 = committee.validators().iter().map(broken).sum();
    assert_ne!(resets, 0, "no connection was reset");

    for (one, other) in [(0, 1), (2, 3)] {
        proxies.set(one, other, Weather::Stalled);
        proxies.set(other, one, Weather::Stalled);
        payer.pay_for(BAD, &clients, |_| ());
        proxies.everywhere(Weather::Clear);
    }
    payer.pay(&clients[0], &clients);
    same_tip(&clients, committee::WITHIN);
    agree(&clients);
    wait_for("all validators find each other again", || {
        let is_whole = |validator: &committee::Validator| {
            let peers = validator.metric("kraken_network_peers_connected", "swarm=\"primary\"");
            peers == Some(VALIDATORS as u64 - 1)
        };
        committee.validators().iter().all(is_whole).then_some(())
    });
}

#[test]
fn over_quic_one_datagram_in_twenty_is_lost_and_nothing_else() {
    let committee = Committee::start_over_quic("hotstuff");
    let (clients, proxies) = (committee.clients(), committee.proxies());
    proxies.everywhere(Weather::Lossy { percent: 5 });
    let load = Load::start(&committee.doors(), &Arc::new(Wallet::new(SENDERS)), PER_SECOND, 1);
    thread::sleep(LOADED);
    let record = load.stop();
    same_tip(&clients, committee::WITHIN);
    let lost = proxies.lost();
    assert_ne!(lost, 0, "no datagram was lost");
    let (sent, seen) = (u64::from(PER_SECOND) * LOADED.as_secs(), record.receipts.len() as u64);
    assert!(sent / 2 < seen, "{seen} of {sent} transfers, and {lost} datagrams lost");

    // Each waits for the end of a block, a second at most, and then for all validators.
    let paid = Payer::after_others(&clients[0]).pay_for(BAD, &clients, |_| ());
    assert!(2 <= paid, "{paid} payments in {BAD:?}");
    proxies.everywhere(Weather::Clear);
    agree(&clients);
}

/// Connections of a validator that have ended.
fn broken(validator: &committee::Validator) -> u64 {
    let broken = validator.metric("kraken_network_connections_broken_total", "");
    broken.expect("metrics are served")
}
