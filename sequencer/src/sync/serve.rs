//! Answers those who catch up, and takes what full nodes hand on. A question costs a read of the
//! disk or the check of a transaction; the network bounds how many run.

use std::sync::Arc;

use bytes::Bytes;
use kraken_network::Request;
use kraken_storage::{Error, Storage, codec::decode_transaction};
use kraken_types::codec;
use starknet_api::block::BlockNumber;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::message::{ASK_BYTES_MAX, Ask, AttestedBlock, Verdict};
use crate::{
    attestation::proof, gateway::Gateway, metrics::Metrics, recent::Recent, supervisor::Ended,
};

/// How many transactions that others hand on are checked at a time, so that there is room for those
/// who catch up. Whoever asks for more is to ask another validator.
const SUBMISSIONS_MAX: usize = 8;

/// The task that answers.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) storage: Storage,
    pub(crate) recent: Recent,
    pub(crate) metrics: Metrics,
    /// The newest accepted block.
    pub(crate) accepted: watch::Receiver<BlockNumber>,
    pub(crate) requests: mpsc::Receiver<Request>,
    /// The way in of a validator; a full node takes nothing from others.
    pub(crate) gateway: Option<Gateway>,
}

impl Serving {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// Never; whoever asks nonsense gets no answer.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        let submissions = Arc::new(Semaphore::new(SUBMISSIONS_MAX));
        loop {
            let request = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                request = self.requests.recv() => request,
            };
            let Some(request) = request else {
                return Ok(());
            };
            match codec::decode::<Ask>(&request.bytes, ASK_BYTES_MAX) {
                Ok(Ask::Newest) => self.answer(request, *self.accepted.borrow(), find_proof),
                Ok(Ask::Proof(number)) => self.answer(request, BlockNumber(number), find_proof),
                Ok(Ask::Block(number)) => self.answer(request, BlockNumber(number), find_block),
                Ok(Ask::Checkpoint(number)) => {
                    let checkpoint = self.recent.get(number);
                    let checkpoint = checkpoint.map(|it| codec::encode(it.as_ref()));
                    request.answer(Bytes::from(codec::encode(&checkpoint)));
                }
                Ok(Ask::Submit(transaction)) => self.submit(&transaction, request, &submissions),
                Err(error) => self.malformed(&error),
            }
        }
    }

    fn malformed(&self, error: &codec::DecodeError) {
        self.metrics.malformed("sync");
        tracing::debug!(%error, "ignored a malformed question");
    }

    /// Whoever gets no verdict asks another validator.
    fn submit(&self, transaction: &Bytes, request: Request, submissions: &Arc<Semaphore>) {
        let (Some(gateway), Ok(permit)) =
            (self.gateway.clone(), Arc::clone(submissions).try_acquire_owned())
        else {
            return;
        };
        let transaction = match decode_transaction(transaction) {
            Ok(transaction) => transaction,
            Err(error) => return self.malformed(&error),
        };
        tokio::spawn(async move {
            let verdict = Verdict::of(gateway.admit(transaction).await);
            if let Some(verdict) = verdict {
                request.answer(Bytes::from(codec::encode(&verdict)));
            }
            drop(permit);
        });
    }

    /// Answers with what lies on the disk about a block.
    fn answer(
        &self,
        request: Request,
        number: BlockNumber,
        find: fn(&Storage, BlockNumber) -> Result<Bytes, Error>,
    ) {
        let storage = self.storage.clone();
        tokio::task::spawn_blocking(move || match find(&storage, number) {
            Ok(answer) => request.answer(answer),
            Err(error) => tracing::error!(%error, "cannot read what somebody asks for"),
        });
    }
}

fn find_proof(storage: &Storage, number: BlockNumber) -> Result<Bytes, Error> {
    Ok(Bytes::from(codec::encode(&proof(storage, number)?)))
}

fn find_block(storage: &Storage, number: BlockNumber) -> Result<Bytes, Error> {
    let proof = proof(storage, number)?;
    let block = proof.is_some().then(|| storage.block_bytes(number)).transpose()?.flatten();
    let attested = proof.zip(block).map(|(acceptance, block)| AttestedBlock { acceptance, block });
    Ok(Bytes::from(codec::encode(&attested)))
}
