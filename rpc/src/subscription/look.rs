//! One look at the chain that all subscribers share.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use kraken_sequencer::{BlockAt, Reverts, View};
use kraken_storage::Error;
use starknet_api::block::BlockNumber;

use crate::{dto::receipt::Finality, subscription::sheet::Sheet};

/// One look at the chain.
#[derive(Debug)]
pub(crate) struct Look {
    /// The newest closed block.
    pub(crate) latest: u64,
    /// The newest block that is accepted on L1, if any is.
    pub(crate) accepted_on_l1: Option<BlockNumber>,
    /// How often the end of the chain was taken back before.
    pub(crate) reverts: Arc<Reverts>,
    /// Executed blocks and the open one, oldest first.
    pub(crate) unsealed: Vec<Arc<Sheet>>,
    /// Closed ones.
    pub(crate) shelf: Arc<Shelf>,
}

/// Closed blocks that were read for one subscriber and are there for the others.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    sheets: Mutex<BTreeMap<(u64, Finality), Arc<Sheet>>>,
}

impl Look {
    /// How many closed blocks are read before somebody asks for them.
    const READ_MAX: u64 = 16;

    /// What a view shows. Reads closed blocks that are newer than the last look, but only the newest
    /// of many.
    ///
    /// # Errors
    /// If storage fails.
    pub(crate) fn new(view: &View, before: &Self) -> Result<Self, Error> {
        let is_same_chain = before.reverts.count() == view.reverts().count();
        let shelf = if is_same_chain { Arc::clone(&before.shelf) } else { Arc::default() };
        let latest = view.latest().0;
        let seen = if is_same_chain { before.latest + 1 } else { 0 };
        for number in seen.max(latest.saturating_sub(Self::READ_MAX))..=latest {
            shelf.read(view, number)?;
        }
        let mut unsealed = Vec::new();
        for number in latest + 1..=view.pre_confirmed().info.block_number.0 {
            if let Some(block) = view.block(BlockNumber(number))? {
                unsealed.push(before.unsealed(block));
            }
        }
        Ok(Self {
            latest,
            accepted_on_l1: view.accepted_on_l1(),
            reverts: Arc::clone(view.reverts()),
            unsealed,
            shelf,
        })
    }

    /// Where nobody has looked yet.
    pub(crate) fn nowhere() -> Self {
        Self {
            latest: 0,
            accepted_on_l1: None,
            reverts: Arc::default(),
            unsealed: Vec::new(),
            shelf: Arc::default(),
        }
    }

    /// Whether the closed blocks are the same, and where they are accepted.
    pub(crate) fn has_same_closed(&self, other: &Self) -> bool {
        self.latest == other.latest
            && self.accepted_on_l1 == other.accepted_on_l1
            && self.reverts.count() == other.reverts.count()
    }

    /// A closed block, as it is or as it was before, if it is here or the one that was just read.
    pub(crate) fn closed(
        &self,
        number: u64,
        wanted: Finality,
        read: Option<&Arc<Sheet>>,
    ) -> Option<Arc<Sheet>> {
        let read = || read.filter(|read| read.number() == number).cloned();
        let accepted = self.shelf.get(number, Finality::AcceptedOnL2).or_else(read)?;
        if wanted == Finality::PreConfirmed {
            return Some(self.shelf.get_or(number, wanted, || accepted.pre_confirmed()));
        }
        let finality = Finality::of(accepted.block(), self.accepted_on_l1);
        let again = || Sheet::new(accepted.block().clone(), finality);
        Some(self.shelf.get_or(number, finality, again))
    }

    /// What was seen of the same open block before is not written again.
    fn unsealed(&self, block: BlockAt) -> Arc<Sheet> {
        let is_it = |sheet: &&Arc<Sheet>| match (sheet.block(), &block) {
            (BlockAt::Unsealed(old), BlockAt::Unsealed(new)) => Arc::ptr_eq(old, new),
            (BlockAt::Closed(_), _) | (_, BlockAt::Closed(_)) => false,
        };
        let old = self.unsealed.iter().find(is_it).cloned();
        old.unwrap_or_else(|| Arc::new(Sheet::new(block, Finality::PreConfirmed)))
    }
}

impl Shelf {
    /// How many sheets it holds; the oldest block makes room.
    const SHEETS_MAX: usize = 64;

    /// Reads a closed block, unless it is here; `None` if there is none.
    ///
    /// # Errors
    /// If storage fails.
    pub(crate) fn read(&self, view: &View, number: u64) -> Result<Option<Arc<Sheet>>, Error> {
        if let Some(sheet) = self.get(number, Finality::AcceptedOnL2) {
            return Ok(Some(sheet));
        }
        Ok(match view.block(BlockNumber(number))? {
            Some(block @ BlockAt::Closed(_)) => {
                Some(self.put(Sheet::new(block, Finality::AcceptedOnL2)))
            }
            Some(BlockAt::Unsealed(_)) | None => None,
        })
    }

    /// A block that came so far, if it is here.
    fn get(&self, number: u64, finality: Finality) -> Option<Arc<Sheet>> {
        self.lock().get(&(number, finality)).cloned()
    }

    fn get_or(&self, number: u64, finality: Finality, sheet: impl FnOnce() -> Sheet) -> Arc<Sheet> {
        self.get(number, finality).unwrap_or_else(|| self.put(sheet()))
    }

    /// Puts a block here; it is the one that is here already if another was faster.
    pub(crate) fn put(&self, sheet: Sheet) -> Arc<Sheet> {
        let mut sheets = self.lock();
        let place = (sheet.number(), sheet.finality());
        let sheet = Arc::clone(sheets.entry(place).or_insert_with(|| Arc::new(sheet)));
        while Self::SHEETS_MAX < sheets.len() {
            sheets.pop_first();
        }
        sheet
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(u64, Finality), Arc<Sheet>>> {
        self.sheets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
