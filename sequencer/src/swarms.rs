//! The swarms of this validator, and which lanes they have.
//!
//! Votes and batches have swarms of their own, because all that goes over one connection shares a
//! task; so has catching up. On a lane small messages never wait for large ones either: workers
//! acknowledge on another lane than the one that carries batches.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use kraken_network::{
    Admission, Dialing, Encryption, Inboxes, Keypair, LaneId, Network, Peer, Request, Requests,
};
use kraken_types::{Genesis, Identity, PublicKey, ValidatorId, WorkerId, genesis::NetworkKeys};
use tokio::sync::mpsc;

use crate::{
    NetworkConfig, StartError, SwarmConfig, Transport, WorkerConfig, attestation,
    lanes::{Inbox, Lane},
    link,
    metrics::Metrics,
    sync,
};

/// The version of what validators say to each other.
const VERSION: &str = "kraken/1";

/// How long a question may take.
const REQUEST_MAX: Duration = Duration::from_secs(20);

/// How many full nodes may be connected, and how many questions of theirs may run.
const STRANGERS_MAX: usize = 64;
const STRANGERS_REQUESTS_MAX: usize = 16;

/// The lanes of a primary's swarm.
const ORDERING: kraken_network::Lane = kraken_network::Lane {
    name: "ordering",
    frame_bytes_max: kraken_ordering::Message::BYTES_MAX,
    queue_bytes_max: 32 << 20,
    inbox_frames_max: 1_024,
};
const ATTESTATION: kraken_network::Lane = kraken_network::Lane {
    name: "attestation",
    frame_bytes_max: attestation::Message::BYTES_MAX,
    queue_bytes_max: 1 << 20,
    inbox_frames_max: 256,
};

/// The lanes of a worker's swarm.
const BATCHES: kraken_network::Lane = kraken_network::Lane {
    name: "batches",
    frame_bytes_max: kraken_mempool::worker::Message::BYTES_MAX,
    queue_bytes_max: 64 << 20,
    inbox_frames_max: 64,
};
const ACKNOWLEDGEMENTS: kraken_network::Lane = kraken_network::Lane {
    name: "acknowledgements",
    frame_bytes_max: 64 << 10,
    queue_bytes_max: 4 << 20,
    inbox_frames_max: 1_024,
};

/// The one lane between a primary and a worker in a process of its own.
const LINK: kraken_network::Lane = kraken_network::Lane {
    name: "link",
    frame_bytes_max: link::FRAME_BYTES_MAX,
    queue_bytes_max: link::QUEUE_BYTES_MAX,
    inbox_frames_max: 256,
};

/// Two lanes to the same worker of every other validator, and what comes on them.
#[derive(Debug)]
pub(crate) struct WorkerLanes {
    pub(crate) batches: (Lane, Inbox),
    pub(crate) acknowledgements: (Lane, Inbox),
}

/// What leads to the other validators, or to a process of ours that is led there.
#[derive(Debug)]
pub(crate) enum WorkerEnds {
    /// The worker is in this process.
    Here(WorkerLanes),
    /// It is in another one, which this leads to.
    Elsewhere(Network, Inbox),
}

/// What leads to the other validators.
#[derive(Debug)]
pub(crate) struct Swarms {
    pub(crate) ordering: (Lane, Inbox),
    pub(crate) attestation: (Lane, Inbox),
    /// In the order of their ids.
    pub(crate) workers: Vec<WorkerEnds>,
    /// For catching up.
    pub(crate) sync: Option<(Network, mpsc::Receiver<Request>)>,
    /// All of them, to be shut down.
    pub(crate) networks: Vec<Network>,
}

impl Swarms {
    /// Those of a committee of one: none.
    pub(crate) fn none() -> Self {
        let worker = WorkerLanes { batches: Lane::nowhere(), acknowledgements: Lane::nowhere() };
        Self {
            ordering: Lane::nowhere(),
            attestation: Lane::nowhere(),
            workers: vec![WorkerEnds::Here(worker)],
            sync: None,
            networks: Vec::new(),
        }
    }

    /// Listens, and begins to connect.
    ///
    /// # Errors
    /// [`StartError`] if a setting does not fit the genesis, or a port is taken.
    pub(crate) async fn start(
        config: &NetworkConfig,
        genesis: &Genesis,
        identity: &Identity,
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let builder = Builder::new(genesis, Some(identity.id), metrics)?;
        let lanes = vec![ORDERING, ATTESTATION];
        let swarm =
            builder.lanes("primary".to_owned(), &config.primary, primary_key, lanes).await?;
        let (network, [ordering, attestation]) = swarm;
        let mut networks = vec![network];
        let mut workers = Vec::new();
        for (place, worker) in (0..).map(WorkerId).zip(&config.workers) {
            let (network, ends) = match worker {
                WorkerConfig::Here(worker) => {
                    let (network, lanes) = builder.worker(place, worker).await?;
                    (network, WorkerEnds::Here(lanes))
                }
                WorkerConfig::Elsewhere { listen } => {
                    let swarm = builder.link_to_worker(place, &config.primary, *listen);
                    let (network, inbox) = swarm.await?;
                    (network.clone(), WorkerEnds::Elsewhere(network, inbox))
                }
            };
            networks.push(network);
            workers.push(ends);
        }
        let sync = builder.sync(&config.sync).await?;
        networks.push(sync.0.clone());
        Ok(Self { ordering, attestation, workers, sync: Some(sync), networks })
    }
}

