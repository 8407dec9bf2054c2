//! What a developer's node is set to, and how far it is.

use std::path::PathBuf;

use kraken_execution::genesis::{ETH_CLASS_HASH, STRK_CLASS_HASH};
use kraken_sequencer::{BlockAt, View};
use schemars::JsonSchema;
use serde::{Serialize, Serializer, ser::SerializeStruct};
use starknet_api::block::BlockNumber;
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::{Call, Context},
    error::{Error, Internal},
    schema,
    server::{BlockGeneration, DumpOn, StateArchive},
    version::Version,
};

/// The answer to `devnet_getConfig`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DEVNET_CONFIG")]
pub(crate) struct DevnetConfig {
    seed: u32,
    total_accounts: u16,
    #[schemars(with = "schema::Felt")]
    account_contract_class_hash: Felt,
    predeployed_accounts_initial_balance: String,
    start_time: Option<u64>,
    gas_price_wei: u128,
    gas_price_fri: u128,
    data_gas_price_wei: u128,
    data_gas_price_fri: u128,
    l2_gas_price_wei: u128,
    l2_gas_price_fri: u128,
    chain_id: String,
    dump_on: Option<DumpOn>,
    dump_path: Option<PathBuf>,
    #[schemars(with = "Generation")]
    block_generation_on: BlockGeneration,
    lite_mode: bool,
    proof_mode: &'static str,
    state_archive: StateArchive,
    fork_config: ForkConfig,
    #[schemars(with = "schema::Felt")]
    eth_erc20_class_hash: Felt,
    #[schemars(with = "schema::Felt")]
    strk_erc20_class_hash: Felt,
    class_size_config: ClassSizeConfig,
    server_config: ServerConfig,
}

/// When blocks end, as devnet writes it: a word, or an object with the seconds.
#[derive(JsonSchema)]
#[schemars(rename = "BLOCK_GENERATION", rename_all = "lowercase")]
#[expect(dead_code, reason = "a shape")]
enum Generation {
    Transaction,
    Demand,
    Interval(f64),
}

/// Nothing is forked.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ForkConfig {
    url: Option<&'static str>,
    block_number: Option<u64>,
    caching_enabled: Option<bool>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ClassSizeConfig {
    maximum_contract_class_size: u32,
    maximum_contract_bytecode_size: u32,
    maximum_sierra_length: u32,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct ServerConfig {
    host: String,
    port: u16,
    timeout: u64,
    restricted_methods: Option<Vec<String>>,
    ui_enabled: bool,
}

impl Serialize for BlockGeneration {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Transaction => to.serialize_str("transaction"),
            Self::Demand => to.serialize_str("demand"),
            Self::Interval(interval) => {
                let mut object = to.serialize_struct("Interval", 1)?;
                if interval.subsec_nanos() == 0 {
                    object.serialize_field("interval", &interval.as_secs())?;
                } else {
                    object.serialize_field("interval", &interval.as_secs_f64())?;
                }
                object.end()
            }
        }
    }
}

