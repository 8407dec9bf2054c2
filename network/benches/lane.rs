//! What a lane carries: one direction, two swarms, each on one thread, over loopback.
//!
//! `cargo bench -p kraken-network`. The rows of the ends together: frames and bytes that arrived,
//! and the processor time that both ends took. Processor time is read from `/proc`, so it is zero
//! where there is none.

#![expect(clippy::print_stdout, reason = "its output is a table")]

use std::{
    fs,
    net::SocketAddr,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use kraken_network::{
    Admission, Config, Dialing, Encryption, Inboxes, Keypair, Lane, LaneId, Metrics, Network, Peer,
    Requests, Transport,
};
use kraken_types::{Digest, ValidatorId};
use prometheus_client::registry::Registry;
use tokio::{runtime, time};

const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_secs(1);

const TRANSPORTS: [(&str, Transport); 3] = [
    ("tcp + noise", Transport::Tcp(Encryption::Noise)),
    ("tcp + plaintext", Transport::Tcp(Encryption::Plaintext)),
    ("quic", Transport::Quic),
];

const FRAME_BYTES: [usize; 3] = [512, 4_096, 500_000];

fn main() {
    println!("| transport | frame bytes | frames/s | GB/s | CPU s/GB |");
    println!("|---|---|---|---|---|");
    for (name, transport) in TRANSPORTS {
        for bytes in FRAME_BYTES {
            let Row { frames, seconds, cpu_seconds } = measure(transport, bytes);
            let gigabytes = frames * bytes as f64 / 1e9;
            println!(
                "| {name} | {bytes} | {:.0} | {:.2} | {:.1} |",
                frames / seconds,
                gigabytes / seconds,
                cpu_seconds / gigabytes
            );
        }
    }
}

struct Row {
    frames: f64,
    seconds: f64,
    cpu_seconds: f64,
}

/// Floods a lane and counts what arrives.
fn measure(transport: Transport, bytes: usize) -> Row {
    let (address, listening) = mpsc::channel();
    let (ready, started) = mpsc::channel();
    let receiver = thread::spawn(move || {
        runtime().block_on(receive(transport, address, ready));
    });
    let address = listening.recv().expect("it listens");
    let sender = thread::spawn(move || runtime().block_on(send(transport, address, bytes)));
    let counted: mpsc::Receiver<Row> = started;
    let row = counted.recv().expect("frames arrive");
    receiver.join().expect("no panic");
    sender.join().expect("no panic");
    row
}

fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

async fn receive(
    transport: Transport,
    address: mpsc::Sender<SocketAddr>,
    counted: mpsc::Sender<Row>,
) {
    let (network, mut inboxes) = start(transport, [2, 1], None).await;
    address.send(network.listening_on()).expect("somebody waits");
    let inbox = &mut inboxes.lanes[0];
    inbox.recv().await.expect("a first frame");
    count(inbox, WARM_UP).await;
    let (from, cpu) = (Instant::now(), cpu_seconds());
    let frames = count(inbox, MEASURED).await;
    let seconds = from.elapsed().as_secs_f64();
    counted.send(Row { frames, seconds, cpu_seconds: cpu_seconds() - cpu }).expect("it waits");
    network.shut_down().await;
}

/// How many frames arrive in so much time.
async fn count(
    inbox: &mut tokio::sync::mpsc::Receiver<(ValidatorId, Bytes)>,
    time: Duration,
) -> f64 {
    let until = Instant::now() + time;
    let mut frames = 0.0;
    while Instant::now() < until {
        inbox.recv().await.expect("more frames");
        frames += 1.0;
    }
    frames
}

async fn send(transport: Transport, address: SocketAddr, bytes: usize) {
    let (network, _inboxes) = start(transport, [1, 2], Some(address)).await;
    let mut connected = network.connected();
    connected.wait_for(|connected| !connected.is_empty()).await.expect("it lives");
    let frame = Bytes::from(vec![7; bytes]);
    while !connected.borrow().is_empty() {
        // A full queue, or its share of the thread, is used up.
        let mut left = 256;
        while 0 < left && network.send(ValidatorId(2), LaneId(0), frame.clone()) {
            left -= 1;
        }
        if left == 0 {
            tokio::task::yield_now().await;
        } else {
            time::sleep(Duration::from_millis(1)).await;
        }
    }
    network.shut_down().await;
}

/// A swarm of the first seed, with the second one as its only peer.
async fn start(
    transport: Transport,
    [own, other]: [u16; 2],
    address: Option<SocketAddr>,
) -> (Network, Inboxes) {
    let mut keys = [1, 2].map(|seed| Keypair::from_seed([seed; 32]));
    keys.sort_by_key(Keypair::public_key);
    let key = |id: u16| keys[usize::from(id) - 1].clone();
    let address = address.map_or("127.0.0.1:9".to_owned(), |address| address.to_string());
    let lane = Lane {
        name: "bench",
        frame_bytes_max: 1 << 20,
        queue_bytes_max: 8 << 20,
        inbox_frames_max: 64,
    };
    let config = Config {
        name: "bench".to_owned(),
        key: key(own),
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        transport,
        chain: Digest::default(),
        protocol: String::new(),
        peers: vec![Peer { id: ValidatorId(other), key: key(other).public_key(), address }],
        dialing: Dialing::HigherKeys,
        admission: Admission::Committee,
        lanes: vec![lane],
        requests: Requests {
            bytes_max: 1,
            answer_bytes_max: 1,
            timeout: Duration::from_secs(1),
            at_once_max: 1,
            inbox_max: 1,
        },
    };
    let metrics = Metrics::register(&mut Registry::default());
    Network::start(config, &metrics).await.expect("it starts")
}

/// What this process has used, in the kernel's hundredths of a second.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program ends with a bracket and may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}
