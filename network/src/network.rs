//! The handle of a swarm, and what comes out of it.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::StreamExt;
use kraken_types::ValidatorId;
use libp2p::{
    Swarm,
    swarm::{Config as SwarmConfig, SwarmEvent},
};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};
use tracing::Instrument;

use crate::{
    Admission, Config, Encryption, LaneId, Metrics, RequestError, Requests, StartError, Transport,
    behaviour::Behaviour,
    config::{LANES_MAX, PROTOCOL_BYTES_MAX},
    connection::{Common, Hello},
    driver::{Behaviours, Driver},
    metrics::SwarmMetrics,
    reason::Drop as Dropped,
    request,
    roster::Roster,
    transport,
};

/// Listening starts within this time or not at all.
const LISTEN_MAX: Duration = Duration::from_secs(5);

/// The peers that are connected now. The number counts the connections to a peer: who sees the same
/// number again has missed none.
pub type Connected = BTreeMap<ValidatorId, u64>;

/// The handle of a swarm. Cheap to clone; when the last one is gone, the swarm shuts down.
#[derive(Clone, Debug)]
pub struct Network(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    roster: Arc<Roster>,
    lanes: Vec<(usize, &'static str)>,
    requests: Requests,
    connected: watch::Receiver<Connected>,
    metrics: SwarmMetrics,
    tracker: TaskTracker,
    shutdown: CancellationToken,
    _shut_down: DropGuard,
}

/// What others send us. Once the swarm has ended, the receivers end too.
#[derive(Debug)]
pub struct Inboxes {
    /// The frames of each lane, by [`LaneId`], with the peer that sent them.
    pub lanes: Vec<mpsc::Receiver<(ValidatorId, Bytes)>>,
    /// The requests of all peers and strangers.
    pub requests: mpsc::Receiver<Request>,
}

/// Somebody asks. Dropping this lets them know that there is no answer.
#[derive(Debug)]
pub struct Request {
    /// Who asks; `None` is a stranger.
    pub from: Option<ValidatorId>,
    /// What they ask.
    pub bytes: Bytes,
    answer: oneshot::Sender<Bytes>,
}

impl Request {
    pub(crate) fn new(
        from: Option<ValidatorId>,
        bytes: Bytes,
        answer: oneshot::Sender<Bytes>,
    ) -> Self {
        Self { from, bytes, answer }
    }

    /// Answers. Larger answers than the settings allow are not sent.
    pub fn answer(self, bytes: Bytes) {
        if self.answer.send(bytes).is_err() {
            tracing::debug!("whoever asked has gone");
        }
    }
}

impl Network {
    /// Listens, and starts to connect to the peers.
    ///
    /// # Errors
    /// [`StartError`] says which setting is wrong, or that the port is taken.
    pub async fn start(config: Config, metrics: &Metrics) -> Result<(Self, Inboxes), StartError> {
        check(&config)?;
        if config.transport == Transport::Tcp(Encryption::Plaintext) {
            tracing::warn!(
                swarm = config.name,
                "NO ENCRYPTION: anybody can claim to be a validator"
            );
        }
        let metrics = metrics.of_swarm(&config.name);
        let roster = Arc::new(Roster::new(&config, &metrics)?);
        let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
        let mut swarm = swarm(&config, &roster, &metrics, (&tracker, &shutdown))?;
        let listened = listen(&mut swarm, config.transport, config.listen).await;
        let address =
            listened.map_err(|source| StartError::Listen { address: config.listen, source })?;

        let (connected, watched) = watch::channel(Connected::new());
        let inner = Inner {
            address,
            roster: roster.clone(),
            lanes: config.lanes.iter().map(|lane| (lane.frame_bytes_max, lane.name)).collect(),
            requests: config.requests,
            connected: watched,
            metrics: metrics.clone(),
            tracker: tracker.clone(),
            shutdown: shutdown.clone(),
            _shut_down: shutdown.clone().drop_guard(),
        };
        let span = tracing::info_span!("network.swarm", swarm = config.name);
        let transport = config.transport;
        let (common, inboxes) = common(config, connected, metrics, (&tracker, &shutdown));
        let driver = Driver::new(swarm, transport, roster, Arc::new(common), shutdown);
        // So that every line of the log says which swarm it is about.
        tracker.spawn(driver.run().instrument(span));
        Ok((Self(Arc::new(inner)), inboxes))
    }

    /// Where we listen, with the real port.
    pub fn listening_on(&self) -> SocketAddr {
        self.0.address
    }

    /// Queues a frame for a peer and never waits. Returns whether it was queued: it is dropped, and
    /// counted, if the peer is away, its queue is full, or the frame is too large. A queued frame
    /// is lost if the connection breaks before it arrives. Who is no peer is always away.
    ///
    /// # Panics
    /// If there is no such lane.
    pub fn send(&self, to: ValidatorId, lane: LaneId, frame: Bytes) -> bool {
        let (frame_bytes_max, name) = self.lane(lane);
        let Some(member) = self.0.roster.get(to) else { return false };
        if frame_bytes_max < frame.len() {
            tracing::error!(lane = name, bytes = frame.len(), "our own frame is too large to send");
            member.lanes[usize::from(lane.0)].dropped(Dropped::TooLarge, 1);
            return false;
        }
        member.send(lane, frame)
    }

    /// Whether a frame for this peer could be queued now, room provided.
    pub fn is_connected(&self, to: ValidatorId) -> bool {
        self.0.roster.get(to).is_some_and(|member| member.link().is_some())
    }

    /// Queues one frame for all peers, like [`send`](Self::send). Returns for how many.
    ///
    /// # Panics
    /// If there is no such lane.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "who has one frame for all has no use for it"
    )]
    pub fn broadcast(&self, lane: LaneId, frame: Bytes) -> usize {
        let queued = |id| self.send(id, lane, frame.clone());
        self.0.roster.iter().filter(|member| queued(member.id)).count()
    }

    /// Asks a peer and waits for its answer. For what is missing; what is new goes over lanes.
    ///
    /// # Errors
    /// [`RequestError`]: ask somebody else, or later. Who is no peer is always away.
    pub async fn request(&self, to: ValidatorId, bytes: Bytes) -> Result<Bytes, RequestError> {
        let member = self.0.roster.get(to).ok_or(RequestError::Away { to })?;
        request::ask(member, &bytes, self.0.requests, &self.0.metrics).await
    }

    /// The peers that are connected, now and as that changes.
    pub fn connected(&self) -> watch::Receiver<Connected> {
        self.0.connected.clone()
    }

    /// Resolves once the swarm stops, for whatever reason.
    pub async fn stopped(&self) {
        self.0.shutdown.cancelled().await;
    }

    /// Stops the swarm, and waits until all its tasks are gone and the port is free. (A port of
    /// QUIC is free a moment later.)
    pub async fn shut_down(&self) {
        self.0.shutdown.cancel();
        self.0.tracker.close();
        self.0.tracker.wait().await;
    }

    fn lane(&self, lane: LaneId) -> (usize, &'static str) {
        let limits = self.0.lanes.get(usize::from(lane.0));
        *limits.expect("frames go over lanes of the settings")
    }
}

