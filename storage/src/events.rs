//! Which blocks may hold events that fit a pattern, without reading them.
//!
//! Each block has a Bloom filter over the emitters of its events and their keys, by place. A filter
//! is [`BITS`] bits, of which each item sets [`HASHES`]. Once a *range* of [`RANGE_BLOCKS`] blocks is
//! full, its filters are turned round: the table has, by bit, in which blocks of the range that bit
//! is set. So a search reads a few rows for a whole range. A filter may call for a block that holds
//! nothing that fits, and never hides one that does.

use std::collections::BTreeSet;

use starknet_api::{
    core::ContractAddress,
    transaction::{Event, EventKey},
};
use starknet_types_core::felt::Felt;
use xxhash_rust::xxh3::xxh3_128;

use crate::{Block, Error};

/// Bits of the filter of a block. With two hundred items, as a hundred transfers have them, one in
/// forty is set; with ten thousand, two in three, and the filter is worth little.
pub(crate) const BITS: usize = 1 << 15;

/// Bits that an item sets.
pub(crate) const HASHES: usize = 4;

/// Blocks of a range.
pub(crate) const RANGE_BLOCKS: u64 = 1_024;

/// Alternatives of one condition that are looked up; with more, the condition is left to those who
/// read the blocks.
const ALTERNATIVES_MAX: usize = 256;

/// Which events are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPattern {
    /// Who may have emitted it; `None` is anybody.
    pub addresses: Option<BTreeSet<ContractAddress>>,
    /// By place of the key, the values that fit; an empty set is any, and also no key at all.
    pub keys: Vec<BTreeSet<Felt>>,
}

/// Where an item has its bits.
pub(crate) type Bits = [u16; HASHES];

/// Something that a filter may hold.
enum Item<'a> {
    /// Any event at all.
    Event,
    /// An emitter.
    Address(&'a ContractAddress),
    /// A key at a place.
    Key(usize, &'a Felt),
}

impl EventPattern {
    /// Whether an event is one of those that are looked for.
    pub fn fits(&self, event: &Event) -> bool {
        self.addresses.as_ref().is_none_or(|addresses| addresses.contains(&event.from_address))
            && self.keys.iter().enumerate().all(|(place, wanted)| {
                let key = event.content.keys.get(place);
                wanted.is_empty() || key.is_some_and(|EventKey(key)| wanted.contains(key))
            })
    }

    /// The conditions that all must hold, each as its alternatives.
    pub(crate) fn conditions(&self) -> Vec<Vec<Bits>> {
        let addresses = self.addresses.iter().map(|addresses| {
            addresses.iter().take(ALTERNATIVES_MAX + 1).map(|it| Item::Address(it).bits()).collect()
        });
        let keys = self.keys.iter().enumerate().filter(|(_, wanted)| !wanted.is_empty());
        let keys = keys.map(|(place, wanted)| {
            let wanted = wanted.iter().take(ALTERNATIVES_MAX + 1);
            wanted.map(|key| Item::Key(place, key).bits()).collect()
        });
        let mut conditions: Vec<Vec<Bits>> = addresses.chain(keys).collect();
        conditions.retain(|alternatives| alternatives.len() <= ALTERNATIVES_MAX);
        if conditions.is_empty() {
            conditions.push(vec![Item::Event.bits()]);
        }
        conditions
    }
}

impl Item<'_> {
    fn bits(&self) -> Bits {
        let mut bytes = [0; 34];
        match self {
            Self::Event => bytes[0] = 2,
            Self::Address(address) => bytes[2..].copy_from_slice(&address.to_bytes_be()),
            Self::Key(place, key) => {
                bytes[0] = 1;
                // Places beyond share a number, which costs a false call at most.
                bytes[1] = u8::try_from(*place).unwrap_or(u8::MAX);
                bytes[2..].copy_from_slice(&key.to_bytes_be());
            }
        }
        let hash = xxh3_128(&bytes).to_be_bytes();
        let mut bits = [0; HASHES];
        for (bit, pair) in bits.iter_mut().zip(hash.chunks_exact(2)) {
            *bit = u16::from_be_bytes([pair[0], pair[1]]) % (1 << 15);
        }
        bits
    }
}

