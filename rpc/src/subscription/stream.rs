//! What all streams have in common.

use std::fmt;

use kraken_sequencer::Orphaned;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use starknet_api::transaction::TransactionHash;
use starknet_types_core::felt::Felt;

use crate::{
    dto::{
        block::Head, event::FinalEvent, receipt::ReceiptWithBlock,
        transaction::TransactionWithStatus,
    },
    schema::{self, of},
    subscription::{
        moved::Moved,
        position::{Interest, Piece},
        sheet::{Text, write},
        transaction_status::{Known, NewStatus},
    },
};

/// A stream of notices: a function from what happens to what is told of it.
pub(crate) trait Stream: fmt::Debug + Send {
    /// Whether it wants to know of what is pre-confirmed.
    fn interest(&self) -> Interest;

    /// Whether it wants to know of transactions that are in no block.
    fn wants_moves(&self) -> bool {
        false
    }

    /// A transaction of which it must know the present before it can go on.
    fn asks(&self) -> Option<TransactionHash> {
        None
    }

    /// What is told of the present of the transaction that it asked for.
    fn known(&mut self, _known: &Known) -> Option<Notice> {
        None
    }

    /// What is told of a piece, in order.
    fn notices(&mut self, piece: &Piece) -> Vec<Notice>;

    /// What is told of a transaction that is in no block.
    fn moved(&mut self, _moved: &Moved) -> Option<Notice> {
        None
    }
}

/// Something that a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Of what kind it is.
    pub(crate) kind: Kind,
    /// The `result` of the notification.
    pub(crate) result: Text,
}

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A closed block.
    NewHeads,
    /// An event.
    Events,
    /// How far a transaction has come.
    TransactionStatus,
    /// The receipt of a transaction.
    NewTransactionReceipts,
    /// A transaction.
    NewTransaction,
    /// Blocks are no more.
    Reorg,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::NewHeads,
        Self::Events,
        Self::TransactionStatus,
        Self::NewTransactionReceipts,
        Self::NewTransaction,
        Self::Reorg,
    ];

    /// The method of the notification; of transactions it is in the singular.
    pub(crate) const fn method(self) -> &'static str {
        match self {
            Self::NewHeads => "starknet_subscriptionNewHeads",
            Self::Events => "starknet_subscriptionEvents",
            Self::TransactionStatus => "starknet_subscriptionTransactionStatus",
            Self::NewTransactionReceipts => "starknet_subscriptionNewTransactionReceipts",
            Self::NewTransaction => "starknet_subscriptionNewTransaction",
            Self::Reorg => "starknet_subscriptionReorg",
        }
    }

    /// What the `result` of the notification looks like.
    pub(crate) fn describe(self, generator: &mut SchemaGenerator) -> Schema {
        match self {
            Self::NewHeads => of::<Head>(generator),
            Self::Events => of::<FinalEvent>(generator),
            Self::TransactionStatus => of::<NewStatus<'_>>(generator),
            Self::NewTransactionReceipts => of::<ReceiptWithBlock<'_>>(generator),
            Self::NewTransaction => of::<TransactionWithStatus<'_>>(generator),
            Self::Reorg => of::<Reorg>(generator),
        }
    }
}

/// REORG_DATA.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "REORG_DATA")]
pub(crate) struct Reorg {
    #[schemars(with = "schema::BlockHash")]
    starting_block_hash: Felt,
    starting_block_number: u64,
    #[schemars(with = "schema::BlockHash")]
    ending_block_hash: Felt,
    ending_block_number: u64,
}

impl Notice {
    /// Blocks are no more; goes to every subscriber.
    pub(crate) fn reorg(orphaned: &Orphaned) -> Self {
        let Orphaned { first, last } = orphaned;
        let reorg = Reorg {
            starting_block_hash: first.1.0,
            starting_block_number: first.0.0,
            ending_block_hash: last.1.0,
            ending_block_number: last.0.0,
        };
        Self { kind: Kind::Reorg, result: write(&reorg) }
    }

    /// The notification to a subscription.
    pub(crate) fn message(&self, subscription: u64) -> String {
        let Self { kind, result } = self;
        let method = kind.method();
        format!(
            r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"subscription_id":"{subscription}","result":{result}}}}}"#
        )
    }
}
