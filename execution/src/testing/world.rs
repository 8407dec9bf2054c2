//! A small world for the tests of this room: a chain, its block 0, and blocks on top.

use std::sync::{Arc, OnceLock};

use kraken_storage::SierraClass;
use kraken_types::{Genesis, Signer};
use starknet_api::{
    block::{BlockHash, BlockInfo, BlockNumber},
    core::{ClassHash, ContractAddress},
    rpc_transaction::{RpcInvokeTransaction, RpcInvokeTransactionV3, RpcTransaction},
    state::SierraContractClass,
};
use starknet_types_core::felt::Felt;

use crate::{
    Chain, ClosedBlock, EngineKind, Executor, Included, Outcome, Prepared, Rejection, State,
    compile,
    genesis::{
        ACCOUNT_CLASS_HASH, PredeployedAccount, UDC_CLASS_HASH, accounts, artefact_for_tests,
        dev_genesis,
    },
    testing,
};

/// A fee in fri per unit of L2 gas.
pub(crate) const PRICE: u128 = 1_000_000_000;

/// A chain and a state of it.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) state: State,
    pub(crate) accounts: Vec<PredeployedAccount>,
    /// The next block.
    pub(crate) number: u64,
}

impl World {
    /// After block 0, with room for many transactions in a block.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// After block 0 of a changed genesis.
    pub(crate) fn with(change: impl FnOnce(&mut Genesis)) -> Self {
        let key = Signer::from_seed([1; 32]).public_key();
        let mut genesis = dev_genesis("SN_SEPOLIA", 0, 6, 1_700_000_000, &key);
        genesis.block.transactions_max = 1_000;
        change(&mut genesis);
        let chain = Chain::new(&genesis).expect("a valid genesis");
        let accounts = accounts(genesis.accounts.seed, genesis.accounts.count);
        Self { state: testing::state(&genesis), chain, accounts, number: 1 }
    }

    pub(crate) fn info(&self) -> BlockInfo {
        self.chain.block_info(
            BlockNumber(self.number),
            1_700_000_000 + self.number,
            self.chain.gas_prices(PRICE),
        )
    }

    pub(crate) fn prepare(&self, transaction: RpcTransaction) -> Prepared {
        Prepared::new(transaction, &self.chain).expect("a good transaction")
    }

    /// Executes a block and moves on to the state after it.
    pub(crate) fn execute(
        &mut self,
        transactions: &[RpcTransaction],
    ) -> (Vec<Outcome>, ClosedBlock) {
        let (outcomes, closed) = self.execute_with(EngineKind::Sequential, transactions);
        self.state = self.state.clone().with(Arc::new(closed.changes.clone()));
        self.number += 1;
        (outcomes, closed)
    }

    /// Executes a block and throws it away.
    pub(crate) fn execute_with(
        &self,
        kind: EngineKind,
        transactions: &[RpcTransaction],
    ) -> (Vec<Outcome>, ClosedBlock) {
        let executor = Executor::new(kind, self.chain.clone());
        let old_hash = (10 <= self.number).then(|| block_hash(self.number - 10));
        let mut block =
            executor.open(self.state.clone(), self.info(), old_hash).expect("the state is whole");
        let prepared: Vec<_> =
            transactions.iter().map(|transaction| self.prepare(transaction.clone())).collect();
        block.submit(&prepared);
        let outcomes = block.wait().expect("the state is whole");
        (outcomes, block.close().expect("the state is whole"))
    }

    /// Executes one transaction and moves on.
    pub(crate) fn execute_one(&mut self, transaction: RpcTransaction) -> Outcome {
        let (mut outcomes, _) = self.execute(&[transaction]);
        outcomes.pop().expect("one outcome")
    }

    pub(crate) fn transfer(
        &self,
        from: usize,
        nonce: u64,
        to: usize,
        amount: u128,
    ) -> RpcTransaction {
        let to = self.accounts[to].address;
        testing::transfer(&self.chain, &self.accounts[from], nonce, to, amount)
    }
}

pub(crate) fn block_hash(number: u64) -> BlockHash {
    BlockHash(Felt::from(1_000 + number))
}

pub(crate) fn included(outcome: &Outcome) -> &Included {
    match outcome {
        Outcome::Included(included) => included,
        Outcome::LeftOut(rejection) => panic!("left out: {rejection}"),
    }
}

pub(crate) fn left_out(outcome: &Outcome) -> &Rejection {
    match outcome {
        Outcome::LeftOut(rejection) => rejection,
        Outcome::Included(_) => panic!("included"),
    }
}

pub(crate) fn address(number: u64) -> ContractAddress {
    ContractAddress::try_from(Felt::from(number)).expect("a small number is an address")
}

/// The universal deployer under another ABI, which makes it another class.
pub(crate) fn small_class() -> SierraContractClass {
    let mut class = artefact_for_tests(UDC_CLASS_HASH);
    class.abi = "[]".to_owned();
    class
}

/// The class of the accounts as of Sierra 1.7, so that it meters Sierra gas; compiled once.
pub(crate) fn metered_account_class() -> &'static (ClassHash, SierraClass) {
    static CLASS: OnceLock<(ClassHash, SierraClass)> = OnceLock::new();
    CLASS.get_or_init(|| {
        let mut sierra = artefact_for_tests(ACCOUNT_CLASS_HASH);
        sierra.sierra_program[1] = Felt::from(7);
        let limits = World::new().chain.genesis().limits.clone();
        let class = compile(sierra, &limits).expect("Sierra 1.6 is Sierra 1.7");
        (class.sierra.calculate_class_hash(), class)
    })
}

/// The same transaction with fields that its signature no longer covers.
pub(crate) fn change_invoke(
    mut transaction: RpcTransaction,
    change: impl FnOnce(&mut RpcInvokeTransactionV3),
) -> RpcTransaction {
    if let RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke)) = &mut transaction {
        change(invoke);
    }
    transaction
}
