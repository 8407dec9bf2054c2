//! Builders for tests, here and in the rooms above. Everything follows from a seed.

pub mod targets;

use std::sync::Arc;

use kraken_types::{CommitIndex, Cursor, Digest};
use serde_json::json;
use starknet_api::{
    block::{
        BlockHash, BlockInfo, BlockNumber, BlockTimestamp, GasPriceVector, GasPrices,
        NonzeroGasPrice,
    },
    core::{
        ClassHash, CompiledClassHash, ContractAddress, EntryPointSelector, EthAddress,
        EventCommitment, Nonce, PatriciaKey, ReceiptCommitment, StateDiffCommitment,
        TransactionCommitment,
    },
    data_availability::DataAvailabilityMode,
    execution_resources::{GasAmount, GasVector},
    hash::PoseidonHash,
    rpc_transaction::{
        EntryPointByType, RpcDeclareTransaction, RpcDeclareTransactionV3,
        RpcDeployAccountTransaction, RpcDeployAccountTransactionV3, RpcInvokeTransaction,
        RpcInvokeTransactionV3, RpcTransaction,
    },
    state::{EntryPoint, FunctionIndex, SierraContractClass, StorageKey, ThinStateDiff},
    transaction::{
        Event, EventContent, EventData, EventKey, L1HandlerTransaction, L2ToL1Payload, MessageToL1,
        RevertedTransactionExecutionStatus, Transaction, TransactionExecutionStatus,
        TransactionHash, TransactionVersion,
        fields::{
            AccountDeploymentData, AllResourceBounds, Calldata, ContractAddressSalt, Fee,
            PaymasterData, Proof, ProofFacts, ResourceBounds, Tip, TransactionSignature,
        },
    },
};
use starknet_types_core::felt::Felt;

use crate::{
    Block, Class, Error, ExecutedTransaction, Header, Receipt, SierraClass, Storage, trie,
};

