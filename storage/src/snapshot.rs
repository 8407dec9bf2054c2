//! The state as it was after one block.

use std::{fmt, sync::Arc};

use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, CompiledClassHash, ContractAddress, Nonce},
    state::StorageKey,
};
use starknet_types_core::felt::Felt;

use crate::{
    Class, Error, codec,
    engine::Engine,
    storage::Inner,
    tables::{self, HistoryKey, State, Table},
};

/// The state as it was after one block. Cheap to clone; later blocks never show through.
///
/// A snapshot holds no lock and delays nothing, however long it lives.
#[derive(Clone)]
pub struct Snapshot {
    storage: Arc<Inner>,
    number: BlockNumber,
}

impl Snapshot {
    /// The block must be in the tables.
    pub(crate) fn new(storage: Arc<Inner>, number: BlockNumber) -> Self {
        Self { storage, number }
    }

    /// The block after which this was the state.
    pub fn number(&self) -> BlockNumber {
        self.number
    }

    /// Zero where nothing was written.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn storage_at(&self, contract: ContractAddress, key: StorageKey) -> Result<Felt, Error> {
        let value = self.value_at(tables::STORAGE, &tables::storage_key(contract, key))?;
        Ok(value.map_or(Felt::ZERO, |(value, _)| value))
    }

    /// The last block that wrote to a cell, `None` where nothing was written.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn last_update_block(
        &self,
        contract: ContractAddress,
        key: StorageKey,
    ) -> Result<Option<BlockNumber>, Error> {
        let value = self.value_at(tables::STORAGE, &tables::storage_key(contract, key))?;
        Ok(value.map(|(_, block)| block))
    }

    /// Zero for accounts that never sent, and for addresses without a contract.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error> {
        let value = self.value_at(tables::NONCES, &tables::contract_key(contract))?;
        Ok(value.map_or_else(Nonce::default, |(nonce, _)| Nonce(nonce)))
    }

    /// `None` where no contract is deployed.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error> {
        let value = self.value_at(tables::CLASS_HASHES, &tables::contract_key(contract))?;
        Ok(value.map(|(class_hash, _)| ClassHash(class_hash)))
    }

    /// Whether a contract is deployed there.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn is_contract(&self, contract: ContractAddress) -> Result<bool, Error> {
        self.class_hash_at(contract).map(|class_hash| class_hash.is_some())
    }

    /// `None` unless declared in this block or before.
    ///
    /// # Errors
    /// If the engine fails, or holds a damaged class.
    pub fn class(&self, class_hash: ClassHash) -> Result<Option<Arc<Class>>, Error> {
        if self.declaration(class_hash)?.is_none() {
            return Ok(None);
        }
        if let Some(class) = self.storage.classes.get(&class_hash) {
            return Ok(Some(class));
        }
        let bytes = self
            .storage
            .engine
            .get(Table::Classes, &class_hash.0.to_bytes_be())?
            .ok_or(Error::Malformed { what: "class table, which lacks a declared class" })?;
        let class =
            codec::decode_class(&bytes).map_err(|source| Error::Class { class_hash, source })?;
        let class = Arc::new(class);
        self.storage.classes.insert(class_hash, Arc::clone(&class), bytes.len());
        Ok(Some(class))
    }

    /// `None` for classes that are not declared, and for those of Cairo 0.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn compiled_class_hash(
        &self,
        class_hash: ClassHash,
    ) -> Result<Option<CompiledClassHash>, Error> {
        Ok(self.declaration(class_hash)?.and_then(|(_, compiled)| compiled))
    }

    /// The block that declared a class, `None` unless it is this one or one before.
    ///
    /// # Errors
    /// If the engine fails.
    pub fn class_declared_at(&self, class_hash: ClassHash) -> Result<Option<BlockNumber>, Error> {
        Ok(self.declaration(class_hash)?.map(|(block, _)| block))
    }

    fn declaration(
        &self,
        class_hash: ClassHash,
    ) -> Result<Option<(BlockNumber, Option<CompiledClassHash>)>, Error> {
        let declaration = declaration(self.storage.engine.as_ref(), class_hash)?;
        Ok(declaration.filter(|&(block, _)| block <= self.number))
    }

    fn value_at(&self, state: State, key: &[u8]) -> Result<Option<(Felt, BlockNumber)>, Error> {
        value_at(self.storage.engine.as_ref(), state, key, self.number)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.number).finish()
    }
}

/// The value of a key after a block, and the block that wrote it.
pub(crate) fn value_at(
    engine: &dyn Engine,
    state: State,
    key: &[u8],
    number: BlockNumber,
) -> Result<Option<(Felt, BlockNumber)>, Error> {
    let Some(flat) = engine.get(state.flat, key)? else {
        return Ok(None);
    };
    let (value, block) = tables::parse_flat_value(&flat)?;
    if block <= number {
        return Ok(Some((value, block)));
    }
    let newest = HistoryKey::new(key, number);
    let oldest = HistoryKey::new(key, BlockNumber(0));
    let range = newest.as_bytes()..=oldest.as_bytes();
    let Some((key, value)) = engine.first(state.history, range)? else {
        return Ok(None);
    };
    Ok(Some((tables::parse_felt(&value)?, HistoryKey::block_of(&key)?)))
}

/// The block that declared a class, and what it compiles to.
pub(crate) fn declaration(
    engine: &dyn Engine,
    class_hash: ClassHash,
) -> Result<Option<(BlockNumber, Option<CompiledClassHash>)>, Error> {
    let value = engine.get(Table::Declarations, &class_hash.0.to_bytes_be())?;
    value.map(|bytes| tables::parse_declaration(&bytes)).transpose()
}
