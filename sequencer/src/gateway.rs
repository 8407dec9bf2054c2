//! The way in: checks a transaction alone, then against the state, then hands it to the pool.

pub(crate) mod checks;
mod stateless;

use std::sync::Arc;

use bytes::Bytes;
use kraken_execution::{Fault, Prepared, Rejection, RejectionKind, State, validate};
use starknet_api::{block::BlockInfo, core::Nonce, rpc_transaction::RpcTransaction};
use starknet_types_core::felt::Felt;
use tokio::sync::Notify;

use self::checks::{Checks, nonce_of, pre_confirmed_state};
use crate::{
    Admitted, SubmitError, View,
    builder::{encode, l2_gas_price},
    pool::SharedPool,
};

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
        let admit = move |transaction, bytes: Bytes, view: &View| {
            gateway.admit_blocking(transaction, bytes.len(), view)
        };
        self.checks.run(transaction, admit).await
    }

    fn admit_blocking(
        &self,
        transaction: Prepared,
        bytes: usize,
        view: &View,
    ) -> Result<(Admitted, bool), SubmitError> {
        let state = pre_confirmed_state(view)?;
        let nonce = nonce_of(&state, &transaction)?;
        // What costs nothing comes first; validation runs Cairo.
        self.pool.lock().admits(&transaction, bytes, nonce)?;
        let skips_validation =
            transaction.is_exempt() || self.deploys_itself_first(&state, nonce, &transaction)?;
        let info = &view.pre_confirmed().info;
        self.check_price(&transaction, info)?;
        validate(state, info, &self.checks.chain, &transaction, skips_validation)??;

        let admitted = Admitted::of(&transaction);
        let can_run = self.insert(transaction, bytes)?;
        self.arrived.notify_one();
        Ok((admitted, can_run))
    }

    /// Nonces before this one may have been executed since the checks began, and so may the same
    /// transaction that somebody else sent: its nonce is used then, by itself.
    fn insert(&self, transaction: Prepared, bytes: usize) -> Result<bool, SubmitError> {
        let hash = transaction.hash();
        let mut pool = self.pool.lock();
        // The builder puts up what it executed before it tells the pool, so that nothing is missed in
        // between.
        let view = self.checks.view();
        let nonce = nonce_of(&pre_confirmed_state(&view)?, &transaction)?;
        let inserted = pool.insert(transaction, bytes, nonce, self.pool.now());
        if inserted.is_err() && view.find_transaction(hash).map_err(Fault::from)?.is_some() {
            return Err(SubmitError::Duplicate);
        }
        inserted
    }

    /// Takes in what was taken in before and could not be executed yet.
    ///
    /// # Errors
    /// [`SubmitError`] if it does not fit any more.
    pub(crate) fn take_back(&self, transaction: Prepared) -> Result<(), SubmitError> {
        if transaction.as_message().is_some() {
            return self.deliver(transaction);
        }
        let state = pre_confirmed_state(&self.checks.view())?;
        let nonce = nonce_of(&state, &transaction)?;
        let bytes = encode(&transaction).len();
        self.pool.lock().insert(transaction, bytes, nonce, self.pool.now())?;
        Ok(())
    }

    /// Takes in a message of L1.
    ///
    /// # Errors
    /// [`SubmitError`] if it is known already, or too many wait.
    pub(crate) fn deliver(&self, message: Prepared) -> Result<(), SubmitError> {
        let hash = message.hash();
        {
            let mut pool = self.pool.lock();
            // The builder puts up what it executed before it tells the pool, which is locked here.
            if self.checks.view().find_transaction(hash).map_err(Fault::from)?.is_some() {
                return Err(SubmitError::Duplicate);
            }
            pool.deliver(message)?;
        }
        self.arrived.notify_one();
        Ok(())
    }

    /// The account is not there yet, but its deploy_account is on the way, and this is the invoke that
    /// follows it: there is nobody to ask whether the signature is good, so the question is left to
    /// execution. One is what wallets send together with the deploy_account, and all that is taken on
    /// trust.
    fn deploys_itself_first(
        &self,
        state: &State,
        nonce: u64,
        transaction: &Prepared,
    ) -> Result<bool, SubmitError> {
        let sender = transaction.sender();
        let is_second = nonce == 0 && transaction.nonce() == Nonce(Felt::ONE);
        if !is_second || !matches!(transaction.rpc(), Some(RpcTransaction::Invoke(_))) {
            return Ok(false);
        }
        let is_absent = state.class_hash_at(sender).map_err(Fault::from)?.is_none();
        Ok(is_absent && self.pool.lock().holds(sender, 0))
    }

    /// What is below the chain's lowest price is in no block, ever. What is only below the price of
    /// now is for execution to refuse, which counts the other resources as well. A developer may set a
    /// price below the lowest one.
    fn check_price(&self, transaction: &Prepared, info: &BlockInfo) -> Result<(), Rejection> {
        let floor = self.checks.chain.genesis().fees.l2_gas_price_fri_min;
        let least = floor.min(l2_gas_price(info));
        let Some(offered) = transaction.rpc().map(RpcTransaction::resource_bounds) else {
            return Ok(());
        };
        let offered = offered.l2_gas.max_price_per_unit.0;
        if least <= offered {
            return Ok(());
        }
        let reason =
            format!("max price of L2 gas of {offered} fri is below the minimum of {least}");
        Err(Rejection::new(RejectionKind::FeeBelowMinimum, reason))
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
