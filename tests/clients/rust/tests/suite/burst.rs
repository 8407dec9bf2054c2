//! Many transactions from one account, faster than blocks.

use anyhow::{Result, bail};
use kraken_clients_rust::{LATEST, connect, strk_transfer};
use starknet_rust::{
    accounts::{Account as _, ConnectedAccount as _},
    core::types::{BlockId, Felt, MaybePreConfirmedBlockWithTxHashes},
    providers::Provider as _,
};

/// Nobody had this address before.
const RECIPIENT: Felt = Felt::from_hex_unchecked("0xb0b57");

#[tokio::test]
async fn of_300_is_taken_without_waiting_and_keeps_its_order() -> Result<()> {
    let network = connect()?;
    let account = network.funded_account(2).await?;
    let (prices, first) = (network.ample_prices().await?, account.get_nonce().await?);
    let mut hashes = Vec::new();
    for place in 0_u64..300 {
        let sent = account
            .execute_v3(vec![strk_transfer(RECIPIENT, 1)?])
            .nonce(first + Felt::from(place))
            .l1_gas(0)
            .l1_gas_price(prices.l1_gas)
            .l2_gas(10_000_000)
            .l2_gas_price(prices.l2_gas)
            .l1_data_gas(1_000)
            .l1_data_gas_price(prices.l1_data_gas)
            .tip(0)
            .send()
            .await?;
        hashes.push(sent.transaction_hash);
    }

    let newest = network.succeeded(hashes[299]).await?.block.block_number();
    let oldest = network.succeeded(hashes[0]).await?.block.block_number();
    let mut in_chain = Vec::new();
    for number in oldest..=newest {
        let block = network.client.get_block_with_tx_hashes(BlockId::Number(number)).await?;
        let MaybePreConfirmedBlockWithTxHashes::Block(block) = block else { bail!("{block:?}") };
        in_chain.extend(block.transactions.into_iter().filter(|sent| hashes.contains(sent)));
    }
    assert_eq!(in_chain, hashes);
    assert_eq!(account.get_nonce().await?, first + Felt::from(300));
    assert_eq!(network.strk_balance(RECIPIENT, LATEST).await?, 300);
    Ok(())
}
