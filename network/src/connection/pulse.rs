//! Signs of life: how a frozen peer, or a cut that no packet reports, is noticed.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use libp2p::Stream;
use tokio::time::{self, Instant};

use crate::reason::Broken;

/// A sign of life is sent this often.
const BEAT_EVERY: Duration = Duration::from_secs(5);

/// Whoever is silent for longer is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How often silence is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When the other end was last heard, on any stream of the connection. Cheap to clone.
///
/// Any byte counts, so that a sign of life that waits behind a megabyte on a slow link does not
/// end the connection that is busy.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    started: Instant,
    /// Milliseconds after the start.
    heard: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), heard: Arc::default() }
    }

    /// How long the connection has lasted.
    pub(super) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    fn hear(&self) {
        let now = u64::try_from(self.age().as_millis()).unwrap_or(u64::MAX);
        self.heard.store(now, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        self.age().saturating_sub(Duration::from_millis(self.heard.load(Ordering::Relaxed)))
    }

    /// A stream all of whose bytes are signs of life.
    pub(super) fn on(&self, stream: Stream) -> Heard {
        Heard { stream, pulse: self.clone() }
    }

    /// Sends signs of life, for as long as the connection takes them.
    pub(super) async fn beat(mut stream: Stream) -> Broken {
        loop {
            time::sleep(BEAT_EVERY).await;
            let beat = async {
                stream.write_all(&[0]).await?;
                stream.flush().await
            };
            if let Err(error) = beat.await {
                tracing::debug!(%error, "no sign of life can be sent");
                return Broken::Closed;
            }
        }
    }

    /// Takes signs of life from their own stream.
    pub(super) async fn listen(self, stream: Stream) -> Broken {
        let mut stream = self.on(stream);
        let mut ignored = [0; 64];
        loop {
            match stream.read(&mut ignored).await {
                Ok(0) | Err(_) => return Broken::Closed,
                Ok(_) => {}
            }
        }
    }

    /// Waits until there were none for too long.
    pub(super) async fn watch(self) -> Broken {
        loop {
            time::sleep(LOOK_EVERY).await;
            if SILENCE_MAX < self.silence() {
                return Broken::Silent;
            }
        }
    }
}

/// A stream whose bytes are signs of life.
#[derive(Debug)]
pub(super) struct Heard {
    stream: Stream,
    pulse: Pulse,
}

impl AsyncRead for Heard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if let Poll::Ready(Ok(_)) = read {
            self.pulse.hear();
        }
        read
    }
}
