//! Changes of the chain between two lives.

use std::sync::{Arc, MutexGuard, PoisonError};

use kraken_execution::Prepared;
use kraken_storage::Storage;
use starknet_api::block::{BlockHash, BlockNumber, GasPrices};

use super::{
    DevControl, DevError, Diff,
    snapshots::{Snapshot, Snapshots},
};
use crate::{
    Event, Orphaned, Revert, clock::Shift, committer::blocking, gateway::Gateway, lives::WayIn,
    sequencer::live,
};

impl DevControl {
    /// What gas costs from the next block on. What is ready by then gets into a block before.
    ///
    /// # Errors
    /// [`DevError::FeeMarket`], or if the chain does not start again.
    pub async fn set_gas_prices(&self, prices: GasPrices) -> Result<(), DevError> {
        if !self.sequencer.chain.has_fixed_prices() {
            return Err(DevError::FeeMarket);
        }
        let _changing = self.sequencer.lives.change().await;
        self.settle().await?;
        let waiting = self.take_waiting()?;
        let latest = self.stop().await?;
        self.reset(latest, prices).await?;
        self.start(waiting).await
    }

    /// Makes a block of this state diff, which no transaction explains. What is ready by then gets
    /// into a block before.
    ///
    /// # Errors
    /// [`DevError::Diff`], [`DevError::ContractNotFound`] or [`DevError::ClassNotFound`] if it does
    /// not fit the state; or if the chain does not start again.
    pub async fn apply(&self, diff: Diff) -> Result<BlockHash, DevError> {
        let _changing = self.sequencer.lives.change().await;
        self.settle().await?;
        let view = self.view();
        let state = view.state_at(view.latest())?.expect("the latest block is there");
        let diff = diff.checked(&state)?;
        let waiting = self.take_waiting()?;
        self.stop().await?;
        let now = self.sequencer.clock.now();
        let sealed = diff.seal(&self.sequencer.chain, &self.dev.storage, now).await;
        self.start(waiting).await?;
        Ok(sealed?)
    }

    /// Takes back all blocks from this one on, with everything that waits. Returns their hashes,
    /// newest first.
    ///
    /// # Errors
    /// [`DevError::Genesis`], [`DevError::NoBlock`], or if the chain does not start again.
    pub async fn abort_from(&self, first: BlockNumber) -> Result<Vec<BlockHash>, DevError> {
        let kept = first.prev().ok_or(DevError::Genesis)?;
        let _changing = self.sequencer.lives.change().await;
        let latest = self.view().latest();
        if latest < first {
            return Err(DevError::NoBlock { number: first });
        }
        let aborted = self.hashes(first, latest).await?;
        let prices = self.gas_prices();
        self.go_back(kept, prices).await?;
        Ok(aborted)
    }

    /// Begins anew behind block 0, as if the node had just been started.
    ///
    /// # Errors
    /// If the chain does not start again.
    pub async fn restart(&self) -> Result<(), DevError> {
        let _changing = self.sequencer.lives.change().await;
        let fees = &self.sequencer.chain.genesis().fees;
        let prices = self.sequencer.chain.gas_prices(fees.l2_gas_price_fri_min);
        self.sequencer.clock.restore(Shift::to(self.dev.config.clock_start));
        self.dev.impersonated.set(Default::default());
        self.snapshots().forget_from(0);
        self.go_back(BlockNumber(0), prices).await
    }

    /// Remembers the chain as it is; returns the id of the snapshot. What is ready gets into a block
    /// before.
    ///
    /// # Errors
    /// If the node stops meanwhile or storage fails.
    pub async fn snapshot(&self) -> Result<u64, DevError> {
        let _changing = self.sequencer.lives.change().await;
        self.settle().await?;
        let number = self.view().latest();
        let block = self.dev.storage.block(number)?.ok_or(DevError::NoBlock { number })?;
        let snapshot = Snapshot {
            number,
            hash: block.header.hash,
            gas_prices: self.gas_prices(),
            clock: self.sequencer.clock.shifted(),
            impersonated: self.dev.impersonated.get(),
        };
        Ok(self.snapshots().insert(snapshot))
    }

