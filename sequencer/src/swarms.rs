//! The swarms of this validator, and which lanes they have.
//!
//! Votes and batches have swarms of their own, because all that goes over one connection shares a
//! task; so has catching up. On a lane small messages never wait for large ones either: workers
//! acknowledge on another lane than the one that carries batches.

use std::time::Duration;

use kraken_network::{
    Admission, Dialing, Encryption, Inboxes, Keypair, LaneId, Network, Peer, Request, Requests,
};
use kraken_types::{Genesis, Identity, PublicKey, ValidatorId, genesis::NetworkKeys};
use tokio::sync::mpsc;

use crate::{
    NetworkConfig, StartError, SwarmConfig, Transport, attestation,
    lanes::{Inbox, Lane},
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

/// Two lanes to the same worker of every other validator, and what comes on them.
#[derive(Debug)]
pub(crate) struct WorkerLanes {
    pub(crate) batches: (Lane, Inbox),
    pub(crate) acknowledgements: (Lane, Inbox),
}

/// What leads to the other validators.
#[derive(Debug)]
pub(crate) struct Swarms {
    pub(crate) ordering: (Lane, Inbox),
    pub(crate) attestation: (Lane, Inbox),
    /// In the order of their ids.
    pub(crate) workers: Vec<WorkerLanes>,
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
            workers: vec![worker],
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
        for (place, worker) in config.workers.iter().enumerate() {
            let key = move |keys: &NetworkKeys| keys.workers.get(place).copied();
            let lanes = vec![BATCHES, ACKNOWLEDGEMENTS];
            let swarm = builder.lanes(format!("worker {place}"), worker, key, lanes).await?;
            let (network, [batches, acknowledgements]) = swarm;
            networks.push(network);
            workers.push(WorkerLanes { batches, acknowledgements });
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

fn primary_key(keys: &NetworkKeys) -> Option<PublicKey> {
    Some(keys.primary)
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
        let swarm = self.swarm("sync".to_owned(), config, primary_key, Vec::new());
        let (network, inboxes) = swarm.await?;
        Ok((network, inboxes.requests))
    }

    /// A swarm with two lanes.
    async fn lanes(
        &self,
        name: String,
        config: &SwarmConfig,
        key: impl Fn(&NetworkKeys) -> Option<PublicKey>,
        lanes: Vec<kraken_network::Lane>,
    ) -> Result<(Network, [(Lane, Inbox); 2]), StartError> {
        let (network, inboxes) = self.swarm(name, config, key, lanes).await?;
        let mut inboxes = inboxes.lanes.into_iter();
        let mut lane = |id| {
            let inbox = inboxes.next().expect("a swarm has an inbox for each lane");
            (Lane::new(network.clone(), LaneId(id)), inbox)
        };
        let lanes = [lane(0), lane(1)];
        Ok((network, lanes))
    }

    async fn swarm(
        &self,
        name: String,
        config: &SwarmConfig,
        key: impl Fn(&NetworkKeys) -> Option<PublicKey>,
        lanes: Vec<kraken_network::Lane>,
    ) -> Result<(Network, Inboxes), StartError> {
        let is_sync = lanes.is_empty();
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
            peers: self.peers(&name, config, key)?,
            dialing: match self.own {
                Some(_) => Dialing::HigherKeys,
                None => Dialing::Everyone,
            },
            admission: if is_sync {
                Admission::Anyone {
                    connections_max: STRANGERS_MAX,
                    requests_max: STRANGERS_REQUESTS_MAX,
                }
            } else {
                Admission::Committee
            },
            lanes,
            requests: Requests {
                bytes_max: sync::ASK_BYTES_MAX,
                answer_bytes_max: sync::ANSWER_BYTES_MAX,
                timeout: REQUEST_MAX,
                at_once_max: 16,
                inbox_max: 64,
            },
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
