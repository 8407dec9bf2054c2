//! The life of a contract, from its class to its events.

use std::sync::Arc;

use anyhow::{Result, bail};
use kraken_clients_rust::{
    Account, LATEST, Network, UDC, account_refused, call, connect, ledger_class, refused,
};
use starknet_rust::{
    accounts::{Account as _, ConnectedAccount as _},
    contract::{ContractFactory, UdcSelector},
    core::{
        types::{
            AddressFilter, BlockId, Call, ContractClass, Event, EventFilter, ExecutionResult, Felt,
            GetStorageAtResult, MaybePreConfirmedBlockWithReceipts, MaybePreConfirmedStateUpdate,
            StarknetError, StateUpdate, TransactionReceiptWithBlockInfo,
        },
        utils::{get_selector_from_name, get_storage_var_address},
    },
    providers::Provider as _,
};

/// What the ledger begins with.
const OPENING_TOTAL: u128 = 1_000;

/// One contract, for the account that declares and deploys it.
struct Ledger {
    network: Network,
    account: Account,
    address: Felt,
}

impl Ledger {
    async fn invoke(&self, function: &str, calldata: Vec<Felt>) -> Result<Receipt> {
        let call = call(self.address, function, calldata)?;
        let sent = self.account.execute_v3(vec![call]).send().await?;
        self.network.succeeded(sent.transaction_hash).await
    }

    async fn value(&self, key: Felt, block: BlockId) -> Result<Felt> {
        let values = self.network.call(call(self.address, "value", vec![key])?, block).await?;
        let [value] = values[..] else { bail!("{values:?}") };
        Ok(value)
    }

    async fn update(&self, block: u64) -> Result<StateUpdate> {
        match self.network.client.get_state_update(BlockId::Number(block)).await? {
            MaybePreConfirmedStateUpdate::Update(update) => Ok(update),
            open @ MaybePreConfirmedStateUpdate::PreConfirmedUpdate(_) => bail!("{open:?}"),
        }
    }

    fn call(&self, function: &str, calldata: Vec<Felt>) -> Result<Call> {
        call(self.address, function, calldata)
    }
}

type Receipt = TransactionReceiptWithBlockInfo;

/// One test, since each part needs what the one before it left.
#[tokio::test]
async fn lives_from_its_declaration_to_its_events() -> Result<()> {
    let network = connect()?;
    let account = network.funded_account(1).await?;
    let class_hash = is_declared_once(&network, &account).await?;
    let address = is_deployed(&network, &account, class_hash).await?;
    let ledger = Ledger { network, account, address };
    keeps_what_is_written(&ledger).await?;
    is_changed_by_several_calls(&ledger).await?;
    reverts_without_a_trace(&ledger).await?;
    finds_its_events(&ledger).await?;
    is_found_in_blocks(&ledger).await
}

async fn is_declared_once(network: &Network, account: &Account) -> Result<Felt> {
    let (class, compiled) = ledger_class()?;
    let (class, compiled_hash) = (Arc::new(class.flatten()?), compiled.class_hash()?);
    let declared = account.declare_v3(Arc::clone(&class), compiled_hash).send().await?;
    assert_eq!(declared.class_hash, class.class_hash());
    let receipt = network.succeeded(declared.transaction_hash).await?;

    let served = network.client.get_class(LATEST, declared.class_hash).await?;
    let ContractClass::Sierra(served) = served else { bail!("{served:?}") };
    assert_eq!(served, *class);
    let block = BlockId::Number(receipt.block.block_number());
    let update = network.client.get_state_update(block).await?;
    let MaybePreConfirmedStateUpdate::Update(update) = update else { bail!("{update:?}") };
    let declared_classes = update.state_diff.declared_classes;
    assert_eq!(declared_classes.len(), 1);
    assert_eq!(declared_classes[0].class_hash, declared.class_hash);
    assert_eq!(declared_classes[0].compiled_class_hash, compiled_hash);

    let prices = network.ample_prices().await?;
    let again = account
        .declare_v3(class, compiled_hash)
        .l1_gas(10_000)
        .l1_gas_price(prices.l1_gas)
        .l2_gas(500_000_000)
        .l2_gas_price(prices.l2_gas)
        .l1_data_gas(10_000)
        .l1_data_gas_price(prices.l1_data_gas)
        .tip(0);
    assert_eq!(account_refused(again.send().await), StarknetError::ClassAlreadyDeclared);
    Ok(declared.class_hash)
}

async fn is_deployed(network: &Network, account: &Account, class_hash: Felt) -> Result<Felt> {
    let factory = ContractFactory::new_with_udc(class_hash, account, UdcSelector::New);
    let arguments = vec![account.address(), OPENING_TOTAL.into()];
    let deployment = factory.deploy_v3(arguments, Felt::THREE, true);
    let address = deployment.deployed_address();
    assert!(0 < deployment.estimate_fee().await?.overall_fee);
    let sent = deployment.send().await?;
    let receipt = network.succeeded(sent.transaction_hash).await?.receipt;
    assert_eq!(network.client.get_class_hash_at(LATEST, address).await?, class_hash);

    let opened = Event {
        from_address: address,
        keys: vec![get_selector_from_name("Opened")?, account.address()],
        data: vec![OPENING_TOTAL.into()],
    };
    assert!(receipt.events().contains(&opened), "{receipt:?}");
    assert!(receipt.events().iter().any(|event| event.from_address == UDC), "{receipt:?}");
    let owner = network.call(call(address, "owner", Vec::new())?, LATEST).await?;
    assert_eq!(owner, [account.address()]);
    Ok(address)
}

