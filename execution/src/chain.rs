//! The settings of the chain, as the execution engine wants them.

use std::{fmt, num::NonZeroU64, sync::Arc};

use blockifier::{
    blockifier_versioned_constants::VersionedConstants,
    bouncer::{BouncerConfig, BouncerWeights, BuiltinInstanceLimits},
    context::{BlockContext, ChainInfo, FeeTokenAddresses},
};
use kraken_types::Genesis;
use starknet_api::{
    block::{
        BlockHash, BlockHashAndNumber, BlockInfo, BlockNumber, BlockTimestamp, GasPrice,
        GasPriceVector, GasPrices, NonzeroGasPrice, StarknetVersion,
    },
    core::{ChainId, ContractAddress, PatriciaKey},
    execution_resources::GasAmount,
    versioned_constants_logic::VersionedConstantsTrait,
};
use starknet_types_core::felt::Felt;

use crate::{
    Compilers,
    fees::{PRICE_MAX, mul_div, next_l2_gas_price},
    genesis::{ETH_ADDRESS, STRK_ADDRESS, UDC_ADDRESS, UDC_LEGACY_ADDRESS, chargeable_account},
};

/// The oldest rules that declare classes with Blake2s hashes, as this chain does from block 0.
const VERSION_MIN: StarknetVersion = StarknetVersion::V0_14_1;

/// A chain id is a short string: it fits in a felt.
const CHAIN_ID_BYTES_MAX: usize = 31;

/// Block hashes, aliases, and one kept for later: the protocol writes there itself.
const RESERVED_ADDRESS_MAX: ContractAddress =
    ContractAddress(PatriciaKey::from_hex_unchecked("0x3"));

/// How far the engine's proving capacity of a block is raised. Capacity and instance limits grow
/// together, so what one builtin costs stays the same.
const PROVING_CAPACITY_FACTOR: u64 = 1_000_000;

/// A block can read the hash of the block this far before it, and of those before that (Starknet's
/// block hash contract, 0x1).
pub const BLOCK_HASH_LAG: u64 = 10;

/// The settings of the chain, as the execution engine wants them, and what compiles its classes
/// here. Cheap to clone.
#[derive(Clone)]
pub struct Chain(Arc<Settings>, Compilers);

struct Settings {
    genesis: Genesis,
    version: StarknetVersion,
    sequencer_address: ContractAddress,
    info: ChainInfo,
    constants: VersionedConstants,
    /// Limits of a block, by which the engine closes it.
    bouncer: BouncerConfig,
}

/// Why a genesis cannot be executed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "each message names its fields")]
pub enum ChainError {
    /// A setting has a value that makes no sense.
    #[error("genesis setting {setting} is {value:?}: {reason}")]
    Setting { setting: &'static str, value: String, reason: String },
}

impl Chain {
    /// Reads the settings. Classes are compiled in this process.
    ///
    /// # Errors
    /// [`ChainError::Setting`] for the first setting that cannot be carried out.
    pub fn new(genesis: &Genesis) -> Result<Self, ChainError> {
        let version = starknet_version(&genesis.starknet_version)?;
        let constants = versioned_constants(version, &genesis.starknet_version)?;
        let sequencer_address = sequencer_address(&genesis.sequencer_address)?;
        check_block(genesis)?;
        check_fees(genesis)?;
        let settings = Settings {
            version,
            sequencer_address,
            info: ChainInfo {
                chain_id: chain_id(&genesis.chain_id)?,
                fee_token_addresses: FeeTokenAddresses {
                    strk_fee_token_address: STRK_ADDRESS,
                    eth_fee_token_address: ETH_ADDRESS,
                },
                is_l3: false,
            },
            constants,
            bouncer: bouncer(genesis.block.transactions_max, genesis.block.l2_gas_max),
            genesis: genesis.clone(),
        };
        Ok(Self(Arc::new(settings), Compilers::here()))
    }

