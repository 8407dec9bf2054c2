//! Transactions with their receipts.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use starknet_types_core::felt::Felt;

use super::{
    field,
    hash::{ascii, pedersen, poseidon_of},
};

/// The kind of a transaction that no account sends.
const L1_HANDLER: &str = "L1_HANDLER";

/// A transaction of a block, with what came of it.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// As served.
    pub hash: Felt,
    /// Over the hash, by the account.
    pub signature: Vec<Felt>,
    /// What came of it.
    pub receipt: Receipt,
    /// As served, with all other fields.
    body: Value,
}

/// What came of a transaction.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Charged, in fri.
    pub fee: Felt,
    /// Why it reverted; `None` if it succeeded.
    pub revert_reason: Option<String>,
    /// In order.
    pub messages: Vec<Message>,
    /// In order.
    pub events: Vec<Event>,
    /// Charged for.
    pub gas: Gas,
}

/// A message to L1.
#[derive(Clone, Debug)]
pub struct Message {
    /// The contract that sent it.
    pub from_address: Felt,
    /// An address on L1.
    pub to_address: Felt,
    /// What it says.
    pub payload: Vec<Felt>,
}

/// An event.
#[derive(Clone, Debug)]
pub struct Event {
    /// The contract that emitted it.
    pub from_address: Felt,
    /// What it is found by.
    pub keys: Vec<Felt>,
    /// What it says.
    pub data: Vec<Felt>,
}

/// Amounts of gas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Gas {
    pub l1_gas: u64,
    pub l1_data_gas: u64,
    pub l2_gas: u64,
}

/// The transactions of the answer of `starknet_getBlockWithReceipts`.
///
/// # Errors
/// If one is not of the shape of the specification, or its receipt is of another one.
pub fn read_all(block: &Value) -> Result<Vec<Transaction>> {
    field::items(block, "transactions")?
        .iter()
        .enumerate()
        .map(|(index, both)| Transaction::read(both).with_context(|| format!("index {index}")))
        .collect()
}

impl Transaction {
    fn read(both: &Value) -> Result<Self> {
        let body = field::of(both, "transaction")?.clone();
        let receipt = field::of(both, "receipt")?;
        let kinds = [field::text(&body, "type")?, field::text(receipt, "type")?];
        ensure!(kinds[0] == kinds[1], "{} with the receipt of {}", kinds[0], kinds[1]);
        let transaction = Self {
            hash: field::felt(receipt, "transaction_hash")?,
            // Nobody signs a message of L1.
            signature: match kinds[0] {
                L1_HANDLER => Vec::new(),
                _ => field::felts(&body, "signature")?,
            },
            receipt: Receipt::read(receipt)?,
            body,
        };
        if transaction.kind()? == "DEPLOY_ACCOUNT" {
            let claimed = field::felt(receipt, "contract_address")?;
            let computed = sender(&transaction.body)?;
            ensure!(claimed == computed, "the account is at {computed:#x}, not at {claimed:#x}");
        }
        Ok(transaction)
    }

    /// INVOKE, DECLARE, DEPLOY_ACCOUNT or L1_HANDLER.
    ///
    /// # Errors
    /// If it is no text.
    pub fn kind(&self) -> Result<&str> {
        field::text(&self.body, "type")
    }

    /// The account that sends it and pays; `None` for a message of L1.
    ///
    /// # Errors
    /// If the transaction is malformed.
    pub fn sender(&self) -> Result<Option<Felt>> {
        if self.kind()? == L1_HANDLER { Ok(None) } else { sender(&self.body).map(Some) }
    }

    /// Its place among those of the sender.
    ///
    /// # Errors
    /// If the transaction is malformed.
    pub fn nonce(&self) -> Result<Felt> {
        field::felt(&self.body, "nonce")
    }

    /// What the account signed.
    ///
    /// # Errors
    /// As [`hash`].
    pub fn compute_hash(&self, chain_id: Felt) -> Result<Felt> {
        hash(&self.body, chain_id)
    }
}

impl Receipt {
    fn read(receipt: &Value) -> Result<Self> {
        let fee = field::of(receipt, "actual_fee")?;
        let finality = field::text(receipt, "finality_status")?;
        ensure!(finality != "PRE_CONFIRMED", "a receipt of a closed block is {finality}");
        let revert_reason = match field::text(receipt, "execution_status")? {
            "SUCCEEDED" => None,
            "REVERTED" => Some(field::text(receipt, "revert_reason")?.to_owned()),
            other => bail!("execution status {other}"),
        };
        let resources = field::of(receipt, "execution_resources")?;
        Ok(Self {
            fee: field::felt(fee, "amount")?,
            revert_reason,
            messages: field::items(receipt, "messages_sent")?
                .iter()
                .map(Message::read)
                .collect::<Result<_>>()?,
            events: field::items(receipt, "events")?
                .iter()
                .map(Event::read)
                .collect::<Result<_>>()?,
            gas: Gas {
                l1_gas: field::number(resources, "l1_gas")?,
                l1_data_gas: field::number(resources, "l1_data_gas")?,
                l2_gas: field::number(resources, "l2_gas")?,
            },
        })
    }
}

impl Message {
    fn read(message: &Value) -> Result<Self> {
        Ok(Self {
            from_address: field::felt(message, "from_address")?,
            to_address: field::felt(message, "to_address")?,
            payload: field::felts(message, "payload")?,
        })
    }
}

impl Event {
    fn read(event: &Value) -> Result<Self> {
        Ok(Self {
            from_address: field::felt(event, "from_address")?,
            keys: field::felts(event, "keys")?,
            data: field::felts(event, "data")?,
        })
    }
}

