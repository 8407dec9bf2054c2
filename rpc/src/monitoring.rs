//! A second, small server for those who watch the node: Prometheus and whoever restarts processes.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{encoding::text, registry::Registry};
use tokio_util::sync::CancellationToken;

use crate::server::{Error, Server, listen};

/// Watchers are few; further ones wait.
const CONNECTIONS_MAX: usize = 32;

/// How long a watcher may be silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What Prometheus calls the text that is served.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What watchers see.
struct Watched {
    registry: Arc<Registry>,
    ready: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("registry", &self.registry).finish_non_exhaustive()
    }
}

/// Serves `/metrics` from `registry`; `/health`, which answers 200 as long as the process lives; and
/// `/ready`, which answers 200 if `ready` does, else 503 with its reason.
///
/// # Errors
/// [`Error::Listen`] if the address cannot be listened on.
pub async fn serve_metrics(
    address: SocketAddr,
    registry: Arc<Registry>,
    ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
) -> Result<Server, Error> {
    let watched = Arc::new(Watched { registry, ready: Box::new(ready) });
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(|| async { "alive\n" }))
        .route("/ready", get(is_ready))
        .with_state(watched);
    let (address, connections) = listen(address, CONNECTIONS_MAX, IDLE_TIMEOUT).await?;
    tracing::info!(%address, "serving metrics");
    Ok(Server::start(address, connections, router, CancellationToken::new()))
}

async fn metrics(State(watched): State<Arc<Watched>>) -> Response {
    let mut shown = String::new();
    match text::encode(&mut shown, &watched.registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], shown).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn is_ready(State(watched): State<Arc<Watched>>) -> Response {
    match (watched.ready)() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
