//! `starknet_getMessagesStatus`.
//!
//! The question is for the L1 handler transactions that a transaction of L1 caused. No L1 is
//! connected: a message can be neither received nor ordered, and no block holds an L1 handler. So
//! there is no hash of L1 that is known here, and the answer is what the specification has for
//! that. A caller who waits for a message learns that it will not come from this chain.

use crate::{
    dispatch::{Answer, Call},
    dto::felt::Hex,
    error::Error,
};

/// Answers `starknet_getMessagesStatus`.
///
/// # Errors
/// [`Error::TransactionHashNotFound`], for every hash.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let Hex::<[u8; 32]>(_) = call.params.required("transaction_hash")?;
    Err(Error::TransactionHashNotFound)
}
