//! The trivial route, in a process of its own as the node is.

use std::{
    env,
    io::{self, Write},
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
};

use tokio::net::TcpListener;

use super::client::Target;
use crate::{
    command::bench::{
        self,
        child::{not_started, read_url},
    },
    failure::Failure,
    service::{Endings, Parent},
};

/// A running yardstick. Dropping it ends it.
#[derive(Debug)]
pub(super) struct Yardstick {
    process: Child,
    url: String,
}

impl Yardstick {
    /// Starts this very program and waits until it serves.
    ///
    /// # Errors
    /// If it does not start; its own error is on the error stream then.
    pub(super) fn start() -> Result<Self, Failure> {
        let spawn = || -> io::Result<Child> {
            Command::new(env::current_exe()?)
                .args(["bench", "rpc-yardstick"])
                // It ends when the other end is closed, also if this process is killed.
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
        };
        let process = spawn().map_err(|error| not_started(&error))?;
        let mut yardstick = Self { process, url: String::new() };
        yardstick.url = read_url(&mut yardstick.process).map_err(|error| not_started(&error))?;
        Ok(yardstick)
    }

    /// Where it serves.
    ///
    /// # Errors
    /// If that is no address.
    pub(super) fn target(&self) -> Result<Target, Failure> {
        Target::new(&self.url, self.process.id())
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        // It has nothing to lose, and who is gone already need not be ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves the trivial route until the standard input closes, on threads like those of a node.
///
/// # Errors
/// If it cannot start.
pub(crate) fn run() -> Result<(), Failure> {
    bench::block_on(serve())
}

async fn serve() -> Result<(), Failure> {
    let mut endings = Endings::new(Parent::Watched)?;
    let failed = |error: io::Error| not_started(&error);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    writeln!(io::stdout(), "Listening on http://{address}").map_err(failed)?;
    tokio::select! {
        () = endings.any() => Ok(()),
        ended = kraken_rpc::serve_yardstick(listener) => ended.map_err(failed),
    }
}
