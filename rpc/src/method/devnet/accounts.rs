//! Accounts of block 0, and what anybody holds.

use kraken_execution::{
    Call as Function, Chain, State,
    genesis::{self, accounts},
};
use kraken_sequencer::View;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{abi::abi_utils::selector_from_name, block::BlockInfo, core::ContractAddress};
use starknet_types_core::felt::Felt;

use super::Unit;
use crate::{
    dispatch::{Call, Context},
    dto::block_id::BlockId,
    error::{Error, Internal},
    method::state_at,
    schema,
};

/// An account of block 0.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PREDEPLOYED_ACCOUNT")]
pub(crate) struct Account {
    initial_balance: String,
    #[schemars(with = "schema::Address")]
    address: Felt,
    #[schemars(with = "schema::Felt")]
    public_key: Felt,
    #[schemars(with = "schema::Felt")]
    private_key: Felt,
    balance: Option<Balances>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
struct Balances {
    eth: Balance,
    strk: Balance,
}

/// An amount of one token, in decimal.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "BALANCE")]
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
        let account = |account: genesis::PredeployedAccount| {
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
    // Devnet's name, or the one that starknet.py 0.30 still uses.
    let block_id = call.params.optional("block_id")?.or(call.params.optional("block_tag")?);
    let block_id = block_id.unwrap_or(BlockId::Latest);
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
        Ok(Self { state: state_at(view, block_id)?, info, chain })
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
