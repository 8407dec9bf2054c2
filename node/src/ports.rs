//! Ports of this machine that nobody listens on.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

/// Below those that the system gives to outgoing connections: a port of a validator that was killed
/// is still free when the validator comes back.
const FIRST: u16 = 10_000;
/// How many are tried.
const COUNT: u16 = 22_000;

/// Finds free ports of loopback, for TCP and for UDP. Where to begin is random, so that two who
/// search at the same time find different ones.
///
/// # Errors
/// If there are not as many.
pub(crate) fn free(count: usize) -> io::Result<Vec<u16>> {
    let begin = rand::random::<u16>() % COUNT;
    // All are held until all are found, or one would be found twice.
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for port in (begin..COUNT).chain(0..begin).map(|place| FIRST + place) {
        if ports.len() == count {
            return Ok(ports);
        }
        let address = (Ipv4Addr::LOCALHOST, port);
        if let (Ok(tcp), Ok(udp)) = (TcpListener::bind(address), UdpSocket::bind(address)) {
            held.push((tcp, udp));
            ports.push(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, format!("less than {count} ports are free")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_differ_and_are_free() {
        let ports = free(50).expect("there are many");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), 50);
        assert!(ports.iter().all(|port| (FIRST..FIRST + COUNT).contains(port)));
    }
}
