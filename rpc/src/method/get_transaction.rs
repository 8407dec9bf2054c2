//! Single transactions.

use crate::{
    dispatch::{Answer, Call, json},
    dto::{block_id::BlockId, flag::TransactionFlag, transaction::TransactionWithHash},
    error::Error,
};

/// Answers `starknet_getTransactionByHash`, from the block that holds the transaction on.
///
/// # Errors
/// [`Error::TransactionHashNotFound`].
pub(crate) fn by_hash(call: &Call<'_>) -> Answer {
    let hash = call.params.required("transaction_hash")?;
    let flags = flags(call)?;
    let (block, index) = call.view.find_transaction(hash)?.ok_or(Error::TransactionHashNotFound)?;
    json(Ok(TransactionWithHash::new(&block.transactions()[index], &flags)))
}

/// Answers `starknet_getTransactionByBlockIdAndIndex`.
///
/// # Errors
/// [`Error::BlockNotFound`], [`Error::InvalidTransactionIndex`].
pub(crate) fn by_block_id_and_index(call: &Call<'_>) -> Answer {
    let block_id: BlockId = call.params.required("block_id")?;
    let index: u64 = call.params.required("index")?;
    let flags = flags(call)?;
    let block = block_id.block(&call.view)?;
    let executed = usize::try_from(index)
        .ok()
        .and_then(|index| block.transactions().get(index))
        .ok_or(Error::InvalidTransactionIndex)?;
    json(Ok(TransactionWithHash::new(executed, &flags)))
}

fn flags(call: &Call<'_>) -> Result<Vec<TransactionFlag>, Error> {
    Ok(call.params.optional("response_flags")?.unwrap_or_default())
}
