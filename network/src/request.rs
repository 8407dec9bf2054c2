//! One request and its answer, on a stream of their own.

use bytes::Bytes;
use futures::AsyncWriteExt;
use kraken_types::ValidatorId;
use libp2p::Stream;
use tokio::{
    sync::{mpsc, oneshot},
    time::{self, Instant},
};

use crate::{
    RequestError, Requests,
    behaviour::Purpose,
    frame::{self, FrameError},
    metrics::SwarmMetrics,
    network::Request,
    reason::Outcome,
    roster::Member,
};

/// Takes a request from a stream to whoever answers, and the answer back.
pub(crate) async fn serve(
    mut stream: Stream,
    from: Option<ValidatorId>,
    limits: Requests,
    asked: mpsc::Sender<Request>,
) -> Outcome {
    let serving = async {
        let bytes = match frame::read(&mut stream, limits.bytes_max).await {
            Ok(bytes) => bytes,
            Err(FrameError::Oversized { .. }) => return Outcome::TooLarge,
            Err(FrameError::Io(_)) => return Outcome::Away,
        };
        let (answer, answered) = oneshot::channel();
        if asked.send(Request::new(from, bytes, answer)).await.is_err() {
            return Outcome::Refused;
        }
        let Ok(answer) = answered.await else { return Outcome::Refused };
        if limits.answer_bytes_max < answer.len() {
            tracing::error!(bytes = answer.len(), "our own answer is too large to send");
            return Outcome::TooLarge;
        }
        let written = async {
            frame::write(&mut stream, &answer).await?;
            stream.close().await
        };
        written.await.map_or(Outcome::Away, |()| Outcome::Answered)
    };
    time::timeout(limits.timeout, serving).await.unwrap_or(Outcome::Timeout)
}

/// Asks a peer.
pub(crate) async fn ask(
    member: &Member,
    bytes: &[u8],
    limits: Requests,
    metrics: &SwarmMetrics,
) -> Result<Bytes, RequestError> {
    let started = Instant::now();
    let asking = time::timeout(limits.timeout, take_turn_and_ask(member, bytes, limits));
    let result = asking.await.unwrap_or(Err(RequestError::Timeout { to: member.id }));
    metrics.requested(outcome(&result), started.elapsed());
    result
}

fn outcome(result: &Result<Bytes, RequestError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Answered,
        Err(RequestError::Away { .. }) => Outcome::Away,
        Err(RequestError::Timeout { .. }) => Outcome::Timeout,
        Err(RequestError::Refused { .. }) => Outcome::Refused,
        Err(RequestError::TooLarge { .. } | RequestError::AnswerTooLarge { .. }) => {
            Outcome::TooLarge
        }
    }
}

async fn take_turn_and_ask(
    member: &Member,
    bytes: &[u8],
    limits: Requests,
) -> Result<Bytes, RequestError> {
    let to = member.id;
    if limits.bytes_max < bytes.len() {
        return Err(RequestError::TooLarge { bytes: bytes.len(), max: limits.bytes_max });
    }
    // Checked first too, so that nobody waits for a turn with somebody who is away.
    let away = || RequestError::Away { to };
    member.link().ok_or_else(away)?;
    let _turn = member.turns.acquire().await.expect("the semaphore is never closed");
    let link = member.link().ok_or_else(away)?;
    let refused = |_| RequestError::Refused { to };
    let mut stream = link.opener.open(Purpose::Request).await.map_err(refused)?;
    frame::write(&mut stream, bytes).await.map_err(refused)?;
    let max = limits.answer_bytes_max;
    frame::read(&mut stream, max).await.map_err(|error| match error {
        FrameError::Oversized { bytes, max } => RequestError::AnswerTooLarge { to, bytes, max },
        FrameError::Io(_) => RequestError::Refused { to },
    })
}
