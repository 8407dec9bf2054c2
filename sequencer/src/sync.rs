//! The task that catches up: takes over blocks that a quorum attested, where executing the order
//! ourselves does not get us there, and lets the order go on behind them. A full node does nothing
//! else.
//!
//! Nobody is trusted: a block is taken over if everything in it follows from the hash that a quorum
//! signed ([`check`]), and a checkpoint if it is the one that they signed. Who is slow, or shows
//! something else, is left alone for a while ([`turns`]).

mod check;
mod distance;
pub(crate) mod message;
mod serve;
mod turns;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, stream};
use kraken_execution::Chain;
use kraken_network::{Network, RequestError};
use kraken_ordering::Checkpoint;
use kraken_storage::Block;
use kraken_types::{Acceptance, Committee, ValidatorId, Verified, Verify, codec};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::{
    board::Board, builder::Adopt, clock::Clock, error::with_causes, ordering, supervisor::Ended,
};

pub use self::distance::Distance;
use self::turns::Turns;
pub(crate) use self::{
    message::{ANSWER_BYTES_MAX, ASK_BYTES_MAX, Ask},
    serve::Serving,
};

/// How often to look whether others are ahead.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The same for a full node, which hears of new blocks in no other way.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// How long a proof may take; there is somebody else to ask.
const PROOF_WITHIN: Duration = Duration::from_secs(3);

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
    /// To whoever adds blocks to the chain.
    pub(crate) adopt: mpsc::Sender<Adopt>,
    /// Who we are besides.
    pub(crate) side: Side,
    /// How far we are behind.
    pub(crate) distance: watch::Sender<Distance>,
}

/// Who catches up.
#[derive(Debug)]
pub(crate) enum Side {
    /// A validator. It executes the order itself if it can, and goes on with it behind the blocks
    /// that it took over.
    Validator(mpsc::Sender<ordering::Request>),
    /// A full node. Others may have the proofs of its newest blocks that a crash has taken.
    FullNode {
        /// Oldest first.
        unproven: VecDeque<u64>,
        /// To whoever accepts blocks.
        proofs: mpsc::Sender<Verified<Acceptance>>,
    },
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
    #[error("it took longer than {PROOF_WITHIN:?}")]
    Slow,
}

impl Syncing {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if nobody builds or orders any more.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        let (mut before, mut looks) = (self.executed(), 0_u32);
        let mut turns = Turns::default();
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = time::sleep(self.look_every()) => {}
            }
            let Some(peer) = turns.next(&self.connected(), Instant::now()) else { continue };
            let executed = self.executed();
            looks = if before < executed { 0 } else { looks.saturating_add(1) };
            before = executed;
            let done = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                done = self.look(peer, looks) => done?,
            };
            match done {
                Ok(()) => turns.helped(peer),
                Err(error) => {
                    turns.failed(peer, Instant::now());
                    tracing::debug!(%peer, error = %with_causes(&error), "no help in catching up");
                }
            }
        }
    }

    const fn look_every(&self) -> Duration {
        match self.side {
            Side::Validator(_) => LOOK_EVERY,
            Side::FullNode { .. } => FOLLOW_EVERY,
        }
    }

    /// The newest executed block.
    fn executed(&self) -> u64 {
        let open = self.board.view(&self.clock).pre_confirmed().info.block_number;
        open.0.saturating_sub(1)
    }

    fn connected(&self) -> Vec<ValidatorId> {
        self.network.connected().borrow().keys().copied().collect()
    }

    /// Asks one peer how far it is, and takes over what it has if that is worth it after so many
    /// looks.
    async fn look(
        &mut self,
        peer: ValidatorId,
        looks: u32,
    ) -> Result<Result<(), Unhelpful>, Ended> {
        if let Err(error) = self.prove(peer).await? {
            return Ok(Err(error));
        }
        let newest = match self.proof(peer, Ask::Newest).await {
            Ok(Some(newest)) => newest,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let (ours, theirs) = (self.executed(), newest.statement.number);
        self.distance.send_if_modified(|distance| distance.seen(ours, &newest.statement));
        if theirs < ours.saturating_add(self.lag_min(looks)) {
            return Ok(Ok(()));
        }
        if let Side::Validator(_) = self.side {
            tracing::info!(%peer, from = ours + 1, to = theirs, "takes over blocks");
        }
        if let Err(error) = self.take_over(peer, ours + 1, theirs).await? {
            return Ok(Err(error));
        }
        let ours = self.executed();
        self.distance.send_if_modified(|distance| distance.seen(ours, &newest.statement));
        self.go_on_behind(peer, &newest).await
    }

    /// How many blocks ahead somebody must be to take them over after so many looks.
    const fn lag_min(&self, looks: u32) -> u64 {
        match self.side {
            Side::Validator(_) if looks < LOOKS_MAX => LAG_MAX,
            Side::Validator(_) | Side::FullNode { .. } => 1,
        }
    }

    /// Asks one peer for the proofs that we have lost.
    async fn prove(&mut self, peer: ValidatorId) -> Result<Result<(), Unhelpful>, Ended> {
        while let Side::FullNode { unproven, proofs } = &self.side {
            let (Some(number), proofs) = (unproven.front().copied(), proofs.clone()) else {
                break;
            };
            let proof = match self.proof(peer, Ask::Proof(number)).await {
                Ok(Some(proof)) if proof.statement.number == number => proof,
                Ok(_) => return Ok(Err(Unhelpful::NoBlock { number })),
                Err(error) => return Ok(Err(error)),
            };
            let sent = proofs.send(proof).await;
            sent.map_err(|_| Ended::gone("sync", "attestation"))?;
            if let Side::FullNode { unproven, .. } = &mut self.side {
                unproven.pop_front();
            }
        }
        Ok(Ok(()))
    }

    async fn proof(
        &self,
        peer: ValidatorId,
        ask: Ask,
    ) -> Result<Option<Verified<Acceptance>>, Unhelpful> {
        let answer = time::timeout(PROOF_WITHIN, self.ask(peer, ask)).await;
        let answer = answer.map_err(|_| Unhelpful::Slow)??;
        let proof: Option<Acceptance> = codec::decode(&answer, ANSWER_BYTES_MAX)?;
        proof.map(|proof| self.verify(proof)).transpose()
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
        let Side::Validator(ordering) = &self.side else {
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