    /// The same, but classes are compiled by these.
    #[must_use]
    pub fn compiling_by(self, compilers: Compilers) -> Self {
        Self(self.0, compilers)
    }

    /// What compiles classes.
    pub fn compilers(&self) -> &Compilers {
        &self.1
    }

    /// Covered by every transaction hash.
    pub fn id(&self) -> &ChainId {
        &self.0.info.chain_id
    }

    /// The rules that blocks follow.
    pub fn starknet_version(&self) -> StarknetVersion {
        self.0.version
    }

    /// Receives the fees.
    pub fn sequencer_address(&self) -> ContractAddress {
        self.0.sequencer_address
    }

    /// The genesis it was made of.
    pub fn genesis(&self) -> &Genesis {
        &self.0.genesis
    }

    /// Whether gas costs the same in every block, until somebody sets another price.
    pub fn has_fixed_prices(&self) -> bool {
        self.0.genesis.fees.l2_gas_price_change_denominator == 0
    }

    /// The prices of gas of the block that follows one with these prices and `used` L2 gas.
    pub fn next_gas_prices(&self, prices: &GasPrices, used: u64) -> GasPrices {
        if self.has_fixed_prices() {
            return prices.clone();
        }
        let price = prices.strk_gas_prices.l2_gas_price.get().0;
        self.gas_prices(next_l2_gas_price(&self.0.genesis.fees, price, used))
    }

    /// The prices of gas where L2 gas has this price, in fri. Its price in wei moves in proportion to
    /// it; the other prices are those of the genesis. All are at least one.
    pub fn gas_prices(&self, l2_gas_price_fri: u128) -> GasPrices {
        let fees = &self.0.genesis.fees;
        let l2_gas_price_wei =
            mul_div(l2_gas_price_fri, fees.l2_gas_price_wei_min, fees.l2_gas_price_fri_min);
        let prices = |l1_gas, l1_data_gas, l2_gas| GasPriceVector {
            l1_gas_price: nonzero(l1_gas),
            l1_data_gas_price: nonzero(l1_data_gas),
            l2_gas_price: nonzero(l2_gas),
        };
        GasPrices {
            eth_gas_prices: prices(
                fees.l1_gas_price_wei,
                fees.l1_data_gas_price_wei,
                l2_gas_price_wei,
            ),
            strk_gas_prices: prices(
                fees.l1_gas_price_fri,
                fees.l1_data_gas_price_fri,
                l2_gas_price_fri,
            ),
        }
    }

    /// What a block knows before it is executed.
    pub fn block_info(
        &self,
        number: BlockNumber,
        timestamp_seconds: u64,
        gas_prices: GasPrices,
    ) -> BlockInfo {
        BlockInfo {
            block_number: number,
            block_timestamp: BlockTimestamp(timestamp_seconds),
            starknet_version: self.0.version,
            sequencer_address: self.0.sequencer_address,
            gas_prices,
            use_kzg_da: true,
        }
    }

    /// The constants of the engine.
    pub(crate) fn constants(&self) -> &VersionedConstants {
        &self.0.constants
    }

    /// For executing a block: ends it by the limits of the genesis.
    pub(crate) fn block_context(&self, info: &BlockInfo) -> BlockContext {
        self.context(info, self.0.bouncer.clone())
    }

    /// For validating, calling and estimating: no limit of a block stands in the way.
    pub(crate) fn query_context(&self, info: &BlockInfo) -> BlockContext {
        self.context(info, bouncer(u32::MAX, u64::MAX))
    }

    fn context(&self, info: &BlockInfo, bouncer: BouncerConfig) -> BlockContext {
        let (chain, constants) = (self.0.info.clone(), self.0.constants.clone());
        BlockContext::new(info.clone(), chain, constants, bouncer)
    }
}

impl fmt::Debug for Chain {
    /// The genesis; the constants of the engine would fill pages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Chain").field(&self.0.genesis).finish()
    }
}

