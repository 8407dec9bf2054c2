//! From the transactions of a block to blockifier's.

use std::{collections::BTreeMap, sync::Arc};

use blockifier::transaction::{
    account_transaction::{AccountTransaction, ExecutionFlags},
    transaction_execution::Transaction as EngineTransaction,
};
use kraken_storage::{Class, ExecutedTransaction};
use starknet_api::{
    core::ClassHash,
    executable_transaction::{
        AccountTransaction as Executable, DeclareTransaction, DeployAccountTransaction,
        InvokeTransaction, L1HandlerTransaction,
    },
    transaction::{CalculateContractAddress, Transaction},
};

use super::build::class_info;
use crate::{Fault, message::PAID_ON_L1};

/// Whether the account is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    /// As ever.
    Asked,
    /// On a developer's chain nobody looks at some signatures.
    Skipped,
}

/// A transaction of a block, to execute once more as it was executed then.
///
/// # Errors
/// [`Fault::Engine`] if it declares a class that is not among `classes`, or is of a kind that our
/// blocks do not hold.
pub(crate) fn again(
    executed: &ExecutedTransaction,
    classes: &BTreeMap<ClassHash, Arc<Class>>,
    validation: Validation,
) -> Result<EngineTransaction, Fault> {
    let tx_hash = executed.hash;
    let fault = |reason: String| Fault::Engine {
        reason: format!("transaction {:#x} cannot be executed again: {reason}", tx_hash.0),
    };
    let tx = match &executed.transaction {
        Transaction::Invoke(tx) => {
            Executable::Invoke(InvokeTransaction { tx: tx.clone(), tx_hash })
        }
        Transaction::DeployAccount(tx) => {
            let address = tx.calculate_contract_address();
            let contract_address = address.map_err(|error| fault(error.to_string()))?;
            let tx = tx.clone();
            Executable::DeployAccount(DeployAccountTransaction { tx, tx_hash, contract_address })
        }
        Transaction::Declare(tx) => {
            let Some(Class::Sierra(class)) = classes.get(&tx.class_hash()).map(AsRef::as_ref)
            else {
                return Err(fault("its class is missing".to_owned()));
            };
            let class_info = class_info(class).map_err(|error| fault(error.to_string()))?;
            Executable::Declare(DeclareTransaction { tx: tx.clone(), tx_hash, class_info })
        }
        Transaction::L1Handler(tx) => {
            let tx = L1HandlerTransaction { tx: tx.clone(), tx_hash, paid_fee_on_l1: PAID_ON_L1 };
            return Ok(EngineTransaction::L1Handler(tx));
        }
        Transaction::Deploy(_) => return Err(fault("deploys are no more".to_owned())),
    };
    let execution_flags = ExecutionFlags {
        only_query: false,
        charge_fee: true,
        validate: validation == Validation::Asked,
        strict_nonce_check: true,
    };
    Ok(EngineTransaction::Account(AccountTransaction { tx, execution_flags }))
}
