//! What a block knows before it is executed.

use kraken_execution::{Chain, next_l2_gas_price};
use kraken_storage::Header;
use kraken_types::Timestamp;
use starknet_api::block::{BlockInfo, BlockNumber};

/// What the next block takes from the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Its number.
    pub(crate) number: BlockNumber,
    /// Its time, in seconds.
    pub(crate) timestamp: u64,
    /// Its price of L2 gas, in fri.
    pub(crate) l2_gas_price: u128,
    /// The L2 gas that its transactions used.
    pub(crate) l2_gas_used: u64,
}

impl Parent {
    /// Of a stored block.
    pub(crate) fn of(header: &Header) -> Self {
        Self::of_info(&header.info, header.l2_gas_used)
    }

    /// Of an executed block.
    pub(crate) fn of_info(info: &BlockInfo, l2_gas_used: u64) -> Self {
        Self {
            number: info.block_number,
            timestamp: info.block_timestamp.0,
            l2_gas_price: info.gas_prices.strk_gas_prices.l2_gas_price.get().0,
            l2_gas_used,
        }
    }
}

/// The block that follows `parent` and begins with a commit of time `began`: the same on every
/// validator, because it takes nothing else. Its time is never earlier than its parent's.
pub(crate) fn next_info(chain: &Chain, parent: Parent, began: Timestamp) -> BlockInfo {
    let number = parent.number.unchecked_next();
    let timestamp = parent.timestamp.max(began.seconds());
    let fees = &chain.genesis().fees;
    let price = next_l2_gas_price(fees, parent.l2_gas_price, parent.l2_gas_used);
    chain.block_info(number, timestamp, price)
}
