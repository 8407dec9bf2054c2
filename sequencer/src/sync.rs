//! The task that catches up: takes over blocks that a quorum attested, where executing the order
//! ourselves does not get us there, and lets the order go on behind them.
//!
//! Nobody is trusted: a block is taken over if everything in it follows from the hash that a quorum
//! signed ([`check`]), and a checkpoint if it is the one that they signed.

mod check;
mod message;
mod serve;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kraken_execution::Chain;
use kraken_network::{Network, RequestError};
use kraken_ordering::Checkpoint;
use kraken_storage::Block;
use kraken_types::{Acceptance, Committee, ValidatorId, Verified, Verify, codec};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::{
    board::Board, builder::Adopt, clock::Clock, error::with_causes, ordering, supervisor::Ended,
};

pub(crate) use self::{
    message::{ANSWER_BYTES_MAX, ASK_BYTES_MAX, Ask},
    serve::Serving,
};

/// How often to look whether others are ahead.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whoever executed a block since so many looks gets there by itself: blocks are not accepted
/// everywhere at once.
const LOOKS_MAX: u32 = 6;

/// Whoever is further behind than this does not wait to see whether execution gets there.
const LAG_MAX: u64 = 32;

/// How many blocks are asked for at a time.
const AHEAD_MAX: usize = 8;

/// The task that catches up.
#[derive(Debug)]
pub(crate) struct Syncing {
    pub(crate) committee: Arc<Committee>,
    pub(crate) chain: Chain,
    pub(crate) network: Network,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    /// To the builder.
    pub(crate) adopt: mpsc::Sender<Adopt>,
    /// To the ordering part; `None` for whoever only follows.
    pub(crate) ordering: Option<mpsc::Sender<ordering::Request>>,
}

/// A block, and the quorum that attested it.
type Attested = (Block, Verified<Acceptance>);

