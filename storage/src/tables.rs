//! The schema: every table of the engine, its keys and its values.
//!
//! Numbers are big endian, so that keys sort as numbers do. Felts are 32 bytes, big endian. All
//! tables but the acceptances are written by `storage::apply`, in one batch per block, and none is
//! ever pruned but the old nodes of tries and the filters of single blocks.
//!
//! State is kept twice. A *flat* table has the latest value of a key and the block that wrote it, a
//! *history* table has every value with the block that wrote it. The value of a key after block N is
//! that of the flat table if N or a block before wrote it, and otherwise the first entry of the
//! history at or after `key ‖ MAX − N`. So readers of old blocks never see later ones, whatever is
//! written meanwhile.

use bytes::Bytes;
use starknet_api::{
    block::BlockNumber,
    core::{CompiledClassHash, ContractAddress},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use crate::{Error, log::Location};

/// Changes with every change of what the engine or a record of a log holds.
pub(crate) const SCHEMA: u32 = 5;

/// How many blocks below the newest one have storage proofs: the 128 that callers count on, below
/// the newest accepted block, which is at most a few blocks below the newest one.
pub(crate) const PROOF_BLOCKS: u64 = 160;

/// A table of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    /// [`APPLIED_UP_TO`] → number of the last block that is in the tables.
    Meta,
    /// Block number → place of its record in the chain log.
    Blocks,
    /// Block hash → block number.
    BlockNumbers,
    /// Transaction hash → block number ‖ index in the block, 4 bytes.
    Transactions,
    /// Contract ‖ storage key → value ‖ block number.
    Storage,
    /// Contract ‖ storage key ‖ MAX − block number → value.
    StorageHistory,
    /// Contract → nonce ‖ block number.
    Nonces,
    /// Contract ‖ MAX − block number → nonce.
    NonceHistory,
    /// Contract → class hash ‖ block number.
    ClassHashes,
    /// Contract ‖ MAX − block number → class hash.
    ClassHashHistory,
    /// Class hash → number of the declaring block ‖ compiled class hash, which Cairo 0 has not.
    Declarations,
    /// Class hash → class, see `codec::class`.
    Classes,
    /// Opaque key → opaque node, see `trie`.
    TrieNodes,
    /// Block number → the nodes of the tries that the block wrote, as they were before it, see
    /// `trie::before`. Only of the newest [`PROOF_BLOCKS`] blocks.
    TrieNodesBefore,
    /// Block number → the filter over the events of the block, see `events`. Until its range is full.
    EventFilters,
    /// Number of a full range of blocks ‖ bit of a filter, 2 bytes → the blocks of the range in whose
    /// filters that bit is set, see `events`. Nothing where it is set in none.
    EventRows,
    /// Block number → the quorum that accepted the block, opaque. Written on its own, and had again
    /// from other validators when lost.
    Acceptances,
}

/// How a table is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// By whole keys.
    ByKey,
    /// By the first key in a range.
    BySeek,
}

impl Table {
    /// Every table.
    pub(crate) const ALL: [Self; 17] = [
        Self::Meta,
        Self::Blocks,
        Self::BlockNumbers,
        Self::Transactions,
        Self::Storage,
        Self::StorageHistory,
        Self::Nonces,
        Self::NonceHistory,
        Self::ClassHashes,
        Self::ClassHashHistory,
        Self::Declarations,
        Self::Classes,
        Self::TrieNodes,
        Self::TrieNodesBefore,
        Self::EventFilters,
        Self::EventRows,
        Self::Acceptances,
    ];

    /// The place in [`Table::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    /// The name on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Blocks => "blocks",
            Self::BlockNumbers => "block_numbers",
            Self::Transactions => "transactions",
            Self::Storage => "storage",
            Self::StorageHistory => "storage_history",
            Self::Nonces => "nonces",
            Self::NonceHistory => "nonce_history",
            Self::ClassHashes => "class_hashes",
            Self::ClassHashHistory => "class_hash_history",
            Self::Declarations => "declarations",
            Self::Classes => "classes",
            Self::TrieNodes => "trie_nodes",
            Self::TrieNodesBefore => "trie_nodes_before",
            Self::EventFilters => "event_filters",
            Self::EventRows => "event_rows",
            Self::Acceptances => "acceptances",
        }
    }

    /// How the table is read.
    pub(crate) const fn access(self) -> Access {
        match self {
            Self::StorageHistory | Self::NonceHistory | Self::ClassHashHistory => Access::BySeek,
            Self::Meta
            | Self::Blocks
            | Self::BlockNumbers
            | Self::Transactions
            | Self::Storage
            | Self::Nonces
            | Self::ClassHashes
            | Self::Declarations
            | Self::Classes
            | Self::TrieNodes
            | Self::TrieNodesBefore
            | Self::EventFilters
            | Self::EventRows
            | Self::Acceptances => Access::ByKey,
        }
    }
}

