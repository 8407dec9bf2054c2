//! What only a committee of one may do.
//!
//! Closing a block and moving the clock happen while everything runs. What changes the chain in ways
//! that no transaction can is done between two lives: all tasks end, one record goes into the chain
//! log, and all start again behind it, as after a restart.

mod change;
mod diff;
mod impersonated;
mod messages;
mod snapshots;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use kraken_storage::Storage;
use kraken_types::{CommitIndex, Timestamp};
use starknet_api::{
    block::{BlockHash, BlockNumber, GasPrices},
    core::{ClassHash, ContractAddress},
};
use tokio::sync::{broadcast::error::RecvError, oneshot};

pub use self::diff::Diff;
pub(crate) use self::impersonated::Impersonated;
use self::{messages::Sent, snapshots::Snapshots};
use crate::{Config, Event, Sequencer, StartError, View, events::Events};

/// What a life is made of, and what developers have set.
#[derive(Debug)]
pub(crate) struct Dev {
    pub(crate) config: Config,
    pub(crate) storage: Storage,
    pub(crate) events: Events,
    pub(crate) impersonated: Impersonated,
    sent: Mutex<Sent>,
    snapshots: Mutex<Snapshots>,
}

impl Dev {
    /// Nothing is set yet.
    pub(crate) fn new(config: Config, storage: Storage) -> Self {
        Self {
            config,
            storage,
            events: Events::new(),
            impersonated: Impersonated::default(),
            sent: Mutex::default(),
            snapshots: Mutex::default(),
        }
    }
}

/// Controls of `kraken dev`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DevControl {
    sequencer: Sequencer,
    dev: Arc<Dev>,
}

