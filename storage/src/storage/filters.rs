//! Where the filters of blocks over their events are, see [`crate::events`].

use std::{collections::VecDeque, ops::Range, sync::atomic::Ordering};

use starknet_api::block::BlockNumber;

use super::Storage;
use crate::{
    Block, Error, EventPattern,
    engine::{Batch, Engine},
    events::{self, BITS, Bits, RANGE_BLOCKS},
    tables::Table,
};

/// [`RANGE_BLOCKS`] as a bound of what is encoded.
const ROW_BITS: usize = 1_024;
const _: () = assert!(ROW_BITS as u64 == RANGE_BLOCKS, "a row has a bit for each block of a range");

/// Adds the filter of a block, which may be the last one of its range.
pub(super) fn put(batch: &mut Batch<'_>, engine: &dyn Engine, block: &Block) -> Result<(), Error> {
    let number = block.header.number().0;
    let own = events::bits_of(block);
    if !ends_range(number) {
        batch.put(Table::EventFilters, key(number), events::encode(&own, BITS));
        return Ok(());
    }
    let first = number - number % RANGE_BLOCKS;
    let mut rows = vec![Vec::new(); BITS];
    for (place, number) in (0_u16..).zip(first..number) {
        let filter = engine.get(Table::EventFilters, &key(number))?;
        let filter =
            filter.ok_or(Error::Malformed { what: "filter table, which lacks a block" })?;
        for bit in events::decode(&filter, BITS)? {
            rows[usize::from(bit)].push(place);
        }
        batch.remove(Table::EventFilters, key(number));
    }
    for bit in own {
        rows[usize::from(bit)].push(place_of(number));
    }
    for (bit, row) in (0_u16..).zip(rows).filter(|(_, row)| !row.is_empty()) {
        batch.put(Table::EventRows, row_key(number, bit), events::encode(&row, ROW_BITS));
    }
    Ok(())
}

/// Takes out what [`put`] added for the newest block.
pub(super) fn remove(
    batch: &mut Batch<'_>,
    engine: &dyn Engine,
    number: BlockNumber,
) -> Result<(), Error> {
    let number = number.0;
    if !ends_range(number) {
        batch.remove(Table::EventFilters, key(number));
        return Ok(());
    }
    let mut filters = vec![Vec::new(); ROW_BITS];
    for bit in (0..=u16::MAX).take(BITS) {
        let Some(row) = engine.get(Table::EventRows, &row_key(number, bit))? else {
            continue;
        };
        for place in events::decode(&row, ROW_BITS)? {
            filters[usize::from(place)].push(bit);
        }
        batch.remove(Table::EventRows, row_key(number, bit));
    }
    let first = number - number % RANGE_BLOCKS;
    for (number, filter) in (first..number).zip(filters) {
        batch.put(Table::EventFilters, key(number), events::encode(&filter, BITS));
    }
    Ok(())
}

fn ends_range(number: u64) -> bool {
    number % RANGE_BLOCKS == RANGE_BLOCKS - 1
}

/// The place of a block in its range.
fn place_of(number: u64) -> u16 {
    u16::try_from(number % RANGE_BLOCKS).expect("a range has 1,024 blocks")
}

