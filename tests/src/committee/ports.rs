//! Ports of this machine that stay those of a validator while it is dead.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Below those that the system gives to outgoing connections, so that nobody takes them meanwhile.
const FIRST: u16 = 10_000;

/// How many are tried.
const COUNT: u16 = 22_000;

/// Ports of each node.
const EACH: usize = 7;

/// Where one node is, on loopback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    /// Where its primary is reached.
    pub(super) primary: SocketAddr,
    /// Where it gives blocks to those who are behind.
    pub(super) sync: SocketAddr,
    /// Where its worker is reached.
    pub(super) worker: SocketAddr,
    /// JSON-RPC.
    pub(super) rpc: SocketAddr,
    /// Metrics.
    pub(super) metrics: SocketAddr,
    /// Where it waits for its worker, if that is a process of its own.
    pub(super) link: SocketAddr,
    /// Metrics of that worker.
    pub(super) worker_metrics: SocketAddr,
}

impl Ports {
    /// What the other validators use: primary, sync, worker.
    pub(super) fn network(&self) -> [SocketAddr; 3] {
        [self.primary, self.sync, self.worker]
    }
}

/// Finds free ports for so many nodes. Where to begin is random, so that two who search at the same
/// time find different ones.
///
/// # Panics
/// If there are not as many.
pub(super) fn free(nodes: usize) -> Vec<Ports> {
    let begin = rand::random::<u16>() % COUNT;
    // All are held until all are found, or one would be found twice.
    let mut held = Vec::new();
    for port in (begin..COUNT).chain(0..begin).map(|place| FIRST + place) {
        let place = (Ipv4Addr::LOCALHOST, port);
        // Validators may use either.
        if let (Ok(tcp), Ok(udp)) = (TcpListener::bind(place), UdpSocket::bind(place)) {
            held.push((tcp, udp));
        }
        if held.len() == nodes * EACH {
            break;
        }
    }
    assert_eq!(held.len(), nodes * EACH, "too few ports are free");
    let addresses: Vec<_> =
        held.iter().map(|(listener, _)| listener.local_addr().expect("it listens")).collect();
    let ports = |chunk: &[SocketAddr]| Ports {
        primary: chunk[0],
        sync: chunk[1],
        worker: chunk[2],
        rpc: chunk[3],
        metrics: chunk[4],
        link: chunk[5],
        worker_metrics: chunk[6],
    };
    addresses.chunks(EACH).map(ports).collect()
}
