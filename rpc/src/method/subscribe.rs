//! The methods that open and close subscriptions. They are served over WebSocket only.

use std::collections::BTreeSet;

use kraken_storage::EventPattern;
use starknet_api::core::ContractAddress;
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::{block_id::BlockId, flag::TransactionFlag},
    error::Error,
    method::get_events::{Addresses, check_size},
    params::{FromInput, Input, InvalidParams},
    subscription::{
        Subscription,
        events::Events,
        new_heads::NewHeads,
        position::{Interest, Position},
        transaction_status::TransactionStatus,
        transactions::{Receipts, Senders, Time, Times, Transactions},
    },
};

/// How far back a subscription may begin, in blocks. The specification says so.
const BLOCKS_BACK_MAX: u64 = 1_024;

/// The most senders of one filter.
const SENDERS_MAX: usize = 1_024;

/// SUBSCRIPTION_BLOCK_ID.
struct From(BlockId);

/// TXN_FINALITY_STATUS without ACCEPTED_ON_L1.
struct Finality(Time);

/// TXN_STATUS_WITHOUT_L1.
struct Status(Time);

/// Opens `starknet_subscribeNewHeads`.
///
/// # Errors
/// [`Error::TooManyBlocksBack`], [`Error::BlockNotFound`].
pub(crate) fn new_heads(call: &Call<'_>) -> Result<Subscription, Error> {
    Ok(Subscription::new(position(call)?, NewHeads { version: call.version }))
}

/// Opens `starknet_subscribeEvents`.
///
/// # Errors
/// [`Error::TooManyKeysInFilter`], [`Error::TooManyBlocksBack`], [`Error::BlockNotFound`].
pub(crate) fn events(call: &Call<'_>) -> Result<Subscription, Error> {
    let addresses: Option<Addresses> = call.params.optional("from_address")?;
    let keys: Option<Vec<Vec<Felt>>> = call.params.optional("keys")?;
    let filter = EventPattern {
        addresses: addresses.map(|Addresses(addresses)| addresses),
        keys: keys.unwrap_or_default().into_iter().map(BTreeSet::from_iter).collect(),
    };
    check_size(&filter)?;
    let finality: Option<Finality> = call.params.optional("finality_status")?;
    let is_early = finality.is_some_and(|Finality(time)| time == Time::PreConfirmed);
    let interest = if is_early { Interest::PreConfirmed } else { Interest::Closed };
    Ok(Subscription::new(position(call)?, Events { filter, interest, version: call.version }))
}

/// Opens `starknet_subscribeTransactionStatus`.
///
/// # Errors
/// [`Error::InvalidParams`].
pub(crate) fn transaction_status(call: &Call<'_>) -> Result<Subscription, Error> {
    let hash = call.params.required("transaction_hash")?;
    Ok(Subscription::new(Position::behind(&call.view), TransactionStatus::new(hash)))
}

/// Opens `starknet_subscribeNewTransactionReceipts`.
///
/// # Errors
/// [`Error::TooManyAddressesInFilter`].
pub(crate) fn receipts(call: &Call<'_>) -> Result<Subscription, Error> {
    let times: Option<Vec<Finality>> = call.params.optional("finality_status")?;
    let times = times_or_closed(times.unwrap_or_default().into_iter().map(|Finality(time)| time));
    let stream = Receipts { times, senders: senders(call)? };
    Ok(Subscription::new(Position::behind(&call.view), stream))
}

/// Opens `starknet_subscribeNewTransactions`.
///
/// # Errors
/// [`Error::TooManyAddressesInFilter`].
pub(crate) fn transactions(call: &Call<'_>) -> Result<Subscription, Error> {
    let times: Option<Vec<Status>> = call.params.optional("finality_status")?;
    let times = times_or_closed(times.unwrap_or_default().into_iter().map(|Status(time)| time));
    let tags: Option<Vec<TransactionFlag>> = call.params.optional("tags")?;
    let with_proof_facts = tags.unwrap_or_default().contains(&TransactionFlag::IncludeProofFacts);
    let stream = Transactions { times, senders: senders(call)?, with_proof_facts };
    Ok(Subscription::new(Position::behind(&call.view), stream))
}

/// Where a subscription begins. A block that is named is the first; without one, and with `latest`,
/// the first is the one that comes next.
fn position(call: &Call<'_>) -> Result<Position, Error> {
    let view = &call.view;
    let block_id = call.params.optional::<From>("block_id")?.map_or(BlockId::Latest, |from| from.0);
    if block_id == BlockId::Latest {
        return Ok(Position::behind(view));
    }
    let first = block_id.number(view)?.0;
    if first + BLOCKS_BACK_MAX < view.latest().0 {
        return Err(Error::TooManyBlocksBack);
    }
    Ok(Position::at(first, view))
}

fn senders(call: &Call<'_>) -> Result<Senders, Error> {
    let senders: Option<Vec<ContractAddress>> = call.params.optional("sender_address")?;
    if senders.as_ref().is_some_and(|senders| SENDERS_MAX < senders.len()) {
        return Err(Error::TooManyAddressesInFilter);
    }
    Ok(Senders(senders.map(BTreeSet::from_iter)))
}

/// The statuses that are asked for; of none, the one that the specification has as its default.
fn times_or_closed(times: impl Iterator<Item = Time>) -> Times {
    let times = BTreeSet::from_iter(times);
    Times(if times.is_empty() { BTreeSet::from([Time::AcceptedOnL2]) } else { times })
}

impl FromInput for From {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match BlockId::from_input(input)? {
            BlockId::PreConfirmed | BlockId::L1Accepted => {
                Err(input.expected("latest, {block_hash} or {block_number}"))
            }
            block_id @ (BlockId::Latest | BlockId::Hash(_) | BlockId::Number(_)) => {
                Ok(Self(block_id))
            }
        }
    }
}

impl FromInput for Finality {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "PRE_CONFIRMED" => Ok(Self(Time::PreConfirmed)),
            "ACCEPTED_ON_L2" => Ok(Self(Time::AcceptedOnL2)),
            _ => Err(input.expected("PRE_CONFIRMED or ACCEPTED_ON_L2")),
        }
    }
}

impl FromInput for Status {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "RECEIVED" => Ok(Self(Time::Received)),
            "CANDIDATE" => Ok(Self(Time::Candidate)),
            "PRE_CONFIRMED" => Ok(Self(Time::PreConfirmed)),
            "ACCEPTED_ON_L2" => Ok(Self(Time::AcceptedOnL2)),
            _ => Err(input.expected("RECEIVED, CANDIDATE, PRE_CONFIRMED or ACCEPTED_ON_L2")),
        }
    }
}
