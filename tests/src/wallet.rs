//! Signs for the accounts of block 0.

use kraken_execution::{
    Call, Chain,
    genesis::{self, PredeployedAccount},
    testing,
};
use kraken_types::Signer;
use serde_json::{Value, json};
use starknet_api::{
    core::{ClassHash, CompiledClassHash, ContractAddress},
    rpc_transaction::RpcTransaction,
    state::SierraContractClass,
    transaction::fields::AllResourceBounds,
};
use starknet_types_core::felt::Felt;

use crate::{
    CallError, Client,
    client::{felt, hex},
};

/// The chain of `kraken dev`.
pub const CHAIN_ID: &str = "SN_SEPOLIA";

/// The accounts of `kraken dev --seed 0`.
#[derive(Debug)]
pub struct Wallet {
    chain: Chain,
    accounts: Vec<PredeployedAccount>,
}

/// What the node answers to a transaction that it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    /// The hash.
    pub hash: Felt,
    /// Of a declare.
    pub class_hash: Option<Felt>,
    /// Of a deploy_account.
    pub contract_address: Option<Felt>,
}

impl Wallet {
    /// The first `count` accounts.
    ///
    /// # Panics
    /// Never: the genesis for developing is a valid one.
    pub fn new(count: u16) -> Self {
        // Signatures cover the chain id alone.
        let key = Signer::from_seed([0; 32]).public_key();
        let genesis = genesis::dev_genesis(CHAIN_ID, 0, count, 0, &key);
        Self {
            chain: Chain::new(&genesis).expect("the genesis for developing is a valid one"),
            accounts: genesis::accounts(0, count),
        }
    }

    /// What transactions are signed for.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// An account.
    pub fn account(&self, index: usize) -> &PredeployedAccount {
        &self.accounts[index]
    }

    /// The address of an account.
    pub fn address(&self, index: usize) -> Felt {
        self.accounts[index].address.into()
    }

    /// How many accounts there are.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// A transfer of STRK from one account to another.
    pub fn transfer(&self, from: usize, nonce: u64, to: usize, amount: u128) -> RpcTransaction {
        let to = self.accounts[to].address;
        testing::transfer(&self.chain, &self.accounts[from], nonce, to, amount)
    }

    /// A transaction of any calls.
    pub fn multicall(&self, from: usize, nonce: u64, calls: &[Call]) -> RpcTransaction {
        self.multicall_within(from, nonce, calls, testing::ample_bounds())
    }

    /// A transaction of any calls, with bounds.
    pub fn multicall_within(
        &self,
        from: usize,
        nonce: u64,
        calls: &[Call],
        bounds: AllResourceBounds,
    ) -> RpcTransaction {
        testing::multicall(&self.chain, &self.accounts[from], nonce, calls, bounds)
    }

    /// A declare.
    pub fn declare(
        &self,
        from: usize,
        nonce: u64,
        class: SierraContractClass,
        compiled_class_hash: Felt,
    ) -> RpcTransaction {
        let compiled = CompiledClassHash(compiled_class_hash);
        testing::declare(&self.chain, &self.accounts[from], nonce, class, compiled)
    }

    /// A new account of the class of block 0, and the transaction that deploys it.
    pub fn new_account(&self, private_key: Felt) -> (PredeployedAccount, RpcTransaction) {
        let (class, salt) = (genesis::ACCOUNT_CLASS_HASH, Felt::ONE);
        let account = testing::account(private_key, class, salt);
        let bounds = testing::ample_bounds();
        (account, testing::deploy_account(&self.chain, &account, class, salt, bounds))
    }
}

/// The call that deploys a contract through the universal deployer, and where the contract will be.
pub fn deploy_call(class_hash: Felt, salt: Felt, calldata: &[Felt]) -> (Call, Felt) {
    let (call, address) = testing::deploy_call(ClassHash(class_hash), salt, calldata);
    (call, address.into())
}

/// A call.
///
/// # Panics
/// If the address is none.
pub fn call(contract: Felt, function: &str, calldata: Vec<Felt>) -> Call {
    Call {
        contract_address: ContractAddress::try_from(contract).expect("an address"),
        selector: starknet_api::abi::abi_utils::selector_from_name(function),
        calldata,
    }
}

/// The transaction as a BROADCASTED_TXN of the specification.
///
/// # Panics
/// Never: transactions are JSON.
pub fn broadcasted(transaction: &RpcTransaction) -> Value {
    serde_json::to_value(transaction).expect("transactions are JSON")
}

/// The method that takes a transaction in, and its parameters.
pub fn submission(transaction: &RpcTransaction) -> (&'static str, Value) {
    let body = broadcasted(transaction);
    match transaction {
        RpcTransaction::Invoke(_) => {
            ("starknet_addInvokeTransaction", json!({ "invoke_transaction": body }))
        }
        RpcTransaction::Declare(_) => {
            ("starknet_addDeclareTransaction", json!({ "declare_transaction": body }))
        }
        RpcTransaction::DeployAccount(_) => {
            ("starknet_addDeployAccountTransaction", json!({ "deploy_account_transaction": body }))
        }
    }
}

impl Client {
    /// Submits a transaction.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub fn submit(&self, transaction: &RpcTransaction) -> Result<Submitted, CallError> {
        let (method, params) = submission(transaction);
        let answer = self.call(method, params)?;
        Ok(Submitted {
            hash: felt(&answer["transaction_hash"]),
            class_hash: answer.get("class_hash").map(felt),
            contract_address: answer.get("contract_address").map(felt),
        })
    }

    /// What an account holds in an open block, in fri.
    ///
    /// # Panics
    /// If the node does not say.
    pub fn balance(&self, account: Felt) -> u128 {
        let answer = self.get(
            "devnet_getAccountBalance",
            json!({ "address": hex(account), "block_id": "pre_confirmed" }),
        );
        answer["amount"].as_str().and_then(|text| text.parse().ok()).expect("a decimal number")
    }
}
