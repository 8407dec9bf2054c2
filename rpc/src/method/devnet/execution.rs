//! Waiting until a transaction is executed.

use kraken_sequencer::{Event, Progress};
use starknet_api::transaction::{TransactionExecutionStatus, TransactionHash};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{dispatch::Call, error::Error};

/// Waits until a transaction is in a block; `events` are those from before it was submitted.
///
/// # Errors
/// [`Error::Devnet`] if it is left out.
pub(crate) async fn executed(
    call: &Call<'_>,
    hash: TransactionHash,
    mut events: Receiver<Event>,
) -> Result<TransactionExecutionStatus, Error> {
    let sequencer = &call.context.sequencer;
    loop {
        let progress = sequencer.progress(hash);
        let view = sequencer.view();
        let found = call.context.read(move || Ok(view.find_transaction(hash)?)).await?;
        if let Some((block, index)) = found {
            return Ok(block.transactions()[index].receipt.execution_status.clone());
        }
        if let Some(Progress::Rejected { reason }) = progress {
            return Err(Error::Devnet { reason: format!("left out: {reason}") });
        }
        match events.recv().await {
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => {
                return Err(Error::Devnet { reason: "the node is shutting down".to_owned() });
            }
        }
    }
}
