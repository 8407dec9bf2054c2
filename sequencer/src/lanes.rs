//! What this validator says to the others, and hears of them.

use borsh::BorshSerialize;
use bytes::Bytes;
use kraken_network::{LaneId, Network};
use kraken_types::{ValidatorId, codec};
use tokio::sync::mpsc;

/// What came, encoded, and from whom.
pub(crate) type Inbox = mpsc::Receiver<(ValidatorId, Bytes)>;

/// One lane to the same place of every other validator. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Lane(Option<(Network, LaneId)>);

impl Lane {
    /// A lane of a swarm.
    pub(crate) fn new(network: Network, lane: LaneId) -> Self {
        Self(Some((network, lane)))
    }

    /// The lane of a committee of one, and what comes on it: nothing.
    pub(crate) fn nowhere() -> (Self, Inbox) {
        let (_, inbox) = mpsc::channel(1);
        (Self(None), inbox)
    }

    /// Sends to one validator. Best effort: what does not arrive is sent again by whoever decided
    /// to send it.
    pub(crate) fn send(&self, to: ValidatorId, message: &impl BorshSerialize) {
        self.send_encoded(to, Bytes::from(codec::encode(message)));
    }

    /// Whether it is worth encoding anything for this validator now.
    pub(crate) fn reaches(&self, to: ValidatorId) -> bool {
        self.0.as_ref().is_some_and(|(network, _)| network.is_connected(to))
    }

    /// Sends what is encoded already.
    pub(crate) fn send_encoded(&self, to: ValidatorId, message: Bytes) {
        if let Some((network, lane)) = &self.0 {
            network.send(to, *lane, message);
        }
    }

    /// Sends to every other validator, with as much certainty.
    pub(crate) fn broadcast(&self, message: &impl BorshSerialize) {
        if let Some((network, lane)) = &self.0 {
            network.broadcast(*lane, Bytes::from(codec::encode(message)));
        }
    }
}
