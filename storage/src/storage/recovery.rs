//! From the chain log to an engine that holds all of it.

use std::path::Path;

use bytes::Bytes;
use starknet_api::block::BlockNumber;

use super::{
    OpenEngine,
    apply::{self, Tip},
    read_block, reset,
};
use crate::{
    Error,
    codec::{self, Record},
    engine::{Engine, OpenError, folder},
    log::{Location, Log},
    trie,
};

/// An engine that holds every block, and how many there are.
type Ready = (Box<dyn Engine>, u64);

/// Opens the engine and applies the blocks that it lacks; also tells how many blocks there are.
///
/// An engine that is gone or damaged is made again from the log, which takes its time and loses
/// nothing.
pub(super) fn open_engine(
    open: &OpenEngine<'_>,
    path: &Path,
    chain: &Log,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Ready, Error> {
    folder::remove_old(path)?;
    let why = match folder::sentence(path)? {
        Some(why) => why,
        None => match try_open(open, path, chain, progress) {
            Ok(ready) => return Ok(ready),
            Err(OpenError::Damaged(why)) => why,
            Err(OpenError::Other(error)) => return Err(error),
        },
    };
    tracing::warn!(
        path = %path.display(),
        "the storage engine is damaged: {why}; it is made again from the chain log",
    );
    folder::discard(path)?;
    try_open(open, path, chain, progress).map_err(|error| match error {
        OpenError::Other(error) => error,
        OpenError::Damaged(what) => Error::DamagedEngine { path: path.to_owned(), what },
    })
}

fn try_open(
    open: &OpenEngine<'_>,
    path: &Path,
    chain: &Log,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Ready, OpenError> {
    let engine = open(path)?;
    // A root that is wrong in a new engine is wrong in the log.
    let is_new = apply::applied_up_to(engine.as_ref()).is_ok_and(|applied| applied.is_none());
    match catch_up(engine.as_ref(), path, chain, progress) {
        Ok(blocks) => Ok((engine, blocks)),
        Err(error) if !is_new && blames_the_engine(&error) => {
            Err(OpenError::Damaged(error.to_string()))
        }
        Err(error) => Err(OpenError::Other(error)),
    }
}

/// Whether an error says that the engine holds something else than what was written there.
fn blames_the_engine(error: &Error) -> bool {
    matches!(
        error,
        Error::DamagedEngine { .. }
            | Error::Malformed { .. }
            | Error::TrieNode { .. }
            | Error::WrongRoot { .. }
    )
}

/// Condemns the engine if an error says that what it holds makes no sense.
pub(super) fn judge(engine: &dyn Engine, error: &Error) {
    if matches!(error, Error::Malformed { .. } | Error::TrieNode { .. }) {
        engine.condemn(&error.to_string());
    }
}

/// Applies the records of the log that are not in the engine; tells how many blocks there are.
fn catch_up(
    engine: &dyn Engine,
    path: &Path,
    chain: &Log,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64, Error> {
    let applied = apply::applied_up_to(engine)?;
    let from = match applied {
        None => None,
        Some(number) => Some(place_of(engine, path, chain, number)?),
    };
    let done = applied.map_or(0, |number| number.0 + 1);
    let Some(last) = chain.last().filter(|last| from != Some(*last)) else {
        return Ok(done);
    };
    let newest = newest_number(chain, last)?;
    let blocks = newest.0 + 1;
    // With resets in between there may be more records than blocks are missing.
    let missing = blocks.saturating_sub(done).max(1);
    tracing::info!(
        path = %path.display(),
        "the storage engine lacks {missing} of {blocks} blocks; they are applied again",
    );
    progress(0, missing);
    // The first record is the last one in the engine, if there is one.
    let records = chain.records(from).skip(usize::from(from.is_some()));
    let again = Again { engine, chain, newest };
    let mut blocks = done;
    for (count, record) in (1..).zip(records) {
        let (at, record) = record?;
        blocks = again.apply(BlockNumber(blocks), (at, &record))?.0 + 1;
        progress(missing.min(count), missing);
    }
    Ok(blocks)
}

/// Where the chain log has the last record of the engine.
fn place_of(
    engine: &dyn Engine,
    path: &Path,
    chain: &Log,
    number: BlockNumber,
) -> Result<Location, Error> {
    let at = apply::location_of(engine, number)?
        .ok_or(Error::Malformed { what: "block table, which lacks its last block" })?;
    if chain.last().is_none_or(|last| last < at) {
        return Err(Error::EngineAhead { path: path.to_owned(), engine: number });
    }
    read_block(chain, at, number)?;
    Ok(match reset::newest(engine)? {
        Some((reset_at, reset)) if reset.after == number => at.max(reset_at),
        Some(_) | None => at,
    })
}

/// The newest block once everything up to the last record is applied.
fn newest_number(chain: &Log, last: Location) -> Result<BlockNumber, Error> {
    let record = codec::decode_record(&chain.read(last)?);
    Ok(match record.map_err(|source| Error::Block { at: last, source })? {
        Record::Block(block) => block.header.number(),
        Record::Reset(reset) => reset.after,
    })
}

/// What records are applied to again.
struct Again<'a> {
    engine: &'a dyn Engine,
    chain: &'a Log,
    /// The newest block once everything is applied.
    newest: BlockNumber,
}

impl Again<'_> {
    /// Applies a record where block `next` is expected; returns the newest block from then on.
    fn apply(
        &self,
        next: BlockNumber,
        (at, record): (Location, &Bytes),
    ) -> Result<BlockNumber, Error> {
        let &Self { engine, chain, newest } = self;
        let undecodable = |source| Error::Block { at, source };
        let block = match codec::decode_record(record).map_err(undecodable)? {
            Record::Block(block) => block,
            Record::Reset(_) => {
                return reset::apply_reset(engine, chain, at, record).map(|reset| reset.after);
            }
        };
        let number = block.header.number();
        if number != next {
            return Err(Error::OutOfOrder { got: number, expected: next });
        }
        apply::check(&block)?;
        let tries = trie::compute(&Tip(engine), &block.state_diff)?;
        let (got, expected) = (tries.state_root(), block.header.state_root);
        if got != expected {
            return Err(Error::WrongRoot { number, got, expected });
        }
        let classes = codec::encoded_classes(record).map_err(undecodable)?;
        let entry = apply::Entry { at, block: &block, classes: &classes, tries: &tries, newest };
        apply::apply(engine, &entry)?;
        Ok(number)
    }
}
