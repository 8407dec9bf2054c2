use kraken_sequencer::{Orphaned, Reverts};
use proptest::{collection::vec, prelude::*};
use starknet_api::block::BlockHash;
use starknet_types_core::felt::Felt;

use super::*;
use crate::fixture;

/// A chain in which block `n` has so many transactions.
type Chain<'a> = &'a [usize];

/// How far a chain has come.
#[derive(Clone, Copy, Debug)]
struct Stage {
    latest: u64,
    /// The open block, and how many of its transactions are executed.
    open: (u64, usize),
}

fn transactions(number: u64, count: usize) -> Vec<Arc<kraken_storage::ExecutedTransaction>> {
    (0..count as u64).map(|index| fixture::emitted(100 * number + index, vec![])).collect()
}

fn count(chain: Chain<'_>, number: u64) -> usize {
    chain[usize::try_from(number).expect("small")]
}

/// What somebody sees of a chain; blocks from `read` on are on the shelf.
fn look(chain: Chain<'_>, stage: Stage, read: u64, reverts: &Arc<Reverts>) -> Look {
    let shelf = Arc::<crate::subscription::look::Shelf>::default();
    for number in read..=stage.latest {
        let block = fixture::closed(number, transactions(number, count(chain, number)));
        shelf.put(Sheet::new(block, Finality::AcceptedOnL2));
    }
    let unsealed = |number: u64| {
        let executed = if number < stage.open.0 { count(chain, number) } else { stage.open.1 };
        let block = fixture::unsealed(number, transactions(number, executed));
        Arc::new(Sheet::new(block, Finality::PreConfirmed))
    };
    Look {
        latest: stage.latest,
        accepted_on_l1: None,
        reverts: Arc::clone(reverts),
        unsealed: (stage.latest + 1..=stage.open.0).map(unsealed).collect(),
        shelf,
    }
}

fn position(next: u64, latest: u64) -> Position {
    Position {
        next,
        told: (next.max(latest + 1), 0),
        reverts: 0,
        accepted_on_l1: None,
        since: latest,
    }
}

/// What was told: a block, and a transaction of it that is executed or `None` for its end.
type Told = (u64, Option<usize>);

/// Goes on as far as possible.
fn told(position: &mut Position, look: &Look, interest: Interest) -> Vec<Told> {
    let mut told = Vec::new();
    loop {
        match position.advance(look, interest, None) {
            Step::Piece(Piece::Executed { sheet, from }) => {
                assert_eq!(sheet.finality(), Finality::PreConfirmed);
                let indexes = from..sheet.transactions().len();
                told.extend(indexes.map(|index| (sheet.number(), Some(index))));
            }
            Step::Piece(Piece::Closed(sheet)) => told.push((sheet.number(), None)),
            Step::Piece(piece @ (Piece::AcceptedOnL1(_) | Piece::Reverted(_))) => {
                panic!("{piece:?} did not happen")
            }
            Step::Lacks(number) => panic!("block {number} was there"),
            Step::Rest => return told,
        }
    }
}

/// A step of a chain: a transaction is executed, a block is full, or one is accepted.
#[derive(Clone, Copy, Debug)]
enum Event {
    Execute,
    Accept,
}

fn grow(chain: Chain<'_>, stage: &mut Stage, event: Event) {
    let (number, executed) = stage.open;
    match event {
        Event::Execute if executed < count(chain, number) => stage.open.1 += 1,
        Event::Execute if number + 1 < chain.len() as u64 => stage.open = (number + 1, 0),
        Event::Accept if stage.latest + 1 < number => stage.latest += 1,
        Event::Execute | Event::Accept => {}
    }
}

proptest! {
    /// Whatever happens between two looks and whichever of them somebody misses.
    #[test]
    fn every_block_is_told_once_and_every_transaction_before_it(
        chain in vec(0_usize..4, 12),
        events in vec((prop_oneof![Just(Event::Execute), Just(Event::Accept)], any::<bool>()), 0..80),
        begins_after in 0_usize..40,
        back in 0_u64..4,
        early in any::<bool>(),
    ) {
        let interest = if early { Interest::PreConfirmed } else { Interest::Closed };
        let mut stage = Stage { latest: 0, open: (1, 0) };
        let reverts = Arc::default();
        let mut subscriber = None;
        let mut all = Vec::new();
        let begins_after = begins_after.min(events.len());
        for (index, (event, is_seen)) in events.iter().enumerate() {
            if index == begins_after {
                let latest = stage.latest;
                let next = (latest + 1).saturating_sub(back);
                subscriber = Some((next, latest, position(next, latest)));
            }
            grow(&chain, &mut stage, *event);
            if let Some((_, _, position)) = subscriber.as_mut().filter(|_| *is_seen) {
                all.extend(told(position, &look(&chain, stage, 0, &reverts), interest));
            }
        }
        let (next, since, mut position) =
            subscriber.unwrap_or((stage.latest + 1, stage.latest, position(stage.latest + 1, stage.latest)));
        all.extend(told(&mut position, &look(&chain, stage, 0, &reverts), interest));

        let closed: Vec<_> = all.iter().filter(|(_, it)| it.is_none()).map(|(n, _)| *n).collect();
        prop_assert_eq!(closed, (next..=stage.latest).collect::<Vec<_>>());
        let executed: Vec<_> = all.iter().filter_map(|(n, it)| Some((*n, (*it)?))).collect();
        let of = |number| if number < stage.open.0 { count(&chain, number) } else { stage.open.1 };
        let expected: Vec<_> = (since + 1..=stage.open.0)
            .flat_map(|number| (0..of(number)).map(move |index| (number, index)))
            .filter(|_| early)
            .collect();
        prop_assert_eq!(executed, expected);
        for (place, (number, it)) in all.iter().enumerate() {
            let is_late = it.is_some() && all[..place].contains(&(*number, None));
            prop_assert!(!is_late, "{number} was closed already");
        }
    }
}

