//! Events.

use kraken_storage::ExecutedTransaction;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::transaction::{self, EventData, EventKey};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{receipt::Finality, written},
    schema,
    version::Version,
};

/// EVENT.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EVENT")]
pub(crate) struct Event<'a> {
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Address")]
    from_address: Felt,
    #[serde(serialize_with = "written::keys")]
    #[schemars(with = "Vec<schema::Felt>")]
    keys: &'a [EventKey],
    #[serde(serialize_with = "written::data")]
    #[schemars(with = "Vec<schema::Felt>")]
    data: &'a EventData,
}

/// EMITTED_EVENT.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "EMITTED_EVENT")]
pub(crate) struct EmittedEvent {
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Address")]
    pub(crate) from_address: Felt,
    #[serde(serialize_with = "written::keys")]
    #[schemars(with = "Vec<schema::Felt>")]
    pub(crate) keys: Vec<EventKey>,
    #[serde(serialize_with = "written::data")]
    #[schemars(with = "Vec<schema::Felt>")]
    pub(crate) data: EventData,
    /// Missing until the block is closed.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "written::option")]
    #[schemars(with = "schema::BlockHash")]
    pub(crate) block_hash: Option<Felt>,
    pub(crate) block_number: u64,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::TxHash")]
    pub(crate) transaction_hash: Felt,
    /// Since version 0.10.
    #[serde(flatten)]
    #[schemars(with = "EventPlace")]
    pub(crate) place: Option<EventPlace>,
}

/// Where an event is in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(transform = schema::fields_since_v0_10)]
pub(crate) struct EventPlace {
    /// Of the transaction in the block.
    pub(crate) transaction_index: usize,
    /// Of the event in the transaction.
    pub(crate) event_index: usize,
}

/// EMITTED_EVENT, and how far its transaction has come.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "EMITTED_EVENT_WITH_FINALITY")]
pub(crate) struct FinalEvent {
    #[serde(flatten)]
    pub(crate) event: EmittedEvent,
    pub(crate) finality_status: Finality,
}

/// EVENTS_CHUNK.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "EVENTS_CHUNK")]
pub(crate) struct EventsChunk {
    pub(crate) events: Vec<EmittedEvent>,
    /// Missing on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(crate) continuation_token: Option<String>,
}

impl EmittedEvent {
    /// An event of a transaction of the block with this number, and this hash if it has one yet.
    pub(crate) fn new(
        executed: &ExecutedTransaction,
        (block_number, block_hash): (u64, Option<Felt>),
        place: EventPlace,
        version: Version,
    ) -> Self {
        let event = &executed.receipt.events[place.event_index];
        Self {
            from_address: event.from_address.into(),
            keys: event.content.keys.clone(),
            data: event.content.data.clone(),
            block_hash,
            block_number,
            transaction_hash: executed.hash.0,
            place: (Version::V0_10 <= version).then_some(place),
        }
    }
}

impl<'a> Event<'a> {
    /// As it was emitted.
    pub(crate) fn new(event: &'a transaction::Event) -> Self {
        Self {
            from_address: event.from_address.into(),
            keys: &event.content.keys,
            data: &event.content.data,
        }
    }
}