/// The block whose hash becomes readable in block `number`: the one [`BLOCK_HASH_LAG`] before it.
pub(crate) fn old_block(
    number: BlockNumber,
    old_hash: Option<BlockHash>,
) -> Option<BlockHashAndNumber> {
    let number = number.0.checked_sub(BLOCK_HASH_LAG).map(BlockNumber)?;
    old_hash.map(|hash| BlockHashAndNumber { number, hash })
}

fn nonzero(price: u128) -> NonzeroGasPrice {
    NonzeroGasPrice::new(GasPrice(price.clamp(1, PRICE_MAX))).expect("it is at least one")
}

/// A block holds so many transactions, and they use so much L2 gas. What the other weights would
/// count follows from these two, and some of it depends on how Cairo is executed; so they are
/// as good as unlimited.
fn bouncer(transactions_max: u32, l2_gas_max: u64) -> BouncerConfig {
    let usual = BuiltinInstanceLimits::default();
    let raise = |limit: NonZeroU64| {
        limit.saturating_mul(PROVING_CAPACITY_FACTOR.try_into().expect("it is not zero"))
    };
    BouncerConfig {
        block_max_capacity: BouncerWeights {
            n_txs: usize::try_from(transactions_max).unwrap_or(usize::MAX),
            receipt_l2_gas: GasAmount(l2_gas_max),
            proving_gas: GasAmount(
                BouncerWeights::default().proving_gas.0.saturating_mul(PROVING_CAPACITY_FACTOR),
            ),
            ..BouncerWeights::max()
        },
        builtin_instance_limits: BuiltinInstanceLimits {
            pedersen: raise(usual.pedersen),
            range_check: raise(usual.range_check),
            range_check96: raise(usual.range_check96),
            poseidon: raise(usual.poseidon),
            ecdsa: raise(usual.ecdsa),
            ecop: raise(usual.ecop),
            bitwise: raise(usual.bitwise),
            keccak: raise(usual.keccak),
            add_mod: raise(usual.add_mod),
            mul_mod: raise(usual.mul_mod),
            blake: raise(usual.blake),
        },
    }
}

fn refuse<T>(
    setting: &'static str,
    value: &dyn fmt::Display,
    reason: impl Into<String>,
) -> Result<T, ChainError> {
    Err(ChainError::Setting { setting, value: value.to_string(), reason: reason.into() })
}

fn chain_id(text: &str) -> Result<ChainId, ChainError> {
    let is_short_string = !text.is_empty()
        && text.len() <= CHAIN_ID_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if is_short_string {
        return Ok(ChainId::from(text.to_owned()));
    }
    let reason = format!("expected 1 to {CHAIN_ID_BYTES_MAX} ASCII characters without spaces");
    refuse("chain_id", &text, reason)
}

fn starknet_version(text: &str) -> Result<StarknetVersion, ChainError> {
    let numbers: Option<Vec<u8>> = text.split('.').map(|number| number.parse().ok()).collect();
    match numbers.map(StarknetVersion::try_from) {
        Some(Ok(version)) if VERSION_MIN <= version => Ok(version),
        Some(Ok(_)) => {
            refuse("starknet_version", &text, format!("the oldest one supported is {VERSION_MIN}"))
        }
        Some(Err(_)) | None => {
            let newest = StarknetVersion::LATEST;
            refuse(
                "starknet_version",
                &text,
                format!("not a known version, the newest is {newest}"),
            )
        }
    }
}

fn versioned_constants(
    version: StarknetVersion,
    text: &str,
) -> Result<VersionedConstants, ChainError> {
    let Ok(constants) = VersionedConstants::get(&version) else {
        return refuse("starknet_version", &text, "the execution engine has no constants for it");
    };
    let mut constants = constants.clone();
    // Classes have Blake2s hashes from block 0 on, so there is nothing to migrate.
    constants.disable_casm_hash_migration();
    Ok(constants)
}

