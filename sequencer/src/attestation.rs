//! The task that attests: says what we made of the order, listens to what the others made of it, and
//! accepts blocks that a quorum made the same of.
//!
//! [`tally`] decides. Whoever finds that a quorum made something else of the order than we did must
//! stop: everything built on top would be wrong as well.

mod tally;

use std::{path::PathBuf, sync::Arc, time::Duration};

use borsh::{BorshDeserialize, BorshSerialize};
use bytes::Bytes;
use kraken_ordering::Checkpoint;
use kraken_storage::{Block, Error, Storage};
use kraken_types::{
    Acceptance, Attestation, Committee, Epoch, Identity, Statement, ValidatorId, Verified, Verify,
    codec::{self, DecodeError},
};
use starknet_api::block::BlockNumber;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::tally::{Output, Tally};
use crate::{
    Evidence, StartError,
    board::Board,
    committer::blocking,
    error::with_causes,
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
    pub(crate) committee: Arc<Committee>,
    /// What a validator has besides; `None` for a full node, which says nothing.
    pub(crate) validator: Option<Validator>,
    pub(crate) storage: Storage,
    pub(crate) board: Arc<Board>,
    pub(crate) recent: Recent,
    pub(crate) metrics: Metrics,
    /// From the committer.
    pub(crate) durable: mpsc::Receiver<Durable>,
    /// From those who attest at other validators.
    pub(crate) inbox: Inbox,
    /// Proofs that somebody was asked for.
    pub(crate) proofs: mpsc::Receiver<Verified<Acceptance>>,
    /// The newest accepted block.
    pub(crate) accepted: watch::Sender<BlockNumber>,
    /// The folder that gets the evidence if a quorum contradicts us.
    pub(crate) evidence: Option<PathBuf>,
}

/// What a validator has who attests.
#[derive(Debug)]
pub(crate) struct Validator {
    pub(crate) identity: Identity,
    /// To those who attest at other validators.
    pub(crate) lane: Lane,
    pub(crate) pool: SharedPool,
    pub(crate) journal: Journal,
}

impl Validator {
    fn say(&self, statement: Statement) -> Verified<Attestation> {
        let attestation = Attestation::sign(statement, &self.identity);
        self.lane.broadcast(&Message::Attested(Attestation::clone(&attestation)));
        attestation
    }
}

enum Happened {
    Durable(Durable),
    Heard(ValidatorId, Bytes),
    Proven(Verified<Acceptance>),
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
        let mut tally = Tally::new(Arc::clone(&self.committee), accepted);
        for block in unaccepted {
            let durable = Durable { block, checkpoint: None, acceptance: None };
            self.attest(&mut tally, durable).await?;
        }
        let mut repeat = tokio::time::interval(REPEAT_EVERY);
        let mut answers = vec![0; self.committee.len()];
        loop {
            let happened = tokio::select! {
                biased;
                durable = self.durable.recv() => match durable {
                    Some(durable) => Happened::Durable(durable),
                    None => return Ok(()),
                },
                Some((from, bytes)) = self.inbox.recv() => Happened::Heard(from, bytes),
                Some(proof) = self.proofs.recv() => Happened::Proven(proof),
                _ = repeat.tick(), if !shutdown.is_cancelled() => Happened::Repeat,
            };
            match happened {
                Happened::Durable(durable) => self.attest(&mut tally, durable).await?,
                Happened::Heard(from, bytes) => {
                    let left = &mut answers[usize::from(from.0)];
                    self.hear(&mut tally, from, &bytes, left).await?;
                }
                Happened::Proven(proof) => {
                    if tally.wants_acceptance(&proof) {
                        let outputs = tally.accepted(proof);
                        self.carry_out(outputs).await?;
                    }
                }
                Happened::Repeat => {
                    answers.fill(ANSWERS_MAX);
                    if let Some(validator) = &self.validator {
                        for statement in tally.unaccepted() {
                            validator.say(statement);
                        }
                    }
                }
            }
        }
    }

    async fn attest(&mut self, tally: &mut Tally, durable: Durable) -> Result<(), Ended> {
        let Durable { block, checkpoint, acceptance } = durable;
        let statement = statement(&block, self.committee.epoch());
        self.recent.insert(statement.number, checkpoint);
        let outputs = match (acceptance, &self.validator) {
            // Others executed it, so it is not for us to attest.
            (Some(acceptance), _) => tally.taken_over(statement, acceptance),
            (None, Some(validator)) => tally.stored(validator.say(statement)),
            (None, None) => tally.unproven(statement),
        };
        self.carry_out(outputs).await
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
        let committee = &self.committee;
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
        let proof = proof.map_err(|error| Ended::failed("attestation", &error))?;
        if let (Some(acceptance), Some(validator)) = (proof, &self.validator) {
            validator.lane.send(to, &Message::Accepted(acceptance));
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
                    let number = ours.number;
                    let evidence = self.keep_evidence(ours, theirs.clone()).await;
                    tracing::error!(
                        ?ours,
                        ?theirs,
                        evidence,
                        "a quorum made another block of the order"
                    );
                    return Err(Ended::failed("attestation", &Diverged { number, evidence }));
                }
            }
        }
        Ok(())
    }

    /// Says where the evidence is. That it cannot be kept must not hide what has happened.
    async fn keep_evidence(&self, ours: Statement, theirs: Acceptance) -> String {
        let Some(folder) = self.evidence.clone() else {
            return "the log above has both statements".to_owned();
        };
        let (storage, number) = (self.storage.clone(), BlockNumber(ours.number));
        let block = blocking(move || storage.block_bytes(number)).await;
        let block = match block {
            Ok(block) => block.expect("we have stored the block that we made a statement of"),
            Err(error) => return format!("no evidence could be kept: {}", with_causes(&error)),
        };
        let evidence = Evidence::new(ours, theirs, block);
        let written = tokio::task::spawn_blocking(move || evidence.write(&folder)).await;
        match written.expect("writing is never cancelled, and does not panic") {
            Ok(path) => format!("the evidence is in {}", path.display()),
            Err(error) => format!("no evidence could be kept: {error}"),
        }
    }

    /// The next block is accepted.
    async fn accept(&self, acceptance: Acceptance) -> Result<(), StartError> {
        let number = BlockNumber(acceptance.statement.number);
        let before = acceptance.statement.executed_up_to.commit;
        let storage = self.storage.clone();
        let journal = self.validator.as_ref().map(|validator| validator.journal.clone());
        let block = blocking(move || {
            storage.keep_acceptance(number, &codec::encode(&acceptance))?;
            journal.map(|journal| journal.release(before)).transpose()?;
            storage.block(number)
        })
        .await?;
        self.board.accepted(number);
        if let (Some(block), Some(validator)) = (block, &self.validator) {
            let hashes = block.transactions.iter().map(|executed| executed.hash);
            validator.pool.lock().accepted(hashes);
        }
        self.metrics.accepted_block.set(gauge(number.0));
        self.accepted.send_replace(number);
        Ok(())
    }
}

/// A quorum contradicts us.
#[derive(Debug, thiserror::Error)]
#[error(
    "a quorum of validators made another block {number} of the same order: {evidence}; run the \
     version that the others run, with an empty data folder"
)]
struct Diverged {
    number: u64,
    /// Where it is.
    evidence: String,
}
