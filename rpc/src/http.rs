//! HTTP around JSON-RPC: paths, bodies, CORS and compression; and the way to a socket.
//!
//! A request on a served path is answered with status 200 and JSON-RPC whatever is wrong with it,
//! because clients read nothing else.

use std::sync::Arc;

use axum::{
    Json as JsonBody, Router,
    body::{Body, Bytes},
    extract::{
        State,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE, header::UPGRADE},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::{StreamExt, future::ready};
use serde_json::{Value, json};
use tokio::time::timeout_at;
use tower_http::{
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, Predicate, SizeAbove},
    },
    cors::CorsLayer,
    decompression::RequestDecompressionLayer,
    trace::TraceLayer,
};

use crate::{
    caller::Caller,
    dispatch::Context,
    error::Error,
    jsonrpc::{self, Deadline},
    monitoring::life,
    socket::Socket,
    version::{PATHS, Version},
};

/// Answers shorter than this many bytes are not worth compressing.
const COMPRESSED_BYTES_MIN: u16 = 1_024;

/// A body that is too large is read to its end, so that its sender gets to read the answer, up to
/// this many times the limit.
const OVERSIZE_FACTOR: usize = 8;

/// All paths, with what surrounds them.
pub(crate) fn router(context: Arc<Context>) -> Router {
    let router = PATHS.into_iter().fold(Router::new(), |router, (path, version)| {
        let open = move |context, headers: HeaderMap, upgrade| {
            ready(open(context, version, &headers, upgrade))
        };
        let rpc = move |context, body| rpc(context, version, body);
        router.route(path, get(open).post(rpc))
    });
    let worth_compressing = DefaultPredicate::new().and(SizeAbove::new(COMPRESSED_BYTES_MIN));
    router
        .route("/is_alive", get(|| async { "Alive!!!" }))
        .merge(life(context.config.ready.clone()))
        .fallback(not_found)
        // From the outside in. One layer of many, since what is between two costs each request.
        .layer((
            TraceLayer::new_for_http(),
            CorsLayer::permissive().allow_private_network(true),
            CompressionLayer::new().gzip(true).compress_when(worth_compressing),
            // Before a body is read, so that its limit is that of what was packed.
            RequestDecompressionLayer::new().pass_through_unaccepted(true),
        ))
        .with_state(context)
}

/// Opens a socket; or, for those who want none, says that somebody is here.
fn open(
    State(context): State<Arc<Context>>,
    version: Version,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    match upgrade {
        Ok(upgrade) => Socket::open(context, version, upgrade),
        Err(rejection) if headers.contains_key(UPGRADE) => rejection.into_response(),
        Err(_) => {
            let health = json!({ "health": true, "spec_version": version.spec() });
            JsonBody(health).into_response()
        }
    }
}

async fn not_found() -> (StatusCode, JsonBody<Value>) {
    let paths = PATHS.map(|(path, _)| path).join(", ");
    let reason = format!("nothing is served here, JSON-RPC is at {paths}");
    (StatusCode::NOT_FOUND, JsonBody(json!({ "error": reason })))
}

async fn rpc(State(context): State<Arc<Context>>, version: Version, body: Body) -> Response {
    let limits = &context.config.limits;
    let deadline = Deadline::after(limits.request_timeout);
    let body = match timeout_at(deadline.at, read(body, limits.body_bytes_max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return respond(jsonrpc::refusal(&error)),
        Err(_) => return respond(jsonrpc::refusal(&deadline.error())),
    };
    let caller = Caller::over_http(version);
    let answer = context.answer(&body, deadline, &caller).await;
    respond(answer.unwrap_or_default())
}

fn respond(answer: Vec<u8>) -> Response {
    ([(CONTENT_TYPE, "application/json")], answer).into_response()
}

/// Reads a body up to its limit.
async fn read(body: Body, bytes_max: usize) -> Result<Bytes, Error> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut dropped = 0_usize;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::InvalidRequest {
            reason: format!("cannot read the body: {error}"),
        })?;
        if dropped == 0 && chunk.len() <= bytes_max.saturating_sub(bytes.len()) {
            bytes.extend_from_slice(&chunk);
            continue;
        }
        bytes = Vec::new();
        dropped = dropped.saturating_add(chunk.len());
        if bytes_max.saturating_mul(OVERSIZE_FACTOR) < dropped {
            break;
        }
    }
    if dropped == 0 {
        return Ok(bytes.into());
    }
    Err(Error::InvalidRequest {
        reason: format!("the body is over the limit of {bytes_max} bytes"),
    })
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn body(chunks: &[usize]) -> Body {
        let chunks: Vec<_> =
            chunks.iter().map(|bytes| Ok::<_, std::io::Error>(vec![b' '; *bytes])).collect();
        Body::from_stream(stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_body_may_reach_its_limit_but_not_pass_it() {
        assert_eq!(read(body(&[4, 6]), 10).await.expect("fits").len(), 10);
        for chunks in [&[4, 7][..], &[11], &[10, 1], &[8, 8, 1]] {
            let error = read(body(chunks), 10).await.expect_err("too large");
            assert_eq!(error.code(), -32600, "{chunks:?}");
        }
    }

    #[tokio::test]
    async fn a_body_without_end_is_not_read_without_end() {
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 100]));
        let error = read(Body::from_stream(endless), 10).await.expect_err("too large");
        assert_eq!(error.code(), -32600);
    }
}
