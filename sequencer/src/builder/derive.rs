//! What a block knows before it is executed.

use kraken_execution::Chain;
use kraken_storage::Header;
use kraken_types::Timestamp;
use starknet_api::block::{BlockInfo, BlockNumber, GasPrices};

/// What the next block takes from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    /// Its number.
    pub(crate) number: BlockNumber,
    /// Its time, in seconds.
    pub(crate) timestamp: u64,
    /// What gas costs behind it.
    pub(crate) next_gas_prices: GasPrices,
}

impl Parent {
    /// Of a stored block.
    pub(crate) fn of(chain: &Chain, header: &Header) -> Self {
        Self::of_info(chain, &header.info, header.l2_gas_used)
    }

    /// Of an executed block.
    pub(crate) fn of_info(chain: &Chain, info: &BlockInfo, l2_gas_used: u64) -> Self {
        Self {
            number: info.block_number,
            timestamp: info.block_timestamp.0,
            next_gas_prices: chain.next_gas_prices(&info.gas_prices, l2_gas_used),
        }
    }
}

/// What a unit of L2 gas costs in a block, in fri.
pub(crate) fn l2_gas_price(info: &BlockInfo) -> u128 {
    info.gas_prices.strk_gas_prices.l2_gas_price.get().0
}

/// The block that follows `parent` and begins with a commit of time `began`: the same on every
/// validator, because it takes nothing else. Its time is never earlier than its parent's.
pub(crate) fn next_info(chain: &Chain, parent: &Parent, began: Timestamp) -> BlockInfo {
    let number = parent.number.unchecked_next();
    let timestamp = parent.timestamp.max(began.seconds());
    chain.block_info(number, timestamp, parent.next_gas_prices.clone())
}
