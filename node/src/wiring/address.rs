//! Addresses that something is served on, and what to do when one cannot be had.

use std::{io, net::SocketAddr};

use tokio::net::TcpListener;

use crate::failure::Failure;

/// The flags that name addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remedies {
    /// Names the host of JSON-RPC.
    pub(crate) host: &'static str,
    /// Names the port of JSON-RPC.
    pub(crate) port: &'static str,
}

/// Keeps others from an address until it is served; `None` if any free port will do.
///
/// # Errors
/// If it cannot be had.
pub(super) async fn reserve(
    address: SocketAddr,
    remedies: Remedies,
) -> Result<Option<TcpListener>, Failure> {
    if address.port() == 0 {
        return Ok(None);
    }
    let listener = TcpListener::bind(address).await;
    listener.map(Some).map_err(|error| unreachable_at(address, &error, remedies))
}

/// Why nothing can be served at `address`.
pub(crate) fn unreachable_at(
    address: SocketAddr,
    error: &io::Error,
    Remedies { host, port: flag }: Remedies,
) -> Failure {
    let (ip, port) = (address.ip(), address.port());
    if error.kind() == io::ErrorKind::AddrInUse {
        return Failure::new(
            format!("port {port} of {ip} is in use by another program"),
            format!(
                "stop that program, name another port with {flag}, or let {flag} 0 find a free one"
            ),
        );
    }
    let remedy = if error.kind() == io::ErrorKind::PermissionDenied {
        format!("name a port above 1023 with {flag}")
    } else {
        format!("name an address of this machine with {host}, and a free port with {flag}")
    };
    Failure::because(format!("cannot serve on {address}"), error, &remedy)
}

/// Why JSON-RPC, or metrics, cannot be served.
pub(super) fn rpc_failure(error: kraken_rpc::Error, remedies: Remedies) -> Failure {
    match error {
        kraken_rpc::Error::Listen { address, source } => unreachable_at(address, &source, remedies),
        kraken_rpc::Error::Load { path, reason } => Failure::new(
            reason,
            format!("move {} away, or name another file with --dump-path", path.display()),
        ),
        error => Failure::because("cannot serve JSON-RPC", &error, "name another port with --port"),
    }
}
