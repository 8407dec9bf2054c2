//! What every node can say of a transaction before it takes it or hands it on.

use std::sync::Arc;

use bytes::Bytes;
use kraken_execution::{Chain, Fault, Prepared, Rejection, RejectionKind, State};
use kraken_storage::codec::encode_transaction;
use kraken_types::codec::TRANSACTION_BYTES_MAX;
use starknet_api::rpc_transaction::RpcTransaction;
use tokio::sync::Semaphore;

use super::stateless;
use crate::{SubmitError, View, board::Board, builder::marked, clock::Clock, dev::Impersonated};

/// What every node can say of a transaction. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Checks {
    pub(crate) chain: Chain,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    /// Whose signatures nobody looks at.
    pub(crate) impersonated: Impersonated,
    /// How many may run at a time; they cost Cairo.
    pub(crate) permits: Arc<Semaphore>,
}

impl Checks {
    /// The chain as it is now.
    pub(crate) fn view(&self) -> View {
        self.board.view(&self.clock)
    }

    /// Checks what the transaction alone can say, and that it is in no block; then does the rest, on
    /// a blocking thread, with the transaction as a batch carries it.
    ///
    /// # Errors
    /// [`SubmitError`] says whose fault it is.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        transaction: RpcTransaction,
        rest: impl FnOnce(Prepared, Bytes, &View) -> Result<T, SubmitError> + Send + 'static,
    ) -> Result<T, SubmitError> {
        stateless::check(&transaction)?;
        let is_declare = matches!(transaction, RpcTransaction::Declare(_));
        let chain = self.chain.clone();
        let mut prepare: Prepare = Box::new(move || {
            let bytes = encode_transaction(&transaction);
            check_size(bytes.len())?;
            Ok((Prepared::new(transaction, &chain)?, bytes))
        });
        if is_declare {
            // The compiler has a line of its own; who waits there must not hold up this one.
            let prepared = on_blocking_thread(prepare).await?;
            prepare = Box::new(|| Ok(prepared));
        }
        let _permit = self.permits.acquire().await.map_err(|_| SubmitError::Stopped)?;
        let checks = self.clone();
        on_blocking_thread(move || {
            let (transaction, bytes) = prepare()?;
            let transaction = checks.impersonated.exempt(transaction);
            let view = checks.view();
            let found = view.find_transaction(transaction.hash()).map_err(Fault::from)?;
            if found.is_some() {
                return Err(SubmitError::Duplicate);
            }
            let bytes = Bytes::from(marked(bytes, transaction.is_exempt()));
            rest(transaction, bytes, &view)
        })
        .await
    }
}

/// Encodes and hashes a transaction, and compiles its class if it has one.
type Prepare = Box<dyn FnOnce() -> Result<(Prepared, Vec<u8>), SubmitError> + Send>;

async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SubmitError> + Send + 'static,
) -> Result<T, SubmitError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| {
        SubmitError::Fault(Fault::Engine { reason: format!("checking panicked: {error}") })
    })?
}

/// A transaction must fit into a batch. Only a class can make one too large for that, on a node whose
/// own limit for classes is above this one.
fn check_size(got: usize) -> Result<(), Rejection> {
    let max = TRANSACTION_BYTES_MAX;
    if got <= max {
        return Ok(());
    }
    let reason = format!("transaction of {got} bytes is over the limit of {max} in a batch");
    Err(Rejection::new(RejectionKind::ClassTooLarge, reason))
}

/// The state after everything executed so far.
pub(crate) fn pre_confirmed_state(view: &View) -> Result<State, Fault> {
    let number = view.pre_confirmed().info.block_number;
    Ok(view.state_at(number)?.expect("a view always has the state of its own open block"))
}

/// The nonce of the sender; beyond 2^64 it counts as the largest.
pub(crate) fn nonce_of(state: &State, transaction: &Prepared) -> Result<u64, Fault> {
    let nonce = state.nonce(transaction.sender())?;
    Ok(u64::try_from(nonce.0).unwrap_or(u64::MAX))
}
