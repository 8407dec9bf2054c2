//! The methods that take transactions in.

use kraken_execution::QueryTransaction;
use kraken_sequencer::Admitted;
use serde::Serialize;
use starknet_api::rpc_transaction::{RpcInvokeTransaction, RpcTransaction};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::Call,
    dto::broadcasted::{Kind, Version, header},
    error::Error,
    params::FromInput,
};

/// The answer to each of them: the hash, and the address or the hash of what it brings.
#[derive(Debug, Serialize)]
pub(crate) struct Submitted {
    transaction_hash: Felt,
    #[serde(skip_serializing_if = "Option::is_none")]
    class_hash: Option<Felt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_address: Option<Felt>,
}

impl From<Admitted> for Submitted {
    fn from(admitted: Admitted) -> Self {
        Self {
            transaction_hash: admitted.transaction_hash.0,
            class_hash: admitted.class_hash.map(|class_hash| class_hash.0),
            contract_address: admitted.contract_address.map(Felt::from),
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
