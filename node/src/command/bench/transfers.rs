//! Transfers of STRK, signed before anything is measured.

use std::{thread, time::SystemTime};

use kraken_execution::{
    Chain, Prepared,
    genesis::{self as execution_genesis, PredeployedAccount},
};
use kraken_types::Genesis;
use serde_json::{Value, json};
use starknet_api::{
    abi::abi_utils::selector_from_name,
    block::GasPrice,
    core::{ContractAddress, Nonce},
    data_availability::DataAvailabilityMode,
    execution_resources::GasAmount,
    rpc_transaction::{RpcInvokeTransaction, RpcInvokeTransactionV3, RpcTransaction},
    transaction::fields::{
        AccountDeploymentData, AllResourceBounds, Calldata, PaymasterData, Proof, ProofFacts,
        ResourceBounds, Tip, TransactionSignature,
    },
};
use starknet_crypto::{rfc6979_generate_k, sign};
use starknet_types_core::felt::Felt;

use crate::{
    args::value::BlockGeneration, failure::Failure, genesis, settings::ChainSettings, wiring,
};

/// Seed of the accounts; any would do.
pub(super) const SEED: u32 = 0;
/// Milliseconds between two blocks of the node.
pub(super) const BLOCK_MILLIS: u64 = 1_000;

/// The first recipient; nothing is deployed there.
const RECIPIENTS: u64 = 0x1_0000_0000;
/// What each transfer moves, in fri.
const AMOUNT: u64 = 1_000;
/// Far above what a transfer uses.
const L2_GAS_MAX: u64 = 20_000_000;
/// Far above what a transfer uses.
const L1_DATA_GAS_MAX: u64 = 2_000;
/// Fri per unit of any gas: far above the price, even where full blocks raise it.
const PRICE_MAX: u128 = 100_000_000_000;

/// The chain that both runs measure.
pub(super) fn genesis(accounts: u16) -> Genesis {
    let wishes = ChainSettings {
        seed: Some(SEED),
        accounts: Some(accounts),
        block_generation: Some(BlockGeneration::Every { millis: BLOCK_MILLIS }),
        ..ChainSettings::default()
    };
    genesis::create(&wishes, SEED, wiring::seconds_since_epoch(SystemTime::now()))
}

/// Signs `count` transfers, one of each account in turn, on all cores.
///
/// # Errors
/// If a transfer is refused before it is signed.
pub(super) fn sign_all(chain: &Chain, count: usize) -> Result<Vec<Prepared>, Failure> {
    let accounts = usize::from(chain.genesis().accounts.count);
    let each: Vec<_> = (0..count).map(|index| (index % accounts, index / accounts)).collect();
    sign_each(chain, &each)
}

/// Signs the first `count` transfers of one account, on all cores.
///
/// # Errors
/// If a transfer is refused before it is signed.
pub(super) fn sign_of(
    chain: &Chain,
    account: usize,
    count: usize,
) -> Result<Vec<Prepared>, Failure> {
    let each: Vec<_> = (0..count).map(|nonce| (account, nonce)).collect();
    sign_each(chain, &each)
}

