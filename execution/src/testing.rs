//! Builders of signed transactions, for tests and load.
//!
//! Everything here is for accounts of the class that block 0 declares, or of another class that
//! takes its public key as the one argument of the constructor and signs as it does.

pub mod class;
mod sierra;

use std::sync::{Arc, OnceLock};

use kraken_types::Genesis;
use starknet_api::{
    abi::abi_utils::selector_from_name,
    block::GasPrice,
    core::{ClassHash, CompiledClassHash, ContractAddress, Nonce, calculate_contract_address},
    data_availability::DataAvailabilityMode,
    execution_resources::GasAmount,
    rpc_transaction::{
        RpcDeclareTransaction, RpcDeclareTransactionV3, RpcDeployAccountTransaction,
        RpcDeployAccountTransactionV3, RpcTransaction,
    },
    state::SierraContractClass,
    transaction::{
        DeclareTransactionV3, DeployAccountTransactionV3, TransactionHasher, TransactionVersion,
        fields::{
            AccountDeploymentData, AllResourceBounds, Calldata, ContractAddressSalt, PaymasterData,
            ResourceBounds, Tip, TransactionSignature,
        },
    },
};
use starknet_types_core::felt::Felt;

pub use self::sierra::{branches_while_held, held_values, nested_constants};
use crate::{
    Call, Chain, Changes, State,
    genesis::{self, GenesisState, PredeployedAccount, STRK_ADDRESS, UDC_ADDRESS},
    transaction::{invoke, signature, transfer as transfer_call_of},
};

/// What is in block 0, read from or made into a folder for temporary files.
///
/// # Panics
/// If block 0 cannot be made.
pub fn genesis_state(genesis: &Genesis) -> GenesisState {
    // The compiled classes are the same for every genesis, and checked when they are read.
    let cache = std::env::temp_dir().join("kraken-test-classes");
    genesis::state(genesis, &genesis::Extras::default(), Some(cache), &mut |_, _, _| ())
        .expect("block 0 can be made")
}

/// The state after block 0 of a genesis, without storage below it. The classes are loaded once.
///
/// # Panics
/// If block 0 cannot be made.
pub fn state(genesis: &Genesis) -> State {
    static FIRST: OnceLock<(Genesis, Arc<Changes>)> = OnceLock::new();
    let make = || {
        let made = genesis_state(genesis);
        Arc::new(Changes::new(&made.state_diff, &made.classes))
    };
    let (first, changes) = FIRST.get_or_init(|| (genesis.clone(), make()));
    let changes = if first.accounts == genesis.accounts { Arc::clone(changes) } else { make() };
    State::empty().with(changes)
}

/// Bounds that every transaction of a test keeps, at up to 100 times the price of devnet: at most
/// 121 STRK.
pub fn ample_bounds() -> AllResourceBounds {
    let up_to = |amount| ResourceBounds {
        max_amount: GasAmount(amount),
        max_price_per_unit: GasPrice(100_000_000_000),
    };
    AllResourceBounds {
        l1_gas: up_to(100_000),
        l2_gas: up_to(1_200_000_000),
        l1_data_gas: up_to(100_000),
    }
}

/// A signed transfer of STRK.
pub fn transfer(
    chain: &Chain,
    from: &PredeployedAccount,
    nonce: u64,
    to: ContractAddress,
    amount: u128,
) -> RpcTransaction {
    multicall(chain, from, nonce, &[transfer_call(STRK_ADDRESS, to, amount)], ample_bounds())
}

/// A signed transaction of several calls.
pub fn multicall(
    chain: &Chain,
    from: &PredeployedAccount,
    nonce: u64,
    calls: &[Call],
    bounds: AllResourceBounds,
) -> RpcTransaction {
    invoke(chain, from, Nonce(Felt::from(nonce)), calls, bounds)
}

/// The call that transfers a token.
pub fn transfer_call(token: ContractAddress, to: ContractAddress, amount: u128) -> Call {
    transfer_call_of(token, to, amount)
}

/// The call that deploys a contract through the universal deployer, and where the contract will be.
///
/// # Panics
/// Never: the address of a contract is a hash, reduced to the range of addresses.
pub fn deploy_call(
    class_hash: ClassHash,
    salt: Felt,
    calldata: &[Felt],
) -> (Call, ContractAddress) {
    let mut felts = vec![class_hash.0, salt, Felt::ZERO, Felt::from(calldata.len())];
    felts.extend(calldata);
    let call = Call {
        contract_address: UDC_ADDRESS,
        selector: selector_from_name("deployContract"),
        calldata: felts,
    };
    let address = calculate_contract_address(
        ContractAddressSalt(salt),
        class_hash,
        &Calldata::from(calldata.to_vec()),
        ContractAddress::default(),
    );
    (call, address.expect("the hash is reduced to the range of addresses"))
}

