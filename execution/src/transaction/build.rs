//! From the RPC's transactions to blockifier's.

use std::sync::Arc;

use kraken_storage::{Class, SierraClass};
use starknet_api::{
    StarknetApiError,
    contract_class::{ClassInfo, ContractClass},
    core::ClassHash,
    executable_transaction::{
        AccountTransaction, DeclareTransaction, DeployAccountTransaction, InvokeTransaction,
    },
    rpc_transaction::{
        RpcDeclareTransaction, RpcDeclareTransactionV3, RpcDeployAccountTransaction,
        RpcInvokeTransaction, RpcTransaction,
    },
    transaction::{
        self, CalculateContractAddress, DeclareTransactionV3, TransactionHasher,
        TransactionOptions, TransactionVersion, fields::ValidResourceBounds, signed_tx_version,
    },
};

use super::{PrepareError, declared};
use crate::{Chain, Compiler, Rejection, RejectionKind};

/// What a transaction comes to: blockifier's form, and the class that it declares.
type Executable = (AccountTransaction, Option<(ClassHash, Arc<Class>)>);

/// Which version the hash covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Version 3: for a block.
    Signed,
    /// Version 3 with the query bit: for an answer only, worthless in a block.
    Query,
}

impl Version {
    fn covered(self) -> TransactionVersion {
        let options = TransactionOptions { only_query: self == Self::Query };
        signed_tx_version(&TransactionVersion::THREE, &options)
    }
}

/// Checks what a transaction may hold, whatever the state.
pub(super) fn check_limits(transaction: &RpcTransaction, chain: &Chain) -> Result<(), Rejection> {
    let limits = &chain.genesis().limits;
    let refuse_over = |what: &str, got: usize, max: u32| {
        if usize::try_from(max).is_ok_and(|max| max < got) {
            let reason = format!("{what} of {got} felts is over the limit of {max}");
            return Err(Rejection::new(RejectionKind::ValidationFailure, reason));
        }
        Ok(())
    };
    refuse_over("signature", transaction.signature().0.len(), limits.signature_felts_max)?;
    match transaction {
        // A declare is bounded by the size of its class.
        RpcTransaction::Declare(_) => return Ok(()),
        RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(deploy)) => {
            let calldata = deploy.constructor_calldata.0.len();
            refuse_over("constructor calldata", calldata, limits.calldata_felts_max)?;
        }
        RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) => {
            refuse_over("calldata", invoke.calldata.0.len(), limits.calldata_felts_max)?;
            if !invoke.proof_facts.is_empty() || !invoke.proof.is_empty() {
                let reason = "client-side proofs are not supported";
                return Err(Rejection::new(RejectionKind::Unexpected, reason));
            }
        }
    }
    let (got, max) = (transaction.resource_bounds().l2_gas.max_amount.0, limits.l2_gas_max);
    if max < got {
        let reason = format!("bound of {got} L2 gas is over the limit of {max}");
        return Err(Rejection::new(RejectionKind::ValidationFailure, reason));
    }
    Ok(())
}

/// Hashes the transaction, derives its addresses, and compiles the class of a declare.
pub(super) fn executable(
    transaction: &RpcTransaction,
    chain: &Chain,
    version: Version,
    compiler: &Compiler,
) -> Result<Executable, PrepareError> {
    match transaction {
        RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) => {
            let tx = transaction::InvokeTransaction::V3(invoke.clone().into());
            let hashed = tx.calculate_transaction_hash(chain.id(), &version.covered());
            let tx_hash = hashed.map_err(unhashable)?;
            Ok((AccountTransaction::Invoke(InvokeTransaction { tx, tx_hash }), None))
        }
        RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(deploy)) => {
            let contract_address = deploy.calculate_contract_address().map_err(unhashable)?;
            let tx = transaction::DeployAccountTransaction::V3(deploy.clone().into());
            let hashed = tx.calculate_transaction_hash(chain.id(), &version.covered());
            let tx_hash = hashed.map_err(unhashable)?;
            let deploy = DeployAccountTransaction { tx, tx_hash, contract_address };
            Ok((AccountTransaction::DeployAccount(deploy), None))
        }
        RpcTransaction::Declare(RpcDeclareTransaction::V3(declare)) => {
            executable_declare(declare, chain, version, compiler)
        }
    }
}

fn executable_declare(
    declare: &RpcDeclareTransactionV3,
    chain: &Chain,
    version: Version,
    compiler: &Compiler,
) -> Result<Executable, PrepareError> {
    let (class_hash, class) = declared::class(&declare.contract_class, chain, compiler)?;
    let Class::Sierra(sierra) = class.as_ref() else {
        unreachable!("only Sierra is compiled");
    };
    let (declared, computed) = (declare.compiled_class_hash, sierra.compiled_class_hash);
    if declared != computed {
        let reason = format!(
            "compiled class hash {:#x} was declared, but the class compiles to {:#x}",
            declared.0, computed.0
        );
        return Err(Rejection::new(RejectionKind::CompiledClassHashMismatch, reason).into());
    }
    let class_info = class_info(sierra).map_err(unhashable)?;
    let tx = transaction::DeclareTransaction::V3(stored(declare, class_hash));
    let hashed = tx.calculate_transaction_hash(chain.id(), &version.covered());
    let tx_hash = hashed.map_err(unhashable)?;
    let declare = DeclareTransaction { tx, tx_hash, class_info };
    Ok((AccountTransaction::Declare(declare), Some((class_hash, class))))
}

/// A compiled class, as blockifier wants it.
pub(super) fn class_info(class: &SierraClass) -> Result<ClassInfo, StarknetApiError> {
    let sierra_version = class.sierra.get_sierra_version()?;
    Ok(ClassInfo {
        contract_class: ContractClass::V1((class.casm.clone(), sierra_version.clone())),
        sierra_program_length: class.sierra.sierra_program.len(),
        abi_length: class.sierra.abi.len(),
        sierra_version,
    })
}

/// Not by `From`, which would clone the class and hash it once more.
fn stored(declare: &RpcDeclareTransactionV3, class_hash: ClassHash) -> DeclareTransactionV3 {
    DeclareTransactionV3 {
        class_hash,
        resource_bounds: ValidResourceBounds::AllResources(declare.resource_bounds),
        tip: declare.tip,
        signature: declare.signature.clone(),
        nonce: declare.nonce,
        compiled_class_hash: declare.compiled_class_hash,
        sender_address: declare.sender_address,
        nonce_data_availability_mode: declare.nonce_data_availability_mode,
        fee_data_availability_mode: declare.fee_data_availability_mode,
        paymaster_data: declare.paymaster_data.clone(),
        account_deployment_data: declare.account_deployment_data.clone(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn unhashable(error: StarknetApiError) -> Rejection {
    Rejection::new(RejectionKind::Unexpected, error.to_string())
}
