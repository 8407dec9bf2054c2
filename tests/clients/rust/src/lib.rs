//! What all suites for starknet-rust share: the validators under test, their funded accounts, and
//! our own contract.
//!
//! `KRAKEN_URLS` says where the validators are, with commas between them; `cargo xtask clients`
//! starts some and sets it. A suite talks to the first, and what it did must be seen at the last as
//! well: with one validator, these are the same.

use std::{env, fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use starknet_rust::{
    accounts::{AccountError, ExecutionEncoding, SingleOwnerAccount},
    core::{
        chain_id,
        types::{
            BlockId, BlockTag, Call, ExecutionResult, Felt, FunctionCall,
            MaybePreConfirmedBlockWithTxHashes, StarknetError, TransactionReceiptWithBlockInfo,
            TransactionStatus,
            contract::{CompiledClass, SierraClass},
        },
        utils::get_selector_from_name,
    },
    macros::felt,
    providers::{JsonRpcClient, Provider as _, ProviderError, Url, jsonrpc::HttpTransport},
    signers::{LocalWallet, SigningKey},
};

/// A connection to one validator.
pub type Client = Arc<JsonRpcClient<HttpTransport>>;
/// An account, whether it is deployed or not.
pub type Account = SingleOwnerAccount<Client, LocalWallet>;

/// The token that pays fees.
pub const STRK: Felt = felt!("0x4718f5a0fc34cc1af16a1cdee98ffb20c31f5cd61d6ab07201858f4287c938d");
/// The other token.
pub const ETH: Felt = felt!("0x49d36570d4e46f48e99674bd3fcc84644ddd6b96f7c741b1562b82f9e004dc7");
/// The universal deployer.
pub const UDC: Felt = felt!("0x2ceed65a4bd731034c01113685c831b01c15d7d432f71afb1cf1634b53a2125");
/// The OpenZeppelin account 1.0.0, declared in the genesis.
pub const ACCOUNT_CLASS: Felt =
    felt!("0x5b4b537eaa2399e3aa99c4e2e0208ebd6c71bc1467938cd52c798c601e43564");
/// Nothing has this address, hash or key.
pub const UNKNOWN: Felt = felt!("0x1234567890abcdef");
/// One STRK in fri.
pub const ONE_STRK: u128 = 1_000_000_000_000_000_000;

/// The newest block.
pub const LATEST: BlockId = BlockId::Tag(BlockTag::Latest);
/// The block that is being built.
pub const PRE_CONFIRMED: BlockId = BlockId::Tag(BlockTag::PreConfirmed);

/// How often a validator is asked, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOKS_MAX: usize = 1_200;

/// The validators under test.
#[derive(Debug)]
pub struct Network {
    /// The one that a suite talks to.
    pub client: Client,
    /// One that must come to know what happened there.
    last: Client,
    url: String,
}

/// Upper limits of what a transaction may use, and of what it pays for that.
#[derive(Clone, Copy, Debug)]
pub struct Prices {
    /// Fri for a unit of L1 gas.
    pub l1_gas: u128,
    /// Fri for a unit of L2 gas.
    pub l2_gas: u128,
    /// Fri for a unit of L1 data gas.
    pub l1_data_gas: u128,
}

/// Connects to the validators.
///
/// # Errors
/// If they have no URLs.
pub fn connect() -> Result<Network> {
    let urls = env::var("KRAKEN_URLS").unwrap_or_else(|_| "http://127.0.0.1:5050".to_owned());
    let client = |url: &str| -> Result<Client> {
        Ok(Arc::new(JsonRpcClient::new(HttpTransport::new(Url::parse(url)?))))
    };
    let first = urls.split(',').next().context("no URL")?;
    let last = urls.split(',').next_back().context("no URL")?;
    Ok(Network { client: client(first)?, last: client(last)?, url: first.to_owned() })
}

impl Network {
    /// Calls a method that starknet-rust does not know.
    ///
    /// # Errors
    /// If it fails.
    pub async fn ask(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = reqwest::Client::new().post(&self.url);
        let request = request.header("content-type", "application/json").body(body.to_string());
        let mut answer: Value = serde_json::from_str(&request.send().await?.text().await?)?;
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => bail!("{method}: {error}"),
        }
    }

    /// One of the accounts that the node funds at its start. Suites use different ones.
    ///
    /// # Errors
    /// If there are not so many.
    pub async fn funded_account(&self, index: usize) -> Result<Account> {
        let accounts = self.ask("devnet_getPredeployedAccounts", json!([])).await?;
        let text = |field: &str| accounts[index][field].as_str().context("no such account");
        Ok(self.account(
            Felt::from_hex(text("address")?)?,
            SigningKey::from_secret_scalar(Felt::from_hex(text("private_key")?)?),
        ))
    }

    /// An account, whether it is deployed or not.
    pub fn account(&self, address: Felt, key: SigningKey) -> Account {
        let (client, wallet) = (Arc::clone(&self.client), LocalWallet::from(key));
        let encoding = ExecutionEncoding::New;
        let mut account =
            SingleOwnerAccount::new(client, wallet, address, chain_id::SEPOLIA, encoding);
        account.set_block_id(PRE_CONFIRMED);
        account
    }

    /// Waits until a transaction is in a block of both validators, whatever became of it.
    ///
    /// # Errors
    /// If that takes too long, or they disagree.
    pub async fn settled(&self, hash: Felt) -> Result<TransactionReceiptWithBlockInfo> {
        let receipt = settled(&self.client, hash).await?;
        let elsewhere = settled(&self.last, hash).await?;
        ensure!(receipt == elsewhere, "{receipt:?} and {elsewhere:?}");
        Ok(receipt)
    }

    /// The same for a transaction that must have done what it should.
    ///
    /// # Errors
    /// If it was reverted as well.
    pub async fn succeeded(&self, hash: Felt) -> Result<TransactionReceiptWithBlockInfo> {
        let settled = self.settled(hash).await?;
        let result = settled.receipt.execution_result();
        ensure!(*result == ExecutionResult::Succeeded, "{hash:#x}: {result:?}");
        Ok(settled)
    }

    /// Calls a function as of a block.
    ///
    /// # Errors
    /// As the node answers.
    pub async fn call(&self, call: Call, block: BlockId) -> Result<Vec<Felt>, ProviderError> {
        let Call { to: contract_address, selector: entry_point_selector, calldata } = call;
        let request = FunctionCall { contract_address, entry_point_selector, calldata };
        self.client.call(request, block).await
    }

    /// What somebody holds, in fri.
    ///
    /// # Errors
    /// As the node answers.
    pub async fn strk_balance(&self, address: Felt, block: BlockId) -> Result<u128> {
        let low_high = self.call(call(STRK, "balance_of", vec![address])?, block).await?;
        let [low, high] = low_high[..] else { bail!("{low_high:?}") };
        ensure!(high == Felt::ZERO, "{low_high:?}");
        Ok(u128::try_from(low)?)
    }

    /// Twice the prices of the newest block, for transactions whose fee nobody estimates.
    ///
    /// # Errors
    /// As the node answers.
    pub async fn ample_prices(&self) -> Result<Prices> {
        let block = self.client.get_block_with_tx_hashes(LATEST).await?;
        let MaybePreConfirmedBlockWithTxHashes::Block(block) = block else {
            bail!("the newest block is {block:?}")
        };
        let twice = |price: Felt| u128::try_from(price).map(|price| 2 * price);
        Ok(Prices {
            l1_gas: twice(block.l1_gas_price.price_in_fri)?,
            l2_gas: twice(block.l2_gas_price.price_in_fri)?,
            l1_data_gas: twice(block.l1_data_gas_price.price_in_fri)?,
        })
    }
}

