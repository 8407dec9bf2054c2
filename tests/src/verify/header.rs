//! The header of a block.

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use starknet_types_core::felt::Felt;

use super::{
    field,
    hash::{ascii, poseidon_of},
    transaction::Gas,
};

/// A header, as served.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) hash: Felt,
    pub(super) parent_hash: Felt,
    pub(super) state_root: Felt,
    pub(super) timestamp: u64,
    pub(super) transaction_count: u64,
    pub(super) event_count: u64,
    pub(super) state_diff_length: u64,
    pub(super) transaction_commitment: Felt,
    pub(super) event_commitment: Felt,
    pub(super) receipt_commitment: Felt,
    pub(super) state_diff_commitment: Felt,
    sequencer_address: Felt,
    has_blob: bool,
    l1_gas: Price,
    l1_data_gas: Price,
    l2_gas: Price,
    version: String,
}

/// The price of a unit of gas.
#[derive(Clone, Copy, Debug)]
struct Price {
    wei: Felt,
    fri: Felt,
}

impl Header {
    /// Reads the header of a closed block.
    pub(super) fn read(block: &Value) -> Result<Self> {
        let status = field::text(block, "status")?;
        ensure!(status == "ACCEPTED_ON_L2" || status == "ACCEPTED_ON_L1", "status {status}");
        Ok(Self {
            number: field::number(block, "block_number")?,
            hash: field::felt(block, "block_hash")?,
            parent_hash: field::felt(block, "parent_hash")?,
            state_root: field::felt(block, "new_root")?,
            timestamp: field::number(block, "timestamp")?,
            transaction_count: field::number(block, "transaction_count")?,
            event_count: field::number(block, "event_count")?,
            state_diff_length: field::number(block, "state_diff_length")?,
            transaction_commitment: field::felt(block, "transaction_commitment")?,
            event_commitment: field::felt(block, "event_commitment")?,
            receipt_commitment: field::felt(block, "receipt_commitment")?,
            state_diff_commitment: field::felt(block, "state_diff_commitment")?,
            sequencer_address: field::felt(block, "sequencer_address")?,
            has_blob: match field::text(block, "l1_da_mode")? {
                "BLOB" => true,
                "CALLDATA" => false,
                other => bail!("data availability {other}"),
            },
            l1_gas: Price::read(block, "l1_gas_price")?,
            l1_data_gas: Price::read(block, "l1_data_gas_price")?,
            l2_gas: Price::read(block, "l2_gas_price")?,
            version: field::text(block, "starknet_version")?.to_owned(),
        })
    }

    /// The block hash since Starknet 0.13.4.
    pub(super) fn compute_hash(&self) -> Felt {
        poseidon_of(&[
            ascii("STARKNET_BLOCK_HASH1"),
            Felt::from(self.number),
            self.state_root,
            self.sequencer_address,
            Felt::from(self.timestamp),
            self.counts(),
            self.state_diff_commitment,
            self.transaction_commitment,
            self.event_commitment,
            self.receipt_commitment,
            self.prices(),
            ascii(&self.version),
            Felt::ZERO,
            self.parent_hash,
        ])
    }

    /// What this much gas costs, in fri.
    pub(super) fn price_of(&self, gas: &Gas) -> Felt {
        self.l1_gas.fri * Felt::from(gas.l1_gas)
            + self.l1_data_gas.fri * Felt::from(gas.l1_data_gas)
            + self.l2_gas.fri * Felt::from(gas.l2_gas)
    }

    /// Three counts of 64 bits and one bit for blobs, filled up to 256.
    fn counts(&self) -> Felt {
        let mut bytes = [0; 32];
        bytes[0..8].copy_from_slice(&self.transaction_count.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.event_count.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.state_diff_length.to_be_bytes());
        bytes[24] = if self.has_blob { 0x80 } else { 0 };
        Felt::from_bytes_be(&bytes)
    }

    fn prices(&self) -> Felt {
        let mut felts = vec![ascii("STARKNET_GAS_PRICES0")];
        for price in [self.l1_gas, self.l1_data_gas, self.l2_gas] {
            felts.extend([price.wei, price.fri]);
        }
        poseidon_of(&felts)
    }
}

impl Price {
    fn read(block: &Value, name: &str) -> Result<Self> {
        let price = field::of(block, name)?;
        Ok(Self {
            wei: field::felt(price, "price_in_wei")?,
            fri: field::felt(price, "price_in_fri")?,
        })
    }
}
