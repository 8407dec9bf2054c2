//! The methods, one file for those that share their work.

pub(crate) mod add_transaction;
pub(crate) mod call;
pub(crate) mod devnet;
pub(crate) mod estimate_fee;
pub(crate) mod estimate_message_fee;
pub(crate) mod get_block;
pub(crate) mod get_class;
pub(crate) mod get_class_hash_at;
pub(crate) mod get_compiled_casm;
pub(crate) mod get_events;
pub(crate) mod get_messages_status;
pub(crate) mod get_nonce;
pub(crate) mod get_state_update;
pub(crate) mod get_storage_at;
pub(crate) mod get_storage_proof;
pub(crate) mod get_transaction;
pub(crate) mod get_transaction_receipt;
pub(crate) mod get_transaction_status;
pub(crate) mod katana;
pub(crate) mod mint;
pub(crate) mod simulate_transactions;
pub(crate) mod subscribe;
pub(crate) mod syncing;
pub(crate) mod trace;

use kraken_execution::State;
use kraken_sequencer::View;

use crate::{
    dto::block_id::BlockId,
    error::{Error, Internal},
};

/// The state after a block.
///
/// # Errors
/// [`Error::BlockNotFound`].
fn state_at(view: &View, block_id: BlockId) -> Result<State, Error> {
    let number = block_id.number(view)?;
    let state = view.state_at(number)?;
    Ok(state.ok_or(Internal::Broken { what: "a block has no state" })?)
}