/// What the account of a transaction of version 3 signed (SNIP-8), from its TXN of the
/// specification.
///
/// # Errors
/// If it is of another version, or malformed.
pub fn hash(body: &Value, chain_id: Felt) -> Result<Felt> {
    if field::text(body, "type")? == L1_HANDLER {
        return hash_of_message(body, chain_id);
    }
    let version = field::felt(body, "version")?;
    ensure!(version == Felt::THREE, "version {version:#x}");
    let (prefix, rest) = match field::text(body, "type")? {
        "INVOKE" => ("invoke", of_invoke(body)?),
        "DECLARE" => ("declare", of_declare(body)?),
        "DEPLOY_ACCOUNT" => ("deploy_account", of_deploy_account(body)?),
        other => bail!("type {other}"),
    };
    let mut felts = vec![
        ascii(prefix),
        version,
        sender(body)?,
        fee_hash(body)?,
        poseidon_of(&field::felts(body, "paymaster_data")?),
        chain_id,
        field::felt(body, "nonce")?,
        data_availability(body)?,
    ];
    felts.extend(rest);
    Ok(poseidon_of(&felts))
}

/// Nobody signs a message of L1: this is its name.
fn hash_of_message(body: &Value, chain_id: Felt) -> Result<Felt> {
    let felt = |name| field::felt(body, name);
    Ok(pedersen_of(&[
        ascii("l1_handler"),
        felt("version")?,
        felt("contract_address")?,
        felt("entry_point_selector")?,
        pedersen_of(&field::felts(body, "calldata")?),
        Felt::ZERO,
        chain_id,
        felt("nonce")?,
    ]))
}

fn sender(body: &Value) -> Result<Felt> {
    if field::text(body, "type")? != "DEPLOY_ACCOUNT" {
        return field::felt(body, "sender_address");
    }
    Ok(contract_address(
        Felt::ZERO,
        field::felt(body, "contract_address_salt")?,
        field::felt(body, "class_hash")?,
        &field::felts(body, "constructor_calldata")?,
    ))
}

fn of_invoke(body: &Value) -> Result<Vec<Felt>> {
    Ok(vec![
        poseidon_of(&field::felts(body, "account_deployment_data")?),
        poseidon_of(&field::felts(body, "calldata")?),
    ])
}

fn of_declare(body: &Value) -> Result<Vec<Felt>> {
    Ok(vec![
        poseidon_of(&field::felts(body, "account_deployment_data")?),
        field::felt(body, "class_hash")?,
        field::felt(body, "compiled_class_hash")?,
    ])
}

fn of_deploy_account(body: &Value) -> Result<Vec<Felt>> {
    Ok(vec![
        poseidon_of(&field::felts(body, "constructor_calldata")?),
        field::felt(body, "class_hash")?,
        field::felt(body, "contract_address_salt")?,
    ])
}

/// The tip and the bounds of all resources. Transactions from before there was L1 data gas lack its
/// bounds.
fn fee_hash(body: &Value) -> Result<Felt> {
    let bounds = field::of(body, "resource_bounds")?;
    let mut felts = vec![field::felt(body, "tip")?];
    for (name, tag) in [("l1_gas", "L1_GAS"), ("l2_gas", "L2_GAS"), ("l1_data_gas", "L1_DATA")] {
        if name != "l1_data_gas" || bounds.get(name).is_some() {
            felts.push(packed_bounds(field::of(bounds, name)?, tag)?);
        }
    }
    Ok(poseidon_of(&felts))
}

/// 32 bits for the nonce, then 32 bits for the fee.
fn data_availability(body: &Value) -> Result<Felt> {
    let mode = |name| match field::text(body, name)? {
        "L1" => Ok(0_u64),
        "L2" => Ok(1),
        other => bail!("{name} {other}"),
    };
    let nonce = mode("nonce_data_availability_mode")?;
    Ok(Felt::from((nonce << 32) + mode("fee_data_availability_mode")?))
}

/// Where a contract is that `deployer` deploys; zero deploys from nowhere.
pub fn contract_address(deployer: Felt, salt: Felt, class_hash: Felt, calldata: &[Felt]) -> Felt {
    let prefix = ascii("STARKNET_CONTRACT_ADDRESS");
    let calldata = pedersen_of(calldata);
    let hash = pedersen_of(&[prefix, deployer, salt, class_hash, calldata]);
    // Addresses are below 2^251 - 256, and a felt is below 17 times that.
    let bound = Felt::TWO.pow(251_u32) - Felt::from(256);
    hash.mod_floor(&bound.try_into().expect("the bound is not zero"))
}

/// Pedersen of any number of felts: from left to right, the number of them last.
fn pedersen_of(felts: &[Felt]) -> Felt {
    let hash = felts.iter().fold(Felt::ZERO, |hash, felt| pedersen(&hash, felt));
    pedersen(&hash, &Felt::from(felts.len()))
}

/// 60 bits for the name, 64 for the amount, 128 for the price.
fn packed_bounds(bounds: &Value, name: &str) -> Result<Felt> {
    let amount = u64::try_from(field::felt(bounds, "max_amount")?)?;
    let price = u128::try_from(field::felt(bounds, "max_price_per_unit")?)?;
    let mut bytes = [0; 32];
    bytes[8 - name.len()..8].copy_from_slice(name.as_bytes());
    bytes[8..16].copy_from_slice(&amount.to_be_bytes());
    bytes[16..32].copy_from_slice(&price.to_be_bytes());
    Ok(Felt::from_bytes_be(&bytes))
}
