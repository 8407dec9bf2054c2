//! The controls that a developer's chain has, as starknet-devnet 0.10.1 names and shapes them.

use kraken_execution::{
    Call as Function, Chain, State, Token,
    genesis::{ACCOUNT_CLASS_HASH, ETH_CLASS_HASH, STRK_CLASS_HASH, accounts},
};
use kraken_sequencer::{BlockAt, DevControl, View};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use starknet_api::{
    abi::abi_utils::selector_from_name,
    block::{BlockInfo, BlockNumber},
    core::ContractAddress,
};
use starknet_types_core::felt::Felt;

use crate::{
    dispatch::{Call, Context},
    dto::block_id::BlockId,
    error::{Error, Internal},
    methods::SPEC_VERSION,
    params::{FromInput, Input, InvalidParams},
    server::BlockGeneration,
};

/// What an amount is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Unit {
    /// Of ETH.
    Wei,
    /// Of STRK.
    Fri,
}

impl Unit {
    /// The token that is counted.
    pub(crate) const fn token(self) -> Token {
        match self {
            Self::Wei => Token::Eth,
            Self::Fri => Token::Strk,
        }
    }
}

impl FromInput for Unit {
    fn from_input(input: &Input<'_>) -> Result<Self, InvalidParams> {
        match input.text()?.as_ref() {
            "WEI" => Ok(Self::Wei),
            "FRI" => Ok(Self::Fri),
            _ => Err(input.expected("WEI or FRI")),
        }
    }
}

/// An account of block 0.
#[derive(Debug, Serialize)]
pub(crate) struct Account {
    initial_balance: String,
    address: Felt,
    public_key: Felt,
    private_key: Felt,
    balance: Option<Balances>,
}

#[derive(Debug, Serialize)]
struct Balances {
    eth: Balance,
    strk: Balance,
}

/// An amount of one token, in decimal.
#[derive(Debug, Serialize)]
pub(crate) struct Balance {
    amount: String,
    unit: Unit,
}

/// Answers `devnet_getPredeployedAccounts`.
///
/// # Errors
/// None of the specification.
pub(crate) async fn get_predeployed_accounts(call: &Call<'_>) -> Result<Vec<Account>, Error> {
    let with_balance = call.params.optional("with_balance")?.unwrap_or(false);
    let (view, chain) = (call.view.clone(), call.context.sequencer.chain().clone());
    let work = move || {
        let genesis = &chain.genesis().accounts;
        let open = Ledger::new(&view, &chain, BlockId::PreConfirmed)?;
        let account = |account: kraken_execution::genesis::PredeployedAccount| {
            let balances = || {
                Ok::<_, Error>(Balances {
                    eth: open.balance(account.address, Unit::Wei)?,
                    strk: open.balance(account.address, Unit::Fri)?,
                })
            };
            Ok(Account {
                initial_balance: genesis.initial_balance.to_string(),
                address: account.address.into(),
                public_key: account.public_key,
                private_key: account.private_key,
                balance: with_balance.then(balances).transpose()?,
            })
        };
        accounts(genesis.seed, genesis.count).into_iter().map(account).collect()
    };
    call.context.cairo(work).await
}

/// Answers `devnet_getAccountBalance`.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) async fn get_account_balance(call: &Call<'_>) -> Result<Balance, Error> {
    let address: ContractAddress = call.params.required("address")?;
    let unit = call.params.optional("unit")?.unwrap_or(Unit::Fri);
    let block_id = call.params.optional("block_id")?.unwrap_or(BlockId::Latest);
    balance(call.context, call.view.clone(), block_id, address, unit).await
}

/// What somebody holds as of a block.
///
/// # Errors
/// [`Error::BlockNotFound`].
pub(crate) async fn balance(
    context: &Context,
    view: View,
    block_id: BlockId,
    address: ContractAddress,
    unit: Unit,
) -> Result<Balance, Error> {
    let chain = context.sequencer.chain().clone();
    context.cairo(move || Ledger::new(&view, &chain, block_id)?.balance(address, unit)).await
}

impl Balance {
    /// In decimal.
    pub(crate) fn into_amount(self) -> String {
        self.amount
    }
}

/// The balances as of one block.
struct Ledger<'a> {
    state: State,
    info: BlockInfo,
    chain: &'a Chain,
}

impl<'a> Ledger<'a> {
    fn new(view: &View, chain: &'a Chain, block_id: BlockId) -> Result<Self, Error> {
        let info = block_id.block(view)?.info().clone();
        Ok(Self { state: super::state_at(view, block_id)?, info, chain })
    }

    fn balance(&self, address: ContractAddress, unit: Unit) -> Result<Balance, Error> {
        let function = Function {
            contract_address: unit.token().address(),
            selector: selector_from_name("balanceOf"),
            calldata: vec![address.into()],
        };
        let result = kraken_execution::call(self.state.clone(), &self.info, self.chain, &function)?;
        let [low, high] = result.as_slice() else {
            return Err(Internal::Broken { what: "a balance is not two words" }.into());
        };
        let amount = (high.to_biguint() << 128_u32) + low.to_biguint();
        Ok(Balance { amount: amount.to_string(), unit })
    }
}