/// The one swarm of a full node: to where validators serve blocks. Whoever asks it is answered, too.
///
/// # Errors
/// [`StartError`] if a setting does not fit the genesis, or a port is taken.
pub(crate) async fn follow(
    config: &SwarmConfig,
    genesis: &Genesis,
    metrics: &Metrics,
) -> Result<(Network, mpsc::Receiver<Request>), StartError> {
    if genesis.committee.len() == 1 {
        return Err(StartError::NobodyToFollow);
    }
    Builder::new(genesis, None, metrics)?.sync(config).await
}

/// The two swarms of a worker that is a process of its own.
#[derive(Debug)]
pub(crate) struct WorkerSwarms {
    /// To its likes.
    pub(crate) lanes: WorkerLanes,
    /// To its primary.
    pub(crate) link: Network,
    /// What the primary says.
    pub(crate) inbox: Inbox,
    /// What the primary asks.
    pub(crate) questions: mpsc::Receiver<Request>,
    /// Both, to be shut down.
    pub(crate) networks: Vec<Network>,
}

impl WorkerSwarms {
    /// Listens, and begins to connect; `primary` is where its primary waits for it.
    ///
    /// # Errors
    /// [`StartError`] if a setting does not fit the genesis, or a port is taken.
    pub(crate) async fn start(
        config: &SwarmConfig,
        primary: &str,
        genesis: &Genesis,
        (own, place): (ValidatorId, WorkerId),
        metrics: &Metrics,
    ) -> Result<Self, StartError> {
        let builder = Builder::new(genesis, Some(own), metrics)?;
        let (network, lanes) = builder.worker(place, config).await?;
        let key = builder.keys[usize::from(own.0)].primary;
        let name = format!("link {}", place.0);
        let peers = vec![Peer { id: own, key, address: primary.to_owned() }];
        // Nobody dials us here.
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let config = SwarmConfig { listen, ..config.clone() };
        let (link, inboxes) =
            builder.start(name, &config, peers, Kind::Link(Dialing::Everyone)).await?;
        let (inbox, questions) = link_inboxes(inboxes);
        let networks = vec![network, link.clone()];
        Ok(Self { lanes, link, inbox, questions, networks })
    }
}

/// The inbox of the one lane of a link, and the requests.
fn link_inboxes(inboxes: Inboxes) -> (Inbox, mpsc::Receiver<Request>) {
    let lane = inboxes.lanes.into_iter().next();
    (lane.expect("a swarm has an inbox for each lane"), inboxes.requests)
}

/// What a swarm is for.
enum Kind {
    /// To the same place of the other validators.
    Committee(Vec<kraken_network::Lane>),
    /// For those who want blocks; it has no lanes.
    Sync,
    /// Between a primary and its worker.
    Link(Dialing),
}

impl Kind {
    fn lanes(&self) -> Vec<kraken_network::Lane> {
        match self {
            Self::Committee(lanes) => lanes.clone(),
            Self::Sync => Vec::new(),
            Self::Link(_) => vec![LINK],
        }
    }

    const fn admission(&self) -> Admission {
        match self {
            Self::Committee(_) | Self::Link(_) => Admission::Committee,
            Self::Sync => Admission::Anyone {
                connections_max: STRANGERS_MAX,
                requests_max: STRANGERS_REQUESTS_MAX,
            },
        }
    }

    const fn requests(&self) -> Requests {
        let (bytes_max, answer_bytes_max) = match self {
            // Nothing is asked there.
            Self::Committee(_) => (1, 1),
            Self::Sync => (sync::ASK_BYTES_MAX, sync::ANSWER_BYTES_MAX),
            Self::Link(_) => (link::QUESTION_BYTES_MAX, link::FRAME_BYTES_MAX),
        };
        Requests {
            bytes_max,
            answer_bytes_max,
            timeout: REQUEST_MAX,
            at_once_max: 16,
            inbox_max: 64,
        }
    }
}

fn primary_key(keys: &NetworkKeys) -> Option<PublicKey> {
    Some(keys.primary)
}

fn worker_key(keys: &NetworkKeys, place: WorkerId) -> Option<PublicKey> {
    keys.workers.get(usize::from(place.0)).copied()
}

/// What all swarms share.
struct Builder<'a> {
    genesis: &'a Genesis,
    /// Who we are; `None` for a full node.
    own: Option<ValidatorId>,
    keys: Vec<NetworkKeys>,
    metrics: &'a Metrics,
}