/// A stream of numbers that look random: SplitMix64.
///
/// Source: *Steele, Lea, Flood, Fast splittable pseudorandom number generators, OOPSLA 2014*.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts the stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any number.
    pub const fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which must not be zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.number().to_le_bytes()[0]).collect()
    }

    /// A felt: small, large, or anything.
    pub fn felt(&mut self) -> Felt {
        match self.below(4) {
            0 => Felt::from(self.below(3)),
            1 => -Felt::from(1 + self.below(3)),
            _ => Felt::from_raw([self.number() >> 6, self.number(), self.number(), self.number()]),
        }
    }

    /// Less than eight felts.
    pub fn felts(&mut self) -> Vec<Felt> {
        (0..self.below(8)).map(|_| self.felt()).collect()
    }

    /// A felt that never comes twice.
    pub fn hash(&mut self) -> Felt {
        Felt::from(self.amount() | 1 << 100)
    }

    /// A felt below 2^251.
    pub fn key(&mut self) -> PatriciaKey {
        let mut bytes = self.felt().to_bytes_be();
        bytes[0] &= 0x07;
        PatriciaKey::try_from(Felt::from_bytes_be(&bytes)).expect("the high bits are cleared")
    }

    /// An address.
    pub fn address(&mut self) -> ContractAddress {
        ContractAddress(self.key())
    }

    /// A storage key.
    pub fn storage_key(&mut self) -> StorageKey {
        StorageKey(self.key())
    }

    /// A class hash.
    pub fn class_hash(&mut self) -> ClassHash {
        ClassHash(*self.key().key())
    }

    fn amount(&mut self) -> u128 {
        (u128::from(self.number()) << 64) | u128::from(self.number())
    }

    fn mode(&mut self) -> DataAvailabilityMode {
        if self.below(2) == 0 { DataAvailabilityMode::L1 } else { DataAvailabilityMode::L2 }
    }

    fn signature(&mut self) -> TransactionSignature {
        TransactionSignature(Arc::new(self.felts()))
    }

    fn resource_bounds(&mut self) -> AllResourceBounds {
        let mut bounds = || ResourceBounds {
            max_amount: GasAmount(self.number()),
            max_price_per_unit: self.amount().into(),
        };
        AllResourceBounds { l1_gas: bounds(), l2_gas: bounds(), l1_data_gas: bounds() }
    }

    fn price(&mut self) -> NonzeroGasPrice {
        NonzeroGasPrice::try_from(self.amount().max(1)).expect("not zero")
    }

    fn prices(&mut self) -> GasPriceVector {
        GasPriceVector {
            l1_gas_price: self.price(),
            l1_data_gas_price: self.price(),
            l2_gas_price: self.price(),
        }
    }

    fn gas(&mut self) -> GasVector {
        GasVector {
            l1_gas: GasAmount(self.number()),
            l1_data_gas: GasAmount(self.number()),
            l2_gas: GasAmount(self.number()),
        }
    }

    /// A transaction as a caller sends it; it is well formed and means nothing.
    pub fn transaction(&mut self) -> RpcTransaction {
        match self.below(3) {
            0 => RpcTransaction::Invoke(RpcInvokeTransaction::V3(self.invoke())),
            1 => RpcTransaction::Declare(RpcDeclareTransaction::V3(self.declare())),
            _ => RpcTransaction::DeployAccount(RpcDeployAccountTransaction::V3(
                self.deploy_account(),
            )),
        }
    }

    fn invoke(&mut self) -> RpcInvokeTransactionV3 {
        RpcInvokeTransactionV3 {
            sender_address: self.address(),
            calldata: Calldata(Arc::new(self.felts())),
            signature: self.signature(),
            nonce: Nonce(self.felt()),
            resource_bounds: self.resource_bounds(),
            tip: Tip(self.number()),
            paymaster_data: PaymasterData(self.felts()),
            account_deployment_data: AccountDeploymentData(self.felts()),
            nonce_data_availability_mode: self.mode(),
            fee_data_availability_mode: self.mode(),
            proof_facts: ProofFacts(Arc::new(self.felts())),
            proof: Proof::default(),
        }
    }

    fn declare(&mut self) -> RpcDeclareTransactionV3 {
        RpcDeclareTransactionV3 {
            sender_address: self.address(),
            compiled_class_hash: CompiledClassHash(self.felt()),
            signature: self.signature(),
            nonce: Nonce(self.felt()),
            contract_class: self.sierra(),
            resource_bounds: self.resource_bounds(),
            tip: Tip(self.number()),
            paymaster_data: PaymasterData(self.felts()),
            account_deployment_data: AccountDeploymentData(self.felts()),
            nonce_data_availability_mode: self.mode(),
            fee_data_availability_mode: self.mode(),
        }
    }

    fn deploy_account(&mut self) -> RpcDeployAccountTransactionV3 {
        RpcDeployAccountTransactionV3 {
            signature: self.signature(),
            nonce: Nonce(self.felt()),
            class_hash: self.class_hash(),
            contract_address_salt: ContractAddressSalt(self.felt()),
            constructor_calldata: Calldata(Arc::new(self.felts())),
            resource_bounds: self.resource_bounds(),
            tip: Tip(self.number()),
            paymaster_data: PaymasterData(self.felts()),
            nonce_data_availability_mode: self.mode(),
            fee_data_availability_mode: self.mode(),
        }
    }

    fn l1_handler(&mut self) -> L1HandlerTransaction {
        L1HandlerTransaction {
            version: TransactionVersion::ZERO,
            nonce: Nonce(self.felt()),
            contract_address: self.address(),
            entry_point_selector: EntryPointSelector(self.felt()),
            calldata: Calldata(Arc::new(self.felts())),
        }
    }

    fn entry_points(&mut self) -> Vec<EntryPoint> {
        (0..self.below(4))
            .map(|index| EntryPoint {
                function_idx: FunctionIndex(usize::try_from(index).expect("small")),
                selector: EntryPointSelector(self.felt()),
            })
            .collect()
    }

    fn sierra(&mut self) -> SierraContractClass {
        SierraContractClass {
            sierra_program: self.felts(),
            contract_class_version: "0.1.0".to_owned(),
            entry_points_by_type: EntryPointByType {
                constructor: self.entry_points(),
                external: self.entry_points(),
                l1handler: self.entry_points(),
            },
            abi: format!("[\"äbi {}\"]", self.number()),
        }
    }

    /// A class with its hash; it has the shape of a class and does nothing.
    pub fn class(&mut self) -> (ClassHash, Arc<Class>) {
        if self.below(4) == 0 {
            return (ClassHash(self.hash()), Arc::new(deprecated_class(self.below(1 << 30))));
        }
        let sierra = self.sierra();
        let hash = sierra.calculate_class_hash();
        let casm = json!({
            "prime": "0x800000000000011000000000000000000000000000000000000000000000001",
            "compiler_version": "2.19.5",
            "bytecode": [format!("{:#x}", self.felt()), "0x2", "0x3"],
            "bytecode_segment_lengths": [1, 2],
            "hints": [[0, [{ "AllocSegment": { "dst": { "register": "AP", "offset": 0 } } }]]],
            "entry_points_by_type": {
                "EXTERNAL": [{ "selector": "0x1", "offset": 0, "builtins": ["range_check"] }],
                "L1_HANDLER": [],
                "CONSTRUCTOR": [],
            },
        });
        let class = SierraClass {
            sierra,
            casm: serde_json::from_value(casm).expect("the shape of a compiled class"),
            compiled_class_hash: CompiledClassHash(self.felt()),
        };
        (hash, Arc::new(Class::Sierra(Box::new(class))))
    }

    /// A transaction with a receipt that means nothing.
    pub fn executed_transaction(&mut self) -> ExecutedTransaction {
        let transaction = match self.below(8) {
            0 => Transaction::L1Handler(self.l1_handler()),
            _ => self.transaction().into(),
        };
        let receipt = Receipt {
            actual_fee: Fee(self.amount()),
            execution_status: match self.below(4) {
                0 => {
                    let revert_reason = format!("no luck: {}", self.number());
                    TransactionExecutionStatus::Reverted(RevertedTransactionExecutionStatus {
                        revert_reason,
                    })
                }
                _ => TransactionExecutionStatus::Succeeded,
            },
            messages_sent: (0..self.below(3)).map(|_| self.message()).collect(),
            events: (0..self.below(5)).map(|_| self.event()).collect(),
            gas: self.gas(),
        };
        ExecutedTransaction { hash: TransactionHash(self.hash()), transaction, receipt }
    }

    fn message(&mut self) -> MessageToL1 {
        let to_address = EthAddress::try_from(Felt::from(self.amount())).expect("16 bytes");
        MessageToL1 {
            from_address: self.address(),
            to_address,
            payload: L2ToL1Payload(self.felts()),
        }
    }

    fn event(&mut self) -> Event {
        Event {
            from_address: self.address(),
            content: EventContent {
                keys: self.felts().into_iter().map(EventKey).collect(),
                data: EventData(self.felts()),
            },
        }
    }

    /// A state diff without classes.
    pub fn state_diff(&mut self) -> ThinStateDiff {
        let mut diff = ThinStateDiff::default();
        for _ in 0..self.below(4) {
            diff.deployed_contracts.insert(self.address(), self.class_hash());
            diff.nonces.insert(self.address(), Nonce(self.felt()));
            let cells = diff.storage_diffs.entry(self.address()).or_default();
            for _ in 0..=self.below(4) {
                cells.insert(self.storage_key(), self.felt());
            }
        }
        diff
    }

    /// A block whose parts are well formed; only [`next_block`] makes one that can be stored.
    pub fn block(&mut self, number: BlockNumber) -> Block {
        let transactions: Vec<_> =
            (0..self.below(6)).map(|_| Arc::new(self.executed_transaction())).collect();
        let mut state_diff = self.state_diff();
        let mut classes: Vec<_> = (0..self.below(3)).map(|_| self.class()).collect();
        classes.sort_by_key(|(class_hash, _)| *class_hash);
        classes.dedup_by_key(|(class_hash, _)| *class_hash);
        declare(&mut state_diff, &classes);
        let header = self.header(number, u32::try_from(transactions.len()).expect("few"));
        let executed_up_to =
            Cursor { commit: CommitIndex(self.number()), transactions: header.event_count };
        let checkpoint = Digest::of("kraken test v1", &self.number());
        Block { header, transactions, state_diff, classes, executed_up_to, checkpoint }
    }

    fn header(&mut self, number: BlockNumber, transaction_count: u32) -> Header {
        let gas_prices =
            GasPrices { eth_gas_prices: self.prices(), strk_gas_prices: self.prices() };
        Header {
            info: BlockInfo {
                block_number: number,
                block_timestamp: BlockTimestamp(self.number()),
                sequencer_address: self.address(),
                gas_prices,
                use_kzg_da: self.below(2) == 0,
                ..BlockInfo::default()
            },
            hash: BlockHash(self.felt() + Felt::from(number.0)),
            parent_hash: BlockHash(self.felt()),
            state_root: starknet_api::core::GlobalRoot(self.felt()),
            transaction_commitment: TransactionCommitment(self.felt()),
            event_commitment: EventCommitment(self.felt()),
            receipt_commitment: ReceiptCommitment(self.felt()),
            state_diff_commitment: StateDiffCommitment(PoseidonHash(self.felt())),
            transaction_count,
            event_count: u32::try_from(self.below(1 << 20)).expect("small"),
            state_diff_length: u32::try_from(self.below(1 << 20)).expect("small"),
            l2_gas_used: self.number(),
        }
    }
}

