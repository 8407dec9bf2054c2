//! Answers those who catch up. Costs a read of the disk each; the network bounds how many run.

use bytes::Bytes;
use kraken_network::Request;
use kraken_storage::{Error, Storage};
use kraken_types::codec;
use starknet_api::block::BlockNumber;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::message::{ASK_BYTES_MAX, Ask, AttestedBlock};
use crate::{attestation::proof, metrics::Metrics, recent::Recent, supervisor::Ended};

/// The task that answers.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) storage: Storage,
    pub(crate) recent: Recent,
    pub(crate) metrics: Metrics,
    /// The newest accepted block.
    pub(crate) accepted: watch::Receiver<BlockNumber>,
    pub(crate) requests: mpsc::Receiver<Request>,
}

impl Serving {
    /// Runs until `shutdown` fires.
    ///
    /// # Errors
    /// Never; whoever asks nonsense gets no answer.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) -> Result<(), Ended> {
        loop {
            let request = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                request = self.requests.recv() => request,
            };
            let Some(request) = request else {
                return Ok(());
            };
            match codec::decode::<Ask>(&request.bytes, ASK_BYTES_MAX) {
                Ok(ask) => self.answer(ask, request),
                Err(error) => {
                    self.metrics.malformed("sync");
                    tracing::debug!(%error, "ignored a malformed question");
                }
            }
        }
    }

    fn answer(&self, ask: Ask, request: Request) {
        let (storage, recent) = (self.storage.clone(), self.recent.clone());
        let accepted = *self.accepted.borrow();
        tokio::task::spawn_blocking(move || match look_up(&storage, &recent, accepted, ask) {
            Ok(answer) => request.answer(answer),
            Err(error) => tracing::error!(%error, "cannot read what somebody asks for"),
        });
    }
}

fn look_up(
    storage: &Storage,
    recent: &Recent,
    accepted: BlockNumber,
    ask: Ask,
) -> Result<Bytes, Error> {
    let answer = match ask {
        Ask::Newest => codec::encode(&proof(storage, accepted)?),
        Ask::Block(number) => codec::encode(&attested_block(storage, BlockNumber(number))?),
        Ask::Checkpoint(number) => {
            let checkpoint = recent.get(number);
            codec::encode(&checkpoint.map(|checkpoint| codec::encode(checkpoint.as_ref())))
        }
    };
    Ok(Bytes::from(answer))
}

fn attested_block(storage: &Storage, number: BlockNumber) -> Result<Option<AttestedBlock>, Error> {
    let Some(acceptance) = proof(storage, number)? else {
        return Ok(None);
    };
    let block = storage.block_bytes(number)?;
    Ok(block.map(|block| AttestedBlock { acceptance, block }))
}