/// Checks what can be wrong with settings by themselves.
fn check(config: &Config) -> Result<(), StartError> {
    if LANES_MAX < config.lanes.len() {
        return Err(StartError::Lanes { count: config.lanes.len() });
    }
    for lane in &config.lanes {
        let fits = lane.frame_bytes_max < lane.queue_bytes_max && fits_length(lane.frame_bytes_max);
        if !fits || !is_capacity(lane.inbox_frames_max) {
            return Err(StartError::Lane { lane: lane.name });
        }
    }
    let Requests { bytes_max, answer_bytes_max, at_once_max, inbox_max, .. } = config.requests;
    let fits = fits_length(bytes_max) && fits_length(answer_bytes_max);
    if !fits || !is_capacity(at_once_max) || !is_capacity(inbox_max) {
        return Err(StartError::Requests);
    }
    if PROTOCOL_BYTES_MAX < config.protocol.len() {
        return Err(StartError::Protocol { bytes: config.protocol.len() });
    }
    Ok(())
}

fn fits_length(bytes: usize) -> bool {
    u32::try_from(bytes).is_ok()
}

fn is_capacity(count: usize) -> bool {
    (1..=Semaphore::MAX_PERMITS).contains(&count)
}

fn swarm(
    config: &Config,
    roster: &Roster,
    metrics: &SwarmMetrics,
    (tracker, shutdown): (&TaskTracker, &CancellationToken),
) -> Result<Swarm<Behaviours>, StartError> {
    let lanes = config.lanes.len();
    let streams_max = streams_max(lanes, config.requests.at_once_max);
    let transport = transport::build(config.transport, &config.key, streams_max)
        .map_err(StartError::Transport)?;
    let peers = roster.iter().map(|member| (member.peer, member.they_dial)).collect();
    let streams = Behaviour::new(peers, config.admission, lanes, metrics.strangers_connected());
    let (tracker, shutdown) = (tracker.clone(), shutdown.clone());
    let executor = move |task| {
        tracker.spawn(shutdown.clone().run_until_cancelled_owned(task));
    };
    let local = config.key.identity().public().to_peer_id();
    let settings =
        SwarmConfig::with_executor(executor).with_max_negotiating_inbound_streams(streams_max);
    Ok(Swarm::new(transport, Behaviours::new(streams), local, settings))
}