fn deprecated_class(mark: u64) -> Class {
    let class = json!({
        "abi": null,
        "program": {
            "attributes": [],
            "builtins": ["range_check"],
            "compiler_version": "0.10.3",
            "data": [format!("{mark:#x}")],
            "debug_info": null,
            "hints": {},
            "identifiers": {},
            "main_scope": "__main__",
            "prime": "0x800000000000011000000000000000000000000000000000000000000000001",
            "reference_manager": { "references": [] },
        },
        "entry_points_by_type": { "CONSTRUCTOR": [], "EXTERNAL": [], "L1_HANDLER": [] },
    });
    let class = serde_json::from_value(class).expect("the shape of a class of Cairo 0");
    Class::Deprecated(Box::new(class))
}

/// Adds to a state diff that it declares these classes.
pub fn declare(diff: &mut ThinStateDiff, classes: &[(ClassHash, Arc<Class>)]) {
    for (class_hash, class) in classes {
        match class.as_ref() {
            Class::Sierra(class) => {
                let compiled = class.compiled_class_hash;
                diff.class_hash_to_compiled_class_hash.insert(*class_hash, compiled);
            }
            Class::Deprecated(_) => diff.deprecated_declared_classes.push(*class_hash),
        }
    }
}

/// Turns a block into one that follows on what is stored: its number, its parent and its state root
/// become the right ones, and its hash becomes one of its own.
///
/// # Errors
/// As [`Storage::update_tries`] and [`Storage::block`].
pub fn next_block(
    storage: &Storage,
    mut block: Block,
) -> Result<(Arc<Block>, trie::Update), Error> {
    let (number, parent_hash) = match storage.tip() {
        None => (BlockNumber(0), BlockHash::GENESIS_PARENT_HASH),
        Some(tip) => {
            let parent = storage.block(tip)?.expect("the tip is stored");
            (tip.unchecked_next(), parent.header.hash)
        }
    };
    let tries = storage.update_tries(&block.state_diff)?;
    block.header.info.block_number = number;
    block.header.parent_hash = parent_hash;
    block.header.state_root = tries.state_root();
    block.header.hash = BlockHash(Felt::from(number.0 + 1) + tries.state_root().0);
    Ok((Arc::new(block), tries))
}

/// Makes [`next_block`] and stores it.
///
/// # Errors
/// As [`next_block`] and [`Storage::commit_block`].
pub fn commit_next(storage: &Storage, block: Block) -> Result<Arc<Block>, Error> {
    let (block, tries) = next_block(storage, block)?;
    storage.commit_block(&block, tries)?;
    Ok(block)
}
