//! The task of a swarm: dials, admits, and starts the task of each connection.
//!
//! A peer has one connection at a time. The newest one wins if the peer dials us, because only the
//! holder of its key can make one, and who makes a new one has given up the old one, even if no
//! packet told us so yet.

mod backoff;

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use futures::StreamExt;
use kraken_types::ValidatorId;
use libp2p::{
    PeerId, Swarm, connection_limits,
    core::ConnectedPoint,
    swarm::{
        ConnectionId, DialError, ListenError, NetworkBehaviour, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{
    net,
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use self::backoff::Backoff;
use crate::{
    Transport,
    behaviour::Behaviour,
    connection::{Common, Connection, Ended, Ending, finished},
    reason::Refusal,
    roster::{Member, Roster},
    transport,
};

/// Looking up a name takes no longer than this.
const RESOLVE_MAX: Duration = Duration::from_secs(5);

/// Who broke the rules on a connection is not let in again for so long.
const PENALTY: Duration = Duration::from_secs(1);

/// How many addresses of a name are tried.
const ADDRESSES_MAX: usize = 8;

/// Connections of one peer, those that are being closed included. It has one, and needs a second
/// one while it replaces the first; the rest is for closes that take their time.
const CONNECTIONS_PER_PEER_MAX: u32 = 8;

/// Incoming connections that have not said yet who they are.
const PENDING_MAX: u32 = 256;

/// What libp2p drives.
#[derive(NetworkBehaviour)]
#[behaviour(to_swarm = "Event")]
pub(crate) struct Behaviours {
    /// First, so that what it denies leaves no trace in the other.
    limits: connection_limits::Behaviour,
    streams: Behaviour,
}

/// Neither behaviour has events.
#[derive(Debug)]
pub(crate) enum Event {}

impl From<std::convert::Infallible> for Event {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl Behaviours {
    pub(crate) fn new(streams: Behaviour) -> Self {
        let limits = connection_limits::ConnectionLimits::default()
            .with_max_pending_incoming(Some(PENDING_MAX))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX));
        Self { limits: connection_limits::Behaviour::new(limits), streams }
    }
}

/// The task of a swarm.
pub(crate) struct Driver {
    swarm: Swarm<Behaviours>,
    transport: Transport,
    roster: Arc<Roster>,
    common: Arc<Common>,
    shutdown: CancellationToken,
    seats: BTreeMap<ValidatorId, Seat>,
    connections: JoinSet<Ended>,
    attempts: JoinSet<Attempt>,
}

/// The one place that a peer has.
#[derive(Debug, Default)]
struct Seat {
    /// The connection whose task runs, and how to end it.
    taken: Option<(ConnectionId, CancellationToken)>,
    /// The connection that takes the seat when that task has ended.
    next: Option<Connection>,
    /// Whether an attempt to reach the peer is under way.
    attempting: bool,
    /// Until then the peer is not let in, because it broke the rules.
    penalty: Option<Instant>,
    backoff: Backoff,
}

/// The addresses of a peer, after the delay before an attempt to reach it.
struct Attempt {
    member: Arc<Member>,
    addresses: io::Result<Vec<SocketAddr>>,
}

impl Driver {
    pub(crate) fn new(
        swarm: Swarm<Behaviours>,
        transport: Transport,
        roster: Arc<Roster>,
        common: Arc<Common>,
        shutdown: CancellationToken,
    ) -> Self {
        let seats = roster.iter().map(|member| (member.id, Seat::default())).collect();
        let (connections, attempts) = (JoinSet::new(), JoinSet::new());
        Self { swarm, transport, roster, common, shutdown, seats, connections, attempts }
    }

    /// Runs until the swarm is shut down.
    pub(crate) async fn run(mut self) {
        // Whatever ends this task ends the swarm.
        let shutdown = self.shutdown.clone().drop_guard();
        for member in self.roster.clone().iter() {
            self.attempt_later(member);
        }
        loop {
            // An arm names what happened. All are cancel-safe.
            tokio::select! {
                () = self.shutdown.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(ended) = self.connections.join_next() => match finished(ended) {
                    Some(ended) => self.on_ended(ended),
                    None => break,
                },
                Some(attempt) = self.attempts.join_next() => match finished(attempt) {
                    Some(attempt) => self.dial(attempt),
                    None => break,
                },
            }
        }
        self.attempts.shutdown().await;
        // They see the same signal.
        while let Some(ended) = self.connections.join_next().await {
            tracing::debug!(ended = ?finished(ended), "a connection ended with the swarm");
        }
        drop(shutdown);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are its own, and grow")]
    fn on_event(&mut self, event: SwarmEvent<Event>) {
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                let refusal = refusal(&error);
                tracing::debug!(address = %send_back_addr, %refusal, %error, "connection refused");
                self.common.metrics.refused(refusal);
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. } => {
                if let Some(member) = self.roster.by_peer(&peer).cloned() {
                    if let DialError::WrongPeerId { obtained, .. } = &error {
                        let (peer, address) = (member.id, &member.address);
                        tracing::warn!(%peer, address, key = %obtained, "somebody else is there");
                    }
                    self.failed(&member, &error);
                }
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a connection could not be accepted");
            }
            SwarmEvent::ListenerClosed { reason, .. } => {
                tracing::error!(?reason, "nobody can connect any more; the swarm stops");
                self.shutdown.cancel();
            }
            // A closed connection is noticed by its own task, and the rest is of no interest.
            _ => {}
        }
    }

    fn on_established(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let Some(ends) = self.swarm.behaviour_mut().streams.take(id) else { return };
        let member = self.roster.by_peer(&peer).cloned();
        let cancel = self.shutdown.child_token();
        let connection =
            Connection { id, member: member.clone(), ends, common: self.common.clone(), cancel };
        let Some(member) = member else { return self.start(connection) };
        let seat = self.seats.entry(member.id).or_default();
        if endpoint.is_dialer() {
            seat.attempting = false;
        } else if seat.penalty.is_some_and(|until| Instant::now() < until) {
            self.common.metrics.refused(Refusal::Penalty);
            self.swarm.close_connection(id);
            return;
        }
        let Some((_, taken)) = &seat.taken else { return self.start(connection) };
        if endpoint.is_dialer() {
            // It dialled us meanwhile, and knows only that connection.
            self.swarm.close_connection(id);
            return;
        }
        taken.cancel();
        if let Some(older) = seat.next.replace(connection) {
            self.swarm.close_connection(older.id);
        }
    }

    fn start(&mut self, connection: Connection) {
        if let Some(member) = &connection.member {
            let seat = self.seats.entry(member.id).or_default();
            seat.taken = Some((connection.id, connection.cancel.clone()));
        }
        let run = connection.run().in_current_span();
        self.connections.spawn(self.common.tracker.track_future(run));
    }

    fn on_ended(&mut self, ended: Ended) {
        tracing::debug!(connection = %ended.id, ending = ?ended.ending, "a connection ended");
        // Closing may take its time, or hang with a peer that reads nothing; nobody waits for it.
        self.swarm.close_connection(ended.id);
        let Some(member) = ended.member else { return };
        let seat = self.seats.entry(member.id).or_default();
        seat.taken = None;
        match ended.ending {
            Ending::Refused(Refusal::ClosedByPeer) => seat.backoff.failed(),
            Ending::Refused(_) => seat.backoff.hopeless(),
            Ending::Broken { reason, lasted } => {
                seat.backoff.connected_for(lasted);
                seat.penalty = reason.breaks_rules().then(|| Instant::now() + PENALTY);
            }
        }
        match seat.next.take() {
            Some(next) => self.start(next),
            None => self.attempt_later(&member),
        }
    }

    fn failed(&mut self, member: &Arc<Member>, error: &dyn std::error::Error) {
        tracing::debug!(peer = %member.id, address = member.address, %error, "not reached");
        self.common.metrics.dial_failed(member.id);
        let seat = self.seats.entry(member.id).or_default();
        seat.attempting = false;
        seat.backoff.failed();
        self.attempt_later(member);
    }

    /// Prepares the next attempt to reach a peer, if it is ours to do so.
    fn attempt_later(&mut self, member: &Arc<Member>) {
        let seat = self.seats.entry(member.id).or_default();
        if !member.we_dial || seat.attempting || self.shutdown.is_cancelled() {
            return;
        }
        seat.attempting = true;
        let delay = seat.backoff.delay(rand::random());
        let member = member.clone();
        self.attempts.spawn(self.common.tracker.track_future(async move {
            time::sleep(delay).await;
            let addresses = resolve(&member.address).await;
            Attempt { member, addresses }
        }));
    }

    fn dial(&mut self, Attempt { member, addresses }: Attempt) {
        let seat = self.seats.entry(member.id).or_default();
        if seat.taken.is_some() {
            // It dialled us meanwhile. When that connection ends, the next attempt follows.
            seat.attempting = false;
            return;
        }
        let addresses = match addresses {
            Ok(addresses) => addresses,
            Err(error) => return self.failed(&member, &error),
        };
        let addresses = addresses.into_iter().map(|to| transport::multiaddr(self.transport, to));
        let options = DialOpts::peer_id(member.peer)
            .condition(PeerCondition::Always)
            .addresses(addresses.collect())
            .allocate_new_port()
            .build();
        // An error that is known at once is no event.
        if let Err(error) = self.swarm.dial(options) {
            self.failed(&member, &error);
        }
    }
}

async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    let found = time::timeout(RESOLVE_MAX, net::lookup_host(address)).await??;
    let addresses: Vec<_> = found.take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        return Err(io::ErrorKind::AddrNotAvailable.into());
    }
    Ok(addresses)
}

fn refusal(error: &ListenError) -> Refusal {
    match error {
        ListenError::Denied { cause } => {
            // What is not denied by us is denied by the limits.
            cause.downcast_ref().copied().unwrap_or(Refusal::Crowded)
        }
        ListenError::Aborted
        | ListenError::WrongPeerId { .. }
        | ListenError::LocalPeerId { .. }
        | ListenError::Transport(_) => Refusal::NotLibp2p,
    }
}
