//! The task that commits: turns executed blocks into durable ones, beside the execution of the next.
//!
//! Its queue is short, so execution never runs far ahead of what is durable; and what is durable
//! never runs far ahead of what a quorum has attested.

pub(crate) mod seal;

use std::{sync::Arc, time::Instant};

use kraken_execution::{Chain, Changes, Trace, genesis::GenesisState};
use kraken_storage::{Block, Class, ExecutedTransaction, Header, Storage, trie};
use kraken_types::{Acceptance, Cursor, Digest, Verified};
use starknet_api::{
    block::{BlockInfo, BlockNumber},
    core::ClassHash,
    state::ThinStateDiff,
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    StartError, UnsealedBlock,
    attestation::Durable,
    board::Board,
    builder::Before,
    metrics::{Metrics, gauge},
    supervisor::Ended,
};

/// How many executed blocks may wait to become durable; with the one in hand this stays below the
/// ten blocks after which a block's hash is needed.
pub(crate) const EXECUTED_MAX: usize = 4;

/// How many durable blocks may wait for a quorum.
pub(crate) const UNACCEPTED_MAX: u64 = 16;

/// A block that is executed to its end.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) info: BlockInfo,
    pub(crate) transactions: Vec<Arc<ExecutedTransaction>>,
    /// Everything it changed, sorted.
    pub(crate) state_diff: ThinStateDiff,
    /// The classes that it declares, sorted by hash.
    pub(crate) classes: Vec<(ClassHash, Arc<Class>)>,
    /// The same as `state_diff`, to read through; oldest first.
    pub(crate) changes: Vec<Arc<Changes>>,
    /// What happened in its transactions, where it was kept.
    pub(crate) traces: Vec<Option<Trace>>,
    pub(crate) l2_gas_used: u64,
    /// The first ordered transaction that is in no block up to this one.
    pub(crate) executed_up_to: Cursor,
    /// The state of the order before the commit of that place.
    pub(crate) before: Before,
    /// The quorum that attested it, if it was taken over from others.
    pub(crate) acceptance: Option<Verified<Acceptance>>,
}

impl Executed {
    /// A block that others executed.
    pub(crate) fn elsewhere(
        block: Block,
        before: Before,
        acceptance: Verified<Acceptance>,
    ) -> Self {
        let changes = Changes::new(&block.state_diff, &block.classes);
        Self {
            info: block.header.info,
            transactions: block.transactions,
            state_diff: block.state_diff,
            classes: block.classes,
            changes: vec![Arc::new(changes)],
            traces: Vec::new(),
            l2_gas_used: block.header.l2_gas_used,
            executed_up_to: block.executed_up_to,
            before,
            acceptance: Some(acceptance),
        }
    }

    /// The block as others may see it until it is durable.
    pub(crate) fn unsealed(&self) -> UnsealedBlock {
        UnsealedBlock {
            info: self.info.clone(),
            transactions: self.transactions.clone(),
            changes: self.changes.clone(),
            traces: self.traces.clone(),
        }
    }
}

/// The task that commits.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) storage: Storage,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Metrics,
    /// From the builder.
    pub(crate) executed: mpsc::Receiver<Executed>,
    /// To whoever attests.
    pub(crate) durable: mpsc::Sender<Durable>,
    /// The newest accepted block.
    pub(crate) accepted: watch::Receiver<BlockNumber>,
    /// The newest durable block.
    pub(crate) parent: Header,
    pub(crate) shutdown: CancellationToken,
}

impl Committer {
    /// Runs until the builder hangs up; whatever is executed by then becomes durable.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses or a block cannot be hashed.
    pub(crate) async fn run(mut self) -> Result<(), Ended> {
        while let Some(executed) = self.executed.recv().await {
            if !self.wait_for_quorum().await {
                // What is executed is in the order, and a restart executes it again.
                return Ok(());
            }
            let committed = self.commit(executed).await;
            let durable = committed.map_err(|error| Ended::failed("committer", &error))?;
            let told = self.durable.send(durable).await;
            told.map_err(|_| Ended::gone("committer", "attestation"))?;
        }
        Ok(())
    }

    /// Waits until the blocks that wait for a quorum are few; `false` if it is time to end.
    async fn wait_for_quorum(&mut self) -> bool {
        let durable = self.parent.number().0;
        let is_near = |accepted: &BlockNumber| durable < accepted.0 + UNACCEPTED_MAX;
        tokio::select! {
            near = self.accepted.wait_for(is_near) => near.is_ok(),
            () = self.shutdown.cancelled() => false,
        }
    }

    async fn commit(&mut self, executed: Executed) -> Result<Durable, StartError> {
        let (before, acceptance) = (executed.before.clone(), executed.acceptance.clone());
        let started = Instant::now();
        let (block, tries) = seal::seal(&self.storage, Some(&self.parent), executed).await?;
        let sealed = started.elapsed();
        let block = Arc::new(block);
        let (storage, stored) = (self.storage.clone(), Arc::clone(&block));
        blocking(move || storage.commit_block(&stored, tries)).await?;

        let number = block.header.number();
        self.board.durable(number);
        self.metrics.durable_block.set(gauge(number.0));
        self.metrics.seal_seconds.observe(sealed.as_secs_f64());
        self.metrics.write_seconds.observe((started.elapsed() - sealed).as_secs_f64());
        tracing::info!(
            block = number.0,
            transactions = block.transactions.len(),
            hash = format_args!("{:#x}", block.header.hash.0),
            hashing_ms = sealed.as_millis(),
            writing_ms = (started.elapsed() - sealed).as_millis(),
            "new block"
        );
        self.parent = block.header.clone();
        Ok(Durable { block, checkpoint: before.checkpoint, acceptance })
    }
}

/// Makes block 0 out of the genesis state and stores it.
///
/// # Errors
/// If the disk refuses or the block cannot be hashed.
pub async fn seal_genesis(
    chain: &Chain,
    storage: &Storage,
    state: GenesisState,
) -> Result<(), StartError> {
    let genesis = chain.genesis();
    let price = genesis.fees.l2_gas_price_fri_min;
    let executed = Executed {
        info: chain.block_info(BlockNumber(0), genesis.timestamp_seconds, chain.gas_prices(price)),
        transactions: Vec::new(),
        state_diff: state.state_diff,
        classes: state.classes,
        changes: Vec::new(),
        traces: Vec::new(),
        l2_gas_used: 0,
        executed_up_to: Cursor::default(),
        before: Before { digest: Digest::default(), checkpoint: None },
        acceptance: None,
    };
    let (block, tries) = seal::seal(storage, None, executed).await?;
    let storage = storage.clone();
    blocking(move || storage.commit_block(&Arc::new(block), tries)).await
}

/// Runs what waits for the disk away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, kraken_storage::Error> + Send + 'static,
) -> Result<T, StartError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.expect("storage states its invariants and never cancels")?)
}

/// The tries of the next block, computed beside its commitments.
async fn update_tries(
    storage: &Storage,
    diff: Arc<ThinStateDiff>,
) -> Result<trie::Update, StartError> {
    let storage = storage.clone();
    blocking(move || storage.update_tries(&diff)).await
}
