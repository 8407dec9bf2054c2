//! The task of one connection: the handshake, then its lanes and requests until it ends.
//!
//! A connection is the unit of failure: whatever goes wrong on one of its streams ends all of it,
//! and it is made anew. Requests are the exception, because a failed one harms nobody else.

mod hello;
mod pulse;

use std::{collections::BTreeSet, future::Future, io, sync::Arc, time::Duration};

use bytes::Bytes;
use kraken_types::ValidatorId;
use libp2p::{Stream, swarm::ConnectionId};
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{self, Instant},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

pub(crate) use hello::Hello;

use self::{hello::Greeted, pulse::Pulse};
use crate::{
    Lane, LaneId, Requests,
    behaviour::{Ends, Opener, Purpose},
    frame::{FrameError, Frames},
    lane::{Queue, Writer},
    metrics::SwarmMetrics,
    network::{Connected, Request},
    reason::{Broken, Outcome, Refusal},
    request,
    roster::{Link, Member},
};

/// A stranger that asks nothing for so long makes room for another.
const STRANGER_IDLE_MAX: Duration = Duration::from_secs(60);

/// What all connections of a swarm share.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) hello: Hello,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) requests: Requests,
    /// To the readers of lanes, by [`LaneId`].
    pub(crate) frames: Vec<mpsc::Sender<(ValidatorId, Bytes)>>,
    /// To whoever answers.
    pub(crate) asked: mpsc::Sender<Request>,
    /// How many requests of strangers may be served at once.
    pub(crate) strangers: Arc<Semaphore>,
    pub(crate) connected: watch::Sender<Connected>,
    pub(crate) metrics: SwarmMetrics,
    /// Knows every task, so that a shutdown can wait for all of them.
    pub(crate) tracker: TaskTracker,
    /// Fires when the swarm stops.
    pub(crate) shutdown: CancellationToken,
}

/// An established connection whose task has not begun.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    /// Whose it is; `None` is a stranger's.
    pub(crate) member: Option<Arc<Member>>,
    pub(crate) ends: Ends,
    pub(crate) common: Arc<Common>,
    /// Fires when the connection is to end.
    pub(crate) cancel: CancellationToken,
}

/// A connection that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) id: ConnectionId,
    pub(crate) member: Option<Arc<Member>>,
    pub(crate) ending: Ending,
}

/// How far a connection came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Not through the handshake.
    Refused(Refusal),
    /// Through the handshake, and this much further.
    Broken { reason: Broken, lasted: Duration },
}

impl Connection {
    /// Runs until the connection is over.
    pub(crate) async fn run(self) -> Ended {
        let (id, member, common) = (self.id, self.member.clone(), self.common.clone());
        let ending = self.greet_and_carry().await;
        match ending {
            Ending::Refused(refusal) => common.metrics.refused(refusal),
            Ending::Broken { reason, .. } => common.metrics.broken(reason),
        }
        Ended { id, member, ending }
    }

    async fn greet_and_carry(mut self) -> Ending {
        let whom = self.member.as_ref().map(|member| member.id);
        let greeting = hello::exchange(&self.common.hello, &mut self.ends, whom);
        let greeted = match self.cancel.run_until_cancelled(greeting).await {
            Some(Ok(greeted)) => greeted,
            Some(Err(refusal)) => return Ending::Refused(refusal),
            None => return Ending::Refused(Refusal::ClosedByPeer),
        };
        let pulse = Pulse::new();
        let reason = Carrier::new(self, greeted, pulse.clone()).run().await;
        Ending::Broken { reason, lasted: pulse.age() }
    }
}

/// A connection after its handshake.
struct Carrier {
    member: Option<Arc<Member>>,
    opened: mpsc::Receiver<(Purpose, Stream)>,
    common: Arc<Common>,
    cancel: CancellationToken,
    pulse: Pulse,
    /// What must go on for the connection to last.
    tasks: JoinSet<Broken>,
    /// Requests of the other end.
    serving: JoinSet<Outcome>,
    /// Lanes that the other end has opened.
    lanes: BTreeSet<LaneId>,
    /// Ends the link to the member together with the connection.
    _up: Option<Up>,
}

impl Carrier {
    fn new(connection: Connection, greeted: Greeted, pulse: Pulse) -> Self {
        let Connection { id, member, ends: Ends { opener, opened }, common, cancel } = connection;
        let mut carrier = Self {
            member,
            opened,
            common,
            cancel,
            pulse,
            tasks: JoinSet::new(),
            serving: JoinSet::new(),
            lanes: BTreeSet::new(),
            _up: None,
        };
        carrier.start(Pulse::beat(greeted.ours));
        carrier.start(carrier.pulse.clone().listen(greeted.theirs));
        carrier.start(carrier.pulse.clone().watch());
        carrier._up = carrier.member.clone().map(|member| carrier.link(id, member, &opener));
        carrier
    }

    fn start(&mut self, work: impl Future<Output = Broken> + Send + 'static) {
        self.tasks.spawn(self.common.tracker.track_future(work.in_current_span()));
    }

    /// Opens our lanes and lets senders at them.
    fn link(&mut self, id: ConnectionId, member: Arc<Member>, opener: &Opener) -> Up {
        let common = self.common.clone();
        let mut queues = Vec::new();
        let lanes = (0..).map(LaneId).zip(&common.lanes).zip(&member.lanes);
        for ((lane, limits), metrics) in lanes {
            let queue = Arc::new(Queue::new(limits.queue_bytes_max, metrics.clone()));
            queues.push(queue.clone());
            self.start(write_lane(lane, queue, opener.clone()));
        }
        let link = Link { connection: id, queues, opener: opener.clone() };
        Up::new(common, member, link)
    }