async fn keeps_what_is_written(ledger: &Ledger) -> Result<()> {
    let (key, seven) = (Felt::from(0x61), Felt::from(7));
    let block = ledger.invoke("add", vec![key, seven]).await?.block.block_number();
    assert_eq!(ledger.value(key, LATEST).await?, seven);
    assert_eq!(ledger.value(key, BlockId::Number(block - 1)).await?, Felt::ZERO);

    let slot = get_storage_var_address("values", &[key])?;
    let stored = ledger.network.client.get_storage_at(ledger.address, slot, LATEST, None).await?;
    assert_eq!(stored, GetStorageAtResult::Value(seven));
    let diffs = ledger.update(block).await?.state_diff.storage_diffs;
    let written = diffs.iter().find(|diff| diff.address == ledger.address);
    let entries = written.map(|diff| diff.storage_entries.as_slice()).unwrap_or_default();
    assert!(entries.iter().any(|entry| entry.key == slot && entry.value == seven), "{entries:?}");
    Ok(())
}

async fn is_changed_by_several_calls(ledger: &Ledger) -> Result<()> {
    let key = Felt::from(0x62);
    let add = |amount: Felt| ledger.call("add", vec![key, amount]);
    let calls = vec![add(Felt::ONE)?, add(Felt::TWO)?];
    let sent = ledger.account.execute_v3(calls).send().await?;
    ledger.network.succeeded(sent.transaction_hash).await?;
    assert_eq!(ledger.value(key, LATEST).await?, Felt::THREE);
    Ok(())
}

async fn reverts_without_a_trace(ledger: &Ledger) -> Result<()> {
    let (network, account) = (&ledger.network, &ledger.account);
    let key = Felt::from(0x63);
    let refuse = ledger.call("refuse", vec![key])?;
    let error = refused(network.call(refuse.clone(), LATEST).await);
    assert!(matches!(error, StarknetError::ContractError(_)), "{error:?}");
    assert!(format!("{error:?}").contains("Ledger: refused"), "{error:?}");
    let estimate = account.execute_v3(vec![refuse.clone()]).estimate_fee().await;
    let error = account_refused(estimate);
    assert!(matches!(error, StarknetError::TransactionExecutionError(_)), "{error:?}");
    assert!(format!("{error:?}").contains("Ledger: refused"), "{error:?}");

    let prices = network.ample_prices().await?;
    let sent = account
        .execute_v3(vec![refuse])
        .l1_gas(10_000)
        .l1_gas_price(prices.l1_gas)
        .l2_gas(30_000_000)
        .l2_gas_price(prices.l2_gas)
        .l1_data_gas(10_000)
        .l1_data_gas_price(prices.l1_data_gas)
        .tip(0)
        .send()
        .await?;
    let receipt = network.settled(sent.transaction_hash).await?.receipt;
    let ExecutionResult::Reverted { reason } = receipt.execution_result() else {
        bail!("{:#x} was not refused", sent.transaction_hash)
    };
    assert!(reason.contains("Ledger: refused"), "{reason}");
    assert_eq!(ledger.value(key, LATEST).await?, Felt::ZERO);
    Ok(())
}

async fn finds_its_events(ledger: &Ledger) -> Result<()> {
    let (key, client) = (Felt::from(0x64), &ledger.network.client);
    let mut receipts = Vec::new();
    for amount in [10_u8, 20, 30] {
        receipts.push(ledger.invoke("add", vec![key, amount.into()]).await?);
    }
    ledger.invoke("add", vec![Felt::from(0x65), Felt::ONE]).await?;

    let wanted = EventFilter {
        from_block: Some(BlockId::Number(receipts[0].block.block_number())),
        to_block: Some(LATEST),
        address: Some(AddressFilter::Single(ledger.address)),
        keys: Some(vec![vec![get_selector_from_name("Added")?], vec![key]]),
    };
    let first = client.get_events(wanted.clone(), None, 2).await?;
    assert_eq!(first.events.len(), 2);
    let rest = client.get_events(wanted, first.continuation_token, 2).await?;
    assert_eq!(rest.continuation_token, None);
    let events: Vec<_> = first.events.into_iter().chain(rest.events).collect();
    let amounts: Vec<_> = events.iter().map(|event| event.data[0]).collect();
    assert_eq!(amounts, [Felt::from(10), Felt::from(20), Felt::from(30)]);
    for (event, receipt) in events.iter().zip(&receipts) {
        assert_eq!(event.transaction_hash, *receipt.receipt.transaction_hash());
        assert_eq!(event.block_number, Some(receipt.block.block_number()));
    }
    Ok(())
}

async fn is_found_in_blocks(ledger: &Ledger) -> Result<()> {
    let (client, account) = (&ledger.network.client, &ledger.account);
    let nonce = account.get_nonce().await?;
    let receipt = ledger.invoke("add", vec![Felt::from(0x66), Felt::ONE]).await?;
    assert_eq!(account.get_nonce().await?, nonce + Felt::ONE);
    let (hash, number) = (*receipt.receipt.transaction_hash(), receipt.block.block_number());
    let block = client.get_block_with_receipts(BlockId::Number(number), None).await?;
    let MaybePreConfirmedBlockWithReceipts::Block(block) = block else { bail!("{block:?}") };
    let index = block.transactions.iter().position(|it| *it.receipt.transaction_hash() == hash);
    let Some(index) = index else { bail!("block {number} lacks {hash:#x}") };
    assert_eq!(block.transactions[index].receipt, receipt.receipt);

    let place = (BlockId::Number(number), u64::try_from(index)?);
    let by_index = client.get_transaction_by_block_id_and_index(place.0, place.1, None).await?;
    assert_eq!(by_index, client.get_transaction_by_hash(hash, None).await?);
    let (update, parent) = (ledger.update(number).await?, ledger.update(number - 1).await?);
    assert_eq!((update.new_root, update.old_root), (block.new_root, parent.new_root));
    Ok(())
}
