//! Money for whoever asks, on chains made for trying things out.

use starknet_api::{
    abi::abi_utils::selector_from_name,
    block::GasPrice,
    core::{ContractAddress, Nonce},
    data_availability::DataAvailabilityMode,
    execution_resources::GasAmount,
    rpc_transaction::{RpcInvokeTransaction, RpcInvokeTransactionV3, RpcTransaction},
    transaction::{
        TransactionHasher, TransactionVersion,
        fields::{
            AccountDeploymentData, AllResourceBounds, PaymasterData, Proof, ProofFacts,
            ResourceBounds, Tip, TransactionSignature,
        },
    },
};
use starknet_types_core::felt::Felt;

use super::calls::{execute_calldata, signature};
use crate::{
    Call, Chain,
    fees::PRICE_MAX,
    genesis::{ETH_ADDRESS, PredeployedAccount, STRK_ADDRESS, chargeable_account},
};

/// Many times what a transfer uses of each gas.
const L1_GAS_MAX: u64 = 10_000;
const L1_DATA_GAS_MAX: u64 = 100_000;
const L2_GAS_MAX: u64 = 100_000_000;

/// A token that fees are paid in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token {
    /// In fri.
    Strk,
    /// In wei.
    Eth,
}

impl Token {
    /// Its contract.
    pub fn address(self) -> ContractAddress {
        match self {
            Self::Strk => STRK_ADDRESS,
            Self::Eth => ETH_ADDRESS,
        }
    }
}

/// A transfer of `amount` to `to`, signed by the account of block 0 that holds more than anybody
/// can ask for, and whose key everybody knows. `nonce` is the next one of that account
/// ([`chargeable_account`]). It may pay any price that a block can have.
pub fn mint(
    chain: &Chain,
    nonce: Nonce,
    to: ContractAddress,
    amount: u128,
    token: Token,
) -> RpcTransaction {
    let bounds = AllResourceBounds {
        l1_gas: at_any_price(L1_GAS_MAX),
        l2_gas: at_any_price(L2_GAS_MAX),
        l1_data_gas: at_any_price(L1_DATA_GAS_MAX),
    };
    let transfer = transfer(token.address(), to, amount);
    invoke(chain, &chargeable_account(), nonce, &[transfer], bounds)
}

/// The call that transfers a token.
pub(crate) fn transfer(token: ContractAddress, to: ContractAddress, amount: u128) -> Call {
    Call {
        contract_address: token,
        selector: selector_from_name("transfer"),
        calldata: vec![*to.0.key(), Felt::from(amount), Felt::ZERO],
    }
}

/// Signs an invoke with the key of the account.
pub(crate) fn invoke(
    chain: &Chain,
    account: &PredeployedAccount,
    nonce: Nonce,
    calls: &[Call],
    resource_bounds: AllResourceBounds,
) -> RpcTransaction {
    let mut invoke = RpcInvokeTransactionV3 {
        sender_address: account.address,
        calldata: execute_calldata(calls),
        signature: TransactionSignature::default(),
        nonce,
        resource_bounds,
        tip: Tip::ZERO,
        paymaster_data: PaymasterData::default(),
        account_deployment_data: AccountDeploymentData::default(),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L1,
        proof_facts: ProofFacts::default(),
        proof: Proof::default(),
    };
    let unsigned = starknet_api::transaction::InvokeTransactionV3::from(invoke.clone());
    let hash = unsigned
        .calculate_transaction_hash(chain.id(), &TransactionVersion::THREE)
        .expect("an invoke of version 3 has a hash");
    invoke.signature = signature(hash, &account.private_key);
    RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke))
}

fn at_any_price(gas: u64) -> ResourceBounds {
    ResourceBounds { max_amount: GasAmount(gas), max_price_per_unit: GasPrice(PRICE_MAX) }
}
