//! Binary forms of Starknet's nouns: canonical, versioned, decoded as hostile input.
//!
//! The layout is borsh's: fields in their order without padding, numbers little endian, a `u32`
//! before what repeats, a `u8` before what varies. Felts are 32 bytes, big endian, and must be below
//! the field's modulus; addresses, storage keys and class hashes must be below 2^251. Decoding takes
//! all bytes or fails, and allocates in proportion to them. Each form begins with its version.

mod block;
mod class;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod forms;
mod reset;
#[cfg(test)]
mod tests;
mod transaction;
mod wire;

use std::io;

use kraken_types::codec::{DecodeError, TRANSACTION_BYTES_MAX};
use starknet_api::{rpc_transaction::RpcTransaction, transaction::L1HandlerTransaction};

pub use self::block::{decode_block, encode_block};
use self::wire::{Wire, malformed};
pub(crate) use self::{
    block::encoded_classes,
    class::decode_class,
    reset::{Record, decode_record, decode_reset, encode_reset},
};

/// The version of the form of a transaction.
const TRANSACTION_VERSION: u8 = 1;

/// Encodes a transaction as a batch carries it.
///
/// A proof is not carried: a transaction with one does not decode. Neither does one that is larger
/// than [`TRANSACTION_BYTES_MAX`].
pub fn encode_transaction(transaction: &RpcTransaction) -> Vec<u8> {
    let mut bytes = vec![TRANSACTION_VERSION];
    transaction.write(&mut bytes);
    bytes
}

/// Decodes a transaction from a batch.
///
/// # Errors
/// [`DecodeError`] if there are too many bytes, or they are not what [`encode_transaction`] makes of
/// a transaction without a proof.
pub fn decode_transaction(bytes: &[u8]) -> Result<RpcTransaction, DecodeError> {
    if TRANSACTION_BYTES_MAX < bytes.len() {
        return Err(DecodeError::TooLarge { got: bytes.len(), max: TRANSACTION_BYTES_MAX });
    }
    decode_whole(bytes, TRANSACTION_VERSION, Wire::read).map_err(DecodeError::Malformed)
}

/// Encodes a message of L1, as a batch of a developer's chain carries it.
pub fn encode_message(message: &L1HandlerTransaction) -> Vec<u8> {
    let mut bytes = vec![TRANSACTION_VERSION];
    message.write(&mut bytes);
    bytes
}

/// Decodes a message of L1.
///
/// # Errors
/// [`DecodeError`] if the bytes are not what [`encode_message`] makes.
pub fn decode_message(bytes: &[u8]) -> Result<L1HandlerTransaction, DecodeError> {
    decode_whole(bytes, TRANSACTION_VERSION, Wire::read).map_err(DecodeError::Malformed)
}

/// Reads a version and one value, which must be all there is.
fn decode_whole<T>(
    mut bytes: &[u8],
    version: u8,
    read: impl FnOnce(&mut &[u8]) -> io::Result<T>,
) -> io::Result<T> {
    if u8::read(&mut bytes)? != version {
        return Err(malformed("unknown version"));
    }
    let value = read(&mut bytes)?;
    if bytes.is_empty() { Ok(value) } else { Err(malformed("bytes are left over")) }
}
