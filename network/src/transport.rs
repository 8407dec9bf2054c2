//! The stack below a swarm, and addresses in libp2p's words.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    time::Duration,
};

use libp2p::{
    Multiaddr, PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, upgrade::Version},
    },
    multiaddr::Protocol,
    noise, plaintext, quic, tcp, yamux,
};

use crate::{Encryption, Keypair, Transport};

/// Connecting, encrypting and multiplexing take no longer than this together.
const SETUP_MAX: Duration = Duration::from_secs(5);

/// Builds the stack. What a connection that nobody reads holds in memory is bounded by 256 kB for
/// each of its streams, and by 15 MB with QUIC.
pub(crate) fn build(
    transport: Transport,
    key: &Keypair,
    streams_max: usize,
) -> io::Result<Boxed<(PeerId, StreamMuxerBox)>> {
    let identity = key.identity();
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(streams_max);
    let base = || tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    Ok(match transport {
        Transport::Tcp(Encryption::Noise) => {
            let noise = noise::Config::new(identity).map_err(io::Error::other)?;
            let upgrade = base().upgrade(Version::V1Lazy).authenticate(noise);
            upgrade.multiplex(yamux).timeout(SETUP_MAX).boxed()
        }
        Transport::Tcp(Encryption::Plaintext) => {
            let plaintext = plaintext::Config::new(identity);
            let upgrade = base().upgrade(Version::V1Lazy).authenticate(plaintext);
            upgrade.multiplex(yamux).timeout(SETUP_MAX).boxed()
        }
        Transport::Quic => {
            let mut config = quic::Config::new(identity);
            config.handshake_timeout = SETUP_MAX;
            config.max_concurrent_stream_limit = u32::try_from(streams_max).unwrap_or(u32::MAX);
            quic::tokio::Transport::new(config)
                .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
                .boxed()
        }
    })
}

/// Fails if somebody listens there already. libp2p would share a TCP port with another process of
/// the same user, and each would get half of the connections.
pub(crate) fn check_free(transport: Transport, address: SocketAddr) -> io::Result<()> {
    match transport {
        Transport::Tcp(_) => TcpListener::bind(address).map(drop),
        // A UDP port is not shared; listening itself fails.
        Transport::Quic => Ok(()),
    }
}

/// An address in libp2p's words.
pub(crate) fn multiaddr(transport: Transport, address: SocketAddr) -> Multiaddr {
    let host = Multiaddr::from(address.ip());
    match transport {
        Transport::Tcp(_) => host.with(Protocol::Tcp(address.port())),
        Transport::Quic => host.with(Protocol::Udp(address.port())).with(Protocol::QuicV1),
    }
}

/// The first IP address and the first port in an address of libp2p.
pub(crate) fn socket_addr(address: &Multiaddr) -> Option<SocketAddr> {
    let ip = address.iter().find_map(|part| {
        if let Protocol::Ip4(ip) = part {
            return Some(IpAddr::from(ip));
        }
        if let Protocol::Ip6(ip) = part { Some(IpAddr::from(ip)) } else { None }
    })?;
    let port = address.iter().find_map(|part| {
        if let Protocol::Tcp(port) | Protocol::Udp(port) = part { Some(port) } else { None }
    })?;
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_words_of_libp2p() {
        for text in ["127.0.0.1:80", "[::1]:65535"] {
            let address: SocketAddr = text.parse().expect("an address");
            for transport in [Transport::Tcp(Encryption::Noise), Transport::Quic] {
                assert_eq!(socket_addr(&multiaddr(transport, address)), Some(address));
            }
        }
    }
}
