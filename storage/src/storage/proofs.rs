//! Proofs of what older blocks left.
//!
//! The tables have the tries of the newest block, and what each of the last blocks overwrote there.
//! So a node of an older block is what the oldest later block that wrote to its place found there,
//! and else what is there now.
//!
//! Blocks may be applied while a proof is read. What a block overwrites shows before what it writes
//! does: so nodes are read first, then it is seen what blocks have overwritten meanwhile, and if that
//! is any of these nodes, all are read again. Each time there are fewer of them to be overwritten,
//! so this ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError, atomic::Ordering},
};

use starknet_api::{
    block::BlockNumber,
    core::{ClassHash, ContractAddress, Nonce},
};
use starknet_types_core::felt::Felt;

use super::{Storage, recovery};
use crate::{
    Error,
    engine::Engine,
    snapshot::value_at,
    tables::{self, PROOF_BLOCKS, State, Table},
    trie::{
        Proof, TrieReader, Wanted, before,
        proof::{Places, prove},
    },
};

impl Storage {
    /// The ways to what is wanted in the tries as they were after a block. `None` beyond the tip, and
    /// for blocks more than some 160 below it.
    ///
    /// # Errors
    /// If the engine fails, or a trie node is damaged; [`Error::WrongRoot`] if the nodes are not those
    /// that the header of the block commits to.
    pub fn proof(&self, number: BlockNumber, wanted: &Wanted) -> Result<Option<Proof>, Error> {
        self.between_resets(|| {
            let engine = self.inner.engine.as_ref();
            let visible = || BlockNumber(self.inner.visible.load(Ordering::Acquire));
            let proof = read(engine, number, wanted, &visible);
            let Some(proof) = proof.inspect_err(|error| recovery::judge(engine, error))? else {
                return Ok(None);
            };
            let (got, expected) =
                (proof.roots.global_root(), self.existing_block(number)?.header.state_root);
            if got != expected {
                return Err(Error::WrongRoot { number, got, expected });
            }
            Ok(Some(proof))
        })
    }
}

/// Reads a proof beside blocks that are applied; `next` is the block after all that are.
pub(super) fn read(
    engine: &dyn Engine,
    number: BlockNumber,
    wanted: &Wanted,
    next: &dyn Fn() -> BlockNumber,
) -> Result<Option<Proof>, Error> {
    let start = next();
    if start <= number {
        return Ok(None);
    }
    let mut past = Past::new(engine, number, Places::of(wanted));
    past.catch_up()?;
    if past.next < start {
        return Ok(None);
    }
    let proof = loop {
        let proof = prove(&past, wanted);
        // What failed may have met a block half applied.
        if !past.catch_up()? {
            break proof;
        }
    };
    // From here on, what is missing may be missing because it is too old.
    let is_whole = next().0 < past.next.0.saturating_add(PROOF_BLOCKS);
    if is_whole { proof.map(Some) } else { Ok(None) }
}

/// The tries after a block that need not be the newest one.
struct Past<'a> {
    engine: &'a dyn Engine,
    number: BlockNumber,
    places: Places,
    /// The first block that is not looked at.
    next: BlockNumber,
    /// Nodes that blocks after `number` and before `next` overwrote, as they were after `number`.
    overwritten: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The keys of nodes that were read as they are now.
    read: Mutex<BTreeSet<Vec<u8>>>,
}

impl<'a> Past<'a> {
    fn new(engine: &'a dyn Engine, number: BlockNumber, places: Places) -> Self {
        let next = number.unchecked_next();
        Self { engine, number, places, next, overwritten: BTreeMap::new(), read: Mutex::default() }
    }

    /// Looks at the blocks that have been applied since; says whether what was read is not as it was.
    fn catch_up(&mut self) -> Result<bool, Error> {
        let Self { places, overwritten, read, .. } = self;
        let read = read.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut is_stale = false;
        while let Some(nodes) =
            self.engine.get(Table::TrieNodesBefore, &self.next.0.to_be_bytes())?
        {
            before::visit(&nodes, |key, node| {
                if places.contain(key) && !overwritten.contains_key(key) {
                    is_stale |= read.contains(key);
                    overwritten.insert(key.to_vec(), node.map(<[u8]>::to_vec));
                }
            })?;
            self.next = self.next.unchecked_next();
        }
        Ok(is_stale)
    }

    fn value(&self, state: State, contract: ContractAddress) -> Result<Option<Felt>, Error> {
        let value = value_at(self.engine, state, &tables::contract_key(contract), self.number)?;
        Ok(value.map(|(value, _)| value))
    }
}

impl TrieReader for Past<'_> {
    fn node(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        if let Some(node) = self.overwritten.get(key) {
            return Ok(node.clone());
        }
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_vec());
        Ok(self.engine.get(Table::TrieNodes, key)?.map(Vec::from))
    }

    fn nonce(&self, contract: ContractAddress) -> Result<Nonce, Error> {
        self.value(tables::NONCES, contract).map(|nonce| Nonce(nonce.unwrap_or_default()))
    }

    fn class_hash_at(&self, contract: ContractAddress) -> Result<Option<ClassHash>, Error> {
        self.value(tables::CLASS_HASHES, contract).map(|class_hash| class_hash.map(ClassHash))
    }
}
