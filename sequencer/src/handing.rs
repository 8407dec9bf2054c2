//! The way in of a full node: checks what the transaction alone can say, and hands it to a validator,
//! whose verdict is the answer. It says no by itself only to what no newer state can heal, because its
//! own state is that of accepted blocks, which is a little old.
//!
//! What a validator takes may die with it. So what is in no block after a while is handed to another
//! one; execution does nothing twice.

mod handed;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use kraken_execution::{Prepared, Rejection, RejectionKind};
use kraken_network::{Network, RequestError};
use kraken_types::{
    ValidatorId,
    codec::{self, DecodeError},
};
use starknet_api::{
    core::ContractAddress, rpc_transaction::RpcTransaction, transaction::TransactionHash,
};
use starknet_types_core::felt::Felt;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use self::handed::{Due, Handed};
use crate::{
    Admitted, Move, Progress, SubmitError, View,
    error::with_causes,
    gateway::checks::{Checks, nonce_of, pre_confirmed_state},
    metrics::Metrics,
    supervisor::Ended,
    sync::message::{Ask, VERDICT_BYTES_MAX, Verdict},
};

/// How often to look for what is in no block.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The way in of a full node. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Handing {
    pub(crate) checks: Checks,
    pub(crate) handed: SharedHanded,
    /// To the validators.
    pub(crate) network: Network,
    pub(crate) metrics: Metrics,
}

/// What was handed to validators and is in no block, as the tasks share it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedHanded(Arc<Mutex<Handed>>);

impl SharedHanded {
    /// For one short look or change.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Handed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a validator has no verdict.
#[derive(Debug, thiserror::Error)]
enum NoVerdict {
    #[error(transparent)]
    Request(#[from] RequestError),
    #[error("its verdict makes no sense")]
    Malformed(#[from] DecodeError),
}

impl Handing {
    /// Checks a transaction and hands it on.
    ///
    /// # Errors
    /// [`SubmitError`] says whose fault it is.
    pub(crate) async fn submit(
        &self,
        transaction: RpcTransaction,
    ) -> Result<Admitted, SubmitError> {
        let handed = self.handed.clone();
        let check = move |transaction: Prepared, bytes: Bytes, view: &View| {
            if handed.lock().contains(transaction.hash()) {
                return Err(SubmitError::Duplicate);
            }
            check_nonce(view, &transaction)?;
            Ok((transaction, bytes))
        };
        let (transaction, bytes) = self.checks.run(transaction, check).await?;
        let taker = self.hand_on(transaction.sender(), &bytes, None).await?;
        let due = Due { hash: transaction.hash(), sender: transaction.sender(), bytes, taker };
        let admitted = Admitted::of(&transaction);
        let mut handed = self.handed.lock();
        handed.remember(due, Instant::now());
        handed.tell(|| Move::Received(transaction));
        Ok(admitted)
    }

    /// How far a transaction has come; `None` if it is not known, or in a block.
    pub(crate) fn progress(&self, hash: TransactionHash) -> Option<Progress> {
        self.handed.lock().progress(hash)
    }

    /// Hands on again what is in no block after a while, until `shutdown` fires.
    ///
    /// # Errors
    /// [`Ended`] if the disk refuses.
    pub(crate) async fn run(self, shutdown: CancellationToken) -> Result<(), Ended> {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                () = time::sleep(LOOK_EVERY) => {}
            }
            let due = {
                let mut handed = self.handed.lock();
                let due = handed.due(Instant::now());
                self.metrics.pool.set(i64::try_from(handed.len()).unwrap_or(i64::MAX));
                due
            };
            for due in due {
                tokio::select! {
                    () = shutdown.cancelled() => return Ok(()),
                    done = self.hand_on_again(due) => done?,
                }
            }
        }
    }

    async fn hand_on_again(&self, due: Due) -> Result<(), Ended> {
        let found = self.checks.view().find_transaction(due.hash);
        let found = found.map_err(|error| Ended::failed("handing", &error))?;
        if found.is_some() {
            // It was in a block before we had its verdict.
            self.handed.lock().in_block([due.hash].into_iter());
            return Ok(());
        }
        match self.hand_on(due.sender, &due.bytes, Some(due.taker)).await {
            Ok(taker) => self.handed.lock().taken(due.hash, taker),
            Err(SubmitError::Rejected(rejection)) => {
                self.handed.lock().rejected(due.hash, rejection.reason);
            }
            Err(error) => tracing::debug!(hash = %due.hash, %error, "handed on again in vain"),
        }
        Ok(())
    }

    /// Asks one validator after the other for its verdict, `last` one last. What one account sends
    /// goes to the same one, as long as that is there, because its pool knows what came before.
    async fn hand_on(
        &self,
        sender: ContractAddress,
        transaction: &Bytes,
        last: Option<ValidatorId>,
    ) -> Result<ValidatorId, SubmitError> {
        let ask = Bytes::from(codec::encode(&Ask::Submit(transaction.clone())));
        let reason = "this node is connected to none".to_owned();
        let mut failure = SubmitError::NotHandedOn { reason };
        for validator in self.validators(sender, last) {
            match self.verdict(validator, &ask).await {
                Ok(verdict) => match verdict.into_result() {
                    Err(error @ SubmitError::Full { .. }) => failure = error,
                    result => {
                        let outcome = if result.is_ok() { "admitted" } else { "refused" };
                        self.metrics.handed_on(outcome);
                        return result.map(|()| validator);
                    }
                },
                Err(error) => {
                    tracing::debug!(%validator, %error, "a validator has no verdict");
                    let reason = format!("validator {validator}: {}", with_causes(&error));
                    failure = SubmitError::NotHandedOn { reason };
                }
            }
        }
        self.metrics.handed_on("no verdict");
        Err(failure)
    }

    /// Those that are connected, in the order in which to ask them.
    fn validators(&self, sender: ContractAddress, last: Option<ValidatorId>) -> Vec<ValidatorId> {
        let mut validators: Vec<_> = self.network.connected().borrow().keys().copied().collect();
        let [.., one, other] = sender.0.key().to_bytes_be();
        let first = usize::from(u16::from_be_bytes([one, other]));
        let first = first.checked_rem(validators.len()).unwrap_or_default();
        validators.rotate_left(first);
        validators.sort_by_key(|validator| Some(*validator) == last);
        validators
    }

    async fn verdict(&self, validator: ValidatorId, ask: &Bytes) -> Result<Verdict, NoVerdict> {
        let answer = self.network.request(validator, ask.clone()).await?;
        Ok(codec::decode(&answer, VERDICT_BYTES_MAX)?)
    }
}

/// A nonce that is used up stays so.
fn check_nonce(view: &View, transaction: &Prepared) -> Result<(), SubmitError> {
    let expected = nonce_of(&pre_confirmed_state(view)?, transaction)?;
    let got = transaction.nonce().0;
    if Felt::from(expected) <= got {
        return Ok(());
    }
    let reason = format!("nonce {got} is below the account nonce {expected}");
    Err(SubmitError::Rejected(Rejection { kind: RejectionKind::InvalidNonce, reason }))
}
