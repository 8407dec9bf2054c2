//! Accounts: spending from a funded one, and bringing a new one to life.

use std::sync::Arc;

use anyhow::{Result, bail};
use kraken_clients_rust::{
    ACCOUNT_CLASS, Account, LATEST, ONE_STRK, PRE_CONFIRMED, Prices, STRK, account_refused,
    connect, strk_transfer,
};
use starknet_rust::{
    accounts::{
        Account as _, AccountFactory as _, ConnectedAccount as _, ExecutionV3,
        OpenZeppelinAccountFactory,
    },
    core::{
        chain_id,
        types::{BlockId, Call, ExecutionResult, Felt, StarknetError, TransactionReceipt},
        utils::get_selector_from_name,
    },
    providers::Provider as _,
    signers::{LocalWallet, SigningKey},
};

/// A transaction whose fee nobody estimates.
fn execution(account: &Account, call: Call, prices: Prices) -> ExecutionV3<'_, Account> {
    account
        .execute_v3(vec![call])
        .l1_gas(10_000)
        .l1_gas_price(prices.l1_gas)
        .l2_gas(30_000_000)
        .l2_gas_price(prices.l2_gas)
        .l1_data_gas(10_000)
        .l1_data_gas_price(prices.l1_data_gas)
        .tip(0)
}

/// An address that nobody has used.
fn somebody() -> Felt {
    SigningKey::from_random().verifying_key().scalar()
}

#[tokio::test]
async fn one_pays_exactly_what_it_sends_and_the_fee_of_the_receipt() -> Result<()> {
    let network = connect()?;
    let (account, recipient) = (network.funded_account(0).await?, somebody());
    let before = network.strk_balance(account.address(), PRE_CONFIRMED).await?;
    let nonce = account.get_nonce().await?;

    // Estimates the fee, and asks the newest block for a tip.
    let sent = account.execute_v3(vec![strk_transfer(recipient, ONE_STRK)?]).send().await?;
    let receipt = network.succeeded(sent.transaction_hash).await?;
    let TransactionReceipt::Invoke(invoke) = &receipt.receipt else { bail!("{receipt:?}") };
    let fee = u128::try_from(invoke.actual_fee.amount)?;
    assert!(0 < fee);
    assert_eq!(network.strk_balance(recipient, LATEST).await?, ONE_STRK);
    let after = network.strk_balance(account.address(), LATEST).await?;
    assert_eq!(after, before - ONE_STRK - fee);
    assert_eq!(account.get_nonce().await?, nonce + Felt::ONE);

    let past = BlockId::Number(receipt.block.block_number() - 1);
    assert_eq!(network.strk_balance(account.address(), past).await?, before);
    assert_eq!(network.client.get_nonce(past, account.address()).await?, nonce);

    let events: Vec<_> = invoke.events.iter().filter(|event| event.from_address == STRK).collect();
    let [moved, paid] = events[..] else { bail!("{events:?}") };
    assert_eq!(moved.keys[0], get_selector_from_name("Transfer")?);
    assert!(moved.data.contains(&ONE_STRK.into()), "{moved:?}");
    assert!(paid.data.contains(&fee.into()), "{paid:?}");
    Ok(())
}

#[tokio::test]
async fn an_estimate_is_enough_and_not_absurd() -> Result<()> {
    let network = connect()?;
    let account = network.funded_account(0).await?;
    let transfer = account.execute_v3(vec![strk_transfer(somebody(), 1)?]);
    let estimate = transfer.estimate_fee().await?.overall_fee;
    let sent = transfer.send().await?;
    let receipt = network.succeeded(sent.transaction_hash).await?;
    let TransactionReceipt::Invoke(invoke) = receipt.receipt else { bail!("{receipt:?}") };
    let fee = u128::try_from(invoke.actual_fee.amount)?;
    assert!(fee <= estimate && estimate < 2 * fee, "{fee} paid, {estimate} estimated");
    Ok(())
}

