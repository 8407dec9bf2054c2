//! What a developer's chain answers to users of katana: the same controls under its names.
//!
//! Source: dojoengine/katana, `crates/rpc/rpc-api/src/dev.rs`.

use kraken_execution::genesis::{PredeployedAccount, accounts};
use kraken_sequencer::Diff;
use schemars::JsonSchema;
use serde::Serialize;
use starknet_api::{
    core::ContractAddress,
    state::{StorageKey, ThinStateDiff},
};
use starknet_types_core::felt::Felt;

use super::devnet::{blocks::put_time, control, state_diff::apply_diff};
use crate::{dispatch::Call, error::Error, schema};

/// Answers `dev_generateBlock`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn generate_block(call: &Call<'_>) -> Result<(), Error> {
    control(call)?.create_block().await?;
    Ok(())
}

/// Answers `dev_nextBlockTimestamp`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn next_block_timestamp(call: &Call<'_>) -> Result<u64, Error> {
    let control = control(call)?;
    call.context.read(move || Ok(control.next_time()?)).await
}

/// Answers `dev_setNextBlockTimestamp`.
///
/// # Errors
/// [`Error::Devnet`].
pub(crate) async fn set_next_block_timestamp(call: &Call<'_>) -> Result<(), Error> {
    put_time(call, &control(call)?, call.params.required("timestamp")?).await
}

/// Answers `dev_increaseNextBlockTimestamp`.
///
/// # Errors
/// None of the specification.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn increase_next_block_timestamp(call: &Call<'_>) -> Result<(), Error> {
    control(call)?.increase_time(call.params.required("timestamp")?);
    Ok(())
}

/// Answers `dev_setStorageAt`: the change is in a block of its own.
///
/// # Errors
/// [`Error::ContractNotFound`], [`Error::Devnet`].
pub(crate) async fn set_storage_at(call: &Call<'_>) -> Result<(), Error> {
    let contract: ContractAddress = call.params.required("contract_address")?;
    let key: StorageKey = call.params.required("key")?;
    let value: Felt = call.params.required("value")?;
    let changes = ThinStateDiff {
        storage_diffs: [(contract, [(key, value)].into())].into(),
        ..ThinStateDiff::default()
    };
    apply_diff(call, Diff { changes, ..Diff::default() }).await
}

/// An account of block 0, as katana writes it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "KATANA_ACCOUNT")]
pub(crate) struct Account {
    #[schemars(with = "schema::Address")]
    address: Felt,
    #[schemars(with = "schema::Felt")]
    public_key: Felt,
    #[schemars(with = "schema::Felt")]
    private_key: Felt,
    #[schemars(with = "schema::Felt")]
    class_hash: Felt,
    balance: String,
}

/// Answers `dev_predeployedAccounts`.
///
/// # Errors
/// None of the specification.
#[expect(clippy::unused_async, reason = "all devnet methods have one shape")]
pub(crate) async fn predeployed_accounts(call: &Call<'_>) -> Result<Vec<Account>, Error> {
    let settings = &call.context.sequencer.chain().genesis().accounts;
    let class_hash = call.context.account_class_hash();
    let account = |account: PredeployedAccount| Account {
        address: account.address.into(),
        public_key: account.public_key,
        private_key: account.private_key,
        class_hash: class_hash.0,
        balance: settings.initial_balance.to_string(),
    };
    Ok(accounts(settings.seed, settings.count).into_iter().map(account).collect())
}
