//! Transactions, ready to execute.

mod again;
mod build;
mod calls;
mod declared;
mod mint;

use std::sync::Arc;

use blockifier::transaction::{
    account_transaction::{AccountTransaction, ExecutionFlags},
    transaction_execution::Transaction as EngineTransaction,
};
use kraken_storage::Class;
use starknet_api::{
    core::{ClassHash, ContractAddress, Nonce},
    executable_transaction,
    rpc_transaction::{RpcDeclareTransaction, RpcInvokeTransaction, RpcTransaction},
    transaction::{L1HandlerTransaction, Transaction, TransactionHash},
};

pub(crate) use again::{Validation, again};
pub use mint::{Token, mint};

#[cfg(any(test, feature = "testing"))]
pub(crate) use self::{
    calls::signature,
    mint::{invoke, transfer},
};

use crate::{Chain, Compiler, Rejection, RejectionKind, Unfinished, message};

/// A transaction with its hash, its addresses and its compiled class: all that does not depend on
/// the state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Prepared(Arc<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    /// `None` for a message of L1.
    rpc: Option<RpcTransaction>,
    engine: EngineTransaction,
    class: Option<(ClassHash, Arc<Class>)>,
}

/// A transaction that is executed for an answer only: estimated or simulated. May have an empty
/// signature and a query version, and bounds of zero.
#[derive(Clone, Debug)]
pub struct QueryTransaction {
    /// As it came in; resource bounds and signature may be empty.
    pub transaction: RpcTransaction,
    /// It was signed with the query bit (version 2^128 + 3).
    pub query_version: bool,
    /// Its signature does not matter, whatever else is asked for.
    pub is_exempt: bool,
}

/// What of the execution of a [`QueryTransaction`] to leave out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skip {
    /// The account is not asked.
    pub validation: bool,
    /// Nothing is paid, and bounds and balance do not matter.
    pub fee: bool,
}

/// Why a transaction cannot be prepared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum PrepareError {
    /// The sender's fault: every validator comes to the same.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The fault of nobody, or of this machine: it has no verdict on the class.
    #[error("class {:#x} is not compiled", class_hash.0)]
    Unfinished {
        class_hash: ClassHash,
        #[source]
        cause: Unfinished,
    },
}

impl PrepareError {
    /// What to tell the sender: one line.
    pub fn reason(&self) -> String {
        match self {
            Self::Rejected(rejection) => rejection.reason.clone(),
            Self::Unfinished { cause, .. } => cause.to_string(),
        }
    }
}

impl Prepared {
    /// Hashes, derives the address, compiles the class of a declare (slow) and checks its hash.
    ///
    /// What was compiled last is remembered, so the same declare is compiled once by a node. This is
    /// for what somebody sends: the class is compiled by the compiler for submissions.
    ///
    /// # Errors
    /// A [`Rejection`] that depends on the transaction and the genesis alone, so that every
    /// validator comes to the same: a class that does not compile, is too large or hashes to
    /// something else, calldata or a signature over the limits of the genesis, and proofs, which
    /// nobody here checks. [`PrepareError::Unfinished`] if this machine cannot compile the class.
    pub fn new(transaction: RpcTransaction, chain: &Chain) -> Result<Self, PrepareError> {
        Self::compiled_by(&chain.compilers().submissions, transaction, chain)
    }

    /// The same for a transaction of the order, whose class all validators must compile.
    ///
    /// # Errors
    /// As [`Prepared::new`].
    pub fn ordered(transaction: RpcTransaction, chain: &Chain) -> Result<Self, PrepareError> {
        Self::compiled_by(&chain.compilers().order, transaction, chain)
    }

    fn compiled_by(
        compiler: &Compiler,
        transaction: RpcTransaction,
        chain: &Chain,
    ) -> Result<Self, PrepareError> {
        build::check_limits(&transaction, chain)?;
        let version = build::Version::Signed;
        let (executable, class) = build::executable(&transaction, chain, version, compiler)?;
        // A transaction always pays: without this, bounds of zero would make it free.
        let execution_flags = ExecutionFlags {
            only_query: false,
            charge_fee: true,
            validate: true,
            strict_nonce_check: true,
        };
        let engine =
            EngineTransaction::Account(AccountTransaction { tx: executable, execution_flags });
        Ok(Self(Arc::new(Parts { rpc: Some(transaction), engine, class })))
    }

    /// Has a message of L1 handled. Nobody sends it and nobody pays for it here.
    ///
    /// # Errors
    /// A [`Rejection`] if it cannot be hashed.
    pub fn message(transaction: L1HandlerTransaction, chain: &Chain) -> Result<Self, Rejection> {
        let hashed = message::executable(transaction, chain);
        let engine = EngineTransaction::L1Handler(
            hashed.map_err(|error| Rejection::new(RejectionKind::Unexpected, error.to_string()))?,
        );
        Ok(Self(Arc::new(Parts { rpc: None, engine, class: None })))
    }

