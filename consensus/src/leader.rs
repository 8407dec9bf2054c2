//! Who leads: a schedule that gives turns to those whose work gets ordered.
//!
//! Turns go round the committee. Every [`PERIOD`] commits the schedule looks back on them: the
//! worst validators, of at most so much weight as may be faulty, lose their turns to the best until
//! the next such moment. Worst is who had nothing ordered, or was skipped as a leader; best is who
//! was never skipped and had work in most commits. (The idea is that of HammerHead,
//! arXiv:2309.12713, section 3; unlike there, turns do not depend on stake and scores count commits
//! rather than votes.)
//!
//! The schedule learns from ordered data only, so it is the same on all validators that have the
//! same commits. Counters start anew each period: a validator that comes back gets its turns back
//! after one good period.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use borsh::{BorshDeserialize, BorshSerialize};
use kraken_types::{Committee, ValidatorId};

/// So many commits are looked back on at once.
pub const PERIOD: u8 = 10;

/// Who leads when.
#[derive(Debug)]
pub struct Schedule {
    committee: Arc<Committee>,
    state: State,
}

/// What the schedule has learned from the order so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct State {
    /// Whose turns go to whom.
    substitutes: BTreeMap<ValidatorId, ValidatorId>,
    /// Commits of this period.
    commits: u8,
    /// What the validators did in them. Those who are not here did nothing.
    records: BTreeMap<ValidatorId, Record>,
}

/// What a commit says about its leaders and authors. All of it comes from the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Who led it.
    pub led: ValidatorId,
    /// Whose turns since the commit before brought nothing; one entry for each such turn.
    pub skipped: Vec<ValidatorId>,
    /// Whose certificates it orders.
    pub present: BTreeSet<ValidatorId>,
}

/// What a validator did in a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Record {
    /// Commits with work of it.
    present: u8,
    /// Its turns that brought nothing.
    skipped: u32,
}

impl Schedule {
    /// Starts with a turn for everyone, in the order of the committee.
    pub fn new(committee: Arc<Committee>) -> Self {
        Self { committee, state: State::default() }
    }

    /// Goes on from what was learned before a restart.
    pub fn restore(&mut self, state: State) {
        self.state = state;
    }

    /// What was learned so far.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whose turn it is.
    pub fn leader(&self, turn: u64) -> ValidatorId {
        let place = turn % self.committee.len() as u64;
        let id = ValidatorId(u16::try_from(place).expect("a committee has at most 1,024 places"));
        *self.state.substitutes.get(&id).unwrap_or(&id)
    }

    /// Learns from the next commit; `true` if turns changed hands.
    pub fn learn(&mut self, outcome: &Outcome) -> bool {
        let records = &mut self.state.records;
        for id in &outcome.skipped {
            let record = records.entry(*id).or_default();
            record.skipped = record.skipped.saturating_add(1);
        }
        // Who led was there, even should all of its certificates have been ordered before.
        for id in outcome.present.iter().chain([&outcome.led]).collect::<BTreeSet<_>>() {
            let record = records.entry(*id).or_default();
            record.present = record.present.saturating_add(1);
        }
        self.state.commits += 1;
        if self.state.commits < PERIOD {
            return false;
        }
        let substitutes = self.judge();
        let is_changed = substitutes != self.state.substitutes;
        self.state = State { substitutes, ..State::default() };
        is_changed
    }

    /// Gives the turns of the worst to the best.
    fn judge(&self) -> BTreeMap<ValidatorId, ValidatorId> {
        let record = |id: &ValidatorId| self.state.records.get(id).copied().unwrap_or_default();
        let mut bad: Vec<_> = self.committee.ids().collect();
        bad.retain(|id| record(id).present == 0 || record(id).skipped != 0);
        bad.sort_by_key(|id| {
            let Record { present, skipped } = record(id);
            (present != 0, Reverse(skipped), present, *id)
        });
        let mut weight = 0;
        let mut worst = BTreeSet::new();
        for id in bad {
            let with_it = weight + self.committee.stake(id);
            if with_it < self.committee.validity() {
                weight = with_it;
                worst.insert(id);
            }
        }
        let mut best: Vec<_> = self.committee.ids().filter(|id| !worst.contains(id)).collect();
        best.sort_by_key(|id| {
            let Record { present, skipped } = record(id);
            (skipped, Reverse(present), *id)
        });
        worst.into_iter().zip(best.into_iter().cycle()).collect()
    }
}

#[cfg(test)]
mod tests {
    use kraken_types::codec;
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::testing::committee;

    fn ids(ids: &[u16]) -> impl Iterator<Item = ValidatorId> {
        ids.iter().copied().map(ValidatorId)
    }

