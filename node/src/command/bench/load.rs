//! Load on a node, over HTTP.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use kraken_execution::Prepared;
use kraken_types::Genesis;
use reqwest::Client;
use serde_json::{Value, json};
use starknet_types_core::felt::Felt;
use tokio::{task::JoinSet, time};

use super::{sample::Sample, transfers};
use crate::failure::Failure;

/// Connections that submit at the same time.
pub(super) const CONNECTIONS: usize = 32;
/// Time between two questions whether the last transaction is in a block.
const RECEIPT_PAUSE: Duration = Duration::from_millis(20);
/// Time between two looks at the newest block.
const LOOK_PAUSE: Duration = Duration::from_millis(10);
/// A node that shows no progress for so long is broken.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// How long a refused sender waits before it tries again.
pub(super) const FULL_PAUSE: Duration = Duration::from_millis(50);

/// A caller of one node. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    client: Client,
    url: String,
}

/// What came of a submission.
pub(super) enum Submitted {
    Admitted,
    /// The pool has no room for it, or none yet, because one of those before it was refused: try
    /// again.
    Full,
}

/// Checks that the accounts of a chain can send so many transfers without waiting for blocks.
///
/// # Errors
/// If they are too few.
pub(super) fn check_accounts(genesis: &Genesis, transfers: u32) -> Result<(), Failure> {
    let accounts = genesis.accounts.count;
    let needed = transfers.div_ceil(genesis.limits.nonce_ahead_max);
    if needed <= u32::from(accounts) {
        return Ok(());
    }
    Err(Failure::new(
        format!("{accounts} accounts cannot send {transfers} transfers at once"),
        format!("ask for {needed} accounts or more with --accounts"),
    ))
}

impl Caller {
    /// Calls the node at `url`.
    ///
    /// # Errors
    /// If this machine has no room for connections.
    pub(super) fn new(url: &str) -> Result<Self, Failure> {
        let client = Client::builder()
            .pool_max_idle_per_host(CONNECTIONS)
            .tcp_nodelay(true)
            .timeout(PATIENCE)
            .build()
            .map_err(|error| unanswered(&error))?;
        Ok(Self { client, url: url.to_owned() })
    }

    /// Submits transfers as fast as they are taken, those of one account in order.
    ///
    /// # Errors
    /// If one is refused for another reason than a full pool.
    pub(super) async fn submit_all(
        &self,
        transfers: &[Prepared],
        accounts: usize,
    ) -> Result<(), Failure> {
        // Each sender has its own accounts, so nonces arrive in order.
        let mut bodies: Vec<Vec<String>> = vec![Vec::new(); CONNECTIONS];
        for (index, transfer) in transfers.iter().enumerate() {
            bodies[index % accounts % CONNECTIONS].push(transfers::request(transfer));
        }
        let mut senders = JoinSet::new();
        for bodies in bodies {
            let caller = self.clone();
            senders.spawn(async move {
                for body in bodies {
                    while let Submitted::Full = caller.submit(body.clone()).await? {
                        time::sleep(FULL_PAUSE).await;
                    }
                }
                Ok(())
            });
        }
        while let Some(sender) = senders.join_next().await {
            sender.expect("senders do not panic")?;
        }
        Ok(())
    }