/// Why a control was not carried out.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum DevError {
    /// Block times do not go back.
    #[error("time {asked} is before that of the latest block, {latest}")]
    TimeGoesBack { asked: u64, latest: u64 },
    /// The genesis makes prices move by themselves.
    #[error("the price of gas follows the fee market that the genesis of this chain asks for")]
    FeeMarket,
    /// Block 0 is what the chain begins with.
    #[error("the genesis block cannot be aborted")]
    Genesis,
    /// There is no such closed block.
    #[error("there is no block {number}")]
    NoBlock { number: BlockNumber },
    /// A block is accepted on L1 once.
    #[error("block {number} is accepted on L1 already")]
    AcceptedOnL1 { number: BlockNumber },
    /// A state diff that no chain could have.
    #[error("{reason}")]
    Diff { reason: String },
    /// A state diff changes what is not there.
    #[error("no contract is deployed at {address}")]
    ContractNotFound { address: ContractAddress },
    /// A state diff uses a class that is neither declared nor in it.
    #[error("class {class_hash} is not declared")]
    ClassNotFound { class_hash: ClassHash },
    /// The node is going down.
    #[error("the node is shutting down")]
    Stopped,
    /// Our fault.
    #[error("storage failed")]
    Storage(#[from] kraken_storage::Error),
    /// Our fault; the node ends.
    #[error("the chain did not start again")]
    Start(#[from] StartError),
}

impl DevControl {
    /// Orders everything that is ready, ends the open block behind it, empty or not, and returns
    /// once it is durable.
    ///
    /// # Errors
    /// [`DevError`] if the node stops meanwhile or storage fails.
    pub async fn create_block(&self) -> Result<BlockHash, DevError> {
        let _lasting = self.sequencer.lives.lasting().await;
        self.end_block().await
    }

    /// As [`DevControl::create_block`], for whoever sees to it that the life lasts.
    async fn end_block(&self) -> Result<BlockHash, DevError> {
        let life = self.sequencer.lives.current();
        let close = life.close.as_ref().ok_or(DevError::Stopped)?;
        let mut events = life.board.subscribe();
        let (reply, commit) = oneshot::channel();
        close.send(reply).await.map_err(|_| DevError::Stopped)?;
        let commit = commit.await.map_err(|_| DevError::Stopped)?;
        loop {
            let newest = tokio::select! {
                _ = life.running.stopped() => return Err(DevError::Stopped),
                event = events.recv() => match event {
                    Ok(Event::Block(number)) => number,
                    Ok(Event::PreConfirmed) => continue,
                    // Missed events are made up for by looking at the newest block.
                    Err(RecvError::Lagged(_)) => self.view().latest(),
                    Err(RecvError::Closed) => return Err(DevError::Stopped),
                },
            };
            if let Some(hash) = self.ended_behind(newest, commit)? {
                return Ok(hash);
            }
        }
    }

    /// The next block has this time, in seconds, and the clock goes on from there.
    ///
    /// # Errors
    /// [`DevError::TimeGoesBack`] if the latest block is later.
    pub fn set_time(&self, seconds: u64) -> Result<(), DevError> {
        let latest = self.latest_time()?;
        if seconds < latest {
            return Err(DevError::TimeGoesBack { asked: seconds, latest });
        }
        self.sequencer.clock.set(Timestamp::from_seconds(seconds));
        Ok(())
    }

    /// Moves the clock on by this many seconds.
    pub fn increase_time(&self, seconds: u64) {
        self.sequencer.clock.advance(Duration::from_secs(seconds));
    }

    /// The time that the next block would have, in seconds.
    ///
    /// # Errors
    /// If storage fails.
    pub fn next_time(&self) -> Result<u64, DevError> {
        Ok(self.latest_time()?.max(self.sequencer.clock.now().seconds()))
    }

    /// Has transactions of this account executed without a look at their signatures.
    pub fn impersonate(&self, account: ContractAddress) {
        self.dev.impersonated.insert(account);
    }

    /// Ends [`DevControl::impersonate`].
    pub fn stop_impersonating(&self, account: ContractAddress) {
        self.dev.impersonated.remove(account);
    }

    /// Has transactions of all accounts executed without a look at their signatures, or of those only
    /// that are impersonated one by one.
    pub fn impersonate_all(&self, all: bool) {
        self.dev.impersonated.set_all(all);
    }

    /// Whose signatures nobody looks at: accounts one by one, and whether it is all of them.
    pub fn impersonated(&self) -> (Vec<ContractAddress>, bool) {
        self.dev.impersonated.shown()
    }

    /// Whether nobody looks at the signatures of this account.
    pub fn impersonates(&self, account: ContractAddress) -> bool {
        self.dev.impersonated.contains(account)
    }

    /// What gas costs in the next block.
    pub fn gas_prices(&self) -> GasPrices {
        self.view().pre_confirmed().info.gas_prices.clone()
    }

    /// Marks a closed block as accepted on L1, and all before it. Returns the hashes of those that
    /// were not before, newest first.
    ///
    /// # Errors
    /// [`DevError::NoBlock`], [`DevError::AcceptedOnL1`], or if storage fails.
    pub async fn accept_on_l1(&self, number: BlockNumber) -> Result<Vec<BlockHash>, DevError> {
        let _lasting = self.sequencer.lives.lasting().await;
        let view = self.view();
        if view.latest() < number {
            return Err(DevError::NoBlock { number });
        }
        let accepted = view.accepted_on_l1();
        if accepted.is_some_and(|accepted| number <= accepted) {
            return Err(DevError::AcceptedOnL1 { number });
        }
        let first = accepted.map_or(BlockNumber(0), |accepted| accepted.unchecked_next());
        let hashes = self.hashes(first, number).await?;
        self.dev.storage.accept_on_l1(number)?;
        self.sequencer.lives.current().board.accepted_on_l1(number);
        Ok(hashes)
    }

    fn view(&self) -> View {
        self.sequencer.view()
    }

    fn latest_time(&self) -> Result<u64, DevError> {
        let block = self.dev.storage.block(self.view().latest())?;
        Ok(block.map_or(0, |block| block.header.info.block_timestamp.0))
    }

    /// The hashes of stored blocks, newest first.
    async fn hashes(
        &self,
        first: BlockNumber,
        last: BlockNumber,
    ) -> Result<Vec<BlockHash>, DevError> {
        let storage = self.dev.storage.clone();
        let hash = move |number| {
            let block = storage.block(BlockNumber(number))?;
            let lacking = DevError::NoBlock { number: BlockNumber(number) };
            block.map(|block| block.header.hash).ok_or(lacking)
        };
        let hashes =
            tokio::task::spawn_blocking(move || (first.0..=last.0).rev().map(hash).collect());
        hashes.await.expect("reading is never cancelled, and does not panic")
    }

    /// The hash of the block if it holds the whole commit.
    fn ended_behind(
        &self,
        number: BlockNumber,
        commit: CommitIndex,
    ) -> Result<Option<BlockHash>, DevError> {
        let block = self.dev.storage.block(number)?;
        Ok(block
            .filter(|block| commit < block.executed_up_to.commit)
            .map(|block| block.header.hash))
    }
}

impl Sequencer {
    /// The controls, in dev mode only.
    pub fn dev(&self) -> Option<DevControl> {
        let dev = Arc::clone(self.dev.as_ref()?);
        Some(DevControl { sequencer: self.clone(), dev })
    }
}
