//! `starknet_getEvents`.
//!
//! Pages follow the chain: a continuation token is the place of the next event to look at, as the
//! number of its block and its place among all events of that block, filtered or not. So a token
//! does not change its meaning when the chain grows or the filter changes, and the events of the
//! open block keep their places when it is closed.

use std::{collections::BTreeSet, num::NonZeroU64};

use kraken_sequencer::BlockAt;
use kraken_storage::EventPattern;
use starknet_api::{block::BlockNumber, core::ContractAddress};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::{
        block_id::BlockId,
        event::{EmittedEvent, EventPlace, EventsChunk},
    },
    error::{Error, Internal},
    params::{FromInput, Input, InvalidParams},
    version::Version,
};

/// The largest page, in events.
const CHUNK_MAX: u64 = 1_024;

/// The most keys of one filter, of all places together.
const KEYS_MAX: usize = 1_024;

/// Blocks that are passed over for a page, read or not; a thousand ranges of filters.
const PASSED_MAX: u64 = 1 << 20;

/// EVENT_FILTER and RESULT_PAGE_REQUEST.
#[derive(Debug)]
struct Request {
    from_block: Option<BlockId>,
    to_block: Option<BlockId>,
    filter: EventPattern,
    chunk_size: u64,
    continuation_token: Option<String>,
}

/// The place of an event: its block, and its place among all events there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    block: u64,
    event: usize,
}

/// One or, since version 0.10, many addresses.
pub(crate) struct Addresses(pub(crate) BTreeSet<ContractAddress>);

/// Which stretch of the chain is searched, and how much of it at once.
#[derive(Clone, Copy, Debug)]
struct Search {
    from: Place,
    /// Inclusive.
    to_block: u64,
    /// Events of a page.
    events_max: usize,
    /// Blocks read for a page.
    blocks_max: u64,
    /// What the caller speaks.
    version: Version,
}

/// Answers `starknet_getEvents`.
///
/// A page may hold fewer events than asked for, and even none, and still have a successor: a
/// search ends at a limit of blocks. Only blocks that may hold an event that is wanted are read.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::PageSizeTooBig`], [`Error::InvalidContinuationToken`],
/// [`Error::TooManyKeysInFilter`].
pub(crate) fn answer(call: &Call<'_>) -> Result<EventsChunk, Error> {
    let request: Request = call.params.required("filter")?;
    if CHUNK_MAX < request.chunk_size {
        return Err(Error::PageSizeTooBig);
    }
    check_size(&request.filter)?;
    let view = &call.view;
    let number = |block_id: Option<BlockId>| block_id.map(|block_id| block_id.number(view));
    let from_block = number(request.from_block).transpose()?.unwrap_or(BlockNumber::ZERO).0;
    let to_block = match request.to_block {
        // A range may end in the future; it starts in the past.
        Some(BlockId::Number(number)) => number.0.min(view.pre_confirmed().info.block_number.0),
        Some(block_id) => block_id.number(view)?.0,
        None => view.pre_confirmed().info.block_number.0,
    };
    let from = match &request.continuation_token {
        None => Place { block: from_block, event: 0 },
        Some(token) => Place::from_token(token)
            .filter(|place| (from_block..=to_block).contains(&place.block))
            .ok_or(Error::InvalidContinuationToken)?,
    };
    let search = Search {
        from,
        to_block,
        events_max: usize::try_from(request.chunk_size).unwrap_or(usize::MAX),
        blocks_max: call.context.config.limits.events_blocks_max,
        version: call.version,
    };
    let block = |number| {
        let block = view.block(BlockNumber(number))?;
        Ok(block.ok_or(Internal::Broken { what: "a block is missing" })?)
    };
    let (first, last) = (BlockNumber(search.from.block), BlockNumber(search.last()));
    let candidates = view.blocks_with_events(first, last, &request.filter);
    let candidates = candidates.map(|number| Ok(number?.0));
    page(search, &request.filter, candidates, block)
}

