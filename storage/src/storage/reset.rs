//! Back to an older block.
//!
//! The record in the chain log is the reset; what follows can be done again from it. The tables go
//! back block by block, each in one batch: what a block wrote is taken out, and the values before it
//! come back from the history.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, CompiledClassHash, Nonce},
    state::ThinStateDiff,
};
use starknet_types_core::felt::Felt;

use super::{
    apply::{self, Tip},
    existing_block, filters,
};
use crate::{
    Block, Error, Reset, codec,
    engine::{Batch, Engine},
    log::{Location, Log},
    snapshot::value_at,
    tables::{self, ACCEPTED_ON_L1, APPLIED_UP_TO, HistoryKey, RESET, State, Table},
    trie,
};

/// The newest reset in the tables, and its place in the chain log.
pub(super) fn newest(engine: &dyn Engine) -> Result<Option<(Location, Reset)>, Error> {
    let Some(value) = engine.get(Table::Meta, RESET)? else {
        return Ok(None);
    };
    let malformed = || Error::Malformed { what: "reset" };
    let (at, reset) = value.split_at_checked(tables::LOCATION_BYTES).ok_or_else(malformed)?;
    let reset = codec::decode_reset(reset).map_err(|_| malformed())?;
    Ok(Some((tables::parse_location(at)?, reset)))
}

/// The newest block that was accepted on L1.
pub(super) fn accepted_on_l1(engine: &dyn Engine) -> Result<Option<BlockNumber>, Error> {
    let value = engine.get(Table::Meta, ACCEPTED_ON_L1)?;
    value.map(|bytes| tables::parse_block_number(&bytes)).transpose()
}

/// Takes the tables back to where the reset says. `record` is the reset, as it is in the chain log
/// at `at`.
pub(super) fn apply_reset(
    engine: &dyn Engine,
    chain: &Log,
    at: Location,
    record: &Bytes,
) -> Result<Reset, Error> {
    let reset = codec::decode_reset(record).map_err(|source| Error::Block { at, source })?;
    let expected = Error::OutOfOrder { got: reset.after, expected: BlockNumber(0) };
    let mut tip = apply::applied_up_to(engine)?.ok_or(expected)?;
    if tip < reset.after {
        return Err(Error::OutOfOrder { got: reset.after, expected: tip });
    }
    while reset.after < tip {
        tip = undo(engine, chain, tip)?;
    }
    let mut batch = Batch::default();
    let value = [&tables::location_value(at)[..], record].concat();
    batch.put(Table::Meta, RESET, value);
    if accepted_on_l1(engine)?.is_some_and(|accepted| reset.after < accepted) {
        batch.put(Table::Meta, ACCEPTED_ON_L1, reset.after.0.to_be_bytes().to_vec());
    }
    engine.write(batch)?;
    Ok(reset)
}

/// Takes the newest block out of the tables; returns the one before.
fn undo(engine: &dyn Engine, chain: &Log, number: BlockNumber) -> Result<BlockNumber, Error> {
    let parent = number.prev().ok_or(Error::Malformed { what: "reset, before block 0" })?;
    let (block, _) = existing_block(engine, chain, number)?;
    let before = Before { engine, number: parent };

    let tries = trie::compute(&Tip(engine), &before.reverse(&block.state_diff)?)?;
    let (parents, _) = existing_block(engine, chain, parent)?;
    let (got, expected) = (tries.state_root(), parents.header.state_root);
    if got != expected {
        return Err(Error::WrongRoot { number: parent, got, expected });
    }

    let mut batch = Batch::default();
    remove_indexes(&mut batch, &block);
    before.put_back(&mut batch, &block)?;
    apply::put_nodes(&mut batch, &tries);
    filters::remove(&mut batch, engine, number)?;
    batch.put(Table::Meta, APPLIED_UP_TO, parent.0.to_be_bytes().to_vec());
    engine.write(batch)?;
    Ok(parent)
}

fn remove_indexes(batch: &mut Batch<'_>, block: &Block) {
    let number = block.header.number().0.to_be_bytes().to_vec();
    batch.remove(Table::Blocks, number.clone());
    batch.remove(Table::TrieNodesBefore, number.clone());
    batch.remove(Table::Acceptances, number);
    batch.remove(Table::BlockNumbers, block.header.hash.0.to_bytes_be().to_vec());
    for transaction in &block.transactions {
        batch.remove(Table::Transactions, transaction.hash.0.to_bytes_be().to_vec());
    }
    for (class_hash, _) in &block.classes {
        batch.remove(Table::Declarations, class_hash.0.to_bytes_be().to_vec());
        batch.remove(Table::Classes, class_hash.0.to_bytes_be().to_vec());
    }
}

/// The state after a block that is not the newest one.
struct Before<'a> {
    engine: &'a dyn Engine,
    number: BlockNumber,
}

impl Before<'_> {
    fn value(&self, state: State, key: &[u8]) -> Result<Felt, Error> {
        let value = value_at(self.engine, state, key, self.number)?;
        Ok(value.map_or(Felt::ZERO, |(value, _)| value))
    }

    /// What leads back, as far as the tries need to know: zero where nothing was.
    fn reverse(&self, diff: &ThinStateDiff) -> Result<ThinStateDiff, Error> {
        let mut reverse = ThinStateDiff::default();
        for (&contract, cells) in &diff.storage_diffs {
            let old = |&key| {
                let value = self.value(tables::STORAGE, &tables::storage_key(contract, key))?;
                Ok::<_, Error>((key, value))
            };
            let cells = cells.keys().map(old).collect::<Result<_, _>>()?;
            reverse.storage_diffs.insert(contract, cells);
        }
        for &contract in diff.nonces.keys() {
            let nonce = self.value(tables::NONCES, &tables::contract_key(contract))?;
            reverse.nonces.insert(contract, Nonce(nonce));
        }
        for &contract in diff.deployed_contracts.keys() {
            let class = self.value(tables::CLASS_HASHES, &tables::contract_key(contract))?;
            reverse.deployed_contracts.insert(contract, ClassHash(class));
        }
        for &class_hash in diff.class_hash_to_compiled_class_hash.keys() {
            let none = CompiledClassHash::default();
            reverse.class_hash_to_compiled_class_hash.insert(class_hash, none);
        }
        Ok(reverse)
    }

    /// The values that `block` wrote become those of before.
    fn put_back(&self, batch: &mut Batch<'_>, block: &Block) -> Result<(), Error> {
        let diff = &block.state_diff;
        for (&contract, cells) in &diff.storage_diffs {
            for &key in cells.keys() {
                let key = tables::storage_key(contract, key);
                self.put_value_back(batch, tables::STORAGE, &key, block)?;
            }
        }
        for &contract in diff.nonces.keys() {
            let key = tables::contract_key(contract);
            self.put_value_back(batch, tables::NONCES, &key, block)?;
        }
        for &contract in diff.deployed_contracts.keys() {
            let key = tables::contract_key(contract);
            self.put_value_back(batch, tables::CLASS_HASHES, &key, block)?;
        }
        Ok(())
    }

    fn put_value_back(
        &self,
        batch: &mut Batch<'_>,
        state: State,
        key: &[u8],
        block: &Block,
    ) -> Result<(), Error> {
        match value_at(self.engine, state, key, self.number)? {
            Some((value, number)) => {
                batch.put(state.flat, key.to_vec(), tables::flat_value(value, number).to_vec());
            }
            None => batch.remove(state.flat, key.to_vec()),
        }
        let key = HistoryKey::new(key, block.header.number());
        batch.remove(state.history, key.as_bytes().to_vec());
        Ok(())
    }
}