/// The answer to `devnet_getConfig`.
#[derive(Debug, Serialize)]
pub(crate) struct DevnetConfig {
    seed: u32,
    total_accounts: u16,
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
    dump_on: Option<&'static str>,
    dump_path: Option<&'static str>,
    block_generation_on: BlockGeneration,
    lite_mode: bool,
    proof_mode: &'static str,
    state_archive: &'static str,
    fork_config: ForkConfig,
    eth_erc20_class_hash: Felt,
    strk_erc20_class_hash: Felt,
    class_size_config: ClassSizeConfig,
    server_config: ServerConfig,
}

/// Nothing is forked.
#[derive(Debug, Serialize)]
struct ForkConfig {
    url: Option<&'static str>,
    block_number: Option<u64>,
    caching_enabled: Option<bool>,
}

#[derive(Debug, Serialize)]
struct ClassSizeConfig {
    maximum_contract_class_size: u32,
    maximum_contract_bytecode_size: u32,
    maximum_sierra_length: u32,
}

#[derive(Debug, Serialize)]
struct ServerConfig {
    host: String,
    port: u16,
    timeout: u64,
    restricted_methods: Option<Vec<String>>,
    ui_enabled: bool,
}

/// As devnet writes it: a word, or an object with the seconds.
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
        account_contract_class_hash: ACCOUNT_CLASS_HASH.0,
        predeployed_accounts_initial_balance: genesis.accounts.initial_balance.to_string(),
        start_time: settings.start_time_seconds,
        gas_price_wei: fees.l1_gas_price_wei,
        gas_price_fri: fees.l1_gas_price_fri,
        data_gas_price_wei: fees.l1_data_gas_price_wei,
        data_gas_price_fri: fees.l1_data_gas_price_fri,
        l2_gas_price_wei: fees.l2_gas_price_wei_min,
        l2_gas_price_fri: fees.l2_gas_price_fri_min,
        chain_id: genesis.chain_id.clone(),
        dump_on: None,
        dump_path: None,
        block_generation_on: settings.block_generation,
        lite_mode: false,
        proof_mode: "none",
        state_archive: "full",
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
            restricted_methods: None,
            ui_enabled: false,
        },
    })
}

/// The answer to `devnet_getStatus`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    block_count: u64,
    transaction_count: u64,
    pre_confirmed_tx_count: usize,
    chain_id: String,
    protocol_version: &'static str,
    devnet_version: &'static str,
    is_forked: bool,
    impersonated_accounts: [Felt; 0],
    auto_impersonate: bool,
}

/// Answers `devnet_getStatus`.
///
/// # Errors
/// None of the specification.
pub(crate) async fn get_status(call: &Call<'_>) -> Result<Status, Error> {
    let (context, view) = (call.context.clone(), call.view.clone());
    let transaction_count = call.context.read(move || count(&context, &view)).await?;
    Ok(Status {
        block_count: call.view.latest().0 + 1,
        transaction_count,
        pre_confirmed_tx_count: call.view.pre_confirmed().transactions.len(),
        chain_id: call.context.sequencer.chain().genesis().chain_id.clone(),
        protocol_version: SPEC_VERSION,
        devnet_version: env!("CARGO_PKG_VERSION"),
        is_forked: false,
        impersonated_accounts: [],
        auto_impersonate: false,
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

/// The answer to `devnet_createBlock`.
#[derive(Debug, Serialize)]
pub(crate) struct CreatedBlock {
    block_hash: Felt,
}

/// Answers `devnet_createBlock`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn create_block(call: &Call<'_>) -> Result<CreatedBlock, Error> {
    Ok(CreatedBlock { block_hash: control(call)?.create_block().await?.0 })
}

/// The answer to `devnet_setTime`.
#[derive(Debug, Serialize)]
pub(crate) struct TimeSet {
    block_timestamp: u64,
    block_hash: Option<Felt>,
}

/// Answers `devnet_setTime`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn set_time(call: &Call<'_>) -> Result<TimeSet, Error> {
    let time = call.params.required("time")?;
    let generate_block = call.params.optional("generate_block")?.unwrap_or(true);
    let control = control(call)?;
    let clock = control.clone();
    call.context.read(move || Ok(clock.set_time(time)?)).await?;
    let block_hash = if generate_block { Some(control.create_block().await?.0) } else { None };
    Ok(TimeSet { block_timestamp: time, block_hash })
}

/// The answer to `devnet_increaseTime`.
#[derive(Debug, Serialize)]
pub(crate) struct TimeIncreased {
    timestamp_increased_by: u64,
    block_hash: Felt,
}

/// Answers `devnet_increaseTime`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn increase_time(call: &Call<'_>) -> Result<TimeIncreased, Error> {
    let time = call.params.required("time")?;
    let control = control(call)?;
    control.increase_time(time);
    let block_hash = control.create_block().await?.0;
    Ok(TimeIncreased { timestamp_increased_by: time, block_hash })
}

fn control<'a>(call: &Call<'a>) -> Result<&'a DevControl, Error> {
    let reason = || "this is not a developer's chain".to_owned();
    call.context.sequencer.dev().ok_or_else(|| Error::Forbidden { reason: reason() })
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
