//! The files of a committee, made by the commands that operators use.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use super::{VALIDATORS, ports::Ports};
use crate::node::binary;

/// A folder with `genesis.toml`, and `validator-N/key.toml` for each validator.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    /// Makes keys, then the genesis that names them.
    ///
    /// # Panics
    /// If a command fails.
    pub(super) fn make(folder: &Path, protocol: &str) -> Self {
        let files = Self { folder: folder.to_owned() };
        let mut genesis = Command::new(binary());
        genesis.args(["genesis", "--protocol", protocol, "--out"]).arg(folder.join("genesis.toml"));
        for id in 0..VALIDATORS {
            let home = files.home(id);
            fs::create_dir(&home).expect("the folder is ours");
            let mut key = Command::new(binary());
            let member = output(key.args(["key", "--out"]).arg(home.join("key.toml")));
            fs::write(home.join("member.toml"), member).expect("the folder is ours");
            genesis.arg("--member").arg(home.join("member.toml"));
        }
        output(&mut genesis);
        files
    }

    /// Writes the settings of a validator who finds the others at `peers`; returns its folder.
    ///
    /// # Panics
    /// If they cannot be written.
    pub(super) fn write_settings(
        &self,
        id: usize,
        transport: &str,
        own: &Ports,
        peers: &[[SocketAddr; 3]],
    ) -> PathBuf {
        let Ports { primary, sync, worker, rpc, metrics, .. } = own;
        let (host, port) = (rpc.ip(), rpc.port());
        let mut text = format!(
            "data_dir = \"data\"\ngenesis = \"../genesis.toml\"\nkey = \"key.toml\"\n\
             [rpc]\nhost = \"{host}\"\nport = {port}\ndevnet = true\n\
             [network]\ntransport = \"{transport}\"\nprimary = \"{primary}\"\nworkers = [\"{worker}\"]\nsync = \"{sync}\"\n\
             [execution]\nthreads = 1\n[metrics]\nlisten = \"{metrics}\"\n"
        );
        text.push_str(&peer_tables(peers));
        let home = self.home(id);
        fs::write(home.join("kraken.toml"), text).expect("the folder is ours");
        home
    }

    /// Makes the worker of a validator a process of its own, with a key and settings of its own.
    ///
    /// # Panics
    /// If its files cannot be written.
    pub(super) fn write_worker(&self, id: usize, own: &Ports, peers: &[[SocketAddr; 3]]) {
        let (home, Ports { link, worker, worker_metrics, .. }) = (self.home(id), own);
        let mut settings =
            fs::OpenOptions::new().append(true).open(home.join("kraken.toml")).expect("it is ours");
        write!(settings, "[[worker]]\nplace = 0\nlink = \"{link}\"\n").expect("it is ours");
        let mut key = Command::new(binary());
        key.arg("key").arg("--worker-of").arg(home.join("key.toml"));
        output(key.args(["--place", "0", "--out"]).arg(home.join("worker-key.toml")));
        let peers: Vec<_> = peers.iter().map(|[_, _, worker]| format!("\"{worker}\"")).collect();
        let text = format!(
            "data_dir = \"worker\"\ngenesis = \"../genesis.toml\"\nkey = \"worker-key.toml\"\n\
             primary = \"{link}\"\nlisten = \"{worker}\"\npeers = [{}]\n\
             [metrics]\nlisten = \"{worker_metrics}\"\n",
            peers.join(", ")
        );
        fs::write(home.join("worker.toml"), text).expect("the folder is ours");
    }

    /// Writes the settings of a full node that finds the validators at `peers`; returns its folder.
    ///
    /// # Panics
    /// If they cannot be written.
    pub(super) fn write_full_node(&self, own: &Ports, peers: &[[SocketAddr; 3]]) -> PathBuf {
        let Ports { sync, rpc, metrics, .. } = own;
        let (host, port) = (rpc.ip(), rpc.port());
        let text = format!(
            "role = \"full\"\ndata_dir = \"data\"\ngenesis = \"../genesis.toml\"\n\
             [rpc]\nhost = \"{host}\"\nport = {port}\n[network]\nsync = \"{sync}\"\n\
             [execution]\nthreads = 1\n[metrics]\nlisten = \"{metrics}\"\n{}",
            peer_tables(peers)
        );
        let home = self.folder.join("full-node");
        fs::create_dir(&home).expect("the folder is ours");
        fs::write(home.join("kraken.toml"), text).expect("the folder is ours");
        home
    }

    fn home(&self, id: usize) -> PathBuf {
        self.folder.join(format!("validator-{id}"))
    }
}

/// Where the validators are, as settings say it.
fn peer_tables(peers: &[[SocketAddr; 3]]) -> String {
    let mut text = String::new();
    for [primary, sync, worker] in peers {
        write!(
            text,
            "[[peer]]\nprimary = \"{primary}\"\nsync = \"{sync}\"\nworkers = [\"{worker}\"]\n"
        )
        .expect("writing to text cannot fail");
    }
    text
}

/// What a command prints that must succeed.
fn output(command: &mut Command) -> Vec<u8> {
    let output = command.env_clear().output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    output.stdout
}