/// An account that a deploy_account with this key, class and salt comes to.
///
/// # Panics
/// Never: the address of a contract is a hash, reduced to the range of addresses.
pub fn account(private_key: Felt, class_hash: ClassHash, salt: Felt) -> PredeployedAccount {
    let public_key = starknet_crypto::get_public_key(&private_key);
    let address = calculate_contract_address(
        ContractAddressSalt(salt),
        class_hash,
        &Calldata::from(vec![public_key]),
        ContractAddress::default(),
    );
    let address = address.expect("the hash is reduced to the range of addresses");
    PredeployedAccount { address, public_key, private_key }
}

/// The signed deploy_account of [`account`].
///
/// # Panics
/// Never: a deploy_account of version 3 has a hash.
pub fn deploy_account(
    chain: &Chain,
    account: &PredeployedAccount,
    class_hash: ClassHash,
    salt: Felt,
    resource_bounds: AllResourceBounds,
) -> RpcTransaction {
    let mut deploy = RpcDeployAccountTransactionV3 {
        signature: TransactionSignature::default(),
        nonce: Nonce::default(),
        class_hash,
        contract_address_salt: ContractAddressSalt(salt),
        constructor_calldata: Calldata::from(vec![account.public_key]),
        resource_bounds,
        tip: Tip::ZERO,
        paymaster_data: PaymasterData::default(),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L1,
    };
    let hash = DeployAccountTransactionV3::from(deploy.clone())
        .calculate_transaction_hash(chain.id(), &TransactionVersion::THREE)
        .expect("a deploy_account of version 3 has a hash");
    deploy.signature = signature(hash, &account.private_key);
    RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(deploy))
}

/// A signed declare.
///
/// # Panics
/// Never: a declare of version 3 has a hash.
pub fn declare(
    chain: &Chain,
    from: &PredeployedAccount,
    nonce: u64,
    contract_class: SierraContractClass,
    compiled_class_hash: CompiledClassHash,
) -> RpcTransaction {
    let declare = unsigned_declare(from, nonce, contract_class, compiled_class_hash);
    sign_declare(chain, from, declare)
}

/// The same for a class of megabytes, which needs most of the gas of a block: at most 57 STRK, at up
/// to 10 times the price of devnet.
///
/// # Panics
/// As [`declare`].
pub fn declare_large(
    chain: &Chain,
    from: &PredeployedAccount,
    nonce: u64,
    contract_class: SierraContractClass,
    compiled_class_hash: CompiledClassHash,
) -> RpcTransaction {
    let mut declare = unsigned_declare(from, nonce, contract_class, compiled_class_hash);
    declare.resource_bounds.l2_gas = ResourceBounds {
        max_amount: GasAmount(5_700_000_000),
        max_price_per_unit: GasPrice(10_000_000_000),
    };
    sign_declare(chain, from, declare)
}

fn unsigned_declare(
    from: &PredeployedAccount,
    nonce: u64,
    contract_class: SierraContractClass,
    compiled_class_hash: CompiledClassHash,
) -> RpcDeclareTransactionV3 {
    RpcDeclareTransactionV3 {
        sender_address: from.address,
        compiled_class_hash,
        signature: TransactionSignature::default(),
        nonce: Nonce(Felt::from(nonce)),
        contract_class,
        resource_bounds: ample_bounds(),
        tip: Tip::ZERO,
        paymaster_data: PaymasterData::default(),
        account_deployment_data: AccountDeploymentData::default(),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L1,
    }
}

fn sign_declare(
    chain: &Chain,
    from: &PredeployedAccount,
    mut declare: RpcDeclareTransactionV3,
) -> RpcTransaction {
    let hash = DeclareTransactionV3::from(declare.clone())
        .calculate_transaction_hash(chain.id(), &TransactionVersion::THREE)
        .expect("a declare of version 3 has a hash");
    declare.signature = signature(hash, &from.private_key);
    RpcTransaction::Declare(RpcDeclareTransaction::V3(declare))
}

#[cfg(test)]
pub(crate) mod mailbox;
#[cfg(test)]
pub(crate) mod world;
