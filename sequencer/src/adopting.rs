//! The task of a full node that adds blocks to the chain: each comes from others, with the quorum
//! that attested it.

use std::sync::Arc;

use kraken_execution::Chain;
use kraken_types::Timestamp;
use tokio::sync::mpsc;

use crate::{
    board::Board,
    builder::{Adopt, Before, Parent, next_info},
    committer::Executed,
    handing::SharedHanded,
    metrics::{Metrics, gauge},
    supervisor::Ended,
};

/// The task that adds blocks to the chain of a full node.
#[derive(Debug)]
pub(crate) struct Adopting {
    pub(crate) chain: Chain,
    pub(crate) board: Arc<Board>,
    pub(crate) metrics: Metrics,
    /// From whoever asks others.
    pub(crate) adopted: mpsc::Receiver<Adopt>,
    /// To the committer.
    pub(crate) executed: mpsc::Sender<Executed>,
    /// The newest block.
    pub(crate) parent: Parent,
    /// What validators were handed.
    pub(crate) handed: SharedHanded,
}

impl Adopting {
    /// Runs until nobody offers blocks any more.
    ///
    /// # Errors
    /// [`Ended`] if nobody commits blocks any more.
    pub(crate) async fn run(mut self) -> Result<(), Ended> {
        while let Some(Adopt { block, acceptance, done }) = self.adopted.recv().await {
            let is_next = block.header.number() == self.parent.number.unchecked_next();
            if is_next {
                let before = Before { digest: block.checkpoint, checkpoint: None };
                self.add(Executed::elsewhere(block, before, acceptance)).await?;
            }
            // The one who offered it may have gone.
            let _ = done.send(is_next);
        }
        Ok(())
    }

    async fn add(&mut self, executed: Executed) -> Result<(), Ended> {
        self.parent = Parent::of_info(&self.chain, &executed.info, executed.l2_gas_used);
        let next = next_info(&self.chain, &self.parent, Timestamp::ZERO);
        self.board.executed(executed.unsealed(), next);
        self.handed.lock().in_block(executed.transactions.iter().map(|executed| executed.hash));
        self.metrics.executed_block.set(gauge(self.parent.number.0));
        self.metrics.synced_blocks.inc();
        let sent = self.executed.send(executed).await;
        sent.map_err(|_| Ended::gone("adopting", "committer"))
    }
}
