//! Workers that are processes of their own, killed, and their validators, too.

use kraken_tests::{
    Client, Committee, Wallet,
    committee::{self, agree, same_tip},
};
use starknet_types_core::felt::Felt;

/// Somebody who pays a little, again and again.
struct Payer {
    wallet: Wallet,
    nonces: Vec<u64>,
}

impl Payer {
    fn send(&mut self, from: usize, to: &Client) -> Felt {
        let to_whom = (from + 1) % self.wallet.len();
        let transfer = self.wallet.transfer(from, self.nonces[from], to_whom, 1);
        self.nonces[from] += 1;
        to.submit(&transfer).expect("a validator takes it").hash
    }
}

fn all_have(clients: &[Client], hashes: &[Felt]) {
    for client in clients {
        for hash in hashes {
            assert_eq!(client.accepted(*hash)["execution_status"], "SUCCEEDED");
        }
    }
}

#[test]
fn workers_that_are_processes_are_killed_and_so_is_a_primary() {
    let mut committee = Committee::start_with_workers("hotstuff");
    let clients = committee.clients();
    let wallet = Wallet::new(4);
    let mut payer = Payer { nonces: vec![0; wallet.len()], wallet };
    let mut sent = Vec::new();
    for (from, client) in clients.iter().enumerate() {
        sent.push(payer.send(from, client));
    }
    all_have(&clients, &sent);

    // What a validator was sent while its worker was dead waits for it; the others go on.
    committee.worker(1).kill_9();
    sent.push(payer.send(1, &clients[1]));
    let meanwhile = payer.send(0, &clients[0]);
    all_have(&clients[2..], &[meanwhile]);
    sent.push(meanwhile);
    committee.worker(1).launch();
    committee.worker(1).wait_until_linked();
    all_have(&clients, &sent);

    // A worker outlives its validator. What that had been sent and told nobody of may be gone.
    committee.validator(2).kill_9();
    let without = payer.send(3, &clients[3]);
    all_have(&clients[..2], &[without]);
    sent.push(without);
    committee.validator(2).launch();
    committee.validator(2).wait_until_served();
    sent.push(payer.send(2, &clients[2]));
    all_have(&clients, &sent);

    // Both at once.
    committee.worker(0).kill_9();
    committee.validator(0).kill_9();
    let without = payer.send(3, &clients[3]);
    all_have(&clients[1..], &[without]);
    sent.push(without);
    committee.worker(0).launch();
    committee.validator(0).launch();
    committee.validator(0).wait_until_served();
    committee.worker(0).wait_until_linked();
    sent.push(payer.send(0, &clients[0]));
    all_have(&clients, &sent);

    same_tip(&clients, committee::WITHIN);
    assert_eq!(agree(&clients).transactions.len(), sent.len());
}