fn revert(kept: u64, last: u64) -> Revert {
    let block = |number| (BlockNumber(number), BlockHash(Felt::from(number)));
    let orphaned = (kept < last).then(|| Orphaned { first: block(kept + 1), last: block(last) });
    Revert { kept: BlockNumber(kept), orphaned }
}

#[test]
fn what_is_taken_back_is_told_and_what_takes_its_place_is_new() {
    let chain = [0, 1, 2, 1, 3];
    let mut reverts = Reverts::default();
    let before = Stage { latest: 3, open: (4, 2) };
    let mut position = position(1, 0);
    let seen = look(&chain, before, 0, &Arc::new(reverts.clone()));
    told(&mut position, &seen, Interest::PreConfirmed);

    reverts.push(revert(1, 3));
    let after = Stage { latest: 2, open: (3, 1) };
    let seen = look(&chain, after, 0, &Arc::new(reverts));
    let step = position.advance(&seen, Interest::PreConfirmed, None);
    assert!(matches!(step, Step::Piece(Piece::Reverted(told)) if told == revert(1, 3)), "{step:?}");
    let again = told(&mut position, &seen, Interest::PreConfirmed);
    assert_eq!(again, [(2, Some(0)), (2, Some(1)), (2, None), (3, Some(0))]);
}

#[test]
fn an_open_block_that_is_dropped_is_told_anew() {
    let chain = [0, 3, 0];
    let mut reverts = Reverts::default();
    let mut position = position(1, 0);
    let seen = look(&chain, Stage { latest: 0, open: (1, 2) }, 0, &Arc::new(reverts.clone()));
    assert_eq!(told(&mut position, &seen, Interest::PreConfirmed).len(), 2);
    reverts.push(revert(0, 0));
    let seen = look(&chain, Stage { latest: 0, open: (1, 1) }, 0, &Arc::new(reverts));
    let step = position.advance(&seen, Interest::PreConfirmed, None);
    assert!(matches!(step, Step::Piece(Piece::Reverted(Revert { orphaned: None, .. }))));
    assert_eq!(told(&mut position, &seen, Interest::PreConfirmed), [(1, Some(0))]);
}

#[test]
fn a_look_from_before_somebody_was_there_shows_nothing() {
    let chain = [0, 1, 1, 1];
    let old = look(&chain, Stage { latest: 3, open: (4, 0) }, 0, &Arc::default());
    let mut position = Position { reverts: 1, ..position(2, 1) };
    let step = position.advance(&old, Interest::PreConfirmed, None);
    assert!(matches!(step, Step::Rest), "{step:?}");
}

#[test]
fn a_block_that_is_not_at_hand_is_asked_for_and_then_told() {
    let chain = [0, 1, 2, 1];
    let stage = Stage { latest: 3, open: (4, 0) };
    let seen = look(&chain, stage, 3, &Arc::default());
    let mut position = position(2, 3);
    let step = position.advance(&seen, Interest::Closed, None);
    assert!(matches!(step, Step::Lacks(2)), "{step:?}");
    let sheet = Sheet::new(fixture::closed(2, transactions(2, 2)), Finality::AcceptedOnL2);
    let step = position.advance(&seen, Interest::Closed, Some(&Arc::new(sheet)));
    assert!(matches!(step, Step::Piece(Piece::Closed(sheet)) if sheet.number() == 2));
    assert_eq!(told(&mut position, &seen, Interest::Closed), [(3, None)]);
    assert_eq!(position.behind_by(&seen), 0);
}

#[test]
fn what_l1_accepts_is_told_once_behind_the_blocks() {
    let chain = [0, 1, 2];
    let mut seen = look(&chain, Stage { latest: 2, open: (3, 0) }, 0, &Arc::default());
    seen.accepted_on_l1 = Some(BlockNumber(1));
    let mut position = position(1, 0);
    let step = position.advance(&seen, Interest::Closed, None);
    let Step::Piece(Piece::Closed(sheet)) = step else {
        panic!("{step:?}");
    };
    assert_eq!((sheet.number(), sheet.finality()), (1, Finality::AcceptedOnL1));
    let step = position.advance(&seen, Interest::Closed, None);
    assert!(matches!(step, Step::Piece(Piece::Closed(_))), "{step:?}");
    let step = position.advance(&seen, Interest::Closed, None);
    assert!(matches!(step, Step::Piece(Piece::AcceptedOnL1(BlockNumber(1)))), "{step:?}");
    let step = position.advance(&seen, Interest::Closed, None);
    assert!(matches!(step, Step::Rest), "{step:?}");
}