/// What a peer that keeps to the rules has open at once, and some streams that are about to close.
fn streams_max(lanes: usize, at_once_max: usize) -> usize {
    const SPARE: usize = 32;
    const REQUESTS_MAX: usize = 256;
    2 * (1 + lanes + at_once_max.min(REQUESTS_MAX)) + SPARE
}

#[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are its own, and grow")]
async fn listen(
    swarm: &mut Swarm<Behaviours>,
    transport: Transport,
    address: SocketAddr,
) -> io::Result<SocketAddr> {
    transport::check_free(transport, address)?;
    swarm.listen_on(transport::multiaddr(transport, address)).map_err(io::Error::other)?;
    let listening = async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::NewListenAddr { address, .. } => {
                    return transport::socket_addr(&address).ok_or(io::ErrorKind::Other.into());
                }
                SwarmEvent::ListenerClosed { reason, .. } => {
                    return Err(reason.err().unwrap_or(io::ErrorKind::NotConnected.into()));
                }
                SwarmEvent::ListenerError { error, .. } => return Err(error),
                // Nothing else can happen before the first address.
                _ => {}
            }
        }
    };
    let bound = time::timeout(LISTEN_MAX, listening).await??;
    Ok(SocketAddr::new(address.ip(), bound.port()))
}

/// The ends that connections write to, and those that the owner of the swarm reads from.
fn common(
    config: Config,
    connected: watch::Sender<Connected>,
    metrics: SwarmMetrics,
    (tracker, shutdown): (&TaskTracker, &CancellationToken),
) -> (Common, Inboxes) {
    let inboxes = config.lanes.iter().map(|lane| mpsc::channel(lane.inbox_frames_max));
    let (frames, lanes) = inboxes.unzip();
    let (asked, requests) = mpsc::channel(config.requests.inbox_max);
    let strangers = match config.admission {
        Admission::Committee => 0,
        Admission::Anyone { requests_max, .. } => requests_max.min(Semaphore::MAX_PERMITS),
    };
    let common = Common {
        hello: Hello::new(config.chain, config.protocol),
        lanes: config.lanes,
        requests: config.requests,
        frames,
        asked,
        strangers: Arc::new(Semaphore::new(strangers)),
        connected,
        metrics,
        tracker: tracker.clone(),
        shutdown: shutdown.clone(),
    };
    (common, Inboxes { lanes, requests })
}
