//! A committee with a member that lies in all ways that the simulator knows, over real lanes.

use std::{sync::Arc, thread, time::Duration};

use kraken_tests::{
    Committee, Load, Wallet,
    committee::{self, Liar, Validator, agree, same_tip},
};

/// Transfers a second of all senders.
const PER_SECOND: u32 = 20;

/// Accounts that send at the same time.
const SENDERS: u16 = 10;

/// The committee is under way, and memory that is taken once is taken.
const BEGINNING: Duration = Duration::from_secs(6);

/// How long it is watched after that.
const WATCHED: Duration = Duration::from_secs(14);

/// Blocks there must be by the end, though a liar that leads costs the others a time-out.
const BLOCKS_MIN: u64 = 7;

/// Who lies.
const LIAR: usize = 3;

/// How it lies. What stays with others because of it is in the simulator's words.
const SINS: [&str; 5] =
    ["two-headers", "two-proposals", "vote-for-all", "withhold-certificates", "withhold-payload"];

/// What a liar may leave in the memory of a validator while it is watched, in bytes. Blocks and what
/// the allocator keeps are in there.
const GROWTH_MAX: u64 = 48 << 20;

const EQUIVOCATIONS: &str = "kraken_order_equivocations_total";
const ATTESTED_TWO: &str = "kraken_blocks_equivocations_total";

#[test]
fn hotstuff_goes_on_beside_a_liar() {
    goes_on("hotstuff");
}

#[test]
fn bullshark_goes_on_beside_a_liar() {
    goes_on("bullshark");
}

/// Three honest validators execute what they are given, agree, and count what the fourth does.
fn goes_on(protocol: &str) {
    let mut committee = Committee::start(protocol);
    committee.validator(LIAR).kill_9();
    let liar = Liar::of_validator(&committee, LIAR, &SINS, 1);
    let wallet = Arc::new(Wallet::new(SENDERS));
    let load = Load::start(&committee.doors(), &wallet, PER_SECOND, 1);
    thread::sleep(BEGINNING);
    let honest = &committee.validators()[..LIAR];
    let before: Vec<_> = honest.iter().map(Validator::resident_bytes).collect();
    thread::sleep(WATCHED);
    let after: Vec<_> = honest.iter().map(Validator::resident_bytes).collect();

    let record = load.stop();
    let clients = &committee.clients()[..LIAR];
    same_tip(clients, committee::WITHIN);
    let fame = liar.stop();
    let agreed = agree(clients);
    for (hash, block) in &record.receipts {
        let included = agreed.transactions.get(hash).map(|included| included.block);
        assert_eq!(included, Some(*block), "{hash:#x} had a receipt");
    }
    let sent = u64::from(PER_SECOND) * (BEGINNING + WATCHED).as_secs();
    let executed = record.receipts.len() as u64;
    let seen = format!("{executed} of {sent} transfers in {} blocks, {fame:?}", agreed.blocks);
    assert!(sent / 4 < executed, "{seen}");
    assert!(BLOCKS_MIN < agreed.blocks, "{seen}");
    assert!(agreed.blocks / 2 < fame.commits, "nobody listened to the liar: {seen}");
    for (id, (before, after)) in before.into_iter().zip(after).enumerate() {
        let grown = after.saturating_sub(before);
        assert!(grown < GROWTH_MAX, "validator {id} grew from {before} bytes by {grown}");
    }
    accuse(&committee.validators()[..LIAR]);
}

/// These have counted what the liar did, and nothing of the kind of anybody else. Headers go to all,
/// so somebody sees two; whether anybody sees both proposals of a view, or two votes, depends on whose
/// turn comes next.
fn accuse(honest: &[Validator]) {
    let count = |name: &str, labels: &str| -> u64 {
        let counts = honest.iter().map(|validator| validator.metric(name, labels));
        counts.map(|count| count.expect("metrics are served")).sum()
    };
    let headers = format!("peer=\"{LIAR}\",what=\"header\"");
    assert_ne!(count(EQUIVOCATIONS, &headers), 0, "nobody saw a second header");
    let (all, of_liar) =
        (count(EQUIVOCATIONS, ""), count(EQUIVOCATIONS, &format!("peer=\"{LIAR}\"")));
    assert_eq!(all, of_liar, "somebody honest is accused");
    assert_ne!(count(ATTESTED_TWO, ""), 0, "nobody saw two attestations of one number");
}
