//! From the chain log to an engine that holds all of it.

use std::{fs, path::Path};

use bytes::Bytes;
use starknet_api::block::BlockNumber;

use super::{
    apply::{self, Tip},
    read_block, reset,
};
use crate::{
    Error,
    codec::{self, Record},
    engine::{Engine, Fjall, OpenError},
    log::{Location, Log},
    trie,
};

/// Opens the engine and applies the blocks that it lacks; also tells how many blocks there are.
///
/// An engine that is gone or damaged is made again from the log, which takes its time and loses
/// nothing.
pub(super) fn open_engine(
    path: &Path,
    chain: &Log,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(Box<dyn Engine>, u64), Error> {
    let engine = match Fjall::open(path) {
        Ok(engine) => engine,
        Err(OpenError::Other(error)) => return Err(error),
        Err(OpenError::Damaged(error)) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                path = %path.display(),
                "the storage engine is damaged; it is made again from the chain log",
            );
            fs::remove_dir_all(path).map_err(Error::io("remove", path))?;
            match Fjall::open(path) {
                Ok(engine) => engine,
                Err(OpenError::Other(error)) => return Err(error),
                Err(OpenError::Damaged(error)) => {
                    let path = path.to_owned();
                    return Err(Error::Engine { path, source: Box::new(error) });
                }
            }
        }
    };
    let blocks = catch_up(&engine, path, chain, progress)?;
    Ok((Box::new(engine), blocks))
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
    // With resets in between there may be more records than blocks are missing.
    let missing = (newest_number(chain, last)?.0 + 1).saturating_sub(done).max(1);
    progress(0, missing);
    // The first record is the last one in the engine, if there is one.
    let records = chain.records(from).skip(usize::from(from.is_some()));
    let mut blocks = done;
    for (count, record) in (1..).zip(records) {
        let (at, record) = record?;
        blocks = apply_again(engine, chain, BlockNumber(blocks), (at, &record))?.0 + 1;
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

/// Applies a record where block `next` is expected; returns the newest block from then on.
fn apply_again(
    engine: &dyn Engine,
    chain: &Log,
    next: BlockNumber,
    (at, record): (Location, &Bytes),
) -> Result<BlockNumber, Error> {
    let decoded = codec::decode_record(record).map_err(|source| Error::Block { at, source })?;
    let block = match decoded {
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
    let classes = codec::encoded_classes(record).map_err(|source| Error::Block { at, source })?;
    apply::apply(engine, at, &block, &classes, &tries)?;
    Ok(number)
}