    /// The same, and executed without a look at its signature: `__validate__` is not called. For
    /// chains of developers.
    #[must_use]
    pub fn exempt(self) -> Self {
        let Parts { rpc, engine, class } = Arc::unwrap_or_clone(self.0);
        let engine = match engine {
            EngineTransaction::Account(account) => {
                let execution_flags = ExecutionFlags { validate: false, ..account.execution_flags };
                EngineTransaction::Account(AccountTransaction { execution_flags, ..account })
            }
            l1_handler @ EngineTransaction::L1Handler(_) => l1_handler,
        };
        Self(Arc::new(Parts { rpc, engine, class }))
    }

    /// Whether its signature does not matter.
    pub fn is_exempt(&self) -> bool {
        match &self.0.engine {
            EngineTransaction::Account(account) => !account.execution_flags.validate,
            EngineTransaction::L1Handler(_) => false,
        }
    }

    /// The hash.
    pub fn hash(&self) -> TransactionHash {
        EngineTransaction::tx_hash(&self.0.engine)
    }

    /// Who pays; the deployed address of a deploy_account.
    pub fn sender(&self) -> ContractAddress {
        self.0.engine.sender_address()
    }

    /// The nonce it uses up.
    pub fn nonce(&self) -> Nonce {
        self.0.engine.nonce()
    }

    /// As it came in; `None` for a message of L1.
    pub fn rpc(&self) -> Option<&RpcTransaction> {
        self.0.rpc.as_ref()
    }

    /// The message of L1 that it has handled; `None` if an account sends it.
    pub fn as_message(&self) -> Option<&L1HandlerTransaction> {
        match &self.0.engine {
            EngineTransaction::Account(_) => None,
            EngineTransaction::L1Handler(message) => Some(&message.tx),
        }
    }

    /// As blocks hold it: without the class of a declare.
    pub fn stored(&self) -> Transaction {
        use executable_transaction::AccountTransaction as Executable;
        match &self.0.engine {
            EngineTransaction::L1Handler(message) => Transaction::L1Handler(message.tx.clone()),
            EngineTransaction::Account(account) => match &account.tx {
                Executable::Declare(declare) => Transaction::Declare(declare.tx.clone()),
                Executable::DeployAccount(deploy) => Transaction::DeployAccount(deploy.tx.clone()),
                Executable::Invoke(invoke) => Transaction::Invoke(invoke.tx.clone()),
            },
        }
    }

    /// The class that it declares.
    pub fn class(&self) -> Option<(ClassHash, Arc<Class>)> {
        self.0.class.clone()
    }

    /// Whether it deploys its own account.
    pub fn is_deploy_account(&self) -> bool {
        matches!(self.0.rpc, Some(RpcTransaction::DeployAccount(_)))
    }

    /// As blockifier wants it for a block.
    pub(crate) fn engine(&self) -> &EngineTransaction {
        &self.0.engine
    }

    /// As blockifier wants it, to execute in other ways; `None` for a message of L1.
    pub(crate) fn account(&self) -> Option<&AccountTransaction> {
        match &self.0.engine {
            EngineTransaction::Account(account) => Some(account),
            EngineTransaction::L1Handler(_) => None,
        }
    }
}

impl QueryTransaction {
    /// Who sends it; `None` for an account that deploys itself.
    pub fn sender(&self) -> Option<ContractAddress> {
        match &self.transaction {
            RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) => Some(invoke.sender_address),
            RpcTransaction::Declare(RpcDeclareTransaction::V3(declare)) => {
                Some(declare.sender_address)
            }
            RpcTransaction::DeployAccount(_) => None,
        }
    }

    /// As blockifier wants it.
    ///
    /// # Errors
    /// As [`Prepared::new`], limits aside.
    pub(crate) fn engine(
        &self,
        chain: &Chain,
        skip: Skip,
    ) -> Result<AccountTransaction, PrepareError> {
        let version =
            if self.query_version { build::Version::Query } else { build::Version::Signed };
        let compiler = &chain.compilers().submissions;
        let (tx, _) = build::executable(&self.transaction, chain, version, compiler)?;
        let execution_flags = ExecutionFlags {
            only_query: self.query_version,
            charge_fee: !skip.fee,
            validate: !skip.validation && !self.is_exempt,
            // Whoever asks may have transactions on their way that this state has not seen.
            strict_nonce_check: false,
        };
        Ok(AccountTransaction { tx, execution_flags })
    }
}

#[cfg(test)]
mod tests;
