//! A committee under load while its validators are killed, frozen and wiped, one at a time.
//!
//! The environment may say `KRAKEN_CHAOS_MINUTES` (default 1), `KRAKEN_CHAOS_PROTOCOL` (default
//! `hotstuff`) and `KRAKEN_SEED`, which decides who fails when; `cargo xtask chaos` sets them.

mod report;
mod watch;

use std::{
    env,
    ops::Range,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use kraken_tests::{
    Client, Committee, Load, Wallet,
    committee::{self, Agreed, VALIDATORS, agree, same_tip},
    load::Record,
};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use self::{report::Report, watch::Watch};
use crate::setting;

/// Accounts that send at the same time.
const SENDERS: u16 = 5;

/// Transfers a second of all of them.
const PER_SECOND: u32 = 20;

/// A validator fails this often, if the one before is back by then.
const FAULT_EVERY: Duration = Duration::from_secs(10);

/// How long a validator is frozen, in a run that is long enough.
const FROZEN: Duration = Duration::from_secs(30);

/// A disk is lost within the first so many faults, which is before minute 3.
const WIPED_WITHIN: usize = 10;

/// How soon all have the same tip when load and faults are over.
const SAME_TIP_WITHIN: Duration = Duration::from_secs(20);

/// How often a validator that comes back is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// What happens to a validator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// SIGKILL, and a start.
    Kill,
    /// The same, with an empty disk.
    Wipe,
    /// SIGSTOP, and SIGCONT so much later.
    Freeze(Duration),
}

#[test]
fn a_committee_loses_nothing_to_kills_a_freeze_and_a_wiped_disk() {
    let minutes = setting("KRAKEN_CHAOS_MINUTES", 1);
    let protocol = env::var("KRAKEN_CHAOS_PROTOCOL").unwrap_or_else(|_| "hotstuff".to_owned());
    let seed = setting("KRAKEN_SEED", rand::thread_rng().gen_range(0..1_000_000));
    report::begin(minutes, &protocol, seed);

    let wallet = Arc::new(Wallet::new(SENDERS));
    let committee = Committee::start(&protocol);
    let clients = committee.clients();
    let before = balances(&clients[0], &wallet);
    let watch = Watch::start(committee.doors());
    let load = Load::start(&committee.doors(), &wallet, PER_SECOND, seed);
    let length = Duration::from_secs(60 * minutes.max(1));
    let mut chaos = Chaos::new(committee, length, seed);
    // Its first validator alone numbers certificates, and must not forget how far it came.
    chaos.wipeable = usize::from(protocol == "fcfs")..VALIDATORS;
    chaos.run();

    let ended = Instant::now();
    let record = load.stop();
    chaos.report.longest_stall = watch.stop();
    for id in 0..VALIDATORS {
        chaos.committee.validator(id).wait_until_served();
    }
    let waited = ended.elapsed();
    chaos.report.same_tip = waited + same_tip(&clients, SAME_TIP_WITHIN.saturating_sub(waited));
    let agreed = agree(&clients);
    chaos.report.print(&record, &agreed);
    check(&clients, &wallet, &record, &agreed);
    check_balances(&clients, &wallet, before, &record, &agreed);
    let expected = u64::from(PER_SECOND) * length.as_secs();
    assert!(expected < 10 * record.receipts.len() as u64, "hardly anything was executed");
    assert_eq!((chaos.report.wipes, chaos.report.freezes), (1, 1), "recovery took all the time");
}

/// A committee, and what befalls it.
struct Chaos {
    committee: Committee,
    random: StdRng,
    faults: Vec<Fault>,
    /// Who may lose its disk.
    wipeable: Range<usize>,
    began: Instant,
    end: Instant,
    report: Report,
}

impl Chaos {
    fn new(committee: Committee, length: Duration, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let faults = plan(length, &mut random);
        let (wipeable, began) = (0..VALIDATORS, Instant::now());
        let (end, report) = (began + length, Report::default());
        Self { committee, random, faults, wipeable, began, end, report }
    }

    fn run(&mut self) {
        let mut due = self.began;
        for fault in self.faults.clone() {
            due = (due + FAULT_EVERY).max(Instant::now());
            if self.end <= due {
                break;
            }
            thread::sleep(due - Instant::now());
            self.strike(fault);
        }
        thread::sleep(self.end.saturating_duration_since(Instant::now()));
    }