/// Answers `devnet_getConfig`.
///
/// # Errors
/// [`Error::Forbidden`] if the node has no settings to show.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn get_config(call: &Call<'_>) -> Result<DevnetConfig, Error> {
    let Context { sequencer, config, address, .. } = call.context.as_ref();
    let settings = config.devnet.as_ref().ok_or_else(|| Error::Forbidden {
        reason: "this node has no devnet settings".to_owned(),
    })?;
    let genesis = sequencer.chain().genesis();
    let (fees, limits) = (&genesis.fees, &genesis.limits);
    Ok(DevnetConfig {
        seed: genesis.accounts.seed,
        total_accounts: genesis.accounts.count,
        account_contract_class_hash: settings.account_class_hash.0,
        predeployed_accounts_initial_balance: genesis.accounts.initial_balance.to_string(),
        start_time: settings.start_time_seconds,
        gas_price_wei: fees.l1_gas_price_wei,
        gas_price_fri: fees.l1_gas_price_fri,
        data_gas_price_wei: fees.l1_data_gas_price_wei,
        data_gas_price_fri: fees.l1_data_gas_price_fri,
        l2_gas_price_wei: fees.l2_gas_price_wei_min,
        l2_gas_price_fri: fees.l2_gas_price_fri_min,
        chain_id: genesis.chain_id.clone(),
        dump_on: settings.dump.as_ref().map(|dump| dump.on),
        dump_path: settings.dump.as_ref().and_then(|dump| dump.path.clone()),
        block_generation_on: settings.block_generation,
        lite_mode: settings.lite_mode,
        proof_mode: "none",
        state_archive: settings.state_archive,
        fork_config: ForkConfig { url: None, block_number: None, caching_enabled: None },
        eth_erc20_class_hash: ETH_CLASS_HASH.0,
        strk_erc20_class_hash: STRK_CLASS_HASH.0,
        class_size_config: ClassSizeConfig {
            maximum_contract_class_size: limits.class_bytes_max,
            maximum_contract_bytecode_size: limits.bytecode_felts_max,
            maximum_sierra_length: limits.sierra_felts_max,
        },
        server_config: ServerConfig {
            host: address.ip().to_string(),
            port: address.port(),
            timeout: config.limits.request_timeout.as_secs(),
            restricted_methods: settings.restricted.clone(),
            ui_enabled: false,
        },
    })
}

/// The answer to `devnet_getStatus`.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DEVNET_STATUS")]
pub(crate) struct Status {
    block_count: u64,
    transaction_count: u64,
    pre_confirmed_tx_count: usize,
    chain_id: String,
    protocol_version: &'static str,
    devnet_version: &'static str,
    is_forked: bool,
    #[schemars(with = "Vec<schema::Address>")]
    impersonated_accounts: Vec<Felt>,
    auto_impersonate: bool,
}

/// Answers `devnet_getStatus`.
///
/// # Errors
/// None of the specification.
pub(crate) async fn get_status(call: &Call<'_>) -> Result<Status, Error> {
    let (context, view) = (call.context.clone(), call.view.clone());
    let transaction_count = call.context.read(move || count(&context, &view)).await?;
    let dev = call.context.sequencer.dev();
    let (accounts, auto_impersonate) = dev.map(|dev| dev.impersonated()).unwrap_or_default();
    Ok(Status {
        block_count: call.view.latest().0 + 1,
        transaction_count,
        pre_confirmed_tx_count: call.view.pre_confirmed().transactions.len(),
        chain_id: call.context.sequencer.chain().genesis().chain_id.clone(),
        protocol_version: Version::NEWEST.spec(),
        devnet_version: env!("CARGO_PKG_VERSION"),
        is_forked: false,
        impersonated_accounts: accounts.into_iter().map(Felt::from).collect(),
        auto_impersonate,
    })
}

/// All transactions of all blocks, the open one included. Closed blocks are counted once.
fn count(context: &Context, view: &View) -> Result<u64, Error> {
    let transactions = |number| {
        let block = view.block(BlockNumber(number))?;
        let block = block.ok_or(Internal::Broken { what: "a block is missing" })?;
        Ok::<_, Error>(match block {
            BlockAt::Closed(block) => u64::from(block.header.transaction_count),
            BlockAt::Unsealed(block) => block.transactions.len() as u64,
        })
    };
    let BlockNumber(latest) = view.latest();
    let mut counted = context.counted.lock().expect("counting does not panic");
    while counted.0 <= latest {
        counted.1 += transactions(counted.0)?;
        counted.0 += 1;
    }
    let closed = counted.1;
    drop(counted);
    let open = (latest + 1..=view.pre_confirmed().info.block_number.0).map(transactions);
    Ok(closed + open.sum::<Result<u64, Error>>()?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn block_generation_is_written_as_devnet_does() {
        let cases = [
            (BlockGeneration::Transaction, json!("transaction")),
            (BlockGeneration::Demand, json!("demand")),
            (BlockGeneration::Interval(Duration::from_secs(10)), json!({"interval": 10})),
            (BlockGeneration::Interval(Duration::from_millis(500)), json!({"interval": 0.5})),
        ];
        for (generation, expected) in cases {
            assert_eq!(to_value(generation).expect("JSON"), expected);
        }
    }
}
