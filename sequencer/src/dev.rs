//! What only a committee of one may do.

use std::{sync::Arc, time::Duration};

use kraken_storage::Storage;
use kraken_types::{CommitIndex, Timestamp};
use starknet_api::block::{BlockHash, BlockNumber};
use tokio::sync::{broadcast::error::RecvError, mpsc, oneshot};

use crate::{Event, Sequencer, board::Board, clock::Clock};

/// Controls of `kraken dev`. Everything enters the order, so a restart replays it.
#[derive(Clone, Debug)]
pub struct DevControl {
    pub(crate) storage: Storage,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) close: mpsc::Sender<oneshot::Sender<CommitIndex>>,
}

/// Why a control was not carried out.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum DevError {
    /// Block times do not go back.
    #[error("time {asked} is before that of the latest block, {latest}")]
    TimeGoesBack { asked: u64, latest: u64 },
    /// The node is going down.
    #[error("the node is shutting down")]
    Stopped,
    /// Our fault.
    #[error("storage failed")]
    Storage(#[from] kraken_storage::Error),
}

impl DevControl {
    /// Orders everything that is ready, ends the open block behind it, empty or not, and returns
    /// once it is durable.
    ///
    /// # Errors
    /// [`DevError`] if the node stops meanwhile or storage fails.
    pub async fn create_block(&self) -> Result<BlockHash, DevError> {
        let mut events = self.board.subscribe();
        let (reply, commit) = oneshot::channel();
        self.close.send(reply).await.map_err(|_| DevError::Stopped)?;
        let commit = commit.await.map_err(|_| DevError::Stopped)?;
        loop {
            match events.recv().await {
                Ok(Event::Block(number)) => {
                    if let Some(hash) = self.ended_behind(number, commit)? {
                        return Ok(hash);
                    }
                }
                Ok(Event::PreConfirmed) => {}
                // Missed events are made up for by looking at the newest block.
                Err(RecvError::Lagged(_)) => {
                    let latest = self.board.view(&self.clock).latest();
                    if let Some(hash) = self.ended_behind(latest, commit)? {
                        return Ok(hash);
                    }
                }
                Err(RecvError::Closed) => return Err(DevError::Stopped),
            }
        }
    }

    /// The next block has this time, in seconds, and the clock goes on from there.
    ///
    /// # Errors
    /// [`DevError::TimeGoesBack`] if the latest block is later.
    pub fn set_time(&self, seconds: u64) -> Result<(), DevError> {
        let latest = self.board.view(&self.clock).latest();
        let block = self.storage.block(latest)?;
        let latest = block.map_or(0, |block| block.header.info.block_timestamp.0);
        if seconds < latest {
            return Err(DevError::TimeGoesBack { asked: seconds, latest });
        }
        self.clock.set(Timestamp::from_seconds(seconds));
        Ok(())
    }

    /// Moves the clock on by this many seconds.
    pub fn increase_time(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The hash of the block if it holds the whole commit.
    fn ended_behind(
        &self,
        number: BlockNumber,
        commit: CommitIndex,
    ) -> Result<Option<BlockHash>, DevError> {
        let block = self.storage.block(number)?;
        Ok(block
            .filter(|block| commit < block.executed_up_to.commit)
            .map(|block| block.header.hash))
    }
}

impl Sequencer {
    /// The controls, in dev mode only.
    pub fn dev(&self) -> Option<&DevControl> {
        self.dev.as_ref()
    }
}