    /// One fault from its beginning until the validator is where the others are.
    fn strike(&mut self, fault: Fault) {
        let whom = if fault == Fault::Wipe { self.wipeable.clone() } else { 0..VALIDATORS };
        let id = self.random.gen_range(whom);
        let down = Duration::from_millis(self.random.gen_range(0..2_000));
        let validator = self.committee.validator(id);
        match fault {
            Fault::Kill | Fault::Wipe => {
                validator.kill_9();
                thread::sleep(down);
                if fault == Fault::Wipe {
                    validator.wipe();
                    self.report.wipes += 1;
                }
                validator.launch();
                self.report.kills += 1;
            }
            Fault::Freeze(time) => {
                validator.freeze();
                thread::sleep(time);
                validator.thaw();
                self.report.freezes += 1;
            }
        }
        let took = self.wait_until_back(id);
        report::tell(self.began.elapsed(), id, fault, took);
        self.report.recoveries.extend(took.map(|took| (fault, took)));
    }

    /// Waits until a validator has what the others have and proposes headers as new as theirs were
    /// when it came back; returns how long that took, or `None` if the run ended before.
    fn wait_until_back(&mut self, id: usize) -> Option<Duration> {
        let began = Instant::now();
        let others: Vec<_> = (0..VALIDATORS).filter(|&other| other != id).collect();
        let round = |committee: &Committee, id: usize| {
            committee.validators()[id].metric("kraken_order_round", "")
        };
        let newest = others.iter().filter_map(|&other| round(&self.committee, other)).max();
        let door = self.committee.validators()[id].door();
        loop {
            self.committee.validator(id).assert_runs();
            let tip = self.committee.tip(&others);
            let own = door.client.call("starknet_blockNumber", json!([]));
            let has_all = own.is_ok_and(|own| own.as_u64().is_some_and(|own| tip <= own));
            if has_all && newest <= round(&self.committee, id) {
                return Some(began.elapsed());
            }
            if self.end <= Instant::now() {
                return None;
            }
            assert!(began.elapsed() < committee::WITHIN, "validator {id} does not come back");
            thread::sleep(LOOK_AGAIN);
        }
    }
}

/// What happens in a run of this length: kills, one lost disk early, one freeze.
fn plan(length: Duration, random: &mut StdRng) -> Vec<Fault> {
    let frozen = FROZEN.min(length / 6);
    let mut faults = Vec::new();
    let mut freezable = Vec::new();
    let mut at = FAULT_EVERY;
    while at < length {
        // There is time to come back before the end.
        if at + frozen + FAULT_EVERY <= length {
            freezable.push(faults.len());
        }
        faults.push(Fault::Kill);
        at += FAULT_EVERY;
    }
    let wiped = random.gen_range(1..WIPED_WITHIN.min(faults.len() - 1));
    faults[wiped] = Fault::Wipe;
    freezable.retain(|place| *place != wiped);
    let place = freezable.choose(random).expect("a run lasts at least a minute");
    faults[*place] = Fault::Freeze(frozen);
    faults
}

/// What was seen is there, what is there was sent, and all say the same about accounts.
fn check(clients: &[Client], wallet: &Wallet, record: &Record, agreed: &Agreed) {
    for (hash, block) in &record.receipts {
        let included = agreed.transactions.get(hash);
        let found = included.map(|included| included.block);
        assert_eq!(found, Some(*block), "{hash:#x} had a receipt of block {block}");
    }
    for hash in agreed.transactions.keys() {
        assert!(record.sent.contains_key(hash), "nobody sent {hash:#x}");
    }
    for client in clients {
        for account in 0..wallet.len() {
            let nonce = client.nonce(wallet.address(account)).expect("the node answers");
            let expected = agreed.nonces.get(&wallet.address(account)).copied().unwrap_or(0);
            assert_eq!(nonce, expected, "the nonce of account {account} at {}", client.url());
        }
    }
}

/// What each account had, got, gave and paid adds up to what it has, at every validator.
fn check_balances(
    clients: &[Client],
    wallet: &Wallet,
    mut expected: Vec<u128>,
    record: &Record,
    agreed: &Agreed,
) {
    for (hash, included) in &agreed.transactions {
        let transfer = record.sent[hash];
        expected[transfer.from] -= transfer.amount + included.fee;
        expected[transfer.to] += transfer.amount;
    }
    for client in clients {
        assert_eq!(balances(client, wallet), expected, "balances at {}", client.url());
    }
}

fn balances(client: &Client, wallet: &Wallet) -> Vec<u128> {
    (0..wallet.len()).map(|account| client.balance(wallet.address(account))).collect()
}
