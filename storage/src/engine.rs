//! The seam behind which tables live.
//!
//! An engine holds what queries need and what can be made again from the chain log. It promises
//! four things. Reads see every batch whose write has returned. A batch is one for all tables: after
//! a crash the engine holds the batches up to some point, each of them whole. Changes show in the order
//! of their batch: who sees one by [`Engine::get`] finds those before it. Nothing else: a batch need
//! not survive a crash, and a read beside a write may see the first changes of its batch alone.

pub(crate) mod fjall;
pub(crate) mod folder;
mod manifest;
mod memory;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, ops::RangeInclusive};

use bytes::Bytes;

pub(crate) use self::{fjall::Fjall, memory::Memory};
use crate::{Error, tables::Table};

/// Keeps tables of bytes, sorted by key.
pub(crate) trait Engine: fmt::Debug + Send + Sync {
    /// The value of a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, Error>;

    /// The smallest key of a range with its value: one forward seek.
    fn first(
        &self,
        table: Table,
        range: RangeInclusive<&[u8]>,
    ) -> Result<Option<(Bytes, Bytes)>, Error>;

    /// Carries out a batch.
    fn write(&self, batch: Batch<'_>) -> Result<(), Error>;

    /// What it holds makes no sense: the next start makes it anew.
    fn condemn(&self, why: &str);
}

/// Why an engine did not open.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// It cannot be made sense of, for this reason, and must be made again.
    Damaged(String),
    /// Something else is in the way.
    Other(Error),
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Changes that are carried out together.
#[derive(Debug, Default)]
pub(crate) struct Batch<'a> {
    changes: Vec<Change<'a>>,
}

/// What happens to one key; without a value it is removed.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub(crate) table: Table,
    pub(crate) key: Cow<'a, [u8]>,
    pub(crate) value: Option<Cow<'a, [u8]>>,
}

impl<'a> Batch<'a> {
    /// Sets a value.
    pub(crate) fn put(
        &mut self,
        table: Table,
        key: impl Into<Cow<'a, [u8]>>,
        value: impl Into<Cow<'a, [u8]>>,
    ) {
        self.changes.push(Change { table, key: key.into(), value: Some(value.into()) });
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, table: Table, key: impl Into<Cow<'a, [u8]>>) {
        self.changes.push(Change { table, key: key.into(), value: None });
    }

    /// The changes, in the order in which they were made.
    pub(crate) fn into_changes(self) -> Vec<Change<'a>> {
        self.changes
    }
}
