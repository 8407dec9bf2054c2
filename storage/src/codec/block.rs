//! Blocks, as the chain log keeps them.
//!
//! ```text
//! version u8 | compressed body, with its length | classes: count, then hash and form of each
//! ```
//!
//! The classes are outside the body, so that their forms are copied into a table as they are.

use std::{io, sync::Arc};

use bytes::Bytes;
use kraken_types::{CommitIndex, Cursor, codec::DecodeError};
use starknet_api::{
    block::{BlockInfo, GasPriceVector, GasPrices, StarknetVersion},
    core::{
        ClassHash, EventCommitment, GlobalRoot, ReceiptCommitment, StateDiffCommitment,
        TransactionCommitment,
    },
    hash::PoseidonHash,
    state::ThinStateDiff,
    transaction::{
        Event, EventContent, EventData, EventKey, L2ToL1Payload, MessageToL1,
        RevertedTransactionExecutionStatus, TransactionExecutionStatus,
    },
};
use starknet_types_core::felt::Felt;

use super::{
    class::{self, compress, decode_class_within, decompress, encode_class},
    transaction::{Stored, read_stored},
    wire::{
        Wire, malformed, read_bytes, read_count, wire_structs, wire_wrappers, write_bytes,
        write_count,
    },
};
use crate::{Block, Error, ExecutedTransaction, Header, Receipt};

/// The version of the form of a block.
const BLOCK_VERSION: u8 = 2;

/// The largest body, not compressed.
pub(super) const BODY_BYTES_MAX: usize = 512 << 20;

/// All classes of a block, not compressed. Few bytes of a hostile peer could be many such classes.
const CLASSES_BYTES_MAX: usize = 256 << 20;

/// Blocks are written while somebody waits.
const COMPRESSION_LEVEL: i32 = 1;

/// Encodes a block as the chain log keeps it.
///
/// # Errors
/// [`Error::Unencodable`] if it holds a transaction of a kind that our chains cannot hold, or is too
/// large.
pub fn encode_block(block: &Block) -> Result<Vec<u8>, Error> {
    let mut body = Vec::new();
    block.header.write(&mut body);
    write_count(block.transactions.len(), &mut body);
    for transaction in &block.transactions {
        transaction.hash.write(&mut body);
        Stored::of(&transaction.transaction)
            .ok_or(Error::Unencodable { what: "a transaction of a version before 3" })?
            .write(&mut body);
        transaction.receipt.write(&mut body);
    }
    block.state_diff.write(&mut body);
    block.executed_up_to.write(&mut body);
    block.checkpoint.write(&mut body);
    if BODY_BYTES_MAX < body.len() {
        return Err(Error::Unencodable { what: "the body is too large" });
    }

    let mut classes = Vec::new();
    let mut bytes_left = CLASSES_BYTES_MAX;
    for (class_hash, class) in &block.classes {
        let class = encode_class(class)?;
        bytes_left = bytes_left
            .checked_sub(class.len())
            .ok_or(Error::Unencodable { what: "the classes are too large" })?;
        classes.push((*class_hash, compress(&class, class::COMPRESSION_LEVEL)?));
    }
    Ok(record_of(&compress(&body, COMPRESSION_LEVEL)?, &classes))
}

