//! The methods that take transactions in.

use kraken_execution::QueryTransaction;
use kraken_sequencer::Admitted;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::rpc_transaction::{RpcInvokeTransaction, RpcTransaction};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::broadcasted::{Kind, Version, header},
    error::Error,
    params::FromInput,
    schema,
};

/// The answer to each of them.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Submitted {
    Invoked(Invoked),
    Declared(Declared),
    Deployed(Deployed),
}

/// An invocation was taken in.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Invoked {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
}

/// A declaration was taken in.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Declared {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
}

/// A deployment of an account was taken in.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(crate) struct Deployed {
    #[schemars(with = "schema::TxHash")]
    transaction_hash: Felt,
    #[schemars(with = "schema::Address")]
    contract_address: Felt,
}

impl From<Admitted> for Submitted {
    fn from(admitted: Admitted) -> Self {
        let transaction_hash = admitted.transaction_hash.0;
        match (admitted.class_hash, admitted.contract_address) {
            (Some(class_hash), _) => {
                Self::Declared(Declared { transaction_hash, class_hash: class_hash.0 })
            }
            (None, Some(address)) => {
                Self::Deployed(Deployed { transaction_hash, contract_address: address.into() })
            }
            (None, None) => Self::Invoked(Invoked { transaction_hash }),
        }
    }
}

/// Reads the parameter of `starknet_addInvokeTransaction`.
///
/// # Errors
/// [`Error::UnsupportedVersion`], [`Error::InvalidProof`].
pub(crate) fn invoke(call: &Call<'_>) -> Result<RpcTransaction, Error> {
    let transaction = read(call, "invoke_transaction", Kind::Invoke)?;
    if let RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) = &transaction
        && !(invoke.proof.is_empty() && invoke.proof_facts.is_empty())
    {
        // Nothing here can check a proof, and facts without a checked proof are claims.
        return Err(Error::InvalidProof);
    }
    Ok(transaction)
}

/// Reads the parameter of `starknet_addDeclareTransaction`.
///
/// # Errors
/// [`Error::UnsupportedVersion`].
pub(crate) fn declare(call: &Call<'_>) -> Result<RpcTransaction, Error> {
    read(call, "declare_transaction", Kind::Declare)
}

/// Reads the parameter of `starknet_addDeployAccountTransaction`.
///
/// # Errors
/// [`Error::UnsupportedVersion`].
pub(crate) fn deploy_account(call: &Call<'_>) -> Result<RpcTransaction, Error> {
    read(call, "deploy_account_transaction", Kind::DeployAccount)
}

/// Reads a transaction of version 3. One that was signed for an estimate must not be executed.
fn read(call: &Call<'_>, name: &'static str, expected: Kind) -> Result<RpcTransaction, Error> {
    let read = call.params.read(name, |input| {
        let (kind, version) = header(&input)?;
        if kind != expected {
            return Err(input.error("the type does not fit the method").into());
        }
        if version != Version::Three {
            return Err(Error::UnsupportedVersion);
        }
        Ok(QueryTransaction::from_input(&input)?.transaction)
    });
    read.expect("the method table requires it")
}
