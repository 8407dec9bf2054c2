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

/// Whether callers should be sent here, or why not.
#[derive(Clone)]
pub struct Ready(Arc<dyn Fn() -> Result<(), String> + Send + Sync>);

impl Ready {
    /// Asks `ready` each time.
    pub fn new(ready: impl Fn() -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(ready))
    }
}

impl Default for Ready {
    /// From the beginning to the end.
    fn default() -> Self {
        Self::new(|| Ok(()))
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ready").field(&(self.0)()).finish()
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
    ready: Ready,
) -> Result<Server, Error> {
    let router =
        Router::new().route("/metrics", get(metrics)).with_state(registry).merge(life(ready));
    let (address, connections) = listen(address, CONNECTIONS_MAX, IDLE_TIMEOUT).await?;
    tracing::info!(%address, "serving metrics");
    Ok(Server::start(address, connections, router, CancellationToken::new()))
}

/// `/health` and `/ready`, for balancers of load and whoever restarts processes.
pub(crate) fn life<S: Clone + Send + Sync + 'static>(ready: Ready) -> Router<S> {
    Router::new()
        .route("/health", get(|| async { "alive\n" }))
        .route("/ready", get(is_ready))
        .with_state(ready)
}

async fn metrics(State(registry): State<Arc<Registry>>) -> Response {
    let mut shown = String::new();
    match text::encode(&mut shown, &registry) {
        Ok(()) => ([(CONTENT_TYPE, OPEN_METRICS)], shown).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot write the metrics");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn is_ready(State(ready): State<Ready>) -> Response {
    match (ready.0)() {
        Ok(()) => "ready\n".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
