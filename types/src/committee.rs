//! Who may speak, and how many make a quorum.

use std::{fmt, sync::Arc};

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Claim, Digest, Ed25519, PublicKey, Scheme, Signature, Signer, crypto::Hasher, signers::Signers,
};

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

/// The validators of one epoch of one chain, and their weights.
#[derive(Clone, Debug)]
pub struct Committee {
    genesis: Digest,
    epoch: Epoch,
    validators: Vec<Validator>,
    total: Stake,
    scheme: Arc<dyn Scheme>,
}

/// Who a validator is to itself: its place, its key, and the committee around it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The committee.
    pub committee: Arc<Committee>,
    /// Our place in it.
    pub id: ValidatorId,
    /// Our key.
    pub signer: Signer,
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

    /// Checks a list of validators. `genesis` is the digest of the genesis of their chain.
    ///
    /// # Errors
    /// [`CommitteeError`] names what is wrong with the list.
    pub fn new(
        genesis: Digest,
        epoch: Epoch,
        validators: Vec<Validator>,
    ) -> Result<Self, CommitteeError> {
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
        Ok(Self { genesis, epoch, validators, total, scheme: Arc::new(Ed25519) })
    }

    /// The same committee with another way to check signatures.
    #[must_use]
    pub fn with_scheme(self, scheme: Arc<dyn Scheme>) -> Self {
        Self { scheme, ..self }
    }

    /// What identifies the chain.
    pub fn genesis(&self) -> Digest {
        self.genesis
    }

    /// Starts a digest that holds for this chain and this epoch only.
    pub fn hasher(&self, domain: &'static str) -> Hasher {
        let mut hasher = Hasher::new(domain);
        hasher.update(&self.genesis);
        hasher.update(&self.epoch);
        hasher
    }

    /// Whether a validator signed a digest. Strangers never did.
    pub fn has_signed(&self, id: ValidatorId, digest: &Digest, signature: &Signature) -> bool {
        self.get(id).is_some_and(|validator| {
            let claim = Claim { key: validator.key, digest: *digest, signature: *signature };
            self.scheme.verify(&[claim]).is_ok()
        })
    }

    /// Checks claims of several validators together.
    ///
    /// # Errors
    /// The first validator that is a stranger or did not sign.
    pub fn verify_all(
        &self,
        claims: impl IntoIterator<Item = (ValidatorId, Digest, Signature)>,
    ) -> Result<(), ValidatorId> {
        let mut ids = Vec::new();
        let mut checked = Vec::new();
        for (id, digest, signature) in claims {
            let key = self.get(id).ok_or(id)?.key;
            ids.push(id);
            checked.push(Claim { key, digest, signature });
        }
        self.scheme.verify(&checked).map_err(|place| ids[place])
    }

    /// The weight of one validator, zero for a stranger.
    pub fn stake(&self, id: ValidatorId) -> Stake {
        self.get(id).map_or(0, |validator| validator.stake)
    }

    /// The weight of a set of validators; strangers weigh nothing.
    pub fn stake_of(&self, signers: &Signers) -> Stake {
        signers.iter().map(|id| self.stake(id)).sum()
    }

    /// The weight of all validators.
    pub fn total(&self) -> Stake {
        self.total
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

impl PartialEq for Committee {
    /// The same members; how signatures are checked does not matter.
    fn eq(&self, other: &Self) -> bool {
        (self.genesis, self.epoch) == (other.genesis, other.epoch)
            && self.validators == other.validators
    }
}

impl Eq for Committee {}

impl Identity {
    /// Whether this validator is a quorum by itself.
    pub fn is_alone(&self) -> bool {
        self.committee.len() == 1
    }

    /// Every other validator, in order.
    pub fn peers(&self) -> impl Iterator<Item = ValidatorId> + use<> {
        let own = self.id;
        self.committee.ids().filter(move |id| *id != own)
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
            let committee =
                Committee::new(Digest::default(), Epoch(0), validators(&vec![1; count]))
                    .expect("valid");
            assert_eq!((committee.quorum(), committee.validity()), (quorum, validity), "{count}");
        }
    }

    #[test]
    fn bad_lists_are_named() {
        let of = |stakes: &[Stake]| {
            Committee::new(Digest::default(), Epoch(0), validators(stakes)).map(|_| ())
        };
        assert_eq!(of(&[]), Err(CommitteeError::Empty));
        assert_eq!(of(&[1, 0]), Err(CommitteeError::NoStake { id: ValidatorId(1) }));
        assert_eq!(of(&[Stake::MAX, 1]), Err(CommitteeError::StakeTooLarge));

        let mut twins = validators(&[1, 1, 1]);
        twins[2].key = twins[0].key;
        assert_eq!(
            Committee::new(Digest::default(), Epoch(0), twins),
            Err(CommitteeError::SameKey { first: ValidatorId(0), second: ValidatorId(2) })
        );
    }

    #[test]
    fn a_validator_is_found_by_its_key() {
        let members = validators(&[1, 1, 1]);
        let committee =
            Committee::new(Digest::default(), Epoch(0), members.clone()).expect("valid");
        assert_eq!(committee.id_of(&members[2].key), Some(ValidatorId(2)));
        assert_eq!(committee.get(ValidatorId(2)), Some(&members[2]));
        assert_eq!(committee.get(ValidatorId(3)), None);
    }
}