fn sequencer_address(text: &str) -> Result<ContractAddress, ChainError> {
    const SETTING: &str = "sequencer_address";
    let address = text.strip_prefix("0x").and_then(|_| Felt::from_hex(text).ok());
    let Some(address) = address.and_then(|felt| ContractAddress::try_from(felt).ok()) else {
        return refuse(SETTING, &text, "not an address in hexadecimal, 0x…");
    };
    if address <= RESERVED_ADDRESS_MAX || address.validate().is_err() {
        return refuse(SETTING, &text, "reserved by the protocol");
    }
    let system = [STRK_ADDRESS, ETH_ADDRESS, UDC_ADDRESS, UDC_LEGACY_ADDRESS];
    if system.contains(&address) || address == chargeable_account().address {
        return refuse(SETTING, &text, "a contract of block 0 has this address");
    }
    Ok(address)
}

fn check_block(genesis: &Genesis) -> Result<(), ChainError> {
    let block = &genesis.block;
    if block.interval_millis == Some(0) {
        return refuse("block.interval_millis", &0, "leave it out for blocks without an interval");
    }
    if block.transactions_max == 0 {
        return refuse("block.transactions_max", &0, "a block must hold a transaction");
    }
    if block.l2_gas_max < genesis.limits.l2_gas_max {
        let reason = format!("limits.l2_gas_max is {} and must fit", genesis.limits.l2_gas_max);
        return refuse("block.l2_gas_max", &block.l2_gas_max, reason);
    }
    Ok(())
}

