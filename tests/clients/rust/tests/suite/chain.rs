//! What a client asks before it does anything: who are you, where are you, what do you know.

use anyhow::{Result, bail};
use kraken_clients_rust::{
    ACCOUNT_CLASS, ETH, LATEST, PRE_CONFIRMED, STRK, UDC, UNKNOWN, call, connect, refused,
};
use serde_json::json;
use starknet_rust::{
    core::{
        chain_id,
        types::{
            BlockId, ContractClass, EventFilter, Felt, MaybePreConfirmedBlockWithTxHashes,
            MaybePreConfirmedBlockWithTxs, MaybePreConfirmedStateUpdate, StarknetError,
            SyncStatusType,
        },
    },
    providers::{Provider as _, ProviderRequestData, ProviderResponseData},
};

#[tokio::test]
async fn it_is_the_chain_that_development_clients_expect() -> Result<()> {
    let client = connect()?.client;
    assert_eq!(client.chain_id().await?, chain_id::SEPOLIA);
    assert_eq!(client.spec_version().await?, "0.10.2");
    assert!(client.starknet_version(LATEST).await?.starts_with("0.14."));
    assert_eq!(client.syncing().await?, SyncStatusType::NotSyncing);
    Ok(())
}

#[tokio::test]
async fn it_has_a_first_block_and_a_newest_one() -> Result<()> {
    let client = connect()?.client;
    let genesis = client.get_block_with_tx_hashes(BlockId::Number(0)).await?;
    let MaybePreConfirmedBlockWithTxHashes::Block(genesis) = genesis else {
        bail!("block 0 is {genesis:?}")
    };
    assert_eq!(genesis.parent_hash, Felt::ZERO);
    let count = client.get_block_transaction_count(BlockId::Number(0)).await?;
    assert_eq!(usize::try_from(count)?, genesis.transactions.len());
    let by_hash = client.get_state_update(BlockId::Hash(genesis.block_hash)).await?;
    let MaybePreConfirmedStateUpdate::Update(update) = by_hash else {
        bail!("block 0 made {by_hash:?}")
    };
    assert_eq!((update.old_root, update.new_root), (Felt::ZERO, genesis.new_root));

    let newest = client.block_hash_and_number().await?;
    assert!(newest.block_number <= client.block_number().await?);
    let block = client.get_block_with_txs(BlockId::Number(newest.block_number), None).await?;
    let MaybePreConfirmedBlockWithTxs::Block(block) = block else { bail!("{block:?}") };
    assert_eq!(block.block_hash, newest.block_hash);
    client.get_block_with_receipts(LATEST, None).await?;
    Ok(())
}

#[tokio::test]
async fn there_is_always_a_block_that_is_being_built() -> Result<()> {
    let client = connect()?.client;
    let latest = client.block_number().await?;
    let open = client.get_block_with_tx_hashes(PRE_CONFIRMED).await?;
    let MaybePreConfirmedBlockWithTxHashes::PreConfirmedBlock(open) = open else {
        bail!("the open block is {open:?}")
    };
    assert!(latest < open.block_number);
    client.get_block_with_receipts(PRE_CONFIRMED, None).await?;
    let update = client.get_state_update(PRE_CONFIRMED).await?;
    assert!(matches!(update, MaybePreConfirmedStateUpdate::PreConfirmedUpdate(_)), "{update:?}");
    Ok(())
}

#[tokio::test]
async fn accounts_tokens_and_the_deployer_are_where_they_are_known() -> Result<()> {
    let network = connect()?;
    let accounts = network.ask("devnet_getPredeployedAccounts", json!([])).await?;
    assert_eq!(accounts.as_array().map(Vec::len), Some(10));
    let first = Felt::from_hex(accounts[0]["address"].as_str().unwrap_or_default())?;
    assert_eq!(network.client.get_class_hash_at(LATEST, first).await?, ACCOUNT_CLASS);
    for address in [STRK, ETH, UDC] {
        let class = network.client.get_class_at(LATEST, address).await?;
        assert!(matches!(class, ContractClass::Sierra(_)), "{address:#x}");
    }
    let decimals = network.call(call(STRK, "decimals", Vec::new())?, LATEST).await?;
    assert_eq!(decimals, [Felt::from(18)]);
    Ok(())
}

#[tokio::test]
async fn several_questions_may_come_at_once() -> Result<()> {
    let client = connect()?.client;
    let chain_id =
        ProviderRequestData::ChainId(starknet_rust::core::types::requests::ChainIdRequest);
    let answers = client.batch_requests(vec![chain_id; 20]).await?;
    assert_eq!(answers.len(), 20);
    for answer in answers {
        let ProviderResponseData::ChainId(id) = answer else { bail!("{answer:?}") };
        assert_eq!(id, chain_id::SEPOLIA);
    }
    Ok(())
}

#[tokio::test]
async fn what_it_does_not_know_has_the_error_of_the_specification() -> Result<()> {
    let network = connect()?;
    let client = &network.client;
    let nowhere = refused(client.get_class_hash_at(LATEST, UNKNOWN).await);
    assert_eq!(nowhere, StarknetError::ContractNotFound);
    let nowhere = refused(client.get_nonce(LATEST, UNKNOWN).await);
    assert_eq!(nowhere, StarknetError::ContractNotFound);
    let no_entry = call(STRK, "no_such_entry", Vec::new())?;
    let missing = refused(network.call(no_entry, LATEST).await);
    assert_eq!(missing, StarknetError::EntrypointNotFound);
    let later = refused(client.get_block_with_txs(BlockId::Number(99_999_999), None).await);
    assert_eq!(later, StarknetError::BlockNotFound);
    let beyond = client.get_transaction_by_block_id_and_index(BlockId::Number(0), 99_999, None);
    assert_eq!(refused(beyond.await), StarknetError::InvalidTransactionIndex);
    let unknown = refused(client.get_class(LATEST, UNKNOWN).await);
    assert_eq!(unknown, StarknetError::ClassHashNotFound);
    for unknown in [
        refused(client.get_transaction_by_hash(UNKNOWN, None).await),
        refused(client.get_transaction_receipt(UNKNOWN).await),
        refused(client.get_transaction_status(UNKNOWN).await),
    ] {
        assert_eq!(unknown, StarknetError::TransactionHashNotFound);
    }
    let all = EventFilter { from_block: None, to_block: None, address: None, keys: None };
    let too_many = refused(client.get_events(all.clone(), None, 1_000_000).await);
    assert_eq!(too_many, StarknetError::PageSizeTooBig);
    let bad_token = refused(client.get_events(all, Some("not one".to_owned()), 1).await);
    assert_eq!(bad_token, StarknetError::InvalidContinuationToken);
    Ok(())
}
