//! Who may speak, and how many make a quorum.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::PublicKey;

/// The place of a validator in its committee, counted from zero in the order of the genesis file.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize,
)]
pub struct ValidatorId(pub u16);

impl fmt::Display for ValidatorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Voting weight.
pub type Stake = u64;

/// The life of one committee; signatures of one epoch mean nothing in another.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    BorshSerialize,
    BorshDeserialize,
)]
pub struct Epoch(pub u64);

/// One member of a committee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Validator {
    /// Checks this validator's votes and headers.
    pub key: PublicKey,
    /// Its voting weight.
    pub stake: Stake,
}

/// The validators of one epoch and their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committee {
    epoch: Epoch,
    validators: Vec<Validator>,
    total: Stake,
}

/// Why a list of validators is no committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum CommitteeError {
    /// There must be one validator at least.
    #[error("a committee needs at least one validator")]
    Empty,
    /// Bitmaps of signers are bounded.
    #[error(
        "{count} validators are more than the {} a committee may have",
        Committee::VALIDATORS_MAX
    )]
    TooMany { count: usize },
    /// A validator without weight could never matter.
    #[error("validator {id} has no stake")]
    NoStake { id: ValidatorId },
    /// Two places with one key would count one voice twice.
    #[error("validators {first} and {second} have the same key")]
    SameKey { first: ValidatorId, second: ValidatorId },
    /// Stakes are added, and sums must not overflow.
    #[error("the stakes add up to more than {}", Stake::MAX / 3)]
    StakeTooLarge,
}

impl Committee {
    /// The most validators a committee may have.
    pub const VALIDATORS_MAX: usize = 1_024;

    /// Checks a list of validators.
    ///
    /// # Errors
    /// [`CommitteeError`] names what is wrong with the list.
    pub fn new(epoch: Epoch, validators: Vec<Validator>) -> Result<Self, CommitteeError> {
        if validators.is_empty() {
            return Err(CommitteeError::Empty);
        }
        if Self::VALIDATORS_MAX < validators.len() {
            return Err(CommitteeError::TooMany { count: validators.len() });
        }
        let ids = || (0_u16..).map(ValidatorId);
        let mut total: Stake = 0;
        for (id, validator) in ids().zip(&validators) {
            if validator.stake == 0 {
                return Err(CommitteeError::NoStake { id });
            }
            let same = ids().zip(&validators).find(|(_, other)| other.key == validator.key);
            if let Some((first, _)) = same.filter(|(first, _)| *first < id) {
                return Err(CommitteeError::SameKey { first, second: id });
            }
            total = total
                .checked_add(validator.stake)
                .filter(|total| *total <= Stake::MAX / 3)
                .ok_or(CommitteeError::StakeTooLarge)?;
        }
        Ok(Self { epoch, validators, total })
    }

    /// The epoch this committee serves.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The validator at a place, or `None` beyond the last one.
    pub fn get(&self, id: ValidatorId) -> Option<&Validator> {
        self.validators.get(usize::from(id.0))
    }

    /// The place of the validator with this key.
    pub fn id_of(&self, key: &PublicKey) -> Option<ValidatorId> {
        self.ids()
            .zip(&self.validators)
            .find(|(_, validator)| validator.key == *key)
            .map(|(id, _)| id)
    }

    /// Every place, in order.
    pub fn ids(&self) -> impl Iterator<Item = ValidatorId> + use<> {
        (0_u16..).take(self.validators.len()).map(ValidatorId)
    }

    /// How many validators there are.
    #[expect(clippy::len_without_is_empty, reason = "a committee is never empty")]
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// The least weight that two quorums share an honest validator by: more than two thirds.
    pub fn quorum(&self) -> Stake {
        2 * self.total / 3 + 1
    }

    /// The least weight that holds one honest validator for sure: more than a third.
    pub fn validity(&self) -> Stake {
        self.total.div_ceil(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signer;

    fn validators(stakes: &[Stake]) -> Vec<Validator> {
        (1_u8..)
            .zip(stakes)
            .map(|(seed, &stake)| Validator {
                key: Signer::from_seed([seed; 32]).public_key(),
                stake,
            })
            .collect()
    }

    #[test]
    fn quorums_of_equal_stakes_are_the_textbook_ones() {
        for (count, quorum, validity) in [(1, 1, 1), (4, 3, 2), (7, 5, 3), (10, 7, 4)] {
            let committee = Committee::new(Epoch(0), validators(&vec![1; count])).expect("valid");
            assert_eq!((committee.quorum(), committee.validity()), (quorum, validity), "{count}");
        }
    }

    #[test]
    fn bad_lists_are_named() {
        let of = |stakes: &[Stake]| Committee::new(Epoch(0), validators(stakes)).map(|_| ());
        assert_eq!(of(&[]), Err(CommitteeError::Empty));
        assert_eq!(of(&[1, 0]), Err(CommitteeError::NoStake { id: ValidatorId(1) }));
        assert_eq!(of(&[Stake::MAX, 1]), Err(CommitteeError::StakeTooLarge));

        let mut twins = validators(&[1, 1, 1]);
        twins[2].key = twins[0].key;
        assert_eq!(
            Committee::new(Epoch(0), twins),
            Err(CommitteeError::SameKey { first: ValidatorId(0), second: ValidatorId(2) })
        );
    }

    #[test]
    fn a_validator_is_found_by_its_key() {
        let members = validators(&[1, 1, 1]);
        let committee = Committee::new(Epoch(0), members.clone()).expect("valid");
        assert_eq!(committee.id_of(&members[2].key), Some(ValidatorId(2)));
        assert_eq!(committee.get(ValidatorId(2)), Some(&members[2]));
        assert_eq!(committee.get(ValidatorId(3)), None);
    }
}
