//! A committee of real processes on this machine, to be killed, frozen, wiped and cut apart.

mod agreement;
mod files;
mod impostor;
mod liar;
mod ports;
mod proxy;
mod validator;
mod worker;

use std::{fs::File, net::SocketAddr, path::Path, time::Duration};

use tempfile::TempDir;

pub use self::{
    agreement::{Agreed, agree, same_tip},
    impostor::Impostor,
    liar::{Fame, Liar},
    proxy::{Proxies, Weather},
    validator::{Door, Validator},
    worker::Worker,
};
use self::{files::Files, ports::Ports, proxy::Carried};
use crate::{Client, node};

/// Validators of a committee: the fewest that bear one that fails.
pub const VALIDATORS: usize = 4;

/// What carries bytes between validators, in the words of their settings.
const TCP: &str = "tcp";
const QUIC: &str = "quic";

/// How long anything may take that a committee does by itself on a busy machine.
pub const WITHIN: Duration = Duration::from_secs(90);

/// Four processes `kraken run`, with a folder that is gone afterwards.
///
/// One committee runs at a time, whoever asks: each keeps a small machine busy by itself. Dropping it
/// kills its processes. When the test panics, the ends of their logs are shown first.
#[derive(Debug)]
pub struct Committee {
    // In the order in which they are dropped: processes before what they stand on.
    validators: Vec<Validator>,
    /// By validator, if they are processes of their own.
    workers: Vec<Worker>,
    /// Where a full node may be.
    spare: Ports,
    files: Files,
    proxies: Option<Proxies>,
    folder: TempDir,
    _turn: File,
}

impl Committee {
    /// Starts four validators that reach each other directly, and waits until they serve.
    ///
    /// # Panics
    /// If they do not, or not in time.
    pub fn start(protocol: &str) -> Self {
        Self::make(protocol, TCP, Workers::Inside, |_| None)
    }

    /// The same with a proxy on every way from one validator to another.
    ///
    /// # Panics
    /// As [`Committee::start`].
    pub fn start_with_proxies(protocol: &str) -> Self {
        Self::make(protocol, TCP, Workers::Inside, |ports| {
            Some(Proxies::start(ports, Carried::Streams))
        })
    }

    /// The same, over QUIC: the proxies carry datagrams.
    ///
    /// # Panics
    /// As [`Committee::start`].
    pub fn start_over_quic(protocol: &str) -> Self {
        Self::make(protocol, QUIC, Workers::Inside, |ports| {
            Some(Proxies::start(ports, Carried::Datagrams))
        })
    }

    /// The same over TCP, with a process of its own for the worker of each.
    ///
    /// # Panics
    /// As [`Committee::start`].
    pub fn start_with_workers(protocol: &str) -> Self {
        Self::make(protocol, TCP, Workers::Processes, |_| None)
    }

    fn make(
        protocol: &str,
        transport: &str,
        kind: Workers,
        proxies: impl Fn(&[Ports]) -> Option<Proxies>,
    ) -> Self {
        let turn = turn();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let files = Files::make(folder.path(), protocol);
        let mut ports = ports::free(VALIDATORS + 1);
        let spare = ports.pop().expect("one more than there are validators");
        let proxies = proxies(&ports);
        let (mut validators, mut workers) = (Vec::new(), Vec::new());
        for (id, own) in ports.iter().enumerate() {
            let peers = places(id, &ports, proxies.as_ref());
            let home = files.write_settings(id, transport, own, &peers);
            if kind == Workers::Processes {
                files.write_worker(id, own, &peers);
                let mut worker = Worker::new(id, &home, own.worker_metrics);
                worker.launch();
                workers.push(worker);
            }
            let mut validator = Validator::new(id, home, own);
            validator.launch();
            validators.push(validator);
        }
        let mut committee =
            Self { validators, workers, spare, files, proxies, folder, _turn: turn };
        for validator in &mut committee.validators {
            validator.wait_until_served();
        }
        for worker in &mut committee.workers {
            worker.wait_until_linked();
        }
        committee
    }

    /// The worker of a validator.
    ///
    /// # Panics
    /// If it is no process of its own.
    pub fn worker(&mut self, validator: usize) -> &mut Worker {
        &mut self.workers[validator]
    }

    /// Starts a full node that reaches the validators directly, once, and waits until it serves. It
    /// must be gone before its committee.
    ///
    /// # Panics
    /// If it does not, or not in time.
    pub fn full_node(&self) -> Validator {
        let peers: Vec<_> = self.validators.iter().map(Validator::network).collect();
        let home = self.files.write_full_node(&self.spare, &peers);
        let mut node = Validator::new(VALIDATORS, home, &self.spare);
        node.launch();
        node.wait_until_served();
        node
    }

    /// The validators, by id.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// One of them.
    pub fn validator(&mut self, id: usize) -> &mut Validator {
        &mut self.validators[id]
    }

    /// A client of each, by id.
    pub fn clients(&self) -> Vec<Client> {
        self.validators.iter().map(Validator::client).collect()
    }

    /// A way in to each, by id, that tells whether its validator runs.
    pub fn doors(&self) -> Vec<Door> {
        self.validators.iter().map(Validator::door).collect()
    }

    /// What lies between the validators.
    ///
    /// # Panics
    /// If it was started without.
    pub fn proxies(&self) -> &Proxies {
        self.proxies.as_ref().expect("the committee was started with proxies")
    }

    /// Where `genesis.toml` is, and a folder `validator-N` for each.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The number of the newest block that any of these validators has.
    ///
    /// # Panics
    /// If one of them does not say.
    pub fn tip(&self, ids: &[usize]) -> u64 {
        let tips = ids.iter().map(|&id| self.validators[id].client().block_number());
        tips.max().expect("somebody is asked")
    }
}

/// Where workers run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Workers {
    /// In the processes of their validators.
    Inside,
    /// In processes of their own.
    Processes,
}

/// Where the validator `own` finds everybody: itself and those without a proxy at their ports.
fn places(own: usize, ports: &[Ports], proxies: Option<&Proxies>) -> Vec<[SocketAddr; 3]> {
    let place = |(id, ports): (usize, &Ports)| match proxies {
        Some(proxies) if id != own => proxies.places(own, id),
        Some(_) | None => ports.network(),
    };
    ports.iter().enumerate().map(place).collect()
}

/// Held by whoever runs a committee; the system takes it back when a process ends.
fn turn() -> File {
    let folder = node::build_folder().join("tmp");
    std::fs::create_dir_all(&folder).expect("the build folder is ours");
    let file = File::create(folder.join("committee.lock")).expect("the build folder is ours");
    file.lock().expect("the file system has locks");
    file
}