/// Looks at the events of blocks one by one until the page is full or the stretch ends. All other
/// blocks up to the last one hold nothing that is wanted.
fn page(
    search: Search,
    filter: &EventPattern,
    candidates: impl Iterator<Item = Result<u64, Error>>,
    block: impl Fn(u64) -> Result<BlockAt, Error>,
) -> Result<EventsChunk, Error> {
    let mut events = Vec::new();
    let go_on = |events, block, event| {
        let next = Place { block, event };
        Ok(EventsChunk { events, continuation_token: Some(next.to_token()) })
    };
    for (read, number) in (0..).zip(candidates) {
        let number = number?;
        if search.blocks_max.max(1) <= read {
            return go_on(events, number, 0);
        }
        let block = block(number)?;
        let start = if number == search.from.block { search.from.event } else { 0 };
        for (event, found) in matching(&block, filter, start, search.version) {
            if events.len() == search.events_max {
                return go_on(events, number, event);
            }
            events.push(found);
        }
    }
    if search.last() < search.to_block {
        return go_on(events, search.last() + 1, 0);
    }
    Ok(EventsChunk { events, continuation_token: None })
}

impl Search {
    /// The last block that is passed over.
    fn last(&self) -> u64 {
        self.to_block.min(self.from.block.saturating_add(PASSED_MAX - 1))
    }
}

/// The events of a block that are wanted, from a place on, with their places among all.
fn matching<'a>(
    block: &'a BlockAt,
    filter: &'a EventPattern,
    start: usize,
    version: Version,
) -> impl Iterator<Item = (usize, EmittedEvent)> + 'a {
    let block_hash = match block {
        BlockAt::Closed(block) => Some(block.header.hash.0),
        BlockAt::Unsealed(_) => None,
    };
    let of = (block.info().block_number.0, block_hash);
    block
        .transactions()
        .iter()
        .enumerate()
        .flat_map(|(transaction_index, executed)| {
            let place = move |event_index| EventPlace { transaction_index, event_index };
            (0..executed.receipt.events.len()).map(move |index| (executed, place(index)))
        })
        .enumerate()
        .skip(start)
        .filter(|(_, (executed, place))| filter.fits(&executed.receipt.events[place.event_index]))
        .map(move |(index, (executed, place))| {
            (index, EmittedEvent::new(executed, of, place, version))
        })
}

/// Refuses a filter that has too many keys.
///
/// # Errors
/// [`Error::TooManyKeysInFilter`].
pub(crate) fn check_size(filter: &EventPattern) -> Result<(), Error> {
    let keys = filter.keys.iter().map(BTreeSet::len).sum::<usize>();
    if KEYS_MAX < keys { Err(Error::TooManyKeysInFilter) } else { Ok(()) }
}

impl Place {
    fn to_token(self) -> String {
        format!("{}-{}", self.block, self.event)
    }

    fn from_token(token: &str) -> Option<Self> {
        let (block, event) = token.split_once('-')?;
        let place = Self { block: block.parse().ok()?, event: event.parse().ok()? };
        // Numbers have more than one form; tokens have one.
        (place.to_token() == token).then_some(place)
    }
}

impl FromInput for Request {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        let mut fields = input.fields()?;
        let addresses: Option<Addresses> = fields.optional("address")?;
        let keys: Option<Vec<Vec<Felt>>> = fields.optional("keys")?;
        let chunk_size: NonZeroU64 = fields.required("chunk_size")?;
        let request = Self {
            from_block: fields.optional("from_block")?,
            to_block: fields.optional("to_block")?,
            filter: EventPattern {
                addresses: addresses.map(|Addresses(addresses)| addresses),
                keys: keys.unwrap_or_default().into_iter().map(BTreeSet::from_iter).collect(),
            },
            chunk_size: chunk_size.get(),
            continuation_token: fields.optional("continuation_token")?,
        };
        fields.finish()?;
        Ok(request)
    }
}

impl FromInput for Addresses {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        if input.is_list() && Version::V0_10 <= input.version() {
            Ok(Self(input.list()?.into_iter().collect()))
        } else {
            Ok(Self(BTreeSet::from([ContractAddress::from_input(input)?])))
        }
    }
}

#[cfg(test)]
mod tests;
