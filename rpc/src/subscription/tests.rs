//! What each stream tells of what happens.

use std::{collections::BTreeSet, sync::Arc};

use kraken_sequencer::{BlockAt, Move, Orphaned, Progress, Revert};
use kraken_storage::{EventPattern, ExecutedTransaction};
use serde_json::{Value, json};
use starknet_api::{
    block::{BlockHash, BlockNumber},
    core::ContractAddress,
    transaction::{
        Event, EventContent, EventData, EventKey, L1HandlerTransaction, Transaction,
        TransactionHash,
    },
};
use starknet_types_core::felt::Felt;

use super::{
    events::Events,
    moved::Moved,
    new_heads::NewHeads,
    position::{Interest, Piece},
    sheet::Sheet,
    stream::{Kind, Notice, Stream},
    transaction_status::{Known, TransactionStatus},
    transactions::{Receipts, Senders, Time, Times, Transactions},
};
use crate::{dto::receipt::Finality, fixture, version::Version};

fn event(from: u64, key: u64) -> Event {
    Event {
        from_address: ContractAddress::from(from),
        content: EventContent {
            keys: vec![EventKey(Felt::from(key))],
            data: EventData(fixture::felts([9])),
        },
    }
}

fn sheet(block: BlockAt) -> Arc<Sheet> {
    let finality = Finality::of(&block, None);
    Arc::new(Sheet::new(block, finality))
}

/// Two transactions of the sender of all fixtures.
fn transactions() -> Vec<Arc<ExecutedTransaction>> {
    vec![
        fixture::emitted(1, vec![event(1, 1), event(2, 1)]),
        fixture::emitted(2, vec![event(1, 2)]),
    ]
}

fn executed(number: u64, from: usize) -> Piece {
    Piece::Executed { sheet: sheet(fixture::unsealed(number, transactions())), from }
}

fn closed(number: u64) -> Piece {
    Piece::Closed(sheet(fixture::closed(number, transactions())))
}

fn values(notices: &[Notice]) -> Vec<Value> {
    notices.iter().map(|notice| serde_json::from_str(&notice.result).expect("JSON")).collect()
}

fn told(stream: &mut impl Stream, piece: &Piece) -> Vec<Value> {
    values(&stream.notices(piece))
}

fn times(times: &[Time]) -> Times {
    Times(times.iter().copied().collect())
}

fn only(address: u64) -> Senders {
    Senders(Some(BTreeSet::from([ContractAddress::from(address)])))
}

fn heads() -> NewHeads {
    NewHeads { version: Version::NEWEST }
}

#[test]
fn heads_are_those_of_closed_blocks() {
    assert_eq!(told(&mut heads(), &executed(3, 0)), Vec::<Value>::new());
    let closed = closed(3);
    let heads = told(&mut heads(), &closed);
    assert_eq!((heads.len(), &heads[0]["block_number"]), (1, &json!(3)));
    for absent in ["status", "transactions"] {
        assert!(heads[0].get(absent).is_none(), "{absent}");
    }
    assert_eq!(heads[0]["transaction_count"], 2);
    // The same sheet is read by those who speak an older version.
    let older = told(&mut NewHeads { version: Version::V0_9 }, &closed);
    assert_eq!(older[0]["block_hash"], heads[0]["block_hash"]);
    assert!(older[0].get("transaction_count").is_none());
}

