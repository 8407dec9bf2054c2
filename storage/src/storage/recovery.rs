//! From the chain log to an engine that holds all of it.

use std::{fs, path::Path};

use bytes::Bytes;
use starknet_api::block::BlockNumber;

use super::{
    apply::{self, Tip},
    read_block,
};
use crate::{
    Error, codec,
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

/// Applies the blocks of the log that are not in the engine; tells how many blocks there are.
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
    if from == chain.last() {
        return Ok(done);
    }
    let blocks = match chain.last() {
        None => 0,
        Some(last) => number_at(chain, last)?.0 + 1,
    };
    let missing = blocks.saturating_sub(done);
    if missing == 0 {
        return Ok(blocks);
    }
    progress(0, missing);
    // The first record is that of the last block in the engine, if there is one.
    let records = chain.records(from).skip(usize::from(from.is_some()));
    for (number, record) in (done..).zip(records) {
        let (at, record) = record?;
        apply_again(engine, BlockNumber(number), at, &record)?;
        progress(number + 1 - done, missing);
    }
    Ok(blocks)
}

/// Where the chain log has the last block of the engine.
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
    Ok(at)
}

fn number_at(chain: &Log, at: Location) -> Result<BlockNumber, Error> {
    let block =
        codec::decode_block(&chain.read(at)?).map_err(|source| Error::Block { at, source })?;
    Ok(block.header.number())
}

fn apply_again(
    engine: &dyn Engine,
    number: BlockNumber,
    at: Location,
    record: &Bytes,
) -> Result<(), Error> {
    let block = codec::decode_block(record).map_err(|source| Error::Block { at, source })?;
    if block.header.number() != number {
        return Err(Error::OutOfOrder { got: block.header.number(), expected: number });
    }
    apply::check(&block)?;
    let tries = trie::compute(&Tip(engine), &block.state_diff)?;
    let (got, expected) = (tries.state_root(), block.header.state_root);
    if got != expected {
        return Err(Error::WrongRoot { number, got, expected });
    }
    let classes = codec::encoded_classes(record).map_err(|source| Error::Block { at, source })?;
    apply::apply(engine, at, &block, &classes, &tries)
}
