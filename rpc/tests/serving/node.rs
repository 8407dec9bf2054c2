//! A node to ask.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use kraken_execution::{
    Chain, EngineKind,
    genesis::{PredeployedAccount, accounts, dev_genesis},
    testing,
};
use kraken_rpc::{
    BlockGeneration, DevnetSettings, Limits, Metrics, Ready, Server, StateArchive, serve,
};
use kraken_sequencer::{Mode, Sequencer, seal_genesis};
use kraken_storage::Storage;
use kraken_types::{Genesis, Signer};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::{Value, json};
use starknet_api::rpc_transaction::RpcTransaction;

/// The time of block 0.
pub(crate) const SECONDS: u64 = 1_700_000_000;

/// A node and a client of it.
pub(crate) struct Node {
    pub(crate) chain: Chain,
    pub(crate) sequencer: Sequencer,
    pub(crate) server: Server,
    /// What its requests report.
    pub(crate) registry: Arc<Registry>,
    client: reqwest::Client,
}

/// How a node differs from that of most tests.
pub(crate) struct Wishes {
    pub(crate) mode: Mode,
    pub(crate) limits: Limits,
    /// Whether the operator allows the methods of devnet that only read.
    pub(crate) devnet: bool,
    /// Close blocks on demand rather than after each transaction.
    pub(crate) on_demand: bool,
}

pub(crate) fn limits() -> Limits {
    Limits {
        body_bytes_max: 1_000_000,
        batch_items_max: 10,
        batch_concurrency: 4,
        batch_response_bytes_max: 100_000_000,
        read_permits: 16,
        cairo_permits: 2,
        request_timeout: Duration::from_secs(30),
        connections_max: 100,
        idle_timeout: Duration::from_secs(60),
        events_blocks_max: 100,
        proof_keys_max: 100,
        sockets_max: 10,
        subscriptions_max: 10,
        message_bytes_max: 1_000_000,
        ping_interval: Duration::from_secs(20),
        stall_timeout: Duration::from_secs(20),
        behind_blocks_max: 1_000,
    }
}

pub(crate) fn wishes() -> Wishes {
    Wishes { mode: Mode::Dev, limits: limits(), devnet: true, on_demand: false }
}

pub(crate) fn any_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

pub(crate) fn config(limits: Limits) -> kraken_rpc::Config {
    kraken_rpc::Config {
        listen: any_port(),
        limits,
        devnet: Some(DevnetSettings {
            block_generation: BlockGeneration::Transaction,
            account_class_hash: kraken_execution::genesis::ACCOUNT_CLASS_HASH,
            restricted: None,
            dump: None,
            state_archive: StateArchive::Full,
            lite_mode: false,
            start_time_seconds: Some(SECONDS),
        }),
        metrics: Metrics::register(&mut Registry::default()),
        ready: Ready::default(),
    }
}

pub(crate) async fn start(wishes: Wishes) -> Node {
    let signer = Signer::from_seed([7; 32]);
    let mut genesis: Genesis = dev_genesis("SN_SEPOLIA", 0, 4, SECONDS, &signer.public_key());
    if wishes.on_demand {
        genesis.block.transactions_max = 1_000;
    }
    let chain = Chain::new(&genesis).expect("valid");
    let in_memory = kraken_storage::Config { directory: None, genesis: genesis.digest() };
    let storage = Storage::open(in_memory).expect("storage opens");
    seal_genesis(&chain, &storage, testing::genesis_state(&genesis)).await.expect("block 0");
    let sequencer = kraken_sequencer::Config {
        engine: EngineKind::Sequential,
        signer,
        mode: wishes.mode,
        pool_transactions_max: 1_000,
        pool_bytes_max: 16 << 20,
        pool_account_part: 2,
        pool_time_to_live: Duration::from_secs(60),
        gateway_concurrency: 2,
        clock_start: None,
        network: None,
        disk_was_lost: false,
        evidence: None,
        metrics: kraken_sequencer::Metrics::default(),
    };
    let sequencer = Sequencer::start(sequencer, chain.clone(), storage).await.expect("starts");
    let mut registry = Registry::with_prefix("kraken_rpc");
    let mut config = config(wishes.limits);
    config.devnet = config.devnet.filter(|_| wishes.devnet);
    config.metrics = Metrics::register(&mut registry);
    let server = serve(config, sequencer.clone()).await.expect("listens");
    let registry = Arc::new(registry);
    Node { chain, sequencer, server, registry, client: reqwest::Client::new() }
}

pub(crate) fn account(index: usize) -> PredeployedAccount {
    accounts(0, 4)[index]
}

impl Node {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    pub(crate) async fn post(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
    ) -> reqwest::Response {
        self.client.post(self.url(path)).body(body).send().await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.client.get(self.url(path)).send().await.expect("an answer")
    }

    /// The whole answer to one request.
    pub(crate) async fn answer(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let response = self.post("/", request.to_string()).await;
        assert_eq!(response.status(), 200);
        response.json().await.expect("JSON")
    }

    /// The result of one request.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert_eq!(answer.get("error"), None, "{method}");
        answer["result"].clone()
    }

    /// The error of one request.
    pub(crate) async fn fail(&self, method: &str, params: Value) -> Value {
        let answer = self.answer(method, params).await;
        assert_eq!(answer.get("result"), None, "{method}");
        answer["error"].clone()
    }

    /// The code of the error of one request.
    pub(crate) async fn code(&self, method: &str, params: Value) -> i64 {
        self.fail(method, params).await["code"].as_i64().expect("a code")
    }

    /// A signed transfer of 1 fri, as a caller sends it.
    pub(crate) fn transfer(&self, from: usize, nonce: u64) -> Value {
        let transfer = testing::transfer(&self.chain, &account(from), nonce, 0xdead_u128.into(), 1);
        sent(&transfer)
    }

    /// Sends a transfer and returns its hash.
    pub(crate) async fn send(&self, from: usize, nonce: u64) -> Value {
        let params = json!({"invoke_transaction": self.transfer(from, nonce)});
        let answer = self.ask("starknet_addInvokeTransaction", params).await;
        answer["transaction_hash"].clone()
    }

    /// What a series of the metrics shows; nothing if it is not there.
    pub(crate) fn shown(&self, series: &str) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("text takes everything");
        let prefix = format!("kraken_rpc_{series} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&prefix));
        value.unwrap_or_default().to_owned()
    }

    pub(crate) async fn stop(self) {
        self.server.shut_down().await;
        self.sequencer.shut_down().await;
    }
}

/// A transaction as a caller sends it.
pub(crate) fn sent(transaction: &RpcTransaction) -> Value {
    serde_json::to_value(transaction).expect("JSON")
}