/// The bits that a block sets, sorted.
pub(crate) fn bits_of(block: &Block) -> Vec<u16> {
    let events = block.transactions.iter().flat_map(|executed| &executed.receipt.events);
    let bits: BTreeSet<u16> = events.flat_map(bits_of_event).collect();
    bits.into_iter().collect()
}

fn bits_of_event(event: &Event) -> impl Iterator<Item = u16> {
    let keys = event.content.keys.iter().enumerate();
    let keys = keys.map(|(place, EventKey(key))| Item::Key(place, key));
    [Item::Event, Item::Address(&event.from_address)]
        .into_iter()
        .chain(keys)
        .flat_map(|it| it.bits())
}

/// Sorted numbers below a bound: 2 bytes each, or one bit for each up to the bound where that is
/// shorter, the first one in the highest bit of the first byte.
pub(crate) fn encode(numbers: &[u16], bound: usize) -> Vec<u8> {
    if 2 * numbers.len() < bound / 8 {
        return numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
    }
    let mut bytes = vec![0; bound / 8];
    for number in numbers {
        bytes[usize::from(number / 8)] |= 0x80 >> (number % 8);
    }
    bytes
}

/// Reads what [`encode`] wrote for a bound.
///
/// # Errors
/// [`Error::Malformed`] for anything else.
pub(crate) fn decode(bytes: &[u8], bound: usize) -> Result<Vec<u16>, Error> {
    if bytes.len() == bound / 8 {
        let has = |number: &u16| bytes[usize::from(number / 8)] & (0x80 >> (number % 8)) != 0;
        return Ok((0..=u16::MAX).take(bound).filter(has).collect());
    }
    let (pairs, rest) = bytes.as_chunks();
    let numbers: Vec<_> = pairs.iter().map(|pair| u16::from_be_bytes(*pair)).collect();
    let is_below = numbers.last().is_none_or(|last| usize::from(*last) < bound);
    if rest.is_empty() && is_below && numbers.is_sorted_by(|left, right| left < right) {
        Ok(numbers)
    } else {
        Err(Error::Malformed { what: "event filter" })
    }
}

/// Whether a number is among those that [`encode`] wrote for a bound.
pub(crate) fn contains(bytes: &[u8], number: u16, bound: usize) -> bool {
    if bytes.len() == bound / 8 {
        return bytes[usize::from(number / 8)] & (0x80 >> (number % 8)) != 0;
    }
    let (pairs, _) = bytes.as_chunks();
    pairs.binary_search(&number.to_be_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::{
        collection::{btree_set, vec},
        prelude::{any, prop_assert, prop_assert_eq, proptest},
    };

    use super::*;

    proptest! {
        #[test]
        fn sets_survive_their_encoding(
            numbers in btree_set(0..1_024_u16, 0..200), other in 0..1_024_u16,
        ) {
            let sorted: Vec<_> = numbers.iter().copied().collect();
            let bytes = encode(&sorted, 1_024);
            prop_assert!(bytes.len() <= 128);
            prop_assert_eq!(decode(&bytes, 1_024).expect("own"), sorted);
            prop_assert_eq!(contains(&bytes, other, 1_024), numbers.contains(&other));
            prop_assert!(numbers.iter().all(|number| contains(&bytes, *number, 1_024)));
        }

        #[test]
        fn what_decodes_encodes_to_the_same_set(bytes in vec(any::<u8>(), 0..140)) {
            if let Ok(numbers) = decode(&bytes, 1_024) {
                let again = encode(&numbers, 1_024);
                prop_assert_eq!(decode(&again, 1_024).expect("own"), numbers);
            }
        }
    }
}
