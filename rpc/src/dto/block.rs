//! Blocks, closed and open.

use kraken_sequencer::BlockAt;
use kraken_storage::Header;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::block::{BlockInfo, FeeType};
use starknet_types_core::felt::Felt;

use crate::{
    dto::{
        felt::Hex,
        receipt::{Finality, Receipt},
        transaction::Transaction,
        written,
    },
    schema,
    version::Version,
};

/// A block with its transactions, in the shape that the caller asked for: BLOCK_WITH_… when it is
/// closed, PRE_CONFIRMED_BLOCK_WITH_… before.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(crate) enum Block<T> {
    Closed(Box<ClosedBlock<T>>),
    Open(Box<OpenBlock<T>>),
}

/// A block that has its hash.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BLOCK_OF_{T}")]
pub(crate) struct ClosedBlock<T> {
    status: Finality,
    #[serde(flatten)]
    sealed: Sealed,
    #[serde(flatten)]
    open: OpenBlock<T>,
}

/// A block, but for what it has once it is closed.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PRE_CONFIRMED_BLOCK_OF_{T}")]
pub(crate) struct OpenBlock<T> {
    #[serde(flatten)]
    common: Common,
    transactions: Vec<T>,
}

/// A transaction with its receipt.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TXN_WITH_RECEIPT")]
pub(crate) struct TransactionWithReceipt<'a> {
    /// Without its hash.
    pub(crate) transaction: Transaction<'a>,
    /// Without its block.
    pub(crate) receipt: Receipt<'a>,
}

/// BLOCK_HEADER.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BLOCK_HEADER")]
pub(crate) struct Head {
    #[serde(flatten)]
    sealed: Sealed,
    #[serde(flatten)]
    common: Common,
}

/// What BLOCK_HEADER has beyond PRE_CONFIRMED_BLOCK_HEADER.
#[derive(Debug, Serialize, JsonSchema)]
struct Sealed {
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::BlockHash")]
    block_hash: Felt,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::BlockHash")]
    parent_hash: Felt,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Felt")]
    new_root: Felt,
    /// Since version 0.10.
    #[serde(flatten)]
    #[schemars(with = "Commitments")]
    commitments: Option<Commitments>,
}

/// What the hash of a block holds together.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(transform = schema::fields_since_v0_10)]
struct Commitments {
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Felt")]
    event_commitment: Felt,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Felt")]
    transaction_commitment: Felt,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Felt")]
    receipt_commitment: Felt,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Felt")]
    state_diff_commitment: Felt,
    event_count: u32,
    transaction_count: u32,
    state_diff_length: u32,
}

/// PRE_CONFIRMED_BLOCK_HEADER.
#[derive(Debug, Serialize, JsonSchema)]
struct Common {
    block_number: u64,
    timestamp: u64,
    #[serde(serialize_with = "written::felt")]
    #[schemars(with = "schema::Address")]
    sequencer_address: Felt,
    l1_gas_price: Price,
    l2_gas_price: Price,
    l1_data_gas_price: Price,
    #[schemars(extend("enum" = ["BLOB", "CALLDATA"]))]
    l1_da_mode: &'static str,
    starknet_version: String,
}

/// RESOURCE_PRICE.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RESOURCE_PRICE")]
struct Price {
    price_in_fri: Hex<u128>,
    price_in_wei: Hex<u128>,
}

impl<T> Block<T> {
    /// The block with these of its transactions.
    pub(crate) fn new(
        block: &BlockAt,
        status: Finality,
        transactions: Vec<T>,
        version: Version,
    ) -> Self {
        let open = OpenBlock { common: Common::new(block.info()), transactions };
        match block {
            BlockAt::Closed(block) => Self::Closed(Box::new(ClosedBlock {
                status,
                sealed: Sealed::new(&block.header, version),
                open,
            })),
            BlockAt::Unsealed(_) => Self::Open(Box::new(open)),
        }
    }
}

impl Head {
    /// The header of a closed block.
    pub(crate) fn new(header: &Header, version: Version) -> Self {
        Self { sealed: Sealed::new(header, version), common: Common::new(&header.info) }
    }
}

impl Sealed {
    fn new(header: &Header, version: Version) -> Self {
        Self {
            block_hash: header.hash.0,
            parent_hash: header.parent_hash.0,
            new_root: header.state_root.0,
            commitments: (Version::V0_10 <= version).then(|| Commitments::new(header)),
        }
    }
}

impl Commitments {
    fn new(header: &Header) -> Self {
        Self {
            event_commitment: header.event_commitment.0,
            transaction_commitment: header.transaction_commitment.0,
            receipt_commitment: header.receipt_commitment.0,
            state_diff_commitment: header.state_diff_commitment.0.0,
            event_count: header.event_count,
            transaction_count: header.transaction_count,
            state_diff_length: header.state_diff_length,
        }
    }
}

impl Common {
    fn new(info: &BlockInfo) -> Self {
        let prices = &info.gas_prices;
        Self {
            block_number: info.block_number.0,
            timestamp: info.block_timestamp.0,
            sequencer_address: info.sequencer_address.into(),
            l1_gas_price: Price::new(|fee_type| prices.l1_gas_price(fee_type).get().0),
            l2_gas_price: Price::new(|fee_type| prices.l2_gas_price(fee_type).get().0),
            l1_data_gas_price: Price::new(|fee_type| prices.l1_data_gas_price(fee_type).get().0),
            l1_da_mode: if info.use_kzg_da { "BLOB" } else { "CALLDATA" },
            starknet_version: info.starknet_version.to_string(),
        }
    }
}

impl Price {
    fn new(price_in: impl Fn(&FeeType) -> u128) -> Self {
        Self {
            price_in_fri: Hex(price_in(&FeeType::Strk)),
            price_in_wei: Hex(price_in(&FeeType::Eth)),
        }
    }
}