#[tokio::test]
async fn a_new_one_is_deployed_and_sends() -> Result<()> {
    let network = connect()?;
    let (funded, key) = (network.funded_account(0).await?, SigningKey::from_random());
    let client = Arc::clone(&network.client);
    let wallet = LocalWallet::from(key.clone());
    let mut factory =
        OpenZeppelinAccountFactory::new(ACCOUNT_CLASS, chain_id::SEPOLIA, wallet, client).await?;
    factory.set_block_id(PRE_CONFIRMED);
    let deployment = factory.deploy_v3(Felt::TWO);
    let address = deployment.address();
    let funding = strk_transfer(address, 20 * ONE_STRK)?;
    let funding = funded.execute_v3(vec![funding]).send().await?;
    network.succeeded(funding.transaction_hash).await?;

    let deployed = deployment.send().await?;
    assert_eq!(deployed.contract_address, address);
    let birth = network.succeeded(deployed.transaction_hash).await?;
    let TransactionReceipt::DeployAccount(birth) = birth.receipt else { bail!("{birth:?}") };
    assert_eq!(birth.contract_address, address);
    assert_eq!(network.client.get_class_hash_at(LATEST, address).await?, ACCOUNT_CLASS);

    let (account, recipient) = (network.account(address, key), somebody());
    let sent = account.execute_v3(vec![strk_transfer(recipient, 5)?]).send().await?;
    network.succeeded(sent.transaction_hash).await?;
    assert_eq!(network.strk_balance(recipient, LATEST).await?, 5);
    assert_eq!(account.get_nonce().await?, Felt::TWO);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_accepted_is_refused_with_the_reason() -> Result<()> {
    let network = connect()?;
    let account = network.funded_account(0).await?;
    let prices = network.ample_prices().await?;
    let call = strk_transfer(somebody(), 1)?;
    // With a nonce that is used from now on.
    let sent = execution(&account, call.clone(), prices).send().await?;
    network.succeeded(sent.transaction_hash).await?;
    let nonce = account.get_nonce().await?;

    let another = strk_transfer(somebody(), 2)?;
    let used = execution(&account, another, prices).nonce(nonce - Felt::ONE);
    let error = account_refused(used.send().await);
    assert!(matches!(error, StarknetError::InvalidTransactionNonce(_)), "{error:?}");

    let impostor = network.account(account.address(), SigningKey::from_random());
    let error = account_refused(execution(&impostor, call.clone(), prices).send().await);
    assert!(matches!(error, StarknetError::ValidationFailure(_)), "{error:?}");

    let dear = execution(&account, call, prices).l2_gas_price(10_u128.pow(20));
    let error = account_refused(dear.send().await);
    assert_eq!(error, StarknetError::InsufficientAccountBalance);
    assert_eq!(account.get_nonce().await?, nonce);
    Ok(())
}

#[tokio::test]
async fn one_that_goes_beyond_its_means_is_reverted_and_pays() -> Result<()> {
    let network = connect()?;
    let account = network.funded_account(0).await?;
    let before = network.strk_balance(account.address(), PRE_CONFIRMED).await?;
    let too_much = strk_transfer(somebody(), 1 << 126)?;
    let sent = execution(&account, too_much, network.ample_prices().await?).send().await?;
    let receipt = network.settled(sent.transaction_hash).await?;
    let TransactionReceipt::Invoke(invoke) = receipt.receipt else { bail!("{receipt:?}") };
    let ExecutionResult::Reverted { reason } = invoke.execution_result else {
        bail!("{:#x} did what it could not", sent.transaction_hash)
    };
    assert!(reason.contains("insufficient balance"), "{reason}");
    let fee = u128::try_from(invoke.actual_fee.amount)?;
    assert_eq!(network.strk_balance(account.address(), LATEST).await?, before - fee);
    Ok(())
}
