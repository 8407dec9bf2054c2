//! What lies between validators: TCP proxies on loopback that can be cut, delayed, reset, stalled.

mod streams;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use super::ports::Ports;
use crate::client::runtime;

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
            tasks.push(runtime().spawn(streams::accept(listener, target, seen.clone())));
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