async fn settled(client: &Client, hash: Felt) -> Result<TransactionReceiptWithBlockInfo> {
    for _ in 0..LOOKS_MAX {
        match client.get_transaction_status(hash).await {
            Ok(TransactionStatus::AcceptedOnL2(_)) => {
                return Ok(client.get_transaction_receipt(hash).await?);
            }
            Ok(_) | Err(ProviderError::StarknetError(StarknetError::TransactionHashNotFound)) => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("{hash:#x} is in no block")
}

/// A call of a function by its name.
///
/// # Errors
/// If that can be no name.
pub fn call(to: Felt, function: &str, calldata: Vec<Felt>) -> Result<Call> {
    Ok(Call { to, selector: get_selector_from_name(function)?, calldata })
}

/// A call that moves STRK.
///
/// # Errors
/// None.
pub fn strk_transfer(recipient: Felt, amount: u128) -> Result<Call> {
    call(STRK, "transfer", vec![recipient, amount.into(), Felt::ZERO])
}

/// Requires that the specification has an error for what happened.
///
/// # Panics
/// If there is none, or all went well.
pub fn refused<T: std::fmt::Debug>(result: Result<T, ProviderError>) -> StarknetError {
    match result {
        Err(ProviderError::StarknetError(error)) => error,
        other => panic!("an error of the specification, not {other:?}"),
    }
}

/// The same for what an account was asked to do.
///
/// # Panics
/// As [`refused`].
pub fn account_refused<T, S>(result: Result<T, AccountError<S>>) -> StarknetError
where
    T: std::fmt::Debug,
    S: std::fmt::Debug,
{
    match result {
        Err(AccountError::Provider(error)) => refused::<T>(Err(error)),
        other => panic!("an error of the specification, not {other:?}"),
    }
}

/// Our contract: its class, and its machine code for the hash that a declaration names.
///
/// # Errors
/// If the files are not there.
pub fn ledger_class() -> Result<(SierraClass, CompiledClass)> {
    // Cargo says where the package lies now, which may not be where it was built.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    let folder = package.join("../../../contracts/compiled");
    let read = |name: &str| fs::read_to_string(folder.join(name)).context(name.to_owned());
    let mut class: Value = serde_json::from_str(&read("ledger.sierra.json")?)?;
    // The library wants these names, which are no part of a class, and ours leaves them out.
    class["sierra_program_debug_info"] =
        json!({ "type_names": [], "libfunc_names": [], "user_func_names": [] });
    let compiled = serde_json::from_str(&read("ledger.casm.json")?)?;
    Ok((serde_json::from_value(class)?, compiled))
}