fn check_fees(genesis: &Genesis) -> Result<(), ChainError> {
    let fees = &genesis.fees;
    let prices = [
        ("fees.l1_gas_price_fri", fees.l1_gas_price_fri),
        ("fees.l1_gas_price_wei", fees.l1_gas_price_wei),
        ("fees.l1_data_gas_price_fri", fees.l1_data_gas_price_fri),
        ("fees.l1_data_gas_price_wei", fees.l1_data_gas_price_wei),
        ("fees.l2_gas_price_fri_min", fees.l2_gas_price_fri_min),
        ("fees.l2_gas_price_wei_min", fees.l2_gas_price_wei_min),
    ];
    if let Some((setting, price)) =
        prices.into_iter().find(|(_, price)| !(1..=PRICE_MAX).contains(price))
    {
        return refuse(setting, &price, format!("expected 1 to {PRICE_MAX}"));
    }
    if fees.l2_gas_target == 0 {
        return refuse("fees.l2_gas_target", &fees.l2_gas_target, "expected at least 1");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kraken_types::Signer;

    use super::*;
    use crate::genesis::dev_genesis;

    fn genesis() -> Genesis {
        dev_genesis("SN_SEPOLIA", 0, 2, 1_700_000_000, &Signer::from_seed([1; 32]).public_key())
    }

    fn chain(change: impl FnOnce(&mut Genesis)) -> Result<Chain, ChainError> {
        let mut genesis = genesis();
        change(&mut genesis);
        Chain::new(&genesis)
    }

    #[test]
    fn a_chain_is_shared_between_threads() {
        fn check<T: Send + Sync + Clone + std::fmt::Debug>() {}
        check::<Chain>();
    }

    #[test]
    fn the_settings_of_the_genesis_arrive() {
        let chain = chain(|_| ()).expect("a valid genesis");
        assert_eq!(*chain.id(), ChainId::Sepolia);
        assert_eq!(chain.starknet_version(), StarknetVersion::V0_14_4);
        assert_eq!(chain.sequencer_address(), ContractAddress::from(0x1000_u128));
        assert_eq!(*chain.genesis(), genesis());

        let context =
            chain.block_context(&chain.block_info(BlockNumber(7), 9, chain.gas_prices(1)));
        let capacity = context.bouncer_config.block_max_capacity;
        assert_eq!(capacity.n_txs, 1);
        assert_eq!(capacity.receipt_l2_gas, GasAmount(5_800_000_000));
        assert_eq!(context.chain_info().fee_token_addresses.strk_fee_token_address, STRK_ADDRESS);
        assert!(!context.versioned_constants().enable_casm_hash_migration);
        assert_eq!(context.block_info().block_number, BlockNumber(7));
    }

    #[test]
    fn chain_ids_are_the_texts_that_wallets_know() {
        for (text, id) in [
            ("SN_MAIN", ChainId::Mainnet),
            ("SN_SEPOLIA", ChainId::Sepolia),
            ("KRAKEN", ChainId::Other("KRAKEN".to_owned())),
        ] {
            let chain = chain(|genesis| genesis.chain_id = text.to_owned()).expect("a valid id");
            assert_eq!(*chain.id(), id);
        }
    }

    #[test]
    fn a_raised_proving_capacity_leaves_the_price_of_builtins_alone() {
        let (ours, usual) = (bouncer(1, 1), BouncerConfig::default());
        assert_eq!(
            format!("{:?}", ours.builtin_gas_costs()),
            format!("{:?}", usual.builtin_gas_costs())
        );
        assert!(
            usual.block_max_capacity.proving_gas.0 < ours.block_max_capacity.proving_gas.0 / 1_000
        );
    }

    #[test]
    fn the_price_in_wei_moves_with_the_price_in_fri() {
        let chain = chain(|genesis| {
            genesis.fees.l2_gas_price_fri_min = 1_000;
            genesis.fees.l2_gas_price_wei_min = 3;
        })
        .expect("valid prices");
        let wei = |fri| {
            let prices = chain.gas_prices(fri);
            (
                prices.strk_gas_prices.l2_gas_price.get().0,
                prices.eth_gas_prices.l2_gas_price.get().0,
            )
        };
        assert_eq!(wei(1_000), (1_000, 3));
        assert_eq!(wei(3_000), (3_000, 9));
        assert_eq!(wei(0), (1, 1));
        assert_eq!(wei(u128::MAX).0, PRICE_MAX);
    }

    #[test]
    fn a_genesis_that_cannot_be_executed_names_the_setting() {
        type Change = fn(&mut Genesis);
        let cases: [(&str, Change); 16] = [
            ("chain_id", |genesis| genesis.chain_id.clear()),
            ("chain_id", |genesis| genesis.chain_id = "X".repeat(32)),
            ("chain_id", |genesis| genesis.chain_id = "two words".to_owned()),
            ("starknet_version", |genesis| genesis.starknet_version = "0.14".to_owned()),
            ("starknet_version", |genesis| genesis.starknet_version = "0.14.0".to_owned()),
            ("starknet_version", |genesis| genesis.starknet_version = "0.14.99".to_owned()),
            ("starknet_version", |genesis| genesis.starknet_version = "new".to_owned()),
            ("sequencer_address", |genesis| genesis.sequencer_address = "0x2".to_owned()),
            ("sequencer_address", |genesis| genesis.sequencer_address = "1000".to_owned()),
            ("sequencer_address", |genesis| {
                genesis.sequencer_address = Felt::from(STRK_ADDRESS).to_hex_string();
            }),
            ("block.interval_millis", |genesis| genesis.block.interval_millis = Some(0)),
            ("block.transactions_max", |genesis| genesis.block.transactions_max = 0),
            ("block.l2_gas_max", |genesis| genesis.block.l2_gas_max = 1),
            ("fees.l1_gas_price_wei", |genesis| genesis.fees.l1_gas_price_wei = 0),
            ("fees.l2_gas_price_fri_min", |genesis| {
                genesis.fees.l2_gas_price_fri_min = u128::MAX;
            }),
            ("fees.l2_gas_target", |genesis| genesis.fees.l2_gas_target = 0),
        ];
        for (expected, change) in cases {
            let ChainError::Setting { setting, .. } =
                chain(change).expect_err("this genesis makes no sense");
            assert_eq!(setting, expected);
        }
    }
}