    /// Goes back to a snapshot, which is used up by that, with all that were taken after it: blocks,
    /// prices, clock and impersonated accounts are as they were. `false` if there is none with this
    /// id.
    ///
    /// # Errors
    /// If the chain does not start again.
    pub async fn revert(&self, id: u64) -> Result<bool, DevError> {
        let _changing = self.sequencer.lives.change().await;
        let Some(snapshot) = self.snapshots().get(id).cloned() else {
            return Ok(false);
        };
        let block = self.dev.storage.block(snapshot.number)?;
        if block.is_none_or(|block| block.header.hash != snapshot.hash) {
            return Ok(false);
        }
        self.snapshots().forget_from(id);
        self.sequencer.clock.restore(snapshot.clock);
        self.dev.impersonated.set(snapshot.impersonated);
        self.go_back(snapshot.number, snapshot.gas_prices).await?;
        Ok(true)
    }

    /// Gets whatever can be executed into a closed block.
    async fn settle(&self) -> Result<(), DevError> {
        let is_at_rest = self.gateway()?.pool.lock().is_at_rest();
        if !is_at_rest || !self.view().pre_confirmed().transactions.is_empty() {
            self.end_block().await?;
        }
        Ok(())
    }

    async fn go_back(&self, kept: BlockNumber, prices: GasPrices) -> Result<(), DevError> {
        self.snapshots().forget_above(kept);
        let latest = self.stop().await?;
        let orphaned = self.orphaned(kept, latest).await?;
        self.reset(kept, prices).await?;
        self.dev.events.revert(Revert { kept, orphaned });
        self.start(Vec::new()).await
    }

    /// What is lost with the blocks above `kept`.
    async fn orphaned(
        &self,
        kept: BlockNumber,
        latest: BlockNumber,
    ) -> Result<Option<Orphaned>, DevError> {
        let first = kept.unchecked_next();
        if latest < first {
            return Ok(None);
        }
        let hash = async |number| Ok::<_, DevError>(self.hashes(number, number).await?[0]);
        let (first, last) = ((first, hash(first).await?), (latest, hash(latest).await?));
        Ok(Some(Orphaned { first, last }))
    }

    async fn reset(&self, kept: BlockNumber, prices: GasPrices) -> Result<(), DevError> {
        let storage: Storage = self.dev.storage.clone();
        Ok(blocking(move || storage.reset(kept, prices)).await?)
    }

    /// Ends all tasks, once nobody checks a transaction any more; returns the newest block.
    async fn stop(&self) -> Result<BlockNumber, DevError> {
        let permits = Arc::clone(&self.gateway()?.checks.permits);
        let all = u32::try_from(self.dev.config.gateway_concurrency).unwrap_or(u32::MAX);
        let _none_is_checked = permits.acquire_many(all).await.map_err(|_| DevError::Stopped)?;
        permits.close();
        self.sequencer.lives.current().running.shut_down().await;
        self.dev.storage.tip().ok_or(DevError::Stopped)
    }

    /// Starts all tasks again behind what is stored now; `waiting` is what the pool had.
    async fn start(&self, waiting: Vec<Prepared>) -> Result<(), DevError> {
        let life = live(&self.dev, &self.sequencer.chain, &self.sequencer.clock).await?;
        if let WayIn::Pool(gateway) = &life.way_in {
            for transaction in waiting {
                let hash = transaction.hash();
                if let Err(error) = gateway.take_back(transaction) {
                    tracing::warn!(%hash, %error, "dropped a transaction that was waiting");
                }
            }
        }
        self.sequencer.lives.begin(life);
        // What this life has told so far was heard while the last one was still the current one.
        self.dev.events.tell(Event::PreConfirmed);
        self.wait_for_latest().await
    }

    /// Whoever made a change sees it: a block that was made between two lives is accepted at once.
    async fn wait_for_latest(&self) -> Result<(), DevError> {
        let life = self.sequencer.lives.current();
        let mut events = life.board.subscribe();
        while Some(self.view().latest()) < self.dev.storage.tip() {
            tokio::select! {
                _ = life.running.stopped() => return Err(DevError::Stopped),
                // Missed events are made up for by the look above.
                event = events.recv() => drop(event),
            }
        }
        Ok(())
    }

    fn take_waiting(&self) -> Result<Vec<Prepared>, DevError> {
        let pool = self.gateway()?.pool;
        let now = pool.now();
        Ok(pool.lock().take_waiting(now))
    }

    fn gateway(&self) -> Result<Gateway, DevError> {
        match &self.sequencer.lives.current().way_in {
            WayIn::Pool(gateway) => Ok(gateway.clone()),
            WayIn::Validators(_) => Err(DevError::Stopped),
        }
    }

    fn snapshots(&self) -> MutexGuard<'_, Snapshots> {
        self.dev.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
