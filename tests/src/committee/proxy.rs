//! What lies between validators: proxies on loopback that can be cut, delayed, reset, stalled, and
//! lose datagrams.

mod datagrams;
mod streams;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::{TcpListener, UdpSocket},
    sync::watch,
    task::JoinHandle,
};

use super::ports::Ports;
use crate::client::runtime;

/// What becomes of bytes on their way from one validator to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// They arrive.
    Clear,
    /// They arrive so much later.
    Delayed(Duration),
    /// They wait. Connections stay, and nobody is told. Datagrams are lost.
    Stalled,
    /// Connections are reset, and new ones end at once. Datagrams are lost.
    Cut,
    /// So many of a hundred datagrams are lost. A stream loses nothing.
    Lossy {
        /// In each direction.
        percent: u8,
    },
}

/// What proxies carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    /// TCP connections.
    Streams,
    /// UDP.
    Datagrams,
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
    lost: Arc<AtomicU64>,
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
    pub(super) fn start(ports: &[Ports], carried: Carried) -> Self {
        let (mut ways, lost) = (BTreeMap::new(), Arc::new(AtomicU64::new(0)));
        for from in 0..ports.len() {
            for (to, ports) in ports.iter().enumerate().filter(|(to, _)| *to != from) {
                let way = match carried {
                    Carried::Streams => Way::of_streams(ports.network()),
                    Carried::Datagrams => Way::of_datagrams(ports.network(), &lost),
                };
                ways.insert((from, to), way);
            }
        }
        Self { ways, lost }
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

    /// How many datagrams were lost so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Resets the connections between two validators, who may connect again at once.
    pub fn reset(&self, one: usize, other: usize) {
        for way in [(one, other), (other, one)] {
            self.ways[&way].sky.send_modify(|sky| sky.resets += 1);
        }
    }
}

impl Way {
    fn of_streams(targets: [SocketAddr; 3]) -> Self {
        Self::start(targets, |target, sky| {
            let bound = runtime().block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
            let listener = bound.expect("loopback has free ports");
            let place = listener.local_addr().expect("it listens");
            (place, runtime().spawn(streams::accept(listener, target, sky)))
        })
    }

    fn of_datagrams(targets: [SocketAddr; 3], lost: &Arc<AtomicU64>) -> Self {
        Self::start(targets, |target, sky| {
            let bound = runtime().block_on(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)));
            let near = bound.expect("loopback has free ports");
            let place = near.local_addr().expect("it is bound");
            (place, runtime().spawn(datagrams::carry(near, target, sky, lost.clone())))
        })
    }

    fn start(
        targets: [SocketAddr; 3],
        mut proxy: impl FnMut(SocketAddr, watch::Receiver<Sky>) -> (SocketAddr, JoinHandle<()>),
    ) -> Self {
        let (sky, seen) = watch::channel(Sky { weather: Weather::Clear, resets: 0 });
        let mut tasks = Vec::new();
        let places = targets.map(|target| {
            let (place, task) = proxy(target, seen.clone());
            tasks.push(task);
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
