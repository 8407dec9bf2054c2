//! One connection as libp2p sees it: streams are opened for whoever asks, and given away.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    io,
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Stream, StreamProtocol,
    core::{
        UpgradeInfo,
        upgrade::{InboundUpgrade, ReadyUpgrade},
    },
    swarm::{
        ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use tokio::sync::{mpsc, oneshot};

use super::Purpose;

/// How many streams may wait to be opened on one connection before whoever asks waits too.
const OPENING_MAX: usize = 16;

/// A wish for a stream.
#[derive(Debug)]
pub(crate) struct Wish {
    protocol: StreamProtocol,
    stream: oneshot::Sender<io::Result<Stream>>,
}

/// Opens streams on one connection. Cheap to clone; useless once the connection is gone.
#[derive(Clone, Debug)]
pub(crate) struct Opener(mpsc::Sender<Wish>);

impl Opener {
    /// Opens a stream.
    ///
    /// # Errors
    /// If the connection is gone, or the other end does not take such a stream, or not in time.
    pub(crate) async fn open(&self, purpose: Purpose) -> io::Result<Stream> {
        let (stream, opened) = oneshot::channel();
        let wish = Wish { protocol: purpose.protocol(), stream };
        self.0.send(wish).await.map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

/// The far ends of a [`Handler`]: what a connection's own task works with.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) opener: Opener,
    /// Streams that the other end opened. Closed once the connection is gone.
    pub(crate) opened: mpsc::Receiver<(Purpose, Stream)>,
}

/// Gives the streams of one connection away.
#[derive(Debug)]
pub(crate) struct Handler {
    offered: Arc<[StreamProtocol]>,
    wishes: mpsc::Receiver<Wish>,
    opened: mpsc::Sender<(Purpose, Stream)>,
}

impl Handler {
    /// `waiting_max` streams that the other end opened may wait; more are reset.
    pub(super) fn new(offered: Arc<[StreamProtocol]>, waiting_max: usize) -> (Self, Ends) {
        let (wish, wishes) = mpsc::channel(OPENING_MAX);
        let (opened, to_take) = mpsc::channel(waiting_max);
        (Self { offered, wishes, opened }, Ends { opener: Opener(wish), opened: to_take })
    }

    fn on_opened(&self, protocol: &StreamProtocol, stream: Stream) {
        let purpose = self.offered.iter().position(|offered| offered == protocol);
        let Some(purpose) = purpose.and_then(Purpose::at) else { return };
        if self.opened.try_send((purpose, stream)).is_err() {
            // The stream is dropped, which resets it; the other end notices.
            tracing::debug!(?purpose, "a stream too many is reset");
        }
    }
}

/// Somebody who no longer waits for a stream needs none, so a lost answer is none.
fn answer(wish: oneshot::Sender<io::Result<Stream>>, stream: io::Result<Stream>) {
    if wish.send(stream).is_err() {
        tracing::debug!("nobody waits for the stream any more");
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Infallible;
    type ToBehaviour = Infallible;
    type InboundProtocol = Offer;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<io::Result<Stream>>;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer> {
        SubstreamProtocol::new(Offer(self.offered.clone()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        // Connections end by our own rules alone.
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Infallible>>
    {
        let Poll::Ready(Some(wish)) = self.wishes.poll_recv(cx) else { return Poll::Pending };
        let protocol = SubstreamProtocol::new(ReadyUpgrade::new(wish.protocol), wish.stream);
        Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
    }

    fn on_behaviour_event(&mut self, event: Infallible) {
        match event {}
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are its own, and grow")]
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, stream),
                ..
            }) => self.on_opened(&protocol, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: wish,
            }) => answer(wish, Ok(stream)),
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: wish, error }) => {
                answer(wish, Err(io_error(error)));
            }
            // What is left tells of addresses and of what either side supports.
            _ => {}
        }
    }
}

fn io_error(error: StreamUpgradeError<Infallible>) -> io::Error {
    match error {
        StreamUpgradeError::Timeout => io::ErrorKind::TimedOut.into(),
        StreamUpgradeError::NegotiationFailed => io::ErrorKind::Unsupported.into(),
        StreamUpgradeError::Io(error) => error,
        StreamUpgradeError::Apply(never) => match never {},
    }
}

/// The streams that the other end may open.
#[derive(Debug)]
pub(crate) struct Offer(Arc<[StreamProtocol]>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        Vec::from(&*self.0).into_iter()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
