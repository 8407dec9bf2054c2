use std::iter;

use kraken_storage::ExecutedTransaction;
use proptest::{collection::vec, prelude::*};
use serde_json::value::RawValue;
use starknet_api::transaction::{Event, EventContent, EventData, EventKey};

use super::*;
use crate::{
    fixture::{closed, emitted, unsealed},
    params::Path,
    version::Version,
};

/// Emitter and keys of the events of a chain, by block and transaction.
type Sketch = Vec<Vec<Vec<(u64, Vec<u64>)>>>;

/// Builds closed blocks and, last, an open one. Data makes every event unique.
fn chain(sketch: &Sketch) -> Vec<BlockAt> {
    let mut serial = 0_u64;
    let mut event = |(from, keys): &(u64, Vec<u64>)| {
        serial += 1;
        Event {
            from_address: u128::from(*from).into(),
            content: EventContent {
                keys: keys.iter().map(|key| EventKey(Felt::from(*key))).collect(),
                data: EventData(vec![Felt::from(serial)]),
            },
        }
    };
    let mut blocks = Vec::new();
    for (number, transactions) in (0_u64..).zip(sketch) {
        let transactions: Vec<std::sync::Arc<ExecutedTransaction>> = (0_u64..)
            .zip(transactions)
            .map(|(index, events)| {
                emitted(number * 100 + index, events.iter().map(&mut event).collect())
            })
            .collect();
        let open = blocks.len() + 1 == sketch.len();
        let block =
            if open { unsealed(number, transactions) } else { closed(number, transactions) };
        blocks.push(block);
    }
    blocks
}

/// Every wanted event, found without pages.
fn naive(
    blocks: &[BlockAt],
    addresses: Option<&[u64]>,
    keys: &[Vec<u64>],
) -> Vec<(u64, usize, usize)> {
    let mut found = Vec::new();
    for block in blocks {
        for (transaction_index, executed) in block.transactions().iter().enumerate() {
            for (event_index, event) in executed.receipt.events.iter().enumerate() {
                let from = Felt::from(event.from_address);
                let from_wanted = addresses
                    .is_none_or(|addresses| addresses.iter().any(|one| Felt::from(*one) == from));
                let mut keys_wanted = true;
                for (place, wanted) in keys.iter().enumerate() {
                    let fits = match event.content.keys.get(place) {
                        _ if wanted.is_empty() => true,
                        None => false,
                        Some(key) => wanted.iter().any(|one| Felt::from(*one) == key.0),
                    };
                    keys_wanted &= fits;
                }
                if from_wanted && keys_wanted {
                    found.push((block.info().block_number.0, transaction_index, event_index));
                }
            }
        }
    }
    found
}

fn filter(addresses: Option<&[u64]>, keys: &[Vec<u64>]) -> EventPattern {
    EventPattern {
        addresses: addresses
            .map(|addresses| addresses.iter().map(|one| u128::from(*one).into()).collect()),
        keys: keys
            .iter()
            .map(|wanted| wanted.iter().map(|key| Felt::from(*key)).collect())
            .collect(),
    }
}

/// The blocks from a place on that hold something that is wanted, and every other one that does not:
/// whoever names candidates may name too many.
fn candidates(
    blocks: &[BlockAt],
    filter: &EventPattern,
    from: Place,
) -> impl Iterator<Item = Result<u64, Error>> {
    let holds = |block: &&BlockAt| {
        let mut events = block.transactions().iter().flat_map(|executed| &executed.receipt.events);
        events.any(|event| filter.fits(event))
    };
    let named = |block: &&BlockAt| holds(block) || block.info().block_number.0.is_multiple_of(2);
    let numbers = blocks.iter().filter(named).map(|block| block.info().block_number.0);
    numbers.filter(|number| from.block <= *number).map(Ok).collect::<Vec<_>>().into_iter()
}

/// A search in one block, for one event.
fn search(from: Place) -> Search {
    Search { from, to_block: from.block, events_max: 1, blocks_max: 1, version: Version::NEWEST }
}

/// The block, the transaction in it and the event in that.
fn place(event: &EmittedEvent) -> (u64, usize, usize) {
    let place = event.place.expect("the newest version has places");
    (event.block_number, place.transaction_index, place.event_index)
}

/// Follows the tokens from page to page.
fn paged(
    blocks: &[BlockAt],
    filter: &EventPattern,
    events_max: usize,
    blocks_max: u64,
) -> Vec<(u64, usize, usize)> {
    let mut found = Vec::new();
    let mut from = Place { block: 0, event: 0 };
    loop {
        let to_block = blocks.len() as u64 - 1;
        let search = Search { to_block, events_max, blocks_max, ..search(from) };
        let block = |number: u64| Ok(blocks[usize::try_from(number).expect("small")].clone());
        let chunk =
            page(search, filter, candidates(blocks, filter, from), block).expect("no error");
        assert!(chunk.events.len() <= events_max);
        for event in &chunk.events {
            let closed = event.block_number != to_block;
            assert_eq!(event.block_hash.is_some(), closed);
            found.push(place(event));
        }
        let Some(token) = chunk.continuation_token else {
            return found;
        };
        let next = Place::from_token(&token).expect("own token");
        assert!(from < next, "a page moves on");
        from = next;
    }
}

