//! What the node is asked, and the chain that makes the answers worth measuring.

use kraken_execution::{
    Chain,
    genesis::{STRK_ADDRESS, accounts},
};
use serde_json::{Value, json};
use starknet_api::abi::abi_utils::{get_fee_token_var_address, selector_from_name};

use crate::{
    command::bench::{load::Caller, transfers},
    failure::Failure,
};

/// Transfers of a block.
pub(super) const TRANSFERS: usize = 100;
/// Blocks of transfers. Each transfer has an event or more, so a page of events is full.
pub(super) const BLOCKS: usize = 11;
/// Accounts that send them: each one in every block.
pub(super) const ACCOUNTS: u16 = 100;
/// Events of a page: the most that may be asked for.
const EVENTS: usize = 1_024;

/// Bodies of requests.
#[derive(Debug)]
pub(super) struct Requests {
    /// By name, in the order of the table.
    pub(super) reads: Vec<(&'static str, String)>,
    /// The estimate of a transfer that could be sent now.
    pub(super) estimate: String,
}

impl Requests {
    /// Fills the chain, and asks for each thing once: what is no result, or not as large as it should
    /// be, would be fast and say nothing.
    ///
    /// # Errors
    /// If the node refuses something, or its blocks are not full.
    pub(super) async fn make(caller: &Caller) -> Result<Self, Failure> {
        let chain = Chain::new(&transfers::genesis(ACCOUNTS)).map_err(|error| {
            Failure::because("cannot use the genesis", &error, "this is a bug; please report it")
        })?;
        fill(caller, &chain).await?;
        let estimate = json!([[next(&chain)?], [], "latest"]);
        caller.result("starknet_estimateFee", estimate.clone()).await?;
        let mut reads = Vec::new();
        for (name, method, params) in reads_of(caller).await? {
            caller.result(method, params.clone()).await?;
            reads.push((name, body(method, &params)));
        }
        Ok(Self { reads, estimate: body("starknet_estimateFee", &estimate) })
    }

    /// The body that asks for a nonce.
    pub(super) fn nonce(&self) -> &str {
        let (_, body) = self.reads.first().expect("the first read is getNonce");
        body
    }
}

/// Makes blocks of transfers.
async fn fill(caller: &Caller, chain: &Chain) -> Result<(), Failure> {
    let all = transfers::sign_all(chain, BLOCKS * TRANSFERS)?;
    for transfers in all.chunks(TRANSFERS) {
        caller.submit_all(transfers, usize::from(ACCOUNTS)).await?;
        caller.result("devnet_createBlock", json!([])).await?;
    }
    let first = caller.result("starknet_getBlockWithReceipts", json!([first_block()])).await?;
    require("transactions in block 1", &first["transactions"], TRANSFERS)?;
    let page = caller.result("starknet_getEvents", events()).await?;
    require("events in a page", &page["events"], EVENTS)
}

/// Names, methods and parameters.
async fn reads_of(caller: &Caller) -> Result<[(&'static str, &'static str, Value); 7], Failure> {
    let block = json!([first_block()]);
    let first = caller.result("starknet_getBlockWithTxHashes", block.clone()).await?;
    let hash = &first["transactions"][0];
    let account = accounts(transfers::SEED, 1)[0].address;
    let address = format!("{:#x}", account.0.key());
    let strk = format!("{:#x}", STRK_ADDRESS.0.key());
    let cell = format!("{:#x}", get_fee_token_var_address(account).0.key());
    let balance_of = json!({
        "contract_address": strk,
        "entry_point_selector": format!("{:#x}", selector_from_name("balanceOf").0),
        "calldata": [address],
    });
    Ok([
        ("getNonce", "starknet_getNonce", json!(["latest", address])),
        ("getStorageAt", "starknet_getStorageAt", json!([strk, cell, "latest"])),
        ("getBlockWithTxHashes", "starknet_getBlockWithTxHashes", block.clone()),
        ("getTransactionReceipt", "starknet_getTransactionReceipt", json!([hash])),
        ("getBlockWithReceipts", "starknet_getBlockWithReceipts", block),
        ("getEvents", "starknet_getEvents", events()),
        ("call", "starknet_call", json!([balance_of, "latest"])),
    ])
}

fn first_block() -> Value {
    json!({ "block_number": 1 })
}

fn events() -> Value {
    json!([{ "from_block": first_block(), "chunk_size": EVENTS }])
}

/// The transfer that an account may send next.
fn next(chain: &Chain) -> Result<Value, Failure> {
    let signed = transfers::sign_of(chain, 0, BLOCKS + 1)?;
    let next = transfers::request(signed.last().expect("at least one is signed"));
    let request: Value = serde_json::from_str(&next).expect("it was written as JSON");
    Ok(request["params"]["invoke_transaction"].clone())
}

/// That a list is as long as the table says.
fn require(what: &str, list: &Value, wanted: usize) -> Result<(), Failure> {
    let found = list.as_array().map_or(0, Vec::len);
    if found == wanted {
        return Ok(());
    }
    let problem = format!("there are {found} {what} and should be {wanted}");
    Err(Failure::new(problem, "this is a bug; please report it"))
}

fn body(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}
