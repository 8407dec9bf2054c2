//! How much callers of JSON-RPC may ask for: as flags, in the environment, or in `kraken.toml`.

use std::num::{NonZeroU64, NonZeroUsize};

use serde::Deserialize;

use super::shown;
use crate::settings::limits;

/// How much callers of JSON-RPC may ask for. What was not said is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits of JSON-RPC")]
pub(crate) struct Limits {
    #[arg(
        long = "limits.connections",
        env = "KRAKEN_LIMITS_CONNECTIONS",
        value_name = "NUMBER",
        help = shown("Open so many connections at a time; further callers wait", limits::CONNECTIONS)
    )]
    pub(crate) connections: Option<NonZeroUsize>,

    #[arg(
        long = "limits.sockets",
        env = "KRAKEN_LIMITS_SOCKETS",
        value_name = "NUMBER",
        help = shown("Open so many WebSockets at a time, which are connections too; refuse further ones", limits::SOCKETS)
    )]
    pub(crate) sockets: Option<NonZeroUsize>,

    #[arg(
        long = "limits.subscriptions",
        env = "KRAKEN_LIMITS_SUBSCRIPTIONS",
        value_name = "NUMBER",
        help = shown("Let a WebSocket have so many subscriptions", limits::SUBSCRIPTIONS)
    )]
    pub(crate) subscriptions: Option<NonZeroUsize>,

    #[arg(
        long = "limits.body-bytes",
        env = "KRAKEN_LIMITS_BODY_BYTES",
        value_name = "BYTES",
        help = shown("Refuse larger requests, as they are and unpacked", limits::BODY_BYTES)
    )]
    pub(crate) body_bytes: Option<NonZeroUsize>,

    #[arg(
        long = "limits.message-bytes",
        env = "KRAKEN_LIMITS_MESSAGE_BYTES",
        value_name = "BYTES",
        help = shown("Close a WebSocket that sends a larger message", limits::MESSAGE_BYTES)
    )]
    pub(crate) message_bytes: Option<NonZeroUsize>,

    #[arg(
        long = "limits.batch-items",
        env = "KRAKEN_LIMITS_BATCH_ITEMS",
        value_name = "NUMBER",
        help = shown("Refuse batches of more requests", limits::BATCH_ITEMS)
    )]
    pub(crate) batch_items: Option<NonZeroUsize>,

    #[arg(
        long = "limits.batch-at-once",
        env = "KRAKEN_LIMITS_BATCH_AT_ONCE",
        value_name = "NUMBER",
        help = shown("Carry out so many requests of a batch at a time", limits::BATCH_AT_ONCE)
    )]
    pub(crate) batch_at_once: Option<NonZeroUsize>,

    #[arg(
        long = "limits.batch-answer-bytes",
        env = "KRAKEN_LIMITS_BATCH_ANSWER_BYTES",
        value_name = "BYTES",
        help = shown("Answer the rest of a batch with errors beyond so much", limits::BATCH_ANSWER_BYTES)
    )]
    pub(crate) batch_answer_bytes: Option<NonZeroUsize>,

    #[arg(
        long = "limits.reads",
        env = "KRAKEN_LIMITS_READS",
        value_name = "NUMBER",
        help = shown("Read for so many requests at a time; further ones wait", limits::READS)
    )]
    pub(crate) reads: Option<NonZeroUsize>,

    #[arg(
        long = "limits.cairo",
        env = "KRAKEN_LIMITS_CAIRO",
        value_name = "NUMBER",
        help = "Run Cairo for so many requests at a time; further ones wait [default: one for each thread that executes, at least 2]"
    )]
    pub(crate) cairo: Option<NonZeroUsize>,

    #[arg(
        long = "limits.events-blocks",
        env = "KRAKEN_LIMITS_EVENTS_BLOCKS",
        value_name = "NUMBER",
        help = shown("Read so many blocks for a page of events", limits::EVENTS_BLOCKS)
    )]
    pub(crate) events_blocks: Option<NonZeroU64>,

    #[arg(
        long = "limits.proof-keys",
        env = "KRAKEN_LIMITS_PROOF_KEYS",
        value_name = "NUMBER",
        help = shown("Prove so many keys for a request", limits::PROOF_KEYS)
    )]
    pub(crate) proof_keys: Option<NonZeroUsize>,

    #[arg(
        long = "limits.ping",
        env = "KRAKEN_LIMITS_PING",
        value_name = "SECONDS",
        help = shown("Ping WebSockets so often, and close those that say nothing for twice that long", limits::PING_SECONDS)
    )]
    pub(crate) ping: Option<NonZeroU64>,

    #[arg(
        long = "limits.stall",
        env = "KRAKEN_LIMITS_STALL",
        value_name = "SECONDS",
        help = shown("Cut off the reader of a WebSocket who reads nothing for so long", limits::STALL_SECONDS)
    )]
    pub(crate) stall: Option<NonZeroU64>,

    #[arg(
        long = "limits.behind",
        env = "KRAKEN_LIMITS_BEHIND",
        value_name = "NUMBER",
        help = shown("Cut off a subscriber who falls behind by more blocks", limits::BEHIND_BLOCKS)
    )]
    pub(crate) behind: Option<NonZeroU64>,
}

impl Limits {
    /// This layer over a lower one.
    pub(crate) fn or(self, lower: Self) -> Self {
        Self {
            connections: self.connections.or(lower.connections),
            sockets: self.sockets.or(lower.sockets),
            subscriptions: self.subscriptions.or(lower.subscriptions),
            body_bytes: self.body_bytes.or(lower.body_bytes),
            message_bytes: self.message_bytes.or(lower.message_bytes),
            batch_items: self.batch_items.or(lower.batch_items),
            batch_at_once: self.batch_at_once.or(lower.batch_at_once),
            batch_answer_bytes: self.batch_answer_bytes.or(lower.batch_answer_bytes),
            reads: self.reads.or(lower.reads),
            cairo: self.cairo.or(lower.cairo),
            events_blocks: self.events_blocks.or(lower.events_blocks),
            proof_keys: self.proof_keys.or(lower.proof_keys),
            ping: self.ping.or(lower.ping),
            stall: self.stall.or(lower.stall),
            behind: self.behind.or(lower.behind),
        }
    }
}
