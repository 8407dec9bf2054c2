//! Blocks, in three shapes, and short answers about them.

use kraken_sequencer::BlockAt;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::{Answer, Call, json},
    dto::{
        block::{Block, TransactionWithReceipt},
        block_id::BlockId,
        flag::TransactionFlag,
        receipt::{Finality, Receipt},
        transaction::{Transaction, TransactionWithHash},
        written::Written,
    },
    error::{Error, Internal},
    schema,
};

/// The answer to `starknet_blockHashAndNumber`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BLOCK_HASH_AND_NUMBER")]
pub(crate) struct HashAndNumber {
    #[schemars(with = "schema::BlockHash")]
    block_hash: Felt,
    block_number: u64,
}

/// Answers `starknet_getBlockWithTxHashes`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) fn with_tx_hashes(call: &Call<'_>) -> Answer {
    let block = block(call)?;
    let hashes = block.transactions().iter().map(|executed| Written(executed.hash.0)).collect();
    json(Ok(Block::<Written>::new(&block, finality(call, &block), hashes, call.version)))
}

/// Answers `starknet_getBlockWithTxs`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) fn with_txs(call: &Call<'_>) -> Answer {
    let flags = flags(call)?;
    let block = block(call)?;
    let transactions = block
        .transactions()
        .iter()
        .map(|executed| TransactionWithHash::new(executed, &flags))
        .collect();
    json(Ok(Block::new(&block, finality(call, &block), transactions, call.version)))
}

/// Answers `starknet_getBlockWithReceipts`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) fn with_receipts(call: &Call<'_>) -> Answer {
    let flags = flags(call)?;
    let block = block(call)?;
    let finality = finality(call, &block);
    let transactions = block
        .transactions()
        .iter()
        .map(|executed| TransactionWithReceipt {
            transaction: Transaction::new(&executed.transaction, &flags),
            receipt: Receipt::new(executed, finality),
        })
        .collect();
    json(Ok(Block::new(&block, finality, transactions, call.version)))
}

/// Answers `starknet_getBlockTransactionCount`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) fn transaction_count(call: &Call<'_>) -> Result<usize, Error> {
    Ok(block(call)?.transactions().len())
}

/// Answers `starknet_blockHashAndNumber`.
///
/// # Errors
/// None of the specification: block 0 exists before anything is served.
pub(crate) fn hash_and_number(call: &Call<'_>) -> Result<HashAndNumber, Error> {
    match BlockId::Latest.block(&call.view)? {
        BlockAt::Closed(block) => Ok(HashAndNumber {
            block_hash: block.header.hash.0,
            block_number: block.header.number().0,
        }),
        BlockAt::Unsealed(_) => Err(Internal::Broken { what: "latest block is open" }.into()),
    }
}

fn block(call: &Call<'_>) -> Result<BlockAt, Error> {
    call.params.required::<BlockId>("block_id")?.block(&call.view)
}

fn finality(call: &Call<'_>, block: &BlockAt) -> Finality {
    Finality::of(block, call.view.accepted_on_l1())
}

fn flags(call: &Call<'_>) -> Result<Vec<TransactionFlag>, Error> {
    Ok(call.params.optional("response_flags")?.unwrap_or_default())
}
