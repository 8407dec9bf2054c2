//! `kraken dev`: a chain for development.

use std::{
    io::{self, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::Path,
    time::Instant,
};

use tokio::{runtime, signal::unix, time};

use crate::{
    args::DevArgs,
    failure::Failure,
    settings::{self, ChainSettings, Settings},
    wiring::Node,
};

/// Runs until a signal asks for the end.
///
/// # Errors
/// If the node cannot start, or if one of its tasks ended.
pub(crate) fn run(args: &DevArgs) -> Result<(), Failure> {
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(settings::THREAD_STACK_BYTES)
        .thread_name("kraken")
        .build()
        .map_err(|error| {
            Failure::because("cannot start threads", &error, "allow this process more of them")
        })?;
    let done = runtime.block_on(serve(args.settings(), args.chain_settings()));
    runtime.shutdown_background();
    done
}

async fn serve(settings: Settings, chain: ChainSettings) -> Result<(), Failure> {
    let began = Instant::now();
    let mut signals = Signals::new().map_err(|error| {
        Failure::because("cannot listen for signals", &error, "check the limits of this process")
    })?;
    let mut node = tokio::select! {
        biased;
        () = signals.any() => return Ok(()),
        node = Node::start(&settings, &chain) => node?,
    };
    node.banner();
    if let Some(socket) = &settings.unix_socket {
        tell_port(socket, node.address().port());
    }
    tracing::info!("ready after {:.2?}; Ctrl-C stops", began.elapsed());

    let ended = tokio::select! {
        biased;
        () = signals.any() => None,
        reason = node.stopped() => Some(reason),
    };
    if ended.is_none() {
        tracing::info!("stopping");
    }
    tokio::select! {
        biased;
        () = node.shut_down() => {}
        () = signals.any() => tracing::warn!("stopped without waiting; nothing durable is lost"),
        () = time::sleep(settings::SHUTDOWN_MAX) => tracing::warn!("stopped after waiting in vain"),
    }
    match ended {
        None => Ok(()),
        Some(reason) => Err(Failure::new(
            format!("the node stopped: {reason}"),
            "start it again; the log above says more",
        )),
    }
}

/// What asks a process to end.
struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
        })
    }

    /// Resolves when somebody asked for the end.
    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
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
