//! The sins: what a faulty validator may do, one by one, and the rule that must stop each.
//!
//! With less than a third of the stake, none of them may make two honest validators disagree, keep
//! them from going on, or end the process of anyone.

pub mod author;
mod flood;
pub mod forge;
mod future;
mod garbage;
mod lie_in_sync;
pub mod mail;
mod memory;
mod mute;
mod replay;
mod same_sequence;
mod stale;
mod two_headers;
mod two_proposals;
mod vote_for_all;
mod withhold_certificates;
mod withhold_payload;
mod wrong_times;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use kraken_types::{Stake, ValidatorId, genesis::Protocol};
use rand::{SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

pub use flood::Flood;
pub use forge::Forge;
pub use future::Future;
pub use garbage::Garbage;
pub use lie_in_sync::LieInSync;
pub use mute::Mute;
pub use replay::Replay;
pub use same_sequence::SameSequence;
pub use stale::Stale;
pub use two_headers::TwoHeaders;
pub use two_proposals::TwoProposals;
pub use vote_for_all::VoteForAll;
pub use withhold_certificates::WithholdCertificates;
pub use withhold_payload::WithholdPayload;
pub use wrong_times::WrongTimes;

use crate::{
    Choice, Plan, Report, run,
    sin::{Lane, Letter, Sin, Surroundings},
};

/// A sin and its name.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// For reports and the command line.
    pub name: &'static str,
    /// Makes a sinner.
    pub start: fn() -> Box<dyn Sin>,
}

/// Every sin.
pub const fn all() -> &'static [Kind] {
    &ALL
}

/// The sin of that name.
pub fn named(name: &str) -> Option<Kind> {
    ALL.iter().find(|kind| kind.name == name).copied()
}

/// All of these sins at once; `None` if there is no sin of one of the names.
pub fn together(names: &[&str]) -> Option<Box<dyn Sin>> {
    let sins = names.iter().map(|name| named(name).map(|kind| (kind.start)()));
    sins.collect::<Option<Vec<_>>>().map(|sins| Box::new(Mix(sins)) as Box<dyn Sin>)
}

/// Runs a seed with as many liars as its committee bears, of this sin or, without one, of any.
///
/// First come, first served bears none, and has none.
pub fn run_liars(
    seed: u64,
    protocol: Protocol,
    sin: Option<Kind>,
    choice: Choice,
    is_traced: bool,
) -> Report {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn = [4, 4, 7].choose(&mut random).copied();
    let plan =
        Plan::of_seed(seed, protocol, Choice { validators: choice.validators.or(drawn), ..choice });
    let start = |random: &mut ChaCha8Rng| match sin {
        Some(kind) => (kind.start)(),
        None => any(random).1,
    };
    let liars = liars(&mut random, &plan);
    let liars = liars.into_iter().map(|id| (id, start(&mut random))).collect();
    run(&plan, liars, is_traced)
}

/// Validators that may be faulty together.
fn liars(random: &mut ChaCha8Rng, plan: &Plan) -> Vec<ValidatorId> {
    let mut left: Stake = match plan.protocol {
        Protocol::Fcfs => 0,
        Protocol::HotStuff | Protocol::Bullshark => plan.faulty_max(),
    };
    let mut members: Vec<_> = (0..).map(ValidatorId).zip(plan.stakes.iter().copied()).collect();
    members.shuffle(random);
    members.retain(|(_, stake)| {
        let is_bearable = *stake <= left;
        left -= if is_bearable { *stake } else { 0 };
        is_bearable
    });
    members.into_iter().map(|(id, _)| id).collect()
}

/// One sin or several at once, as chance has it, and what they are called together.
pub fn any(random: &mut ChaCha8Rng) -> (String, Box<dyn Sin>) {
    let kinds: Vec<_> = ALL.choose_multiple(random, 3).collect();
    let count = *[1, 1, 2, 3].choose(random).unwrap_or(&1);
    let chosen = &kinds[..count];
    let names: Vec<_> = chosen.iter().map(|kind| kind.name).collect();
    (names.join("+"), Box::new(Mix(chosen.iter().map(|kind| (kind.start)()).collect())))
}

const ALL: [Kind; 15] = [
    Kind { name: "two-headers", start: || Box::<TwoHeaders>::default() },
    Kind { name: "vote-for-all", start: || Box::<VoteForAll>::default() },
    Kind { name: "withhold-payload", start: || Box::<WithholdPayload>::default() },
    Kind { name: "withhold-certificates", start: || Box::<WithholdCertificates>::default() },
    Kind { name: "future", start: || Box::<Future>::default() },
    Kind { name: "garbage", start: || Box::<Garbage>::default() },
    Kind { name: "replay", start: || Box::<Replay>::default() },
    Kind { name: "mute", start: || Box::<Mute>::default() },
    Kind { name: "wrong-times", start: || Box::<WrongTimes>::default() },
    Kind { name: "flood", start: || Box::<Flood>::default() },
    Kind { name: "same-sequence", start: || Box::<SameSequence>::default() },
    Kind { name: "lie-in-sync", start: || Box::<LieInSync>::default() },
    Kind { name: "two-proposals", start: || Box::<TwoProposals>::default() },
    Kind { name: "stale", start: || Box::<Stale>::default() },
    Kind { name: "forge", start: || Box::<Forge>::default() },
];

/// Several sins of one sinner: what one sends, the next may still change.
#[derive(Debug)]
struct Mix(Vec<Box<dyn Sin>>);

impl Sin for Mix {
    fn outgoing(&mut self, around: &mut Surroundings<'_>, letter: Letter) -> Vec<Letter> {
        let mut letters = vec![letter];
        for sin in &mut self.0 {
            letters = letters.into_iter().flat_map(|letter| sin.outgoing(around, letter)).collect();
        }
        letters
    }

    fn incoming(
        &mut self,
        around: &mut Surroundings<'_>,
        from: ValidatorId,
        lane: Lane,
        bytes: &Bytes,
    ) -> Vec<Letter> {
        self.0.iter_mut().flat_map(|sin| sin.incoming(around, from, lane, bytes)).collect()
    }
}