/// Accounts and nonces.
fn sign_each(chain: &Chain, each: &[(usize, usize)]) -> Result<Vec<Prepared>, Failure> {
    let settings = &chain.genesis().accounts;
    let accounts = execution_genesis::accounts(settings.seed, settings.count);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let chunk = each.len().div_ceil(threads).max(1);
    thread::scope(|scope| {
        let accounts = &accounts;
        let signing: Vec<_> = each
            .chunks(chunk)
            .map(|each| {
                let sign = |(place, nonce): &(usize, usize)| {
                    transfer(chain, &accounts[*place], *nonce, *place)
                };
                scope.spawn(move || each.iter().map(sign).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut transfers = Vec::with_capacity(each.len());
        for thread in signing {
            transfers.extend(thread.join().expect("signing does not panic")?);
        }
        Ok(transfers)
    })
}

/// The body of the request that submits a transfer.
pub(super) fn request(transfer: &Prepared) -> String {
    let invoke = invoke(transfer);
    let bounds = |bounds: &ResourceBounds| {
        json!({
            "max_amount": format!("{:#x}", bounds.max_amount.0),
            "max_price_per_unit": format!("{:#x}", bounds.max_price_per_unit.0),
        })
    };
    let felts = |felts: &[Felt]| felts.iter().map(|felt| json!(format!("{felt:#x}"))).collect();
    let calldata: Value = felts(&invoke.calldata.0);
    let signature: Value = felts(&invoke.signature.0);
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "starknet_addInvokeTransaction",
        "params": { "invoke_transaction": {
            "type": "INVOKE",
            "version": "0x3",
            "sender_address": format!("{:#x}", invoke.sender_address.0.key()),
            "calldata": calldata,
            "signature": signature,
            "nonce": format!("{:#x}", invoke.nonce.0),
            "resource_bounds": {
                "l1_gas": bounds(&invoke.resource_bounds.l1_gas),
                "l2_gas": bounds(&invoke.resource_bounds.l2_gas),
                "l1_data_gas": bounds(&invoke.resource_bounds.l1_data_gas),
            },
            "tip": "0x0",
            "paymaster_data": [],
            "account_deployment_data": [],
            "nonce_data_availability_mode": "L1",
            "fee_data_availability_mode": "L1",
        }},
    })
    .to_string()
}

/// What was signed.
pub(super) fn invoke(transfer: &Prepared) -> &RpcInvokeTransactionV3 {
    match transfer.rpc() {
        Some(RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke))) => invoke,
        Some(RpcTransaction::Declare(_) | RpcTransaction::DeployAccount(_)) | None => {
            unreachable!("this module makes invokes only")
        }
    }
}

/// The transfer of an account with this nonce, to the recipient at a place.
fn transfer(
    chain: &Chain,
    account: &PredeployedAccount,
    nonce: usize,
    place: usize,
) -> Result<Prepared, Failure> {
    let mut invoke = unsigned(account.address, Felt::from(nonce), place);
    let hash = prepare(chain, invoke.clone())?.hash().0;
    let k = rfc6979_generate_k(&hash, &account.private_key, None);
    let signature = sign(&account.private_key, &hash, &k).map_err(|error| {
        Failure::because("cannot sign a transfer", &error, "try again with other accounts")
    })?;
    invoke.signature = TransactionSignature(vec![signature.r, signature.s].into());
    prepare(chain, invoke)
}

fn prepare(chain: &Chain, invoke: RpcInvokeTransactionV3) -> Result<Prepared, Failure> {
    let transaction = RpcTransaction::Invoke(RpcInvokeTransaction::V3(invoke));
    Prepared::new(transaction, chain).map_err(|error| {
        Failure::because("a transfer is refused", &error, "this is a bug; please report it")
    })
}

fn unsigned(sender: ContractAddress, nonce: Felt, recipient: usize) -> RpcInvokeTransactionV3 {
    let price = GasPrice(PRICE_MAX);
    let bounds =
        |amount| ResourceBounds { max_amount: GasAmount(amount), max_price_per_unit: price };
    let recipient = Felt::from(RECIPIENTS) + Felt::from(recipient);
    let transfer = selector_from_name("transfer").0;
    let strk = *execution_genesis::STRK_ADDRESS.0.key();
    // One call: where, what, and three felts: recipient, amount in two halves.
    let calldata =
        vec![Felt::ONE, strk, transfer, Felt::THREE, recipient, Felt::from(AMOUNT), Felt::ZERO];
    RpcInvokeTransactionV3 {
        sender_address: sender,
        calldata: Calldata(calldata.into()),
        signature: TransactionSignature::default(),
        nonce: Nonce(nonce),
        resource_bounds: AllResourceBounds {
            l1_gas: bounds(0),
            l2_gas: bounds(L2_GAS_MAX),
            l1_data_gas: bounds(L1_DATA_GAS_MAX),
        },
        tip: Tip(0),
        paymaster_data: PaymasterData::default(),
        account_deployment_data: AccountDeploymentData::default(),
        nonce_data_availability_mode: DataAvailabilityMode::L1,
        fee_data_availability_mode: DataAvailabilityMode::L1,
        proof_facts: ProofFacts::default(),
        proof: Proof::default(),
    }
}
