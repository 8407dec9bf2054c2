//! An engine that ends with the process.

use std::{
    array,
    collections::BTreeMap,
    ops::{Bound, RangeInclusive},
    sync::{PoisonError, RwLock},
};

use bytes::Bytes;

use super::{Batch, Engine};
use crate::{Error, tables::Table};

/// An engine that ends with the process.
#[derive(Debug)]
pub(crate) struct Memory {
    /// In the order of [`Table::ALL`]. Each has its own lock, so that readers wait for one table.
    tables: [RwLock<BTreeMap<Box<[u8]>, Bytes>>; Table::ALL.len()],
}

impl Memory {
    /// Starts with empty tables.
    pub(crate) fn new() -> Self {
        Self { tables: array::from_fn(|_| RwLock::default()) }
    }

    fn table(&self, table: Table) -> &RwLock<BTreeMap<Box<[u8]>, Bytes>> {
        &self.tables[table.index()]
    }
}

impl Engine for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error> {
        // A map is whole between any two of its operations, so a poisoned lock is no harm.
        Ok(self.table(table).read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn first(
        &self,
        table: Table,
        range: RangeInclusive<&[u8]>,
    ) -> Result<Option<(Bytes, Bytes)>, Error> {
        if range.end() < range.start() {
            return Ok(None);
        }
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) =
            (Bound::Included(*range.start()), Bound::Included(*range.end()));
        let table = self.table(table).read().unwrap_or_else(PoisonError::into_inner);
        let first = table.range::<[u8], _>(bounds).next();
        Ok(first.map(|(key, value)| (Bytes::copy_from_slice(key), value.clone())))
    }

    fn write(&self, batch: Batch<'_>) -> Result<(), Error> {
        for change in batch.into_changes() {
            let mut table =
                self.table(change.table).write().unwrap_or_else(PoisonError::into_inner);
            match change.value {
                Some(value) => {
                    let value = Bytes::from(value.into_owned().into_boxed_slice());
                    // Replacing in place keeps the key that is there.
                    match table.get_mut(change.key.as_ref()) {
                        Some(old) => *old = value,
                        None => drop(table.insert(change.key.into_owned().into(), value)),
                    }
                }
                None => drop(table.remove(change.key.as_ref())),
            }
        }
        Ok(())
    }
    /// It ends with the process.
    fn condemn(&self, _why: &str) {}
}