#[test]
fn events_are_those_of_the_filter_with_their_places_among_all() {
    let filter =
        EventPattern { addresses: Some([ContractAddress::from(1_u64)].into()), keys: vec![] };
    let mut events = Events { filter, interest: Interest::PreConfirmed, version: Version::NEWEST };
    let places = |told: &[Value]| -> Vec<_> {
        let place = |it: &Value| (it["transaction_index"].clone(), it["event_index"].clone());
        told.iter().map(place).collect()
    };
    let early = told(&mut events, &executed(3, 1));
    assert_eq!(places(&early), [(json!(1), json!(0))]);
    assert_eq!(early[0]["finality_status"], "PRE_CONFIRMED");
    assert!(early[0].get("block_hash").is_none());
    let late = told(&mut events, &closed(3));
    assert_eq!(places(&late), [(json!(0), json!(0)), (json!(1), json!(0))]);
    assert_eq!(late[1]["finality_status"], "ACCEPTED_ON_L2");
    assert!(late[1]["block_hash"].is_string());

    events.filter = EventPattern { addresses: None, keys: vec![[Felt::from(1)].into()] };
    assert_eq!(told(&mut events, &closed(3)).len(), 2);
}

#[test]
fn a_closed_block_shows_no_hash_where_it_is_told_of_as_pre_confirmed() {
    let before = sheet(fixture::closed(3, transactions())).pre_confirmed();
    let piece = Piece::Executed { sheet: Arc::new(before), from: 0 };
    let times = times(&[Time::PreConfirmed]);
    let receipts = told(&mut Receipts { times, senders: Senders::default() }, &piece);
    assert_eq!(receipts[0]["finality_status"], "PRE_CONFIRMED");
    assert!(receipts[0].get("block_hash").is_none());
    assert_eq!(receipts[0]["block_number"], 3);
}

#[test]
fn receipts_are_told_at_the_times_that_are_wanted_of_the_senders_that_are_wanted() {
    let stream = |wanted: &[Time], senders| Receipts { times: times(wanted), senders };
    let mut both = stream(&[Time::PreConfirmed, Time::AcceptedOnL2], Senders::default());
    assert_eq!(told(&mut both, &executed(3, 1)).len(), 1);
    assert_eq!(told(&mut both, &closed(3)).len(), 2);
    let mut late = stream(&[Time::AcceptedOnL2], Senders::default());
    assert_eq!((late.interest(), told(&mut late, &executed(3, 0)).len()), (Interest::Closed, 0));
    assert_eq!(told(&mut late, &closed(3))[1]["finality_status"], "ACCEPTED_ON_L2");
    let mut early = stream(&[Time::PreConfirmed], only(0x44));
    assert_eq!(
        (told(&mut early, &executed(3, 0)).len(), told(&mut early, &closed(3)).len()),
        (2, 0)
    );
    assert_eq!(told(&mut stream(&[Time::PreConfirmed], only(0x45)), &executed(3, 0)).len(), 0);
}

#[test]
fn a_message_from_l1_has_no_sender() {
    let handler = Transaction::L1Handler(L1HandlerTransaction::default());
    let block =
        || fixture::closed(3, vec![Arc::new(fixture::executed(7, handler.clone(), vec![]))]);
    let piece = Piece::Closed(sheet(block()));
    let stream = |senders| Transactions {
        times: times(&[Time::AcceptedOnL2]),
        senders,
        with_proof_facts: false,
    };
    assert_eq!(told(&mut stream(Senders::default()), &piece).len(), 1);
    assert_eq!(told(&mut stream(only(0)), &piece).len(), 0);
}

#[test]
fn proof_facts_are_for_those_who_ask() {
    let stream = |with_proof_facts| Transactions {
        times: times(&[Time::AcceptedOnL2]),
        senders: Senders::default(),
        with_proof_facts,
    };
    let plain = told(&mut stream(false), &closed(3));
    assert!(plain[0].get("proof_facts").is_none());
    assert_eq!(plain[0]["finality_status"], "ACCEPTED_ON_L2");
    assert_eq!(told(&mut stream(true), &closed(3))[0]["proof_facts"], json!(["0x7"]));
}

#[test]
fn what_is_told_to_many_is_written_once() {
    let piece = closed(3);
    let one = heads().notices(&piece);
    let other = heads().notices(&piece);
    assert!(Arc::ptr_eq(&one[0].result, &other[0].result));
}

fn status(told: &Value) -> (&Value, &Value) {
    (&told["status"]["finality_status"], &told["transaction_hash"])
}

