//! Resets, as the chain log keeps them between blocks.

use std::io;

use kraken_types::codec::DecodeError;

use super::{
    block::decode_block,
    decode_whole,
    wire::{Wire, wire_structs},
};
use crate::{Block, Reset};

/// The version of the form of a reset, far from those of blocks: it tells the two apart.
const RESET_VERSION: u8 = 0x81;

wire_structs! {
    Reset { after, count, gas_prices }
}

/// What the chain log holds.
#[derive(Debug)]
pub(crate) enum Record {
    /// The next block.
    Block(Box<Block>),
    /// The end of the blocks above another one.
    Reset(Reset),
}

/// Encodes a reset as the chain log keeps it.
pub(crate) fn encode_reset(reset: &Reset) -> Vec<u8> {
    let mut bytes = vec![RESET_VERSION];
    reset.write(&mut bytes);
    bytes
}

/// Decodes a reset.
///
/// # Errors
/// [`DecodeError`] if the bytes are not a reset.
pub(crate) fn decode_reset(bytes: &[u8]) -> Result<Reset, DecodeError> {
    decode_whole(bytes, RESET_VERSION, Wire::read).map_err(DecodeError::Malformed)
}

/// Decodes a record of the chain log.
///
/// # Errors
/// [`DecodeError`] if the bytes are neither a block nor a reset.
pub(crate) fn decode_record(bytes: &[u8]) -> Result<Record, DecodeError> {
    if bytes.first() == Some(&RESET_VERSION) {
        return decode_reset(bytes).map(Record::Reset);
    }
    decode_block(bytes).map(|block| Record::Block(Box::new(block)))
}
