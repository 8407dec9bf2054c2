//! `kraken dev`: a chain for development.

use std::{
    io::{self, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
};

use crate::{
    args::DevArgs,
    banner::{self, dev::Banner},
    failure::Failure,
    service::{self, Parent},
    wiring::{self, Node},
};

/// Runs until a signal asks for the end.
///
/// # Errors
/// If the node cannot start, or if one of its tasks ended.
pub(crate) fn run(args: &DevArgs) -> Result<(), Failure> {
    let (settings, wishes) = (args.settings(), args.chain_settings());
    let start = async { Node::start(wiring::dev::plan(&settings, &wishes).await?).await };
    let tell = |node: &Node| {
        banner::print(&Banner {
            chain: node.chain(),
            address: node.address(),
            folder: node.folder(),
        });
        if let Some(socket) = &settings.unix_socket {
            tell_port(socket, node.address().port());
        }
    };
    service::run(start, tell, Parent::watched_if(args.until_stdin_closes()))
}

/// Tells whoever waits on `socket` where JSON-RPC is served, as starknet-devnet does.
fn tell_port(socket: &Path, port: u16) {
    let tell = || -> io::Result<()> {
        let mut stream = UnixStream::connect(socket)?;
        // Two bytes fit into the buffer of any socket, so this does not wait.
        stream.write_all(&port.to_be_bytes())?;
        stream.shutdown(Shutdown::Both)
    };
    if let Err(error) = tell() {
        tracing::warn!("cannot write the port to {}: {error}", socket.display());
    }
}
