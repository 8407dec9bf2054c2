//! The way in: checks a transaction alone, then against the state, then hands it to the pool.

mod stateless;

use std::sync::Arc;

use kraken_execution::{Chain, Fault, Prepared, State, validate};
use starknet_api::rpc_transaction::RpcTransaction;
use tokio::sync::{Notify, Semaphore};

use crate::{Admitted, SubmitError, View, board::Board, clock::Clock, pool::SharedPool};

/// The way in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    pub(crate) chain: Chain,
    pub(crate) board: Arc<Board>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) pool: SharedPool,
    /// Told when the pool has something new.
    pub(crate) arrived: Arc<Notify>,
    /// How many checks may run at a time; they cost Cairo.
    pub(crate) permits: Arc<Semaphore>,
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
        stateless::check(&transaction, &self.chain.genesis().limits)?;
        let _permit = self.permits.acquire().await.map_err(|_| SubmitError::Stopped)?;
        let gateway = self.clone();
        let admitted = tokio::task::spawn_blocking(move || gateway.admit_blocking(transaction));
        admitted.await.map_err(|error| {
            SubmitError::Fault(Fault::Engine { reason: format!("checking panicked: {error}") })
        })?
    }

    fn admit_blocking(&self, transaction: RpcTransaction) -> Result<(Admitted, bool), SubmitError> {
        let transaction = Prepared::new(transaction, &self.chain)?;
        let view = self.board.view(&self.clock);
        let is_in_block = view.find_transaction(transaction.hash()).map_err(Fault::from)?.is_some();
        if is_in_block {
            return Err(SubmitError::Duplicate);
        }
        let state = pre_confirmed_state(&view)?;
        let nonce = nonce_of(&state, &transaction)?;
        // What costs nothing comes first; validation runs Cairo.
        self.pool.lock().admits(&transaction, nonce)?;
        let is_deploying = self.deploys_itself_first(&state, &transaction)?;
        let info = &view.pre_confirmed().info;
        validate(state, info, &self.chain, &transaction, is_deploying)??;

        let admitted = admitted(&transaction);
        let can_run = {
            let mut pool = self.pool.lock();
            // Nonces before this one may have been executed since the checks began. The builder puts
            // up what it executed before it tells the pool, so that nothing is missed in between.
            let state = pre_confirmed_state(&self.board.view(&self.clock))?;
            let nonce = nonce_of(&state, &transaction)?;
            pool.insert(transaction, nonce, self.clock.now())?
        };
        self.arrived.notify_one();
        Ok((admitted, can_run))
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

/// The state after everything executed so far.
fn pre_confirmed_state(view: &View) -> Result<State, Fault> {
    let number = view.pre_confirmed().info.block_number;
    Ok(view.state_at(number)?.expect("a view always has the state of its own open block"))
}

fn nonce_of(state: &State, transaction: &Prepared) -> Result<u64, Fault> {
    let nonce = state.nonce(transaction.sender())?;
    Ok(u64::try_from(nonce.0).unwrap_or(u64::MAX))
}

fn admitted(transaction: &Prepared) -> Admitted {
    Admitted {
        transaction_hash: transaction.hash(),
        class_hash: transaction.class().map(|(class_hash, _)| class_hash),
        contract_address: transaction.is_deploy_account().then(|| transaction.sender()),
    }
}