proptest! {
    /// However small the pages, every wanted event is on one of them, once and in order.
    #[test]
    fn pages_together_are_what_a_naive_search_finds(
        sketch in vec(vec(vec((0_u64..3, vec(0_u64..3, 0..3)), 0..4), 0..3), 1..6),
        addresses in proptest::option::of(vec(0_u64..3, 0..3)),
        keys in vec(vec(0_u64..3, 0..3), 0..3),
        events_max in 1_usize..6,
        blocks_max in 1_u64..7,
    ) {
        let blocks = chain(&sketch);
        let expected = naive(&blocks, addresses.as_deref(), &keys);
        let filter = filter(addresses.as_deref(), &keys);
        prop_assert_eq!(paged(&blocks, &filter, events_max, blocks_max), expected);
    }

    /// Tokens come from outside: none may panic, and each place has one.
    #[test]
    fn any_text_is_a_token_or_refused(text in ".*", block: u64, event: usize) {
        if let Some(place) = Place::from_token(&text) {
            prop_assert_eq!(place.to_token(), text);
        }
        let place = Place { block, event };
        prop_assert_eq!(Place::from_token(&place.to_token()), Some(place));
    }
}

#[test]
fn a_token_survives_the_closing_of_its_block() {
    let events = vec![(1, vec![1]), (1, vec![2]), (1, vec![3])];
    let sketch = vec![vec![events.clone()], vec![events.clone()]];
    let open = chain(&sketch);
    let search = Search {
        to_block: 1,
        events_max: 4,
        blocks_max: 10,
        ..search(Place { block: 0, event: 0 })
    };
    let any = EventPattern::default();
    let first = page(search, &any, (0..2).map(Ok), |number| {
        Ok(open[usize::try_from(number).expect("small")].clone())
    })
    .expect("no error");
    assert_eq!(first.continuation_token.as_deref(), Some("1-1"));

    let grown = chain(&vec![vec![events.clone()], vec![events.clone(), events], vec![]]);
    let from = Place::from_token("1-1").expect("own token");
    let search = Search { from, to_block: 2, ..search };
    let second = page(search, &any, (1..3).map(Ok), |number| {
        Ok(grown[usize::try_from(number).expect("small")].clone())
    })
    .expect("no error");
    let places: Vec<_> = second.events.iter().map(place).collect();
    assert_eq!(places, [(1, 0, 1), (1, 0, 2), (1, 1, 0), (1, 1, 1)]);
}

#[test]
fn a_full_page_at_the_end_has_no_successor() {
    let blocks = chain(&vec![vec![vec![(1, vec![]), (1, vec![])]]]);
    let search = Search {
        to_block: 0,
        events_max: 2,
        blocks_max: 1,
        ..search(Place { block: 0, event: 0 })
    };
    let chunk =
        page(search, &EventPattern::default(), [Ok(0)].into_iter(), |_| Ok(blocks[0].clone()))
            .expect("no error");
    assert_eq!((chunk.events.len(), chunk.continuation_token), (2, None));
}

#[test]
fn a_range_that_ends_before_it_starts_is_empty() {
    let search = Search {
        to_block: 4,
        events_max: 2,
        blocks_max: 1,
        ..search(Place { block: 5, event: 0 })
    };
    let none = iter::empty();
    let chunk = page(search, &EventPattern::default(), none, |_| Err(Error::BlockNotFound));
    let chunk = chunk.expect("no error");
    assert_eq!(chunk, EventsChunk { events: vec![], continuation_token: None });
}

#[test]
fn a_search_that_finds_nothing_far_and_wide_goes_on_behind_it() {
    let to_block = PASSED_MAX + 7;
    let search =
        Search { to_block, events_max: 2, blocks_max: 1, ..search(Place { block: 5, event: 3 }) };
    let search_on = |search: Search| {
        let chunk =
            page(search, &EventPattern::default(), iter::empty(), |_| Err(Error::BlockNotFound));
        chunk.expect("no error").continuation_token
    };
    let token = search_on(search).expect("there is more");
    assert_eq!(token, format!("{}-0", PASSED_MAX + 5));
    let from = Place::from_token(&token).expect("own token");
    assert_eq!(search_on(Search { from, ..search }), None);
}

fn read(json: &str) -> Result<Request, String> {
    let raw: Box<RawValue> = serde_json::from_str(json).expect("valid JSON");
    Request::from_input(&Input::new(Path::Field(&Path::Root, "filter"), &raw, Version::NEWEST))
        .map_err(|error| error.to_string())
}

#[test]
fn a_filter_takes_one_address_or_many() {
    let one = read(r#"{"chunk_size": 1, "address": "0x1"}"#).expect("valid");
    assert_eq!(one.filter.addresses, Some(BTreeSet::from([1_u128.into()])));
    let two = read(r#"{"chunk_size": 1, "address": ["0x1", "0x2"]}"#).expect("valid");
    assert_eq!(two.filter.addresses, Some(BTreeSet::from([1_u128.into(), 2_u128.into()])));
    let any = read(r#"{"chunk_size": 1, "address": null, "keys": [[], ["0x5"]]}"#).expect("valid");
    assert_eq!(any.filter.addresses, None);
    assert_eq!(any.filter.keys, [BTreeSet::new(), BTreeSet::from([Felt::from(5)])]);
}

#[test]
fn errors_in_a_filter_name_the_field() {
    for (json, message) in [
        ("{}", "filter.chunk_size: missing"),
        (r#"{"chunk_size": 0}"#, "filter.chunk_size: expected at least 1, got 0"),
        (
            r#"{"chunk_size": 1, "keys": [["0x1"], ["1"]]}"#,
            "filter.keys[1][0]: expected a field element, 0x and hexadecimal digits, got \"1\"",
        ),
        (r#"{"chunk_size": 1, "address": ["0x1", 2]}"#, "filter.address[1]: expected text, got 2"),
    ] {
        assert_eq!(read(json).map(|_| ()), Err(message.to_owned()), "{json}");
    }
    let unknown = read(r#"{"chunk_size": 1, "from": 0}"#).expect_err("unknown");
    assert!(unknown.starts_with("filter.from: unknown field"), "{unknown}");
}
