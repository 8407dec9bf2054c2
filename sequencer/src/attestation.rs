//! The task that attests: says what we made of the order, listens to what the others made of it, and
//! accepts blocks that a quorum made the same of.
//!
//! [`tally`] decides. Whoever finds that a quorum made something else of the order than we did must
//! stop: everything built on top would be wrong as well.

mod tally;

use std::{sync::Arc, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_ordering::Checkpoint;
use kraken_storage::{Block, Error, Storage};
use kraken_types::{
    Acceptance, Attestation, Epoch, Identity, Statement, ValidatorId, Verified, Verify,
    codec::{self, DecodeError},
};
use starknet_api::block::BlockNumber;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::tally::{Output, Tally};
use crate::{
    StartError,
    board::Board,
    committer::blocking,
    journal::Journal,
    lanes::{Inbox, Lane},
    metrics::{Metrics, gauge},
    pool::SharedPool,
    recent::Recent,
    supervisor::Ended,
};

/// How often what has no quorum is said again.
const REPEAT_EVERY: Duration = Duration::from_millis(500);

/// How many answers to old attestations one peer gets between two repeats.
const ANSWERS_MAX: u32 = 16;

/// A block that became durable, and what the order was before its end, where that is known.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) block: Arc<Block>,
    pub(crate) checkpoint: Option<Arc<Checkpoint>>,
    /// The quorum that attested it, if it was taken over from others.
    pub(crate) acceptance: Option<Verified<Acceptance>>,
}

/// What those who attest say to each other.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Message {
    /// What the sender made of the order.
    Attested(Attestation),
    /// What a quorum made of it: said to those that still ask.
    Accepted(Acceptance),
}

impl Message {
    /// The largest message.
    pub(crate) const BYTES_MAX: usize = Acceptance::BYTES_MAX + 1;

    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        codec::decode(bytes, Self::BYTES_MAX)
    }
}

/// What is said about a block.
pub(crate) fn statement(block: &Block, epoch: Epoch) -> Statement {
    Statement {
        epoch,
        number: block.header.number().0,
        block_hash: block.header.hash.0.to_bytes_be(),
        executed_up_to: block.executed_up_to,
        checkpoint: block.checkpoint,
    }
}

/// The quorum that attested a block, if it is here. What cannot be read is as good as lost; others
/// have it too.
///
/// # Errors
/// If storage fails.
pub(crate) fn proof(storage: &Storage, number: BlockNumber) -> Result<Option<Acceptance>, Error> {
    let bytes = storage.acceptance(number)?;
    Ok(bytes.and_then(|bytes| codec::decode(&bytes, Acceptance::BYTES_MAX).ok()))
}

/// The task that attests.
#[derive(Debug)]
pub(crate) struct Attesting {
    pub(crate) identity: Identity,
    pub(crate) storage: Storage,
    pub(crate) board: Arc<Board>,
    pub(crate) pool: SharedPool,
    pub(crate) journal: Journal,
    pub(crate) recent: Recent,
    pub(crate) metrics: Metrics,
    /// From the committer.
    pub(crate) durable: mpsc::Receiver<Durable>,
    pub(crate) lane: Lane,
    pub(crate) inbox: Inbox,
    /// The newest accepted block.
    pub(crate) accepted: watch::Sender<BlockNumber>,
}

enum Happened {
    Durable(Durable),
    Heard(ValidatorId, Bytes),
    Repeat,
}

impl Attesting {
    /// Attests the blocks of an earlier run that have no quorum, then runs until the committer hangs
    /// up.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses, or if a quorum contradicts us.
    pub(crate) async fn run(
        mut self,
        unaccepted: Vec<Arc<Block>>,
        shutdown: CancellationToken,
    ) -> Result<(), Ended> {
        let accepted = self.accepted.borrow().0;
        let mut tally = Tally::new(Arc::clone(&self.identity.committee), accepted);
        for block in unaccepted {
            let durable = Durable { block, checkpoint: None, acceptance: None };
            self.attest(&mut tally, durable).await?;
        }
        let mut repeat = tokio::time::interval(REPEAT_EVERY);
        let mut answers = vec![0; self.identity.committee.len()];
        loop {
            let happened = tokio::select! {
                biased;
                durable = self.durable.recv() => match durable {
                    Some(durable) => Happened::Durable(durable),
                    None => return Ok(()),
                },
                Some((from, bytes)) = self.inbox.recv() => Happened::Heard(from, bytes),
                _ = repeat.tick(), if !shutdown.is_cancelled() => Happened::Repeat,
            };
            match happened {
                Happened::Durable(durable) => self.attest(&mut tally, durable).await?,
                Happened::Heard(from, bytes) => {
                    let left = &mut answers[usize::from(from.0)];
                    self.hear(&mut tally, from, &bytes, left).await?;
                }
                Happened::Repeat => {
                    answers.fill(ANSWERS_MAX);
                    for statement in tally.unaccepted() {
                        self.say(statement);
                    }
                }
            }
        }
    }