/// A kind of state: where its latest and its old values are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) flat: Table,
    pub(crate) history: Table,
}

/// The cells of contracts, by [`storage_key`].
pub(crate) const STORAGE: State = State { flat: Table::Storage, history: Table::StorageHistory };

/// The nonces of contracts, by [`contract_key`].
pub(crate) const NONCES: State = State { flat: Table::Nonces, history: Table::NonceHistory };

/// The classes of contracts, by [`contract_key`].
pub(crate) const CLASS_HASHES: State =
    State { flat: Table::ClassHashes, history: Table::ClassHashHistory };

/// The key in [`Table::Meta`] of the last block that is in the tables.
pub(crate) const APPLIED_UP_TO: &[u8] = b"applied_up_to";

/// The key of the newest reset in [`Table::Meta`]: its place in the chain log, and itself.
pub(crate) const RESET: &[u8] = b"reset";

/// The key of the newest block that was accepted on L1 in [`Table::Meta`].
pub(crate) const ACCEPTED_ON_L1: &[u8] = b"accepted_on_l1";

/// The key of a contract.
pub(crate) fn contract_key(contract: ContractAddress) -> [u8; 32] {
    contract.key().to_bytes_be()
}

/// The key of a cell.
pub(crate) fn storage_key(contract: ContractAddress, key: StorageKey) -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..32].copy_from_slice(&contract_key(contract));
    bytes[32..].copy_from_slice(&key.key().to_bytes_be());
    bytes
}

/// The key of a state in a history: later blocks come first.
pub(crate) struct HistoryKey {
    bytes: [u8; 72],
    length: usize,
}

impl HistoryKey {
    /// The entry that a block wrote.
    pub(crate) fn new(key: &[u8], block: BlockNumber) -> Self {
        let mut bytes = [0; 72];
        let length = key.len() + 8;
        bytes[..key.len()].copy_from_slice(key);
        bytes[key.len()..length].copy_from_slice(&(u64::MAX - block.0).to_be_bytes());
        Self { bytes, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The block that wrote the entry with this key.
    pub(crate) fn block_of(key: &[u8]) -> Result<BlockNumber, Error> {
        let (_, block) = key.split_last_chunk().ok_or(Error::Malformed { what: "history key" })?;
        Ok(BlockNumber(u64::MAX - u64::from_be_bytes(*block)))
    }
}

/// A value of a flat table.
pub(crate) fn flat_value(value: Felt, block: BlockNumber) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..32].copy_from_slice(&value.to_bytes_be());
    bytes[32..].copy_from_slice(&block.0.to_be_bytes());
    bytes
}

/// Reads a value of a flat table.
pub(crate) fn parse_flat_value(bytes: &[u8]) -> Result<(Felt, BlockNumber), Error> {
    let (block, value) = bytes
        .split_last_chunk()
        .map(|(value, block)| (u64::from_be_bytes(*block), value))
        .ok_or(Error::Malformed { what: "state" })?;
    Ok((parse_felt(value)?, BlockNumber(block)))
}

/// Reads a felt.
pub(crate) fn parse_felt(bytes: &[u8]) -> Result<Felt, Error> {
    let bytes = bytes.try_into().map_err(|_| Error::Malformed { what: "felt" })?;
    Ok(Felt::from_bytes_be(bytes))
}

/// Reads a block number.
pub(crate) fn parse_block_number(bytes: &[u8]) -> Result<BlockNumber, Error> {
    let bytes = bytes.try_into().map_err(|_| Error::Malformed { what: "block number" })?;
    Ok(BlockNumber(u64::from_be_bytes(bytes)))
}

/// The length of a location as a value.
pub(crate) const LOCATION_BYTES: usize = 12;

