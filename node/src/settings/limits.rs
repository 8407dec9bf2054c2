//! How much callers of JSON-RPC may ask for: the defaults, and what was given over them.

use std::{
    num::{NonZeroU64, NonZeroUsize},
    time::Duration,
};

use crate::args::limits::Limits;

/// Open connections.
pub(crate) const CONNECTIONS: usize = 1_024;
/// Open WebSockets.
pub(crate) const SOCKETS: usize = 1_024;
/// Subscriptions of a WebSocket.
pub(crate) const SUBSCRIPTIONS: usize = 1_024;
/// Bytes of a request. A class of the largest size fits.
pub(crate) const BODY_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of a message that comes over a WebSocket.
pub(crate) const MESSAGE_BYTES: usize = 16 * 1024 * 1024;
/// Requests of a batch.
pub(crate) const BATCH_ITEMS: usize = 1_000;
/// Requests of a batch that are carried out at the same time.
pub(crate) const BATCH_AT_ONCE: usize = 8;
/// Bytes of all answers to a batch.
pub(crate) const BATCH_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// Requests that read the disk at the same time.
pub(crate) const READS: usize = 64;
/// Blocks that are read for a page of events.
pub(crate) const EVENTS_BLOCKS: u64 = 10_000;
/// Keys that are proven for a request.
pub(crate) const PROOF_KEYS: usize = 100;
/// Time between two pings of a WebSocket, in seconds.
pub(crate) const PING_SECONDS: u64 = 30;
/// How long the reader of a WebSocket may read nothing, in seconds.
pub(crate) const STALL_SECONDS: u64 = 30;
/// How many blocks a subscriber may fall behind.
pub(crate) const BEHIND_BLOCKS: u64 = 1_024;

/// How long a connection may be silent beyond the time that a request may take.
const SILENCE: Duration = Duration::from_secs(30);

impl Limits {
    /// What was given over the defaults, for a node that executes transactions on so many threads.
    pub(crate) fn resolve(&self, timeout: Duration, threads: NonZeroUsize) -> kraken_rpc::Limits {
        let count = |given: Option<NonZeroUsize>, default| given.map_or(default, NonZeroUsize::get);
        let number = |given: Option<NonZeroU64>, default| given.map_or(default, NonZeroU64::get);
        kraken_rpc::Limits {
            connections_max: count(self.connections, CONNECTIONS),
            sockets_max: count(self.sockets, SOCKETS),
            subscriptions_max: count(self.subscriptions, SUBSCRIPTIONS),
            body_bytes_max: count(self.body_bytes, BODY_BYTES),
            message_bytes_max: count(self.message_bytes, MESSAGE_BYTES),
            batch_items_max: count(self.batch_items, BATCH_ITEMS),
            batch_concurrency: count(self.batch_at_once, BATCH_AT_ONCE),
            batch_response_bytes_max: count(self.batch_answer_bytes, BATCH_ANSWER_BYTES),
            read_permits: count(self.reads, READS),
            // Calls and estimates share the cores with blocks; waiting in line is cheaper than taking
            // turns.
            cairo_permits: count(self.cairo, threads.get().max(2)),
            events_blocks_max: number(self.events_blocks, EVENTS_BLOCKS),
            proof_keys_max: count(self.proof_keys, PROOF_KEYS),
            ping_interval: Duration::from_secs(number(self.ping, PING_SECONDS)),
            stall_timeout: Duration::from_secs(number(self.stall, STALL_SECONDS)),
            behind_blocks_max: number(self.behind, BEHIND_BLOCKS),
            request_timeout: timeout,
            idle_timeout: timeout + SILENCE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(7);

    #[test]
    fn what_is_given_wins_over_the_defaults_and_changes_nothing_else() {
        let threads = NonZeroUsize::MIN;
        let default = Limits::default().resolve(TIMEOUT, threads);
        assert_eq!((default.sockets_max, default.cairo_permits), (SOCKETS, 2));
        assert!(default.request_timeout < default.idle_timeout);
        let given: Limits = toml::from_str("sockets = 3\nping = 4\ncairo = 1").expect("valid");
        let limits = given.resolve(TIMEOUT, threads);
        assert_eq!((limits.sockets_max, limits.cairo_permits), (3, 1));
        assert_eq!(limits.ping_interval, Duration::from_secs(4));
        assert_eq!(limits.subscriptions_max, default.subscriptions_max);
    }
}