impl<'a> Builder<'a> {
    fn new(
        genesis: &'a Genesis,
        own: Option<ValidatorId>,
        metrics: &'a Metrics,
    ) -> Result<Self, StartError> {
        Ok(Self { genesis, own, keys: genesis.network()?, metrics })
    }

    /// The swarm of those who want blocks.
    async fn sync(
        &self,
        config: &SwarmConfig,
    ) -> Result<(Network, mpsc::Receiver<Request>), StartError> {
        let peers = self.peers("sync", config, primary_key)?;
        let started = self.start("sync".to_owned(), config, peers, Kind::Sync).await?;
        let (network, inboxes) = started;
        Ok((network, inboxes.requests))
    }

    /// The swarm of a worker in this process.
    async fn worker(
        &self,
        place: WorkerId,
        config: &SwarmConfig,
    ) -> Result<(Network, WorkerLanes), StartError> {
        let lanes = vec![BATCHES, ACKNOWLEDGEMENTS];
        let name = format!("worker {}", place.0);
        let swarm = self.lanes(name, config, move |keys| worker_key(keys, place), lanes).await?;
        let (network, [batches, acknowledgements]) = swarm;
        Ok((network, WorkerLanes { batches, acknowledgements }))
    }

    /// Where a worker in another process finds its primary.
    async fn link_to_worker(
        &self,
        place: WorkerId,
        primary: &SwarmConfig,
        listen: SocketAddr,
    ) -> Result<(Network, Inbox), StartError> {
        let name = format!("link {}", place.0);
        let own = self.own.expect("a full node has no workers");
        let key = worker_key(&self.keys[usize::from(own.0)], place);
        let key = key.ok_or_else(|| StartError::Swarm { swarm: name.clone() })?;
        // It dials us, from wherever it is.
        let peers = vec![Peer { id: own, key, address: String::new() }];
        let config = SwarmConfig { listen, ..primary.clone() };
        let kind = Kind::Link(Dialing::Nobody);
        let (network, inboxes) = self.start(name, &config, peers, kind).await?;
        Ok((network, link_inboxes(inboxes).0))
    }

    /// A swarm with two lanes.
    async fn lanes(
        &self,
        name: String,
        config: &SwarmConfig,
        key: impl Fn(&NetworkKeys) -> Option<PublicKey>,
        lanes: Vec<kraken_network::Lane>,
    ) -> Result<(Network, [(Lane, Inbox); 2]), StartError> {
        let peers = self.peers(&name, config, key)?;
        let (network, inboxes) = self.start(name, config, peers, Kind::Committee(lanes)).await?;
        let mut inboxes = inboxes.lanes.into_iter();
        let mut lane = |id| {
            let inbox = inboxes.next().expect("a swarm has an inbox for each lane");
            (Lane::new(network.clone(), LaneId(id)), inbox)
        };
        let lanes = [lane(0), lane(1)];
        Ok((network, lanes))
    }

    async fn start(
        &self,
        name: String,
        config: &SwarmConfig,
        peers: Vec<Peer>,
        kind: Kind,
    ) -> Result<(Network, Inboxes), StartError> {
        let swarm = kraken_network::Config {
            key: Keypair::from_seed(*config.seed.expose()),
            listen: config.listen,
            transport: match config.transport {
                Transport::Tcp => kraken_network::Transport::Tcp(Encryption::Noise),
                Transport::Plaintext => kraken_network::Transport::Tcp(Encryption::Plaintext),
                Transport::Quic => kraken_network::Transport::Quic,
            },
            chain: self.genesis.digest(),
            protocol: format!("{VERSION} {:?} {name}", self.genesis.protocol),
            peers,
            dialing: match (&kind, self.own) {
                (Kind::Link(dialing), _) => *dialing,
                (Kind::Committee(_) | Kind::Sync, Some(_)) => Dialing::HigherKeys,
                (Kind::Committee(_) | Kind::Sync, None) => Dialing::Everyone,
            },
            admission: kind.admission(),
            lanes: kind.lanes(),
            requests: kind.requests(),
            name,
        };
        Ok(Network::start(swarm, &self.metrics.network).await?)
    }

    /// The swarms at the same place of the others.
    fn peers(
        &self,
        name: &str,
        config: &SwarmConfig,
        key: impl Fn(&NetworkKeys) -> Option<PublicKey>,
    ) -> Result<Vec<Peer>, StartError> {
        let (expected, got) = (self.keys.len(), config.peers.len());
        if expected != got {
            return Err(StartError::Peers { swarm: name.to_owned(), expected, got });
        }
        let ours = Keypair::from_seed(*config.seed.expose()).public_key();
        let mut peers = Vec::new();
        for ((id, keys), address) in (0..).map(ValidatorId).zip(&self.keys).zip(&config.peers) {
            let key = key(keys).ok_or_else(|| StartError::Swarm { swarm: name.to_owned() })?;
            if Some(id) != self.own {
                peers.push(Peer { id, key, address: address.clone() });
            } else if key != ours {
                return Err(StartError::NetworkKey { swarm: name.to_owned(), key: ours });
            }
        }
        Ok(peers)
    }
}
