//! One validator of a bench, in a process of its own.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use kraken_sequencer::{NetworkConfig, Orderer, OrdererConfig, Seed, SwarmConfig};
use kraken_storage::log::Durability;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    time::{self, Instant},
};

use super::{Micros, committee::PORTS, report::Notes};
use crate::{
    args::bench::{Disk, OrderValidatorArgs},
    failure::Failure,
    genesis,
    keys::Keys,
    service::{self, Endings, Parent},
};

/// How much is read at once.
const READ_BYTES: usize = 256 << 10;

/// How long to wait for what is still under way when everything is sent.
const SETTLE_MAX: Duration = Duration::from_secs(10);

/// How long the others have then to order it too.
const SPREAD: Duration = Duration::from_secs(1);

/// Runs until the standard input closes.
///
/// # Errors
/// If it cannot start, or breaks.
pub(crate) fn run(args: &OrderValidatorArgs) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| service::threads_failure(&error))?;
    let done = runtime.block_on(serve(args));
    runtime.shutdown_background();
    done
}

async fn serve(args: &OrderValidatorArgs) -> Result<(), Failure> {
    let mut endings = Endings::new(Parent::Watched)?;
    let notes = Arc::new(Notes::default());
    let orderer = Orderer::start(config(args)?, Arc::clone(&notes) as _).await;
    let orderer = orderer.map_err(|error| failed(&error))?;
    let done = tokio::select! {
        () = endings.any() => Ok(()),
        reason = orderer.stopped() => Err(failed(&io::Error::other(reason))),
        error = take(&orderer, &notes) => Err(failed(&error)),
    };
    orderer.shut_down().await;
    done
}

fn config(args: &OrderValidatorArgs) -> Result<OrdererConfig, Failure> {
    let id = usize::from(args.id);
    let genesis = genesis::committee::read(&args.folder.join("genesis.toml"))?;
    let keys = Keys::read(&args.folder.join(format!("key-{id}.toml")))?;
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let swarm = |seed: &Seed, place: usize| {
        let addresses: Vec<_> = args.ports.chunks(PORTS).map(|of| loopback(of[place])).collect();
        SwarmConfig {
            seed: seed.clone(),
            listen: addresses[id],
            peers: addresses.iter().map(SocketAddr::to_string).collect(),
            transport: args.transport.0,
        }
    };
    Ok(OrdererConfig {
        genesis,
        signer: keys.signer(),
        network: NetworkConfig {
            primary: swarm(&keys.primary, 0),
            sync: swarm(&keys.primary, 1),
            workers: keys.workers.iter().map(|seed| swarm(seed, 2).into()).collect(),
        },
        directory: args.folder.join(format!("validator-{id}")),
        durability: match args.disk {
            Disk::Synced => Durability::Synced,
            Disk::Buffered => Durability::Buffered,
        },
    })
}

/// Takes the transactions of one client and answers with a report; then waits for the end.
async fn take(orderer: &Orderer, notes: &Notes) -> io::Error {
    match take_all(orderer, notes).await {
        Ok(()) => std::future::pending().await,
        Err(error) => error,
    }
}

async fn take_all(orderer: &Orderer, notes: &Notes) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let (mut stream, _) = listener.accept().await?;
    read(&mut stream, orderer, notes).await?;
    let until = Instant::now() + SETTLE_MAX;
    while !notes.is_done() && Instant::now() < until {
        time::sleep(Duration::from_millis(50)).await;
    }
    time::sleep(SPREAD).await;
    stream.write_all(&serde_json::to_vec(&notes.report())?).await?;
    stream.shutdown().await
}

/// Until the client has sent all.
async fn read(stream: &mut TcpStream, orderer: &Orderer, notes: &Notes) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ_BYTES);
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        let transactions = split(&mut buffer);
        notes.arrived(transactions.iter().map(|bytes| Micros((&bytes[..]).get_u64_le())));
        orderer.submit(transactions).await;
    }
}

/// Takes whole transactions off the front. They are at least as long as their time and number.
fn split(buffer: &mut BytesMut) -> Vec<Bytes> {
    const LENGTH: usize = 4;
    let mut transactions = Vec::new();
    while let Some(length) = buffer.first_chunk::<LENGTH>() {
        let length = u32::from_le_bytes(*length) as usize;
        if buffer.len() < LENGTH + length {
            break;
        }
        buffer.advance(LENGTH);
        transactions.push(buffer.split_to(length).freeze());
    }
    transactions
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::because("a validator of the bench failed", error, "this is a bug; please report it")
}
