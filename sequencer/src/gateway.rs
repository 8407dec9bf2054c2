//! The way in: checks a transaction alone, then against the state, then hands it to the pool.

pub(crate) mod checks;
mod stateless;

use std::sync::Arc;

use kraken_execution::{Fault, Prepared, State, validate};
use starknet_api::rpc_transaction::RpcTransaction;
use tokio::sync::Notify;

use self::checks::{Checks, nonce_of, pre_confirmed_state};
use crate::{Admitted, SubmitError, View, pool::SharedPool};

/// The way in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    /// What can be said of any transaction.
    pub(crate) checks: Checks,
    pub(crate) pool: SharedPool,
    /// Told when the pool has something new.
    pub(crate) arrived: Arc<Notify>,
}

impl Gateway {
    /// Checks a transaction and takes it into the pool. Says whether it can run: `false` if nonces
    /// before it are missing.
    ///
    /// # Errors
    /// [`SubmitError`] says whose fault it is.
    pub(crate) async fn admit(
        &self,
        transaction: RpcTransaction,
    ) -> Result<(Admitted, bool), SubmitError> {
        let gateway = self.clone();
        let admit = move |transaction, view: &View| gateway.admit_blocking(transaction, view);
        self.checks.run(transaction, admit).await
    }

    fn admit_blocking(
        &self,
        transaction: Prepared,
        view: &View,
    ) -> Result<(Admitted, bool), SubmitError> {
        let state = pre_confirmed_state(view)?;
        let nonce = nonce_of(&state, &transaction)?;
        // What costs nothing comes first; validation runs Cairo.
        self.pool.lock().admits(&transaction, nonce)?;
        let skips_validation =
            transaction.is_exempt() || self.deploys_itself_first(&state, &transaction)?;
        let info = &view.pre_confirmed().info;
        validate(state, info, &self.checks.chain, &transaction, skips_validation)??;

        let admitted = Admitted::of(&transaction);
        let can_run = {
            let mut pool = self.pool.lock();
            // Nonces before this one may have been executed since the checks began. The builder puts
            // up what it executed before it tells the pool, so that nothing is missed in between.
            let state = pre_confirmed_state(&self.checks.view())?;
            let nonce = nonce_of(&state, &transaction)?;
            pool.insert(transaction, nonce, self.checks.clock.now())?
        };
        self.arrived.notify_one();
        Ok((admitted, can_run))
    }

    /// Takes in what was taken in before and could not be executed yet.
    ///
    /// # Errors
    /// [`SubmitError`] if it does not fit any more.
    pub(crate) fn take_back(&self, transaction: Prepared) -> Result<(), SubmitError> {
        let state = pre_confirmed_state(&self.checks.view())?;
        let nonce = nonce_of(&state, &transaction)?;
        self.pool.lock().insert(transaction, nonce, self.checks.clock.now())?;
        Ok(())
    }

    /// The account is not there yet, but its deploy_account is on the way: there is nobody to ask
    /// whether the signature is good, so the question is left to execution.
    fn deploys_itself_first(
        &self,
        state: &State,
        transaction: &Prepared,
    ) -> Result<bool, SubmitError> {
        let sender = transaction.sender();
        let is_absent = state.class_hash_at(sender).map_err(Fault::from)?.is_none();
        Ok(is_absent && !transaction.is_deploy_account() && self.pool.lock().has_pending(sender))
    }
}

impl Admitted {
    /// What the sender of a transaction learns.
    pub(crate) fn of(transaction: &Prepared) -> Self {
        Self {
            transaction_hash: transaction.hash(),
            class_hash: transaction.class().map(|(class_hash, _)| class_hash),
            contract_address: transaction.is_deploy_account().then(|| transaction.sender()),
        }
    }
}
