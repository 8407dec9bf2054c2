//! What lies between validators: TCP proxies on loopback that can be cut, delayed, reset, stalled.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{self, Instant},
};

use super::ports::Ports;
use crate::client::runtime;

/// What is read at once, in bytes.
const CHUNK_BYTES: usize = 16 * 1_024;

/// How many chunks of a connection may be on their way.
const CHUNKS_MAX: usize = 256;

/// What becomes of bytes on their way from one validator to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// They arrive.
    Clear,
    /// They arrive so much later.
    Delayed(Duration),
    /// They wait. Connections stay, and nobody is told.
    Stalled,
    /// Connections are reset, and new ones end at once.
    Cut,
}

/// What the proxies of one way know.
#[derive(Clone, Copy, Debug)]
struct Sky {
    weather: Weather,
    /// How often connections were reset.
    resets: u64,
}

/// A proxy for each port of each validator, for each of the others.
#[derive(Debug)]
pub struct Proxies {
    /// By who dials, and who is dialled.
    ways: BTreeMap<(usize, usize), Way>,
}

#[derive(Debug)]
struct Way {
    sky: watch::Sender<Sky>,
    /// Where the proxies listen: for primary, sync, worker.
    places: [SocketAddr; 3],
    tasks: Vec<JoinHandle<()>>,
}

impl Proxies {
    /// Starts them, in clear weather.
    pub(super) fn start(ports: &[Ports]) -> Self {
        let mut ways = BTreeMap::new();
        for from in 0..ports.len() {
            for (to, ports) in ports.iter().enumerate().filter(|(to, _)| *to != from) {
                ways.insert((from, to), Way::start(ports.network()));
            }
        }
        Self { ways }
    }

    /// Where the validator `from` finds `to`.
    pub(super) fn places(&self, from: usize, to: usize) -> [SocketAddr; 3] {
        self.ways[&(from, to)].places
    }

    /// Sets the weather of one way, which is that of connections that `from` has dialled.
    pub fn set(&self, from: usize, to: usize, weather: Weather) {
        self.ways[&(from, to)].sky.send_modify(|sky| sky.weather = weather);
    }

    /// Sets the weather of every way between these validators and the rest.
    pub fn around(&self, ids: &[usize], weather: Weather) {
        for &(from, to) in self.ways.keys() {
            if ids.contains(&from) != ids.contains(&to) {
                self.set(from, to, weather);
            }
        }
    }

    /// Sets the weather of every way.
    pub fn everywhere(&self, weather: Weather) {
        for &(from, to) in self.ways.keys() {
            self.set(from, to, weather);
        }
    }

    /// Resets the connections between two validators, who may connect again at once.
    pub fn reset(&self, one: usize, other: usize) {
        for way in [(one, other), (other, one)] {
            self.ways[&way].sky.send_modify(|sky| sky.resets += 1);
        }
    }
}

impl Way {
    fn start(targets: [SocketAddr; 3]) -> Self {
        let (sky, seen) = watch::channel(Sky { weather: Weather::Clear, resets: 0 });
        let mut tasks = Vec::new();
        let places = targets.map(|target| {
            let bound = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
            let listener = bound.expect("loopback has free ports");
            let place = listener.local_addr().expect("it listens");
            tasks.push(runtime().spawn(accept(listener, target, seen.clone())));
            place
        });
        Self { sky, places, tasks }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Runs until it is aborted, and all its connections with it.
async fn accept(listener: TcpListener, target: SocketAddr, sky: watch::Receiver<Sky>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(carry(stream, target, sky.clone()));
                }
                // Whoever it was has gone.
                Err(_) => time::sleep(Duration::from_millis(10)).await,
            },
        }
    }
}

/// Carries the bytes of one connection in both directions until it ends.
async fn carry(mut near: TcpStream, target: SocketAddr, mut sky: watch::Receiver<Sky>) {
    let Sky { weather, resets } = *sky.borrow();
    if weather == Weather::Cut {
        return;
    }
    // A dead validator refuses, and so do we by ending.
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    // Delays are ours alone. Where a system refuses this, they are a little longer.
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let is_reset = {
        let ((near_read, near_write), (far_read, far_write)) = (near.split(), far.split());
        tokio::select! {
            () = forward(near_read, far_write, sky.clone()) => false,
            () = forward(far_read, near_write, sky.clone()) => false,
            seen = sky.wait_for(|sky| sky.weather == Weather::Cut || sky.resets != resets) => {
                seen.is_ok()
            }
        }
    };
    if is_reset {
        // Dropped like this, both ends see a reset; it may be too late for one of them.
        let _ = (near.set_zero_linger(), far.set_zero_linger());
    }
}

/// Carries bytes in one direction, each after its delay, until one end is gone.
async fn forward(from: ReadHalf<'_>, to: WriteHalf<'_>, mut sky: watch::Receiver<Sky>) {
    let (sender, mut receiver) = mpsc::channel(CHUNKS_MAX);
    let seen = sky.clone();
    let reading = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(length @ 1..) = read(&from, &mut buffer).await {
            let delay = match seen.borrow().weather {
                Weather::Delayed(delay) => delay,
                Weather::Clear | Weather::Stalled | Weather::Cut => Duration::ZERO,
            };
            let chunk = (Instant::now() + delay, buffer[..length].to_vec());
            if sender.send(chunk).await.is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            time::sleep_until(due).await;
            let cleared = sky.wait_for(|sky| sky.weather != Weather::Stalled).await.is_ok();
            if !cleared || write(&to, &bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}

/// Reads what is there, at least a byte; 0 is the end.
async fn read(from: &ReadHalf<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        from.readable().await?;
        match from.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
    }
}

/// Writes all of it.
async fn write(to: &WriteHalf<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        to.writable().await?;
        match to.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