    fn outcome(present: &[u16], skipped: &[u16]) -> Outcome {
        let led = ValidatorId(present[0]);
        Outcome { led, skipped: ids(skipped).collect(), present: ids(present).collect() }
    }

    /// A period with the same outcome throughout.
    fn period(schedule: &mut Schedule, present: &[u16], skipped: &[u16]) -> bool {
        let outcome = outcome(present, skipped);
        (1..PERIOD).for_each(|_| assert!(!schedule.learn(&outcome), "before the period is over"));
        schedule.learn(&outcome)
    }

    fn turns(schedule: &Schedule) -> Vec<u16> {
        (0..schedule.committee.len() as u64).map(|turn| schedule.leader(turn).0).collect()
    }

    fn schedule(stakes: &[u64]) -> Schedule {
        Schedule::new(committee(stakes))
    }

    #[test]
    fn turns_go_round() {
        let schedule = schedule(&[1; 4]);
        let leaders: Vec<_> = (0..6).map(|turn| schedule.leader(turn).0).collect();
        assert_eq!(leaders, [0, 1, 2, 3, 0, 1]);
        assert_eq!(schedule.leader(u64::MAX).0, 3);
    }

    #[test]
    fn who_is_absent_loses_its_turns_until_after_a_good_period() {
        let mut schedule = schedule(&[1; 4]);
        assert!(period(&mut schedule, &[0, 1, 2], &[3]));
        assert_eq!(turns(&schedule), [0, 1, 2, 0]);
        assert!(!period(&mut schedule, &[0, 1, 2], &[]), "still absent, nothing changes");
        assert_eq!(turns(&schedule), [0, 1, 2, 0]);
        assert!(period(&mut schedule, &[0, 1, 2, 3], &[]));
        assert_eq!(turns(&schedule), [0, 1, 2, 3]);
    }

    #[test]
    fn the_best_substitute_was_present_most_and_never_skipped() {
        let mut schedule = schedule(&[1; 4]);
        schedule.learn(&outcome(&[2, 3], &[0]));
        assert!(!(2..PERIOD).any(|_| schedule.learn(&outcome(&[1, 2, 3], &[]))));
        assert!(schedule.learn(&outcome(&[2, 3], &[0])));
        assert_eq!(turns(&schedule), [2, 1, 2, 3]);
    }

    #[test]
    fn the_worst_have_no_more_weight_than_may_be_faulty() {
        let mut schedule = schedule(&[1; 7]);
        period(&mut schedule, &[0, 1, 2], &[6, 5]);
        assert_eq!(turns(&schedule), [0, 1, 2, 3, 4, 0, 1], "two of four, those who were skipped");
        // Of 12 up to 3 may be faulty: the heavy one stays, whatever it did.
        let mut schedule = self::schedule(&[5, 5, 1, 1]);
        period(&mut schedule, &[0, 2], &[1]);
        assert_eq!(turns(&schedule), [0, 1, 2, 0]);
    }

    #[test]
    fn a_lone_validator_always_leads() {
        let mut schedule = schedule(&[1]);
        assert!(!period(&mut schedule, &[0], &[0]));
        assert_eq!(turns(&schedule), [0]);
    }

    #[test]
    fn the_bytes_of_the_state_do_not_change() {
        let mut schedule = schedule(&[1; 4]);
        period(&mut schedule, &[0, 1, 2], &[3]);
        schedule.learn(&outcome(&[1], &[2]));
        let golden = [
            &[1, 0, 0, 0, 3, 0, 0, 0][..],
            &[1],
            &[2, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0],
        ];
        assert_eq!(codec::encode(schedule.state()), golden.concat());
    }

    proptest! {
        /// A restart in the midst of a period is not noticed; and at least two thirds keep a turn.
        #[test]
        fn what_was_learned_survives_a_restart(
            outcomes in vec((0_u16..4, vec(0_u16..4, 0..3), vec(0_u16..4, 0..4)), 0..40),
            restart in 0_usize..40,
        ) {
            let (mut steady, mut restarted) = (schedule(&[1; 4]), schedule(&[1; 4]));
            for (number, (led, skipped, present)) in outcomes.iter().enumerate() {
                let present: Vec<_> = [*led].iter().chain(present).copied().collect();
                let outcome = outcome(&present, skipped);
                if number == restart {
                    let bytes = codec::encode(restarted.state());
                    restarted = schedule(&[1; 4]);
                    restarted.restore(codec::decode(&bytes, bytes.len()).expect("own"));
                }
                let before = turns(&steady);
                prop_assert_eq!(steady.learn(&outcome), turns(&steady) != before);
                restarted.learn(&outcome);
                prop_assert_eq!(steady.state(), restarted.state());
                let own = (0..).zip(turns(&steady)).filter(|(id, leader)| id == leader).count();
                prop_assert!(3 <= own);
            }
        }
    }
}