/// The record of a block, from its compressed parts.
pub(super) fn record_of(body: &[u8], classes: &[(ClassHash, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![BLOCK_VERSION];
    write_bytes(body, &mut bytes);
    write_count(classes.len(), &mut bytes);
    for (class_hash, class) in classes {
        class_hash.write(&mut bytes);
        write_bytes(class, &mut bytes);
    }
    bytes
}

/// Decodes a block from the chain log.
///
/// # Errors
/// [`DecodeError`] if the bytes are not a block, or one that is too large.
pub fn decode_block(bytes: &[u8]) -> Result<Block, DecodeError> {
    let parts = Parts::read(bytes).map_err(DecodeError::Malformed)?;
    let body = decompress(parts.body, BODY_BYTES_MAX)?;
    let mut bytes_left = CLASSES_BYTES_MAX;
    let decode = |(class_hash, class)| {
        Ok((class_hash, Arc::new(decode_class_within(class, &mut bytes_left)?)))
    };
    let classes = parts.classes.into_iter().map(decode).collect::<Result<_, DecodeError>>()?;
    read_body(&body, classes).map_err(DecodeError::Malformed)
}

/// The forms of the classes in the form of a block.
///
/// # Errors
/// [`DecodeError`] if the bytes are not those of a block.
pub(crate) fn encoded_classes(bytes: &Bytes) -> Result<Vec<(ClassHash, Bytes)>, DecodeError> {
    let parts = Parts::read(bytes).map_err(DecodeError::Malformed)?;
    let share = |(class_hash, class)| (class_hash, bytes.slice_ref(class));
    Ok(parts.classes.into_iter().map(share).collect())
}

/// The parts of a block, not decoded.
pub(super) struct Parts<'a> {
    pub(super) body: &'a [u8],
    pub(super) classes: Vec<(ClassHash, &'a [u8])>,
}

impl<'a> Parts<'a> {
    pub(super) fn read(mut bytes: &'a [u8]) -> io::Result<Self> {
        let input = &mut bytes;
        if u8::read(input)? != BLOCK_VERSION {
            return Err(malformed("unknown version"));
        }
        let body = read_bytes(input)?;
        let count = read_count(input, ClassHash::BYTES_MIN + 4)?;
        let mut classes = Vec::new();
        for _ in 0..count {
            classes.push((ClassHash::read(input)?, read_bytes(input)?));
        }
        if input.is_empty() {
            Ok(Self { body, classes })
        } else {
            Err(malformed("bytes are left over"))
        }
    }
}

fn read_body(mut body: &[u8], classes: Vec<(ClassHash, Arc<crate::Class>)>) -> io::Result<Block> {
    let input = &mut body;
    let header = Wire::read(input)?;
    let count = read_count(input, TRANSACTION_BYTES_MIN)?;
    let mut transactions = Vec::new();
    for _ in 0..count {
        transactions.push(Arc::new(ExecutedTransaction {
            hash: Wire::read(input)?,
            transaction: read_stored(input)?,
            receipt: Wire::read(input)?,
        }));
    }
    let block = Block {
        header,
        transactions,
        state_diff: Wire::read(input)?,
        classes,
        executed_up_to: Wire::read(input)?,
        checkpoint: Wire::read(input)?,
    };
    if input.is_empty() { Ok(block) } else { Err(malformed("bytes are left over")) }
}

/// A hash and a kind.
const TRANSACTION_BYTES_MIN: usize = 33;

wire_wrappers! {
    CommitIndex(u64)
    EventCommitment(Felt)
    EventData(Vec<Felt>)
    EventKey(Felt)
    GlobalRoot(Felt)
    L2ToL1Payload(Vec<Felt>)
    ReceiptCommitment(Felt)
    StateDiffCommitment(PoseidonHash)
    TransactionCommitment(Felt)
}

wire_structs! {
    BlockInfo {
        block_number, block_timestamp, starknet_version, sequencer_address, gas_prices, use_kzg_da,
    }
    Cursor { commit, transactions }
    Event { from_address, content }
    EventContent { keys, data }
    GasPriceVector { l1_gas_price, l1_data_gas_price, l2_gas_price }
    GasPrices { eth_gas_prices, strk_gas_prices }
    Header {
        info, hash, parent_hash, state_root, transaction_commitment, event_commitment,
        receipt_commitment, state_diff_commitment, transaction_count, event_count,
        state_diff_length, l2_gas_used,
    }
    MessageToL1 { from_address, to_address, payload }
    Receipt { actual_fee, execution_status, messages_sent, events, gas }
    ThinStateDiff {
        deployed_contracts, storage_diffs, class_hash_to_compiled_class_hash,
        deprecated_declared_classes, nonces,
    }
}

impl Wire for StarknetVersion {
    fn write(&self, out: &mut Vec<u8>) {
        write_bytes(&Vec::from(self), out);
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        Self::try_from(read_bytes(input)?.to_vec()).map_err(|_| malformed("not a Starknet version"))
    }
}

impl Wire for TransactionExecutionStatus {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Succeeded => 0_u8.write(out),
            Self::Reverted(RevertedTransactionExecutionStatus { revert_reason }) => {
                1_u8.write(out);
                revert_reason.write(out);
            }
        }
    }

    fn read(input: &mut &[u8]) -> io::Result<Self> {
        match u8::read(input)? {
            0 => Ok(Self::Succeeded),
            1 => {
                let revert_reason = Wire::read(input)?;
                Ok(Self::Reverted(RevertedTransactionExecutionStatus { revert_reason }))
            }
            _ => Err(malformed("unknown execution status")),
        }
    }
}