    async fn attest(&mut self, tally: &mut Tally, durable: Durable) -> Result<(), Ended> {
        let Durable { block, checkpoint, acceptance } = durable;
        let statement = statement(&block, self.identity.committee.epoch());
        self.recent.insert(statement.number, checkpoint);
        let outputs = match acceptance {
            // Others executed it, so it is not for us to attest.
            Some(acceptance) => tally.taken_over(statement, acceptance),
            None => tally.stored(self.say(statement)),
        };
        self.carry_out(outputs).await
    }

    fn say(&self, statement: Statement) -> Verified<Attestation> {
        let attestation = Attestation::sign(statement, &self.identity);
        self.lane.broadcast(&Message::Attested(Attestation::clone(&attestation)));
        attestation
    }

    /// `answers` is how many more answers the sender gets for now.
    async fn hear(
        &mut self,
        tally: &mut Tally,
        from: ValidatorId,
        bytes: &[u8],
        answers: &mut u32,
    ) -> Result<(), Ended> {
        let message = match Message::decode(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.metrics.malformed("attestation");
                tracing::warn!(%from, %error, "ignored a malformed attestation");
                return Ok(());
            }
        };
        let committee = &self.identity.committee;
        let outputs = match message {
            Message::Attested(attestation) if tally.is_accepted(attestation.statement.number) => {
                if attestation.validator == from && 0 < *answers {
                    *answers -= 1;
                    self.answer(from, attestation.statement.number).await?;
                }
                return Ok(());
            }
            Message::Attested(attestation) if tally.wants(&attestation) => {
                match attestation.verified(committee) {
                    Ok(attestation) => tally.attested(attestation),
                    Err(error) => {
                        self.lied(from, &error);
                        return Ok(());
                    }
                }
            }
            Message::Accepted(acceptance) if tally.wants_acceptance(&acceptance) => {
                match acceptance.verified(committee) {
                    Ok(acceptance) => tally.accepted(acceptance),
                    Err(error) => {
                        self.lied(from, &error);
                        return Ok(());
                    }
                }
            }
            Message::Attested(_) | Message::Accepted(_) => return Ok(()),
        };
        self.carry_out(outputs).await
    }

    fn lied(&self, from: ValidatorId, error: &dyn std::error::Error) {
        self.metrics.malformed("attestation");
        tracing::warn!(%from, %error, "ignored an attestation");
    }

    /// Somebody does not know that a block is accepted.
    async fn answer(&self, to: ValidatorId, number: u64) -> Result<(), Ended> {
        let storage = self.storage.clone();
        let proof = blocking(move || proof(&storage, BlockNumber(number))).await;
        if let Some(acceptance) = proof.map_err(|error| Ended::failed("attestation", &error))? {
            self.lane.send(to, &Message::Accepted(acceptance));
        }
        Ok(())
    }

    async fn carry_out(&mut self, outputs: Vec<Output>) -> Result<(), Ended> {
        for output in outputs {
            match output {
                Output::Accept(acceptance) => {
                    let accepted = self.accept(acceptance.into_inner()).await;
                    accepted.map_err(|error| Ended::failed("attestation", &error))?;
                }
                Output::Equivocated { first, second } => {
                    self.metrics.equivocations.inc();
                    tracing::error!(?first, ?second, "a validator attested two blocks");
                }
                Output::Diverged { ours, theirs } => {
                    tracing::error!(?ours, ?theirs, "a quorum made another block of the order");
                    return Err(Ended::failed("attestation", &Diverged { number: ours.number }));
                }
            }
        }
        Ok(())
    }

    /// The next block is accepted.
    async fn accept(&self, acceptance: Acceptance) -> Result<(), StartError> {
        let number = BlockNumber(acceptance.statement.number);
        let before = acceptance.statement.executed_up_to.commit;
        let (storage, journal) = (self.storage.clone(), self.journal.clone());
        let block = blocking(move || {
            storage.keep_acceptance(number, &codec::encode(&acceptance))?;
            journal.release(before)?;
            storage.block(number)
        })
        .await?;
        self.board.accepted(number);
        if let Some(block) = block {
            let hashes = block.transactions.iter().map(|executed| executed.hash);
            self.pool.lock().accepted(hashes);
        }
        self.metrics.accepted_block.set(gauge(number.0));
        self.accepted.send_replace(number);
        Ok(())
    }
}

/// A quorum contradicts us.
#[derive(Debug, thiserror::Error)]
#[error(
    "a quorum of validators made another block {number} of the same order: the log above has both \
     statements; run the version that the others run, with an empty data folder"
)]
struct Diverged {
    number: u64,
}
