//! Sets of validators, one bit each.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Committee, ValidatorId};

/// A set of validators: bit `i` of byte `i / 8`, lowest first, stands for validator `i`.
///
/// The last byte is never zero, so that a set has one encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize)]
pub struct Signers(Vec<u8>);

impl Signers {
    /// The most bytes a set may take.
    pub const BYTES_MAX: usize = Committee::VALIDATORS_MAX / 8;

    /// Adds a validator; `false` if it was there already or no committee is that large.
    pub fn insert(&mut self, id: ValidatorId) -> bool {
        let (byte, bit) = (usize::from(id.0) / 8, 1 << (id.0 % 8));
        if Self::BYTES_MAX <= byte {
            return false;
        }
        if self.0.len() <= byte {
            self.0.resize(byte + 1, 0);
        }
        let is_new = self.0[byte] & bit == 0;
        self.0[byte] |= bit;
        is_new
    }

    /// Whether a validator is in the set.
    pub fn contains(&self, id: ValidatorId) -> bool {
        self.0.get(usize::from(id.0) / 8).is_some_and(|byte| byte & (1 << (id.0 % 8)) != 0)
    }

    /// The validators in the set, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = ValidatorId> + '_ {
        let bits = u16::try_from(self.0.len() * 8).expect("a set has at most 1,024 places");
        (0..bits).map(ValidatorId).filter(|id| self.contains(*id))
    }

    /// How many validators are in the set.
    pub fn len(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether nobody is in the set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<ValidatorId> for Signers {
    fn from_iter<I: IntoIterator<Item = ValidatorId>>(ids: I) -> Self {
        let mut signers = Self::default();
        for id in ids {
            signers.insert(id);
        }
        signers
    }
}

impl BorshDeserialize for Signers {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let invalid = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let length = u32::deserialize_reader(reader)? as usize;
        if Self::BYTES_MAX < length {
            return Err(invalid("a set of signers is too large"));
        }
        let mut bytes = vec![0; length];
        reader.read_exact(&mut bytes)?;
        if bytes.last() == Some(&0) {
            return Err(invalid("a set of signers ends with an empty byte"));
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let mut set = Signers::default();
        assert!(set.is_empty());
        assert!(set.insert(ValidatorId(9)) && set.insert(ValidatorId(0)));
        assert!(!set.insert(ValidatorId(9)), "twice");
        assert!(!set.insert(ValidatorId(1_024)), "beyond every committee");
        assert_eq!(set.iter().collect::<Vec<_>>(), [ValidatorId(0), ValidatorId(9)]);
        assert_eq!((set.len(), set.contains(ValidatorId(8))), (2, false));
    }

    #[test]
    fn the_bytes_of_a_set_do_not_change_and_are_the_only_ones() {
        let set: Signers = [ValidatorId(0), ValidatorId(9)].into_iter().collect();
        assert_eq!(codec::encode(&set), [2, 0, 0, 0, 1, 2]);
        assert_eq!(codec::decode::<Signers>(&[2, 0, 0, 0, 1, 2], 100).expect("golden"), set);
        assert!(codec::decode::<Signers>(&[2, 0, 0, 0, 1, 0], 100).is_err(), "not the shortest");
        let huge = [&200_u32.to_le_bytes()[..], &[1; 200]].concat();
        assert!(codec::decode::<Signers>(&huge, 1_000).is_err(), "beyond every committee");
    }
}