/// A value of [`Table::Blocks`].
pub(crate) fn location_value(at: Location) -> [u8; LOCATION_BYTES] {
    let mut bytes = [0; LOCATION_BYTES];
    bytes[..4].copy_from_slice(&at.segment.to_be_bytes());
    bytes[4..].copy_from_slice(&at.offset.to_be_bytes());
    bytes
}

/// Reads a value of [`Table::Blocks`].
pub(crate) fn parse_location(bytes: &[u8]) -> Result<Location, Error> {
    let (segment, offset) = parse_pair::<4, 8>(bytes, "location")?;
    Ok(Location { segment: u32::from_be_bytes(segment), offset: u64::from_be_bytes(offset) })
}

/// A value of [`Table::Transactions`].
pub(crate) fn position_value(block: BlockNumber, index: u32) -> [u8; 12] {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&block.0.to_be_bytes());
    bytes[8..].copy_from_slice(&index.to_be_bytes());
    bytes
}

/// Reads a value of [`Table::Transactions`].
pub(crate) fn parse_position(bytes: &[u8]) -> Result<(BlockNumber, u32), Error> {
    let (block, index) = parse_pair::<8, 4>(bytes, "transaction position")?;
    Ok((BlockNumber(u64::from_be_bytes(block)), u32::from_be_bytes(index)))
}

/// A value of [`Table::Declarations`].
pub(crate) fn declaration_value(
    block: BlockNumber,
    compiled: Option<CompiledClassHash>,
) -> Vec<u8> {
    let mut bytes = block.0.to_be_bytes().to_vec();
    bytes.extend(compiled.iter().flat_map(|hash| hash.0.to_bytes_be()));
    bytes
}

/// Reads a value of [`Table::Declarations`].
pub(crate) fn parse_declaration(
    bytes: &Bytes,
) -> Result<(BlockNumber, Option<CompiledClassHash>), Error> {
    let (block, compiled) =
        bytes.split_first_chunk().ok_or(Error::Malformed { what: "declaration" })?;
    let compiled = match compiled {
        [] => None,
        bytes => Some(CompiledClassHash(parse_felt(bytes)?)),
    };
    Ok((BlockNumber(u64::from_be_bytes(*block)), compiled))
}

fn parse_pair<const A: usize, const B: usize>(
    bytes: &[u8],
    what: &'static str,
) -> Result<([u8; A], [u8; B]), Error> {
    let parts = bytes.split_first_chunk::<A>().and_then(|(first, rest)| {
        let second: &[u8; B] = rest.try_into().ok()?;
        Some((*first, *second))
    });
    parts.ok_or(Error::Malformed { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_is_where_its_index_says_and_has_its_own_name() {
        let mut names: Vec<_> = Table::ALL.iter().map(|table| table.name()).collect();
        for (index, table) in Table::ALL.iter().enumerate() {
            assert_eq!(table.index(), index);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Table::ALL.len());
    }

    #[test]
    fn later_blocks_come_first_in_a_history() {
        let key = [7; 64];
        let at = |block| HistoryKey::new(&key, BlockNumber(block)).as_bytes().to_vec();
        assert!(at(u64::MAX) < at(256) && at(256) < at(255) && at(255) < at(0));
        assert_eq!(HistoryKey::block_of(&at(300)).expect("own key"), BlockNumber(300));
    }

    #[test]
    fn values_survive_and_other_lengths_are_refused() {
        let location = Location { segment: 3, offset: 1 << 40 };
        assert_eq!(parse_location(&location_value(location)).expect("own"), location);
        let position = (BlockNumber(9), 4);
        assert_eq!(parse_position(&position_value(position.0, position.1)).expect("own"), position);
        let flat = (Felt::from(5), BlockNumber(6));
        assert_eq!(parse_flat_value(&flat_value(flat.0, flat.1)).expect("own"), flat);
        for compiled in [None, Some(CompiledClassHash(Felt::ONE))] {
            let bytes = declaration_value(BlockNumber(1), compiled).into();
            assert_eq!(parse_declaration(&bytes).expect("own"), (BlockNumber(1), compiled));
        }

        for length in [0, 1, 7, 11, 13, 33, 41] {
            let bytes = vec![0; length];
            assert!(parse_location(&bytes).is_err());
            assert!(parse_position(&bytes).is_err());
            assert!(parse_flat_value(&bytes).is_err());
            assert!(parse_declaration(&bytes.into()).is_err());
        }
    }
}
