//! HTTP: paths, sizes, connections, the end.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use kraken_rpc::{Error, Limits, serve};
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::timeout};

use crate::node::{Node, Wishes, config, limits, start, wishes};

const SPEC_VERSION: &str = r#"{"jsonrpc":"2.0","id":1,"method":"starknet_specVersion"}"#;

/// Sends text on a connection of its own and reads what comes back until it is closed.
fn exchange(address: SocketAddr, text: &str, patience: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(patience))?;
    stream.write_all(text.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// As [`exchange`], on a blocking thread, with a long patience.
async fn exchanged(node: &Node, text: String) -> Vec<u8> {
    let address = node.server.address();
    let exchange = spawn_blocking(move || exchange(address, &text, Duration::from_secs(10)));
    exchange.await.expect("no panic").expect("an answer in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_path_serves_requests_and_says_that_it_lives() {
    let node = start(wishes()).await;
    for (path, version) in [
        ("/", "0.10.2"),
        ("/rpc", "0.10.2"),
        ("/rpc/v0_10", "0.10.2"),
        ("/v0_10", "0.10.2"),
        ("/rpc/v0_9", "0.9.0"),
        ("/v0_9", "0.9.0"),
    ] {
        let response = node.post(path, SPEC_VERSION).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": version}));
        let health = node.get(path).await;
        assert_eq!(health.status(), 200);
        let health = health.json::<Value>().await.expect("JSON");
        assert_eq!(health, json!({ "health": true, "spec_version": version }));
    }
    for (path, text) in [("/is_alive", "Alive!!!"), ("/health", "alive\n"), ("/ready", "ready\n")] {
        let alive = node.get(path).await;
        assert_eq!((alive.status().as_u16(), &*alive.text().await.expect("text")), (200, text));
    }
    assert_eq!(node.get("/rpc/v0_1").await.status(), 404);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_in_json_rpc_with_status_200() {
    let node = start(wishes()).await;
    for (body, code) in [
        ("{".to_owned(), -32700),
        ("[]".to_owned(), -32600),
        (r#"{"id": 1}"#.to_owned(), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"starknet_fly"}"#.to_owned(), -32601),
        (format!("\"{}\"", "x".repeat(1_000_001)), -32600),
    ] {
        let response = node.post("/", body).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.json::<Value>().await.expect("JSON")["error"]["code"], code);
    }
    let notification = node.post("/", r#"{"jsonrpc":"2.0","method":"starknet_chainId"}"#).await;
    assert_eq!(
        (notification.status().as_u16(), notification.bytes().await.expect("none").len()),
        (200, 0)
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_reads_in_order() {
    let node = start(wishes()).await;
    let request = |id: u64, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch = json!([
        request(3, "starknet_chainId"),
        request(1, "starknet_nothing"),
        request(2, "starknet_blockNumber"),
    ]);
    let answers: Value = node.post("/", batch.to_string()).await.json().await.expect("JSON");
    assert_eq!(answers[0]["id"], 3);
    assert_eq!((&answers[1]["id"], &answers[1]["error"]["code"]), (&json!(1), &json!(-32601)));
    assert_eq!(answers[2], json!({"jsonrpc": "2.0", "id": 2, "result": 0}));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_ask_from_anywhere() {
    let node = start(wishes()).await;
    let preflight = "OPTIONS /rpc HTTP/1.1\r\nHost: x\r\nOrigin: https://dapp.example\r\n\
        Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\
        Access-Control-Request-Private-Network: true\r\nConnection: close\r\n\r\n";
    let answer = exchanged(&node, preflight.to_owned()).await;
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(answer.starts_with("http/1.1 200"), "{answer}");
    for header in [
        "access-control-allow-origin: *",
        "access-control-allow-headers: *",
        "access-control-allow-methods: *",
        "access-control-allow-private-network: true",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_compressed_for_those_who_take_it() {
    let node = start(wishes()).await;
    let request = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "starknet_getStateUpdate",
        "params": [{"block_number": 0}],
    })
    .to_string();
    let plain = node.post("/", request.clone()).await;
    assert!(plain.headers().get("content-encoding").is_none());
    let plain = plain.bytes().await.expect("a body").len();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{request}",
        request.len()
    );
    let answer = exchanged(&node, request).await;
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(head.contains("content-encoding: gzip"));
    assert!(answer.len() < plain / 2, "{} of {plain} bytes", answer.len());
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_may_be_packed_and_is_no_larger_than_its_limit_when_it_is_unpacked() {
    let node = start(wishes()).await;
    let send = async |packed: &'static [u8], encoding: &str| -> Value {
        let request = reqwest::Client::new().post(node.url("/")).body(packed);
        let response = request.header("content-encoding", encoding).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 200, "{encoding}");
        response.json().await.expect("JSON")
    };
    for (packed, encoding) in [
        (&include_bytes!("packed/request.gz")[..], "gzip"),
        (include_bytes!("packed/request.zlib"), "deflate"),
        (include_bytes!("packed/request.br"), "br"),
    ] {
        assert_eq!(send(packed, encoding).await["result"], "0.10.2", "{encoding}");
    }
    let spaces = include_bytes!("packed/spaces.gz");
    let error = send(spaces, "gzip").await["error"].clone();
    assert_eq!(error["code"], -32600, "{error}");
    let reason = error["data"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("over the limit of 1000000 bytes"), "{reason}");
    assert_eq!(send(spaces, "deflate").await["error"]["code"], -32600, "it is something else");
    assert_eq!(send(spaces, "tar").await["error"]["code"], -32700, "nobody knows that");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_limited_and_silent_ones_make_room() {
    let limits = Limits {
        connections_max: 1,
        request_timeout: Duration::from_millis(100),
        idle_timeout: Duration::from_millis(400),
        ..limits()
    };
    let node = start(Wishes { limits, ..wishes() }).await;
    let address = node.server.address();
    let silent = TcpStream::connect(address).expect("connects");
    let request = "GET /is_alive HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let impatient = spawn_blocking(move || exchange(address, request, Duration::from_millis(150)));
    assert!(impatient.await.expect("no panic").is_err(), "there was room for two");
    // The impatient caller has left; the silent one is sent away after a while.
    assert!(exchanged(&node, request.to_owned()).await.ends_with(b"Alive!!!"));
    drop(silent);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let limits = Limits { request_timeout: Duration::from_millis(100), ..limits() };
    let node = start(Wishes { limits, ..wishes() }).await;
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{";
    let answer = exchanged(&node, head.to_owned()).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("-32000"), "{answer}");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_an_error_that_names_it() {
    let node = start(wishes()).await;
    let mut taken = config(limits());
    taken.listen = node.server.address();
    let error = serve(taken, node.sequencer.clone()).await.expect_err("taken");
    let Error::Listen { address, source } = &error else {
        panic!("{error}");
    };
    assert_eq!(*address, node.server.address());
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_end_nobody_answers() {
    let node = start(wishes()).await;
    node.get("/").await;
    let address = node.server.address();
    timeout(Duration::from_secs(4), node.stop()).await.expect("idle connections do not hold it up");
    assert!(TcpStream::connect(address).is_err());
}
