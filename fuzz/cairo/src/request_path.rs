//! Requests over a real socket, to a node of a committee of one with some blocks in memory.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    sync::{Mutex, OnceLock},
    time::Duration,
};

use kraken_execution::{
    Chain, EngineKind,
    genesis::{ACCOUNT_CLASS_HASH, STRK_ADDRESS, UDC_ADDRESS, accounts, dev_genesis},
    testing,
};
use kraken_rpc::testing::{Known, body, check};
use kraken_rpc::{
    BlockGeneration, DevnetSettings, Limits, Metrics, Ready, Server, StateArchive, serve,
};
use kraken_sequencer::{Mode, Sequencer, seal_genesis};
use kraken_storage::Storage;
use kraken_types::Signer;
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;

/// Blocks above block 0, of a transfer each.
const BLOCKS: u64 = 4;

/// Where requests go to: each version of the specification is asked.
const PATHS: [&str; 2] = ["/", "/rpc/v0_9"];

/// A node and a connection to it.
struct Asked {
    known: Known,
    connection: Mutex<BufReader<TcpStream>>,
    _server: Server,
    _sequencer: Sequencer,
    _runtime: Runtime,
}

/// Sends a body made of the bytes and checks the answer.
pub(crate) fn request_path(bytes: &[u8]) {
    static ASKED: OnceLock<Asked> = OnceLock::new();
    let asked = ASKED.get_or_init(start);
    let body = body(bytes, &asked.known);
    let mut connection = asked.connection.lock().expect("one input at a time");
    let path = PATHS[bytes.len() % PATHS.len()];
    check(&ask(&mut connection, path, &body));
}

/// One POST on a connection that is kept.
fn ask(connection: &mut BufReader<TcpStream>, path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    // In one piece: the second of two would wait until the first is acknowledged.
    let request = [head.as_bytes(), body].concat();
    connection.get_mut().write_all(&request).expect("the node listens");
    let mut length = None;
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).expect("the node answers");
        assert!(!line.is_empty(), "the node hung up");
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().ok();
        }
    }
    let mut answer = vec![0; length.expect("an answer has a length")];
    connection.read_exact(&mut answer).expect("the node answers");
    answer
}

fn start() -> Asked {
    let runtime = Runtime::new().expect("threads");
    let (server, sequencer, known) = runtime.block_on(node());
    let stream = TcpStream::connect(server.address()).expect("the node listens");
    let connection = Mutex::new(BufReader::new(stream));
    Asked { known, connection, _server: server, _sequencer: sequencer, _runtime: runtime }
}

async fn node() -> (Server, Sequencer, Known) {
    let signer = Signer::from_seed([7; 32]);
    let genesis = dev_genesis("SN_SEPOLIA", 0, 4, 1_700_000_000, &signer.public_key());
    let chain = Chain::new(&genesis).expect("valid");
    let in_memory = kraken_storage::Config { directory: None, genesis: genesis.digest() };
    let storage = Storage::open(in_memory).expect("storage opens");
    seal_genesis(&chain, &storage, testing::genesis_state(&genesis)).await.expect("block 0");
    let config = kraken_sequencer::Config {
        engine: EngineKind::Sequential,
        signer,
        mode: Mode::Dev,
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
    let sequencer = Sequencer::start(config, chain.clone(), storage).await.expect("it starts");
    let accounts = accounts(0, 4);
    let hex = |felt: &dyn std::fmt::LowerHex| format!("{felt:#x}");
    let mut felts = vec![
        hex(accounts[0].address.0.key()),
        hex(accounts[1].address.0.key()),
        hex(STRK_ADDRESS.0.key()),
        hex(UDC_ADDRESS.0.key()),
        hex(&ACCOUNT_CLASS_HASH.0),
        hex(&starknet_api::abi::abi_utils::selector_from_name("balanceOf").0),
    ];
    for nonce in 0..BLOCKS {
        let transfer = testing::transfer(&chain, &accounts[0], nonce, accounts[1].address, 1);
        let admitted = sequencer.submit(transfer).await.expect("it is good");
        felts.push(hex(&admitted.transaction_hash.0));
        let dev = sequencer.dev().expect("a developer's chain");
        felts.push(hex(&dev.create_block().await.expect("a block").0));
    }
    let listen: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    let config = kraken_rpc::Config {
        listen,
        limits: limits(),
        devnet: Some(devnet()),
        metrics: Metrics::register(&mut Registry::default()),
        ready: Ready::default(),
    };
    let server = serve(config, sequencer.clone()).await.expect("it listens");
    (server, sequencer, Known { felts })
}

fn limits() -> Limits {
    Limits {
        body_bytes_max: 1_000_000,
        batch_items_max: 10,
        batch_concurrency: 4,
        batch_response_bytes_max: 100_000_000,
        read_permits: 16,
        cairo_permits: 2,
        request_timeout: Duration::from_secs(60),
        connections_max: 100,
        idle_timeout: Duration::from_secs(3_600),
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

fn devnet() -> DevnetSettings {
    DevnetSettings {
        block_generation: BlockGeneration::Demand,
        account_class_hash: ACCOUNT_CLASS_HASH,
        restricted: None,
        dump: None,
        state_archive: StateArchive::Full,
        lite_mode: false,
        start_time_seconds: None,
    }
}