    /// Waits until every transfer has a receipt in a closed block.
    ///
    /// # Errors
    /// If that takes too long.
    pub(super) async fn await_receipts(
        &self,
        transfers: &[Prepared],
        accounts: usize,
    ) -> Result<(), Failure> {
        // Nonces go up, so the last transfer of an account is in after all others of it.
        for transfer in transfers.iter().rev().take(accounts) {
            let began = Instant::now();
            while !self.has_receipt(transfer).await? {
                if PATIENCE < began.elapsed() {
                    return Err(stuck());
                }
                time::sleep(RECEIPT_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Checks that closed blocks hold so many transactions.
    ///
    /// # Errors
    /// If they hold more or fewer, or the node does not answer.
    pub(super) async fn require_transactions(&self, wanted: usize) -> Result<(), Failure> {
        let latest = self.result("starknet_blockNumber", json!([])).await?;
        let mut sum = 0;
        for number in 0..=latest.as_u64().unwrap_or(0) {
            let block = json!([{ "block_number": number }]);
            let count = self.result("starknet_getBlockTransactionCount", block).await?;
            sum += count.as_u64().unwrap_or(0);
        }
        if u64::try_from(wanted) == Ok(sum) {
            return Ok(());
        }
        Err(Failure::new(
            format!("{wanted} transfers were sent and {sum} are in blocks"),
            "this is a bug; please report it",
        ))
    }

    /// Submits transfers at a steady rate, whatever the node does, and measures until when each is
    /// pre-confirmed and until when each has its receipt in a closed block.
    ///
    /// # Errors
    /// If a transfer is refused, or takes too long.
    pub(super) async fn measure_latency(
        &self,
        transfers: &[Prepared],
        per_second: u32,
    ) -> Result<Latencies, Failure> {
        let bodies: Vec<_> = transfers.iter().map(transfers::request).collect();
        let watching = tokio::spawn(self.clone().watch(transfers.iter().map(hash).collect()));
        let began = Instant::now();
        let mut senders = JoinSet::new();
        for (index, body) in (0_u32..).zip(bodies) {
            let due = began + Duration::from_secs(1) * index / per_second;
            time::sleep_until(due.into()).await;
            let caller = self.clone();
            senders.spawn(async move {
                let sent = Instant::now();
                match caller.submit(body).await? {
                    Submitted::Admitted => Ok((index, sent)),
                    Submitted::Full => Err(refused("the pool is full at a moderate rate")),
                }
            });
        }
        let mut sent = HashMap::new();
        while let Some(sender) = senders.join_next().await {
            let (index, at) = sender.expect("senders do not panic")?;
            sent.insert(index, at);
        }
        let seen = watching.await.expect("watching does not panic")?;
        let pairs = (0..).zip(transfers).map(|(index, of)| (sent[&index], seen[&hash(of)]));
        let until = |at: fn(&Seen) -> Option<Instant>| {
            let pairs = pairs.clone();
            pairs.filter_map(move |(sent, seen)| Some(at(&seen)?.saturating_duration_since(sent)))
        };
        Ok(Latencies {
            pre_confirmed: until(|seen| seen.pre_confirmed).collect(),
            accepted: until(|seen| seen.accepted).collect(),
        })
    }

    /// Looks at the newest block again and again until all of `hashes` are in closed blocks.
    async fn watch(self, hashes: Vec<Felt>) -> Result<HashMap<Felt, Seen>, Failure> {
        let mut seen: HashMap<Felt, Seen> =
            hashes.into_iter().map(|hash| (hash, Seen::default())).collect();
        let mut closed =
            self.result("starknet_blockNumber", json!([])).await?.as_u64().unwrap_or(0);
        let mut missing = seen.len();
        let mut progress = Instant::now();
        while 0 < missing {
            if PATIENCE < progress.elapsed() {
                return Err(stuck());
            }
            let open = self.block(json!("pre_confirmed")).await?;
            open.mark(&mut seen, |seen| seen.pre_confirmed.is_none(), Seen::pre_confirm);
            while closed + 1 < open.number {
                let block = self.block(json!({ "block_number": closed + 1 })).await?;
                if !block.accepted {
                    break;
                }
                closed += 1;
                missing -= block.mark(&mut seen, |seen| seen.accepted.is_none(), Seen::accept);
                progress = Instant::now();
            }
            time::sleep(LOOK_PAUSE).await;
        }
        Ok(seen)
    }

    async fn block(&self, id: Value) -> Result<Block, Failure> {
        let block = self.result("starknet_getBlockWithTxHashes", json!([id])).await?;
        let hashes = block["transactions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let hash = |hash: &Value| Felt::from_hex(hash.as_str()?).ok();
        Ok(Block {
            at: Instant::now(),
            number: block["block_number"].as_u64().unwrap_or(0),
            accepted: block["status"] == "ACCEPTED_ON_L2",
            hashes: hashes.iter().filter_map(hash).collect(),
        })
    }

    async fn has_receipt(&self, transfer: &Prepared) -> Result<bool, Failure> {
        let params = json!([format!("{:#x}", hash(transfer))]);
        let answer = self.call("starknet_getTransactionReceipt", params).await?;
        let receipt = &answer["result"];
        match receipt["execution_status"].as_str() {
            Some("REVERTED") => Err(refused(&receipt["revert_reason"].to_string())),
            _ => Ok(receipt["finality_status"] == "ACCEPTED_ON_L2"),
        }
    }

    /// Whether a transaction is in an accepted block.
    ///
    /// # Errors
    /// If it never will be.
    pub(super) async fn is_accepted(&self, hash: Felt) -> Result<bool, Failure> {
        let status =
            self.result("starknet_getTransactionStatus", json!([format!("{hash:#x}")])).await?;
        match status["finality_status"].as_str() {
            Some("ACCEPTED_ON_L2") => Ok(true),
            Some("RECEIVED" | "CANDIDATE" | "PRE_CONFIRMED") => Ok(false),
            _ => Err(refused(&status.to_string())),
        }
    }

    /// Submits a transfer.
    ///
    /// # Errors
    /// If it is refused for another reason than a full pool.
    pub(super) async fn submit(&self, body: String) -> Result<Submitted, Failure> {
        let answer = self.post(body).await?;
        if answer["result"]["transaction_hash"].is_string() {
            return Ok(Submitted::Admitted);
        }
        let error = answer["error"].to_string();
        let is_full = ["mempool is full", "mempool that is filling up", "ahead of the next nonce"];
        if is_full.iter().any(|full| error.contains(full)) {
            Ok(Submitted::Full)
        } else {
            Err(refused(&error))
        }
    }

    /// The result of a method.
    ///
    /// # Errors
    /// If there is none.
    pub(super) async fn result(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let mut answer = self.call(method, params).await?;
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => Err(refused(&format!("{method}: {error}"))),
        }
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value, Failure> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post(request.to_string()).await
    }

    async fn post(&self, body: String) -> Result<Value, Failure> {
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let answer = request.body(body).send().await.map_err(|error| unanswered(&error))?;
        answer.json().await.map_err(|error| unanswered(&error))
    }
}

/// A block, as far as this module cares.
struct Block {
    /// When it was seen.
    at: Instant,
    number: u64,
    accepted: bool,
    hashes: Vec<Felt>,
}

/// From submission to two points in the life of a transaction.
#[derive(Debug)]
pub(super) struct Latencies {
    /// Until it was in the open block.
    pub(super) pre_confirmed: Sample,
    /// Until it had its receipt in a closed block.
    pub(super) accepted: Sample,
}

/// When a transaction was first seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// In the open block, or in a closed one.
    pub(super) pre_confirmed: Option<Instant>,
    /// In a closed block, where it has its final receipt.
    pub(super) accepted: Option<Instant>,
}

impl Seen {
    fn pre_confirm(&mut self, at: Instant) {
        self.pre_confirmed = Some(at);
    }

    fn accept(&mut self, at: Instant) {
        self.pre_confirmed.get_or_insert(at);
        self.accepted = Some(at);
    }
}

impl Block {
    /// Marks the transactions of this block that are `new`, and counts them.
    fn mark(
        &self,
        seen: &mut HashMap<Felt, Seen>,
        new: fn(&Seen) -> bool,
        mark: fn(&mut Seen, Instant),
    ) -> usize {
        let mut marked = 0;
        for hash in &self.hashes {
            if let Some(seen) = seen.get_mut(hash).filter(|seen| new(seen)) {
                mark(seen, self.at);
                marked += 1;
            }
        }
        marked
    }
}

/// The hash of a transfer.
pub(super) fn hash(transfer: &Prepared) -> Felt {
    transfer.hash().0
}

fn unanswered(error: &reqwest::Error) -> Failure {
    Failure::because("the node does not answer", error, "see above for what it says itself")
}

fn refused(reason: &str) -> Failure {
    Failure::new(format!("the node refused: {reason}"), "this is a bug; please report it")
}

/// The node shows no progress.
pub(super) fn stuck() -> Failure {
    Failure::new(
        format!("no progress for {} s", PATIENCE.as_secs()),
        "run nothing else meanwhile, or report it",
    )
}
