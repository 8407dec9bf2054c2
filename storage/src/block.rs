//! What a block is, once it is executed.

use std::sync::Arc;

use cairo_lang_starknet_classes::casm_contract_class::CasmContractClass;
use kraken_types::{Cursor, Digest};
use starknet_api::{
    block::{BlockHash, BlockInfo, BlockNumber, GasPrices},
    core::{
        ClassHash, CompiledClassHash, EventCommitment, GlobalRoot, ReceiptCommitment,
        StateDiffCommitment, TransactionCommitment,
    },
    deprecated_contract_class::ContractClass as DeprecatedContractClass,
    execution_resources::GasVector,
    state::{SierraContractClass, ThinStateDiff},
    transaction::{
        Event, MessageToL1, Transaction, TransactionExecutionStatus, TransactionHash, fields::Fee,
    },
};

/// A closed block: everything that becomes durable together.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// What the block hash covers, and the hash.
    pub header: Header,
    /// In the order of execution.
    pub transactions: Vec<Arc<ExecutedTransaction>>,
    /// What the block changed.
    pub state_diff: ThinStateDiff,
    /// The classes that `state_diff` declares, sorted by hash.
    pub classes: Vec<(ClassHash, Arc<Class>)>,
    /// The first ordered transaction that is in no block up to this one.
    pub executed_up_to: Cursor,
    /// Over the state of the order before the commit of `executed_up_to`.
    pub checkpoint: Digest,
}

/// The header of a closed block.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// What the block knew before it was executed: number, time, prices, sequencer.
    pub info: BlockInfo,
    /// Hash of this block.
    pub hash: BlockHash,
    /// Hash of the block before, zero for block 0.
    pub parent_hash: BlockHash,
    /// Commitment to the state after this block.
    pub state_root: GlobalRoot,
    /// Root of the tree over transaction hashes and signatures.
    pub transaction_commitment: TransactionCommitment,
    /// Root of the tree over events.
    pub event_commitment: EventCommitment,
    /// Root of the tree over receipts.
    pub receipt_commitment: ReceiptCommitment,
    /// Hash of the state diff.
    pub state_diff_commitment: StateDiffCommitment,
    /// Number of transactions.
    pub transaction_count: u32,
    /// Number of events.
    pub event_count: u32,
    /// Length of the state diff, in the measure of the block hash.
    pub state_diff_length: u32,
    /// L2 gas used by all transactions; decides the next block's price.
    pub l2_gas_used: u64,
}

impl Header {
    /// The number of the block.
    pub fn number(&self) -> BlockNumber {
        self.info.block_number
    }
}

/// A new beginning of the order behind a block, which is the newest one from now on.
///
/// Only the chain of a single validator has any: nobody else has to agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Reset {
    /// The blocks above this one are no more.
    pub after: BlockNumber,
    /// How many resets there have been, this one included. The order of each has its own logs.
    pub count: u32,
    /// What gas costs in the next block.
    pub gas_prices: GasPrices,
}

/// A transaction with what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutedTransaction {
    /// Its hash.
    pub hash: TransactionHash,
    /// As it was signed, without the class of a declare.
    pub transaction: Transaction,
    /// What came of it.
    pub receipt: Receipt,
}

/// What came of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Receipt {
    /// Charged, in fri.
    pub actual_fee: Fee,
    /// Succeeded, or reverted and why.
    pub execution_status: TransactionExecutionStatus,
    /// In the order of execution.
    pub messages_sent: Vec<MessageToL1>,
    /// In the order of execution.
    pub events: Vec<Event>,
    /// Charged for.
    pub gas: GasVector,
}

/// A declared class.
#[derive(Clone, Debug, PartialEq)]
pub enum Class {
    /// A class of Cairo 1 or later, and what it compiles to.
    Sierra(Box<SierraClass>),
    /// A class of Cairo 0.
    Deprecated(Box<DeprecatedContractClass>),
}

/// A class of Cairo 1 or later, and what it compiles to.
#[derive(Clone, Debug, PartialEq)]
pub struct SierraClass {
    /// As it was declared.
    pub sierra: SierraContractClass,
    /// As it is executed.
    pub casm: CasmContractClass,
    /// Hash of `casm`, by Blake2s (SNIP-34).
    pub compiled_class_hash: CompiledClassHash,
}
