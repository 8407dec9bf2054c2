//! From a block to the tables.

use bytes::Bytes;
use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, ContractAddress, Nonce},
};
use starknet_types_core::felt::Felt;

use super::filters;
use crate::{
    Block, Class, Error,
    engine::{Batch, Engine},
    log::Location,
    tables::{self, APPLIED_UP_TO, HistoryKey, PROOF_BLOCKS, State, Table},
    trie::{self, TrieReader},
};

/// The last block in the tables, `None` if they are empty.
pub(super) fn applied_up_to(engine: &dyn Engine) -> Result<Option<BlockNumber>, Error> {
    let value = engine.get(Table::Meta, APPLIED_UP_TO)?;
    value.map(|bytes| tables::parse_block_number(&bytes)).transpose()
}

/// The place of a block in the chain log.
pub(super) fn location_of(
    engine: &dyn Engine,
    number: BlockNumber,
) -> Result<Option<Location>, Error> {
    let value = engine.get(Table::Blocks, &number.0.to_be_bytes())?;
    value.map(|bytes| tables::parse_location(&bytes)).transpose()
}

/// Whether the parts of a block belong together, as far as the tables rely on it.
pub(super) fn check(block: &Block) -> Result<(), Error> {
    let number = block.header.number();
    let wrong = |what| Err(Error::Contradiction { number, what });
    if u32::try_from(block.transactions.len()) != Ok(block.header.transaction_count) {
        return wrong("its header has another number of transactions");
    }
    if !block.classes.is_sorted_by(|left, right| left.0 < right.0) {
        return wrong("its classes are not sorted by hash");
    }
    let diff = &block.state_diff;
    let declared =
        diff.class_hash_to_compiled_class_hash.len() + diff.deprecated_declared_classes.len();
    let is_declared = |(class_hash, class): &(ClassHash, _)| match AsRef::<Class>::as_ref(class) {
        Class::Sierra(class) => {
            diff.class_hash_to_compiled_class_hash.get(class_hash)
                == Some(&class.compiled_class_hash)
        }
        Class::Deprecated(_) => diff.deprecated_declared_classes.contains(class_hash),
    };
    if declared != block.classes.len() || !block.classes.iter().all(is_declared) {
        return wrong("its classes are not those that its state diff declares");
    }
    Ok(())
}

/// A block on its way into the tables.
pub(super) struct Entry<'a> {
    /// The place of the block in the chain log.
    pub(super) at: Location,
    pub(super) block: &'a Block,
    /// The forms of its classes.
    pub(super) classes: &'a [(ClassHash, Bytes)],
    pub(super) tries: &'a trie::Update,
    /// The newest block that is known to be in the chain log.
    pub(super) newest: BlockNumber,
}

/// Writes everything that the tables keep of a block, in one batch.
pub(super) fn apply(engine: &dyn Engine, entry: &Entry<'_>) -> Result<(), Error> {
    let Entry { at, block, classes, tries, .. } = *entry;
    let number = block.header.number();
    let mut batch = Batch::default();
    put_old_nodes(&mut batch, entry);
    put_indexes(&mut batch, block, at);
    put_state(&mut batch, block);
    put_classes(&mut batch, block, classes);
    put_nodes(&mut batch, tries);
    filters::put(&mut batch, engine, block)?;
    batch.put(Table::Meta, APPLIED_UP_TO, number.0.to_be_bytes().to_vec());
    engine.write(batch)
}

/// What the block changes in the tries, as it was. It comes before the change in the batch, so that
/// whoever reads a node and finds nothing here afterwards has read one from before the block.
fn put_old_nodes<'a>(batch: &mut Batch<'a>, entry: &Entry<'a>) {
    let number = entry.block.header.number();
    // Where an engine is made again, most would be removed again.
    if entry.newest.0 < number.0.saturating_add(PROOF_BLOCKS) {
        let key = number.0.to_be_bytes().to_vec();
        batch.put(Table::TrieNodesBefore, key, entry.tries.before());
    }
    if let Some(outdated) = number.0.checked_sub(PROOF_BLOCKS) {
        batch.remove(Table::TrieNodesBefore, outdated.to_be_bytes().to_vec());
    }
}

/// What changes in the tries.
pub(super) fn put_nodes<'a>(batch: &mut Batch<'a>, tries: &'a trie::Update) {
    for (key, node) in tries.writes() {
        match node {
            Some(node) => batch.put(Table::TrieNodes, key.as_slice(), node.as_slice()),
            None => batch.remove(Table::TrieNodes, key.as_slice()),
        }
    }
}

fn put_indexes(batch: &mut Batch<'_>, block: &Block, at: Location) {
    let number = block.header.number();
    let hash = block.header.hash.0.to_bytes_be();
    batch.put(Table::Blocks, number.0.to_be_bytes().to_vec(), tables::location_value(at).to_vec());
    batch.put(Table::BlockNumbers, hash.to_vec(), number.0.to_be_bytes().to_vec());
    for (index, transaction) in (0..).zip(&block.transactions) {
        let position = tables::position_value(number, index);
        batch.put(
            Table::Transactions,
            transaction.hash.0.to_bytes_be().to_vec(),
            position.to_vec(),
        );
    }
}

fn put_state(batch: &mut Batch<'_>, block: &Block) {
    let number = block.header.number();
    let diff = &block.state_diff;
    for (&contract, cells) in &diff.storage_diffs {
        for (&key, &value) in cells {
            let key = tables::storage_key(contract, key);
            put_value(batch, tables::STORAGE, &key, value, number);
        }
    }
    for (&contract, nonce) in &diff.nonces {
        put_value(batch, tables::NONCES, &tables::contract_key(contract), nonce.0, number);
    }
    for (&contract, class_hash) in &diff.deployed_contracts {
        let key = tables::contract_key(contract);
        put_value(batch, tables::CLASS_HASHES, &key, class_hash.0, number);
    }
}

fn put_value(batch: &mut Batch<'_>, state: State, key: &[u8], value: Felt, number: BlockNumber) {
    batch.put(state.flat, key.to_vec(), tables::flat_value(value, number).to_vec());
    let key = HistoryKey::new(key, number).as_bytes().to_vec();
    batch.put(state.history, key, value.to_bytes_be().to_vec());
}

fn put_classes<'a>(batch: &mut Batch<'a>, block: &Block, classes: &'a [(ClassHash, Bytes)]) {
    let number = block.header.number();
    for (class_hash, class) in classes {
        let key = class_hash.0.to_bytes_be().to_vec();
        let compiled = block.state_diff.class_hash_to_compiled_class_hash.get(class_hash);
        let declaration = tables::declaration_value(number, compiled.copied());
        batch.put(Table::Declarations, key.clone(), declaration);
        batch.put(Table::Classes, key, class.as_ref());
    }
}

/// The tip, as the tries read it.
pub(super) struct Tip<'a>(pub(super) &'a dyn Engine);

impl Tip<'_> {
    fn value(&self, state: State, contract: ContractAddress) -> Result<Option<Felt>, Error> {
        let value = self.0.get(state.flat, &tables::contract_key(contract))?;
        value.map(|bytes| tables::parse_flat_value(&bytes).map(|(value, _)| value)).transpose()
    }
}

impl TrieReader for Tip<'_> {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.0.get(Table::TrieNodes, key)?.map(Vec::from))
    }

    fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error> {
        self.value(tables::NONCES, contract).map(|nonce| Nonce(nonce.unwrap_or_default()))
    }

    fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error> {
        self.value(tables::CLASS_HASHES, contract).map(|class_hash| class_hash.map(ClassHash))
    }
}