fn known(progress: Option<Progress>) -> Known {
    Known { progress, found: None }
}

fn rejected(hash: u64) -> Moved {
    let hash = TransactionHash(Felt::from(hash));
    Moved::new(Move::Rejected { hash, reason: "no".to_owned() })
}

#[test]
fn a_status_rises_and_is_told_once() {
    let mut stream = TransactionStatus::new(TransactionHash(Felt::TWO));
    assert_eq!(stream.asks(), Some(TransactionHash(Felt::TWO)));
    assert_eq!(stream.known(&known(None)), None, "nobody knows it");
    assert_eq!(stream.asks(), None);
    assert_eq!(stream.notices(&executed(2, 2)), []);
    assert_eq!(stream.moved(&rejected(1)), None, "another one");
    let left_out = values(&[stream.moved(&rejected(2)).expect("told")]);
    assert_eq!(left_out[0]["status"]["failure_reason"], "no");

    let early = told(&mut stream, &executed(3, 0));
    assert_eq!(early.len(), 1);
    assert_eq!(status(&early[0]), (&json!("PRE_CONFIRMED"), &json!("0x2")));
    assert_eq!(stream.notices(&executed(3, 0)), [], "it was told");
    assert_eq!(stream.moved(&rejected(2)), None, "it was ordered twice");
    let late = told(&mut stream, &closed(3));
    assert_eq!(status(&late[0]).0, "ACCEPTED_ON_L2");
    assert_eq!(late[0]["status"]["execution_status"], "SUCCEEDED");
    assert_eq!(stream.notices(&Piece::AcceptedOnL1(BlockNumber(2))), []);
    let last = told(&mut stream, &Piece::AcceptedOnL1(BlockNumber(4)));
    assert_eq!(status(&last[0]).0, "ACCEPTED_ON_L1");
}

#[test]
fn the_first_status_is_that_of_now() {
    let hash = TransactionHash(Felt::ONE);
    let first = |known: &Known| values(&[TransactionStatus::new(hash).known(known).expect("told")]);
    let received = first(&known(Some(Progress::Received)));
    assert_eq!(status(&received[0]).0, "RECEIVED");
    let found = Some((3, Finality::AcceptedOnL2, transactions().remove(0)));
    let accepted = first(&Known { progress: Some(Progress::Received), found });
    assert_eq!(status(&accepted[0]).0, "ACCEPTED_ON_L2");
}

#[test]
fn a_status_begins_anew_with_the_block_that_held_it() {
    let mut stream = TransactionStatus::new(TransactionHash(Felt::ONE));
    stream.known(&known(None));
    assert_eq!(stream.notices(&closed(3)).len(), 1);
    let revert = |kept| Piece::Reverted(Revert { kept: BlockNumber(kept), orphaned: None });
    assert_eq!(stream.notices(&revert(3)), []);
    assert_eq!(stream.asks(), None, "its block stayed");
    assert_eq!(stream.notices(&revert(2)), []);
    assert!(stream.asks().is_some());
    stream.known(&known(None));
    assert_eq!(stream.notices(&closed(3)).len(), 1, "it is accepted again");
}

#[test]
fn a_notification_names_its_method_and_its_subscription() {
    let block = |number| (BlockNumber(number), BlockHash(Felt::from(0x10 + number)));
    let reorg = Notice::reorg(&Orphaned { first: block(3), last: block(5) });
    assert_eq!(reorg.kind, Kind::Reorg);
    let message: Value = serde_json::from_str(&reorg.message(7)).expect("JSON");
    assert_eq!(
        message,
        json!({
            "jsonrpc": "2.0",
            "method": "starknet_subscriptionReorg",
            "params": {
                "subscription_id": "7",
                "result": {
                    "starting_block_hash": "0x13",
                    "starting_block_number": 3,
                    "ending_block_hash": "0x15",
                    "ending_block_number": 5,
                },
            },
        })
    );
}
