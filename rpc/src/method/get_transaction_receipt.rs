//! `starknet_getTransactionReceipt`.

use crate::{
    dispatch::{Answer, Call, json},
    dto::receipt::{Finality, ReceiptWithBlock},
    error::Error,
};

/// Answers `starknet_getTransactionReceipt`, as soon as the transaction is executed.
///
/// # Errors
/// [`Error::TransactionHashNotFound`].
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let hash = call.params.required("transaction_hash")?;
    let (block, index) = call.view.find_transaction(hash)?.ok_or(Error::TransactionHashNotFound)?;
    let finality = Finality::of(&block, call.view.accepted_on_l1());
    json(Ok(ReceiptWithBlock::new(&block.transactions()[index], &block, finality)))
}
