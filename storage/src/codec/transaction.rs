//! Transactions, as they are sent and as they are in a block.

use std::io;

use starknet_api::{
    rpc_transaction::{
        RpcDeclareTransaction, RpcDeclareTransactionV3, RpcDeployAccountTransaction,
        RpcDeployAccountTransactionV3, RpcInvokeTransaction, RpcInvokeTransactionV3,
        RpcTransaction,
    },
    transaction::{
        DeclareTransaction, DeclareTransactionV3, DeployAccountTransaction,
        DeployAccountTransactionV3, InvokeTransaction, InvokeTransactionV3, L1HandlerTransaction,
        Transaction, fields::Proof,
    },
};

use super::wire::{Wire, malformed, read_bytes, wire_structs, write_bytes};

const INVOKE: u8 = 0;
const DECLARE: u8 = 1;
const DEPLOY_ACCOUNT: u8 = 2;
const L1_HANDLER: u8 = 3;

wire_structs! {
    RpcInvokeTransactionV3 {
        sender_address, calldata, signature, nonce, resource_bounds, tip, paymaster_data,
        account_deployment_data, nonce_data_availability_mode, fee_data_availability_mode,
        proof_facts, proof,
    }
    RpcDeclareTransactionV3 {
        sender_address, compiled_class_hash, signature, nonce, contract_class, resource_bounds,
        tip, paymaster_data, account_deployment_data, nonce_data_availability_mode,
        fee_data_availability_mode,
    }
    RpcDeployAccountTransactionV3 {
        signature, nonce, class_hash, contract_address_salt, constructor_calldata,
        resource_bounds, tip, paymaster_data, nonce_data_availability_mode,
        fee_data_availability_mode,
    }
    InvokeTransactionV3 {
        resource_bounds, tip, signature, nonce, sender_address, calldata,
        nonce_data_availability_mode, fee_data_availability_mode, paymaster_data,
        account_deployment_data, proof_facts,
    }
    DeclareTransactionV3 {
        resource_bounds, tip, signature, nonce, class_hash, compiled_class_hash, sender_address,
        nonce_data_availability_mode, fee_data_availability_mode, paymaster_data,
        account_deployment_data,
    }
    DeployAccountTransactionV3 {
        resource_bounds, tip, signature, nonce, class_hash, contract_address_salt,
        constructor_calldata, nonce_data_availability_mode, fee_data_availability_mode,
        paymaster_data,
    }
    L1HandlerTransaction { version, nonce, contract_address, entry_point_selector, calldata }
}

impl Wire for RpcTransaction {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Invoke(RpcInvokeTransaction::V3(transaction)) => {
                INVOKE.write(out);
                transaction.write(out);
            }
            Self::Declare(RpcDeclareTransaction::V3(transaction)) => {
                DECLARE.write(out);
                transaction.write(out);
            }
            Self::DeployAccount(RpcDeployAccountTransaction::V3(transaction)) => {
                DEPLOY_ACCOUNT.write(out);
                transaction.write(out);
            }
        }
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        match u8::read(input)? {
            INVOKE => Ok(Self::Invoke(RpcInvokeTransaction::V3(Wire::read(input)?))),
            DECLARE => Ok(Self::Declare(RpcDeclareTransaction::V3(Wire::read(input)?))),
            DEPLOY_ACCOUNT => {
                Ok(Self::DeployAccount(RpcDeployAccountTransaction::V3(Wire::read(input)?)))
            }
            _ => Err(malformed("unknown kind of transaction")),
        }
    }
}

/// A proof is written, so that a transaction with one is not mistaken for one without, and refused.
impl Wire for Proof {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(&self.0, out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        if read_bytes(input)?.is_empty() {
            Ok(Self::default())
        } else {
            Err(malformed("a proof is not carried"))
        }
    }
}

/// A transaction of a kind that our blocks hold.
pub(super) enum Stored<'a> {
    Invoke(&'a InvokeTransactionV3),
    Declare(&'a DeclareTransactionV3),
    DeployAccount(&'a DeployAccountTransactionV3),
    L1Handler(&'a L1HandlerTransaction),
}

impl<'a> Stored<'a> {
    /// `None` for versions before 3 and for deploys, which no chain of ours can hold.
    pub(super) fn of(transaction: &'a Transaction) -> Option<Self> {
        match transaction {
            Transaction::Invoke(InvokeTransaction::V3(it)) => Some(Self::Invoke(it)),
            Transaction::Declare(DeclareTransaction::V3(it)) => Some(Self::Declare(it)),
            Transaction::DeployAccount(DeployAccountTransaction::V3(it)) => {
                Some(Self::DeployAccount(it))
            }
            Transaction::L1Handler(it) => Some(Self::L1Handler(it)),
            Transaction::Invoke(InvokeTransaction::V0(_) | InvokeTransaction::V1(_))
            | Transaction::Declare(
                DeclareTransaction::V0(_) | DeclareTransaction::V1(_) | DeclareTransaction::V2(_),
            )
            | Transaction::DeployAccount(DeployAccountTransaction::V1(_))
            | Transaction::Deploy(_) => None,
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Invoke(it) => {
                INVOKE.write(out);
                it.write(out);
            }
            Self::Declare(it) => {
                DECLARE.write(out);
                it.write(out);
            }
            Self::DeployAccount(it) => {
                DEPLOY_ACCOUNT.write(out);
                it.write(out);
            }
            Self::L1Handler(it) => {
                L1_HANDLER.write(out);
                it.write(out);
            }
        }
    }
}

/// Reads what [`Stored::write`] wrote.
pub(super) fn read_stored(input: &mut &[u8]) -> io::Result<Transaction> {
    match u8::read(input)? {
        INVOKE => Ok(Transaction::Invoke(InvokeTransaction::V3(Wire::read(input)?))),
        DECLARE => Ok(Transaction::Declare(DeclareTransaction::V3(Wire::read(input)?))),
        DEPLOY_ACCOUNT => {
            Ok(Transaction::DeployAccount(DeployAccountTransaction::V3(Wire::read(input)?)))
        }
        L1_HANDLER => Ok(Transaction::L1Handler(Wire::read(input)?)),
        _ => Err(malformed("unknown kind of transaction")),
    }
}