    async fn run(mut self) -> Broken {
        let mut asked_at = Instant::now();
        loop {
            let idle_at = asked_at + STRANGER_IDLE_MAX;
            // An arm names what happened. All are cancel-safe.
            tokio::select! {
                () = self.cancel.cancelled() => return self.cancelled(),
                Some(ended) = self.tasks.join_next() => {
                    return finished(ended).unwrap_or(Broken::ShutDown);
                }
                Some(ended) = self.serving.join_next() => {
                    if let Some(outcome) = finished(ended) {
                        self.common.metrics.served(outcome);
                    }
                    asked_at = Instant::now();
                }
                () = time::sleep_until(idle_at), if self.is_idle() => return Broken::Idle,
                opened = self.opened.recv() => match opened {
                    None => return Broken::Closed,
                    Some((Purpose::Hello, _)) => return Broken::UnexpectedStream,
                    Some((Purpose::Request, stream)) => self.serve(stream),
                    Some((Purpose::Lane(lane), stream)) => {
                        if !self.read(lane, stream) {
                            return Broken::UnexpectedStream;
                        }
                    }
                },
            }
        }
    }

    fn cancelled(&self) -> Broken {
        if self.common.shutdown.is_cancelled() { Broken::ShutDown } else { Broken::Replaced }
    }

    fn is_idle(&self) -> bool {
        self.member.is_none() && self.serving.is_empty()
    }

    /// Reads a lane that the other end opened; `false` if it may not, or has done so before.
    fn read(&mut self, lane: LaneId, stream: Stream) -> bool {
        let place = usize::from(lane.0);
        let (Some(member), Some(limits)) = (&self.member, self.common.lanes.get(place)) else {
            return false;
        };
        let frames = Frames::new(self.pulse.on(stream), limits.frame_bytes_max);
        let reader =
            LaneReader { lane: place, member: member.clone(), common: self.common.clone() };
        self.start(reader.run(frames));
        self.lanes.insert(lane)
    }

    /// Serves a request, or drops its stream, which tells the other end to ask somebody else.
    fn serve(&mut self, stream: Stream) {
        let turn = match &self.member {
            Some(_) => None,
            None => match self.common.strangers.clone().try_acquire_owned() {
                Ok(turn) => Some(turn),
                Err(_) => return self.common.metrics.served(Outcome::Busy),
            },
        };
        if self.common.requests.at_once_max <= self.serving.len() {
            return self.common.metrics.served(Outcome::Busy);
        }
        let from = self.member.as_ref().map(|member| member.id);
        let (limits, asked) = (self.common.requests, self.common.asked.clone());
        self.serving.spawn(self.common.tracker.track_future(async move {
            let outcome = request::serve(stream, from, limits, asked).await;
            drop(turn);
            outcome
        }));
    }
}

/// The result of a task; `None` if the runtime ends and took the task with it.
///
/// # Panics
/// If the task panicked, with its message: its invariant is broken, and so is ours.
pub(crate) fn finished<T>(ended: Result<T, tokio::task::JoinError>) -> Option<T> {
    match ended.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(result) => Some(result),
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        Err(Err(_cancelled)) => None,
    }
}

async fn write_lane(lane: LaneId, queue: Arc<Queue>, opener: Opener) -> Broken {
    match opener.open(Purpose::Lane(lane)).await {
        Ok(stream) => {
            let error = Writer::new(queue, stream).run().await;
            tracing::debug!(lane = lane.0, %error, "a lane broke");
            Broken::Closed
        }
        Err(error) => {
            tracing::debug!(lane = lane.0, %error, "a lane does not open");
            if error.kind() == io::ErrorKind::Unsupported {
                Broken::LaneRefused
            } else if error.kind() == io::ErrorKind::TimedOut {
                Broken::Silent
            } else {
                Broken::Closed
            }
        }
    }
}

/// Hands the frames of one lane of one peer on.
struct LaneReader {
    lane: usize,
    member: Arc<Member>,
    common: Arc<Common>,
}

impl LaneReader {
    /// Runs until the stream breaks, or nobody takes frames any more.
    async fn run(self, mut frames: Frames<pulse::Heard>) -> Broken {
        loop {
            let frame = match frames.next().await {
                Ok(frame) => frame,
                Err(FrameError::Io(_)) => return Broken::Closed,
                Err(error @ FrameError::Oversized { .. }) => {
                    tracing::warn!(peer = %self.member.id, lane = self.lane, %error, "bad frame");
                    return Broken::OversizedFrame;
                }
            };
            let bytes = frame.len();
            // A full inbox stops the reading, and with it, in time, the sender.
            if self.common.frames[self.lane].send((self.member.id, frame)).await.is_err() {
                return Broken::ShutDown;
            }
            self.member.lanes[self.lane].received(bytes);
        }
    }
}

/// A peer is connected for as long as this exists.
struct Up {
    common: Arc<Common>,
    member: Arc<Member>,
    connection: ConnectionId,
}

impl Up {
    fn new(common: Arc<Common>, member: Arc<Member>, link: Link) -> Self {
        let up = Self { connection: link.connection, common, member };
        let number = up.member.link_with(link);
        up.common.connected.send_modify(|connected| {
            connected.insert(up.member.id, number);
        });
        up.common.metrics.connected(up.member.id);
        up.common.metrics.peers_connected().inc();
        tracing::info!(peer = %up.member.id, "connected");
        up
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.member.unlink(self.connection);
        self.common.connected.send_modify(|connected| {
            connected.remove(&self.member.id);
        });
        self.common.metrics.peers_connected().dec();
        tracing::info!(peer = %self.member.id, "disconnected");
    }
}