fn key(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// The key of a row of the range of a block.
fn row_key(number: u64, bit: u16) -> Vec<u8> {
    [&(number / RANGE_BLOCKS).to_be_bytes()[..], &bit.to_be_bytes()].concat()
}

impl Storage {
    /// The blocks from one up to another that may hold events that fit, in order. All others up to
    /// the tip hold none.
    pub fn blocks_with_events(
        &self,
        from: BlockNumber,
        to: BlockNumber,
        pattern: &EventPattern,
    ) -> Candidates {
        let visible = self.inner.visible.load(Ordering::Acquire);
        Candidates {
            storage: self.clone(),
            conditions: pattern.conditions(),
            rest: from.0..to.0.saturating_add(1).min(visible),
            found: VecDeque::new(),
        }
    }
}

/// Blocks that may hold events that fit a pattern. Looks at one range of blocks after the other, as
/// it is asked for more.
#[derive(Debug)]
pub struct Candidates {
    storage: Storage,
    /// All must hold, each by one of its alternatives.
    conditions: Vec<Vec<Bits>>,
    /// What is not looked at yet.
    rest: Range<u64>,
    found: VecDeque<u64>,
}

impl Iterator for Candidates {
    type Item = Result<BlockNumber, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.found.is_empty() && !self.rest.is_empty() {
            let Range { start, end } = self.rest;
            let end_of_range = start - start % RANGE_BLOCKS + RANGE_BLOCKS;
            let blocks = start..end.min(end_of_range);
            self.rest.start = blocks.end;
            match self.storage.between_resets(|| self.look(blocks.clone())) {
                Ok(found) => self.found = found,
                Err(error) => {
                    self.rest.start = end;
                    return Some(Err(error));
                }
            }
        }
        self.found.pop_front().map(|number| Ok(BlockNumber(number)))
    }
}

impl Candidates {
    /// Those of a few blocks, which are all of one range.
    fn look(&self, blocks: Range<u64>) -> Result<VecDeque<u64>, Error> {
        let end_of_range = blocks.start - blocks.start % RANGE_BLOCKS + RANGE_BLOCKS;
        if end_of_range <= self.storage.inner.visible.load(Ordering::Acquire) {
            let row = self.row(blocks.start)?;
            return Ok(blocks.filter(|&number| row.has(place_of(number))).collect());
        }
        let mut found = VecDeque::new();
        for number in blocks {
            if self.may_hold(number)? {
                found.push_back(number);
            }
        }
        Ok(found)
    }

    /// By the rows of a range that is full.
    fn row(&self, number: u64) -> Result<Row, Error> {
        let mut all = Row::FULL;
        for alternatives in &self.conditions {
            let mut any = Row::EMPTY;
            for bits in alternatives {
                any = any.or(self.row_of(number, bits, all)?);
            }
            all = any;
        }
        Ok(all)
    }

    /// The blocks among some that have these bits.
    fn row_of(&self, number: u64, bits: &Bits, among: Row) -> Result<Row, Error> {
        let engine = self.storage.inner.engine.as_ref();
        let mut row = among;
        for bit in bits {
            if row == Row::EMPTY {
                break;
            }
            row = match engine.get(Table::EventRows, &row_key(number, *bit))? {
                Some(bytes) => row.and(Row::decode(&bytes)?),
                None => Row::EMPTY,
            };
        }
        Ok(row)
    }

    /// By the filter of a block whose range is not full.
    fn may_hold(&self, number: u64) -> Result<bool, Error> {
        let engine = self.storage.inner.engine.as_ref();
        // Its range may have become full a moment ago.
        let Some(filter) = engine.get(Table::EventFilters, &key(number))? else {
            return Ok(true);
        };
        let has = |bits: &Bits| bits.iter().all(|bit| events::contains(&filter, *bit, BITS));
        Ok(self.conditions.iter().all(|alternatives| alternatives.iter().any(has)))
    }
}

/// Blocks of a range, by their places in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row([u64; ROW_BITS / 64]);

impl Row {
    const EMPTY: Self = Self([0; ROW_BITS / 64]);
    const FULL: Self = Self([u64::MAX; ROW_BITS / 64]);

    fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut row = Self::EMPTY;
        for place in events::decode(bytes, ROW_BITS)? {
            row.0[usize::from(place / 64)] |= 1 << (place % 64);
        }
        Ok(row)
    }

    fn has(&self, place: u16) -> bool {
        self.0[usize::from(place / 64)] & 1 << (place % 64) != 0
    }

    fn and(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours &= theirs);
        self
    }

    fn or(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(ours, theirs)| *ours |= theirs);
        self
    }
}