/// Why somebody was of no help.
#[derive(Debug, thiserror::Error)]
enum Unhelpful {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("the answer makes no sense")]
    Malformed(#[from] codec::DecodeError),
    #[error("the proof of block {number} does not hold")]
    Proof { number: u64, source: kraken_types::CertificateError },
    #[error(transparent)]
    Block(#[from] check::Unfit),
    #[error("it does not have block {number}")]
    NoBlock { number: u64 },
}

impl Syncing {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if nobody builds or orders any more.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), Ended> {
        let (mut before, mut looks) = (self.executed(), 0_u32);
        let mut turn = 0_usize;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let Some(peer) = self.peer(turn) else { continue };
            turn = turn.wrapping_add(1);
            let executed = self.executed();
            looks = if before < executed { 0 } else { looks.saturating_add(1) };
            before = executed;
            let lag_min = if looks < LOOKS_MAX { LAG_MAX } else { 1 };
            let done = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                done = self.look(peer, lag_min) => done?,
            };
            if let Err(error) = done {
                tracing::debug!(%peer, error = %with_causes(&error), "no help in catching up");
            }
        }
    }

    /// The newest executed block.
    fn executed(&self) -> u64 {
        let open = self.board.view(&self.clock).pre_confirmed().info.block_number;
        open.0.saturating_sub(1)
    }

    /// Whom to ask now: those that are connected, in turn.
    fn peer(&self, turn: usize) -> Option<ValidatorId> {
        let connected = self.network.connected();
        let connected = connected.borrow();
        connected.keys().nth(turn.checked_rem(connected.len())?).copied()
    }

    /// Asks one peer how far it is, and takes over what it has if that is `lag_min` blocks more.
    async fn look(&self, peer: ValidatorId, lag_min: u64) -> Result<Result<(), Unhelpful>, Ended> {
        let newest = match self.newest(peer).await {
            Ok(Some(newest)) => newest,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let (ours, theirs) = (self.executed(), newest.statement.number);
        if theirs < ours.saturating_add(lag_min) {
            return Ok(Ok(()));
        }
        tracing::info!(%peer, from = ours + 1, to = theirs, "takes over blocks");
        if let Err(error) = self.take_over(peer, ours + 1, theirs).await? {
            return Ok(Err(error));
        }
        self.go_on_behind(peer, &newest).await
    }

    async fn newest(&self, peer: ValidatorId) -> Result<Option<Verified<Acceptance>>, Unhelpful> {
        let answer = self.ask(peer, Ask::Newest).await?;
        let newest: Option<Acceptance> = codec::decode(&answer, ANSWER_BYTES_MAX)?;
        newest.map(|newest| self.verify(newest)).transpose()
    }

    fn verify(&self, acceptance: Acceptance) -> Result<Verified<Acceptance>, Unhelpful> {
        let number = acceptance.statement.number;
        let verified = acceptance.verified(&self.committee);
        verified.map_err(|source| Unhelpful::Proof { number, source })
    }

    async fn take_over(
        &self,
        peer: ValidatorId,
        from: u64,
        to: u64,
    ) -> Result<Result<(), Unhelpful>, Ended> {
        let blocks = stream::iter(from..=to).map(|number| self.block(peer, number));
        let mut blocks = std::pin::pin!(blocks.buffered(AHEAD_MAX));
        while let Some(block) = blocks.next().await {
            let block = match block {
                Ok(block) => block,
                Err(error) => return Ok(Err(error)),
            };
            if !self.hand_over(block).await? {
                // Execution was faster.
                return Ok(Ok(()));
            }
        }
        Ok(Ok(()))
    }

    async fn block(&self, peer: ValidatorId, number: u64) -> Result<Attested, Unhelpful> {
        let answer = self.ask(peer, Ask::Block(number)).await?;
        let answer: Option<message::AttestedBlock> = codec::decode(&answer, ANSWER_BYTES_MAX)?;
        let answer = answer.ok_or(Unhelpful::NoBlock { number })?;
        let acceptance = self.verify(answer.acceptance)?;
        if acceptance.statement.number != number {
            return Err(Unhelpful::NoBlock { number });
        }
        let block = check::check(&self.chain, acceptance.statement, answer.block).await?;
        Ok((block, acceptance))
    }

    /// `false` if the builder has no use for it.
    async fn hand_over(&self, (block, acceptance): Attested) -> Result<bool, Ended> {
        let (done, told) = oneshot::channel();
        let sent = self.adopt.send(Adopt { block, acceptance, done }).await;
        sent.map_err(|_| Ended::gone("sync", "builder"))?;
        told.await.map_err(|_| Ended::gone("sync", "builder"))
    }

    /// Lets the order go on behind the newest block, if it is not there yet.
    async fn go_on_behind(
        &self,
        peer: ValidatorId,
        newest: &Acceptance,
    ) -> Result<Result<(), Unhelpful>, Ended> {
        let Some(ordering) = &self.ordering else {
            return Ok(Ok(()));
        };
        match self.checkpoint(peer, newest).await {
            Ok(Some(checkpoint)) => {
                let request = ordering::Request::Adopt(Box::new(checkpoint));
                let sent = ordering.send(request).await;
                sent.map_err(|_| Ended::gone("sync", "ordering"))?;
                Ok(Ok(()))
            }
            Ok(None) => Ok(Ok(())),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn checkpoint(
        &self,
        peer: ValidatorId,
        newest: &Acceptance,
    ) -> Result<Option<Checkpoint>, Unhelpful> {
        let answer = self.ask(peer, Ask::Checkpoint(newest.statement.number)).await?;
        let bytes: Option<Bytes> = codec::decode(&answer, ANSWER_BYTES_MAX)?;
        let checkpoint = bytes.map(|bytes| Checkpoint::decode(&bytes)).transpose()?;
        // Whoever shows another one has none to show.
        Ok(checkpoint.filter(|checkpoint| checkpoint.digest() == newest.statement.checkpoint))
    }

    async fn ask(&self, peer: ValidatorId, ask: Ask) -> Result<Bytes, RequestError> {
        self.network.request(peer, Bytes::from(codec::encode(&ask))).await
    }
}
