//! What an operator sees: of the methods how often, how fast, with which errors; and of sockets.

use std::{thread, time::Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use crate::{
    error::{Error, Internal},
    jsonrpc::Json,
};

/// The name of all methods that there are not, so that callers cannot make up series.
const UNKNOWN: &str = "unknown";

/// What requests report. Cheap to clone; clones share the same series.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<ByMethod, Counter>,
    errors: Family<ByCode, Counter>,
    duration: Family<ByMethod, Histogram, fn() -> Histogram>,
    sockets: Gauge,
    sockets_cut: Family<ByReason, Counter>,
    subscriptions: Gauge,
    notices: Family<ByMethod, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByMethod {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByCode {
    method: &'static str,
    code: i32,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByReason {
    reason: &'static str,
}

/// An open socket.
#[derive(Debug)]
pub(crate) struct OpenSocket(Gauge);

/// A request that is being carried out. Dropped before its end, it was given up on.
#[derive(Debug)]
pub(crate) struct Measured<'a> {
    metrics: &'a Metrics,
    method: &'static str,
    began: Instant,
    is_done: bool,
}

impl Metrics {
    /// Registers the series; the caller has already prefixed `registry` with `kraken_rpc`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            errors: Family::default(),
            duration: Family::new_with_constructor(buckets),
            sockets: Gauge::default(),
            sockets_cut: Family::default(),
            subscriptions: Gauge::default(),
            notices: Family::default(),
        };
        registry.register(
            "requests",
            "Requests by method; a request of a batch counts as one",
            metrics.requests.clone(),
        );
        registry.register(
            "errors",
            "Requests that were answered with an error, by method and code",
            metrics.errors.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "Time from a request to its answer, by method",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        metrics.register_sockets(registry);
        metrics
    }

    fn register_sockets(&self, registry: &mut Registry) {
        registry.register("sockets", "Open WebSockets", self.sockets.clone());
        registry.register(
            "sockets_cut",
            "WebSockets that were refused or closed by this node, by reason",
            self.sockets_cut.clone(),
        );
        registry.register("subscriptions", "Open subscriptions", self.subscriptions.clone());
        registry.register(
            "notices",
            "Notifications that were written to subscribers, by method",
            self.notices.clone(),
        );
    }

    /// Notes that a socket is open for as long as the answer lives.
    pub(crate) fn socket(&self) -> OpenSocket {
        self.sockets.inc();
        OpenSocket(self.sockets.clone())
    }

    /// Notes that a socket was refused or closed.
    pub(crate) fn cut(&self, reason: &'static str) {
        self.sockets_cut.get_or_create(&ByReason { reason }).inc();
    }

    /// Notes that there is another subscription.
    pub(crate) fn subscribed(&self) {
        self.subscriptions.inc();
    }

    /// Notes that there are so many subscriptions less.
    pub(crate) fn unsubscribed(&self, count: usize) {
        self.subscriptions.dec_by(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Notes that a subscriber was told of something.
    pub(crate) fn told(&self, method: &'static str) {
        self.notices.get_or_create(&ByMethod { method }).inc();
    }

    /// Notes that a request begins; `None` is a method that there is not.
    pub(crate) fn begin(&self, method: Option<&'static str>) -> Measured<'_> {
        let method = method.unwrap_or(UNKNOWN);
        self.requests.get_or_create(&ByMethod { method }).inc();
        Measured { metrics: self, method, began: Instant::now(), is_done: false }
    }
}

/// Half a millisecond to a minute.
fn buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 18))
}

impl Measured<'_> {
    /// Notes the answer.
    pub(crate) fn end(mut self, answer: &Result<Json, Error>) {
        self.is_done = true;
        self.note(answer.as_ref().err().map(Error::code));
    }

    fn note(&self, code: Option<i32>) {
        let Self { metrics, method, .. } = *self;
        metrics
            .duration
            .get_or_create(&ByMethod { method })
            .observe(self.began.elapsed().as_secs_f64());
        if let Some(code) = code {
            metrics.errors.get_or_create(&ByCode { method, code }).inc();
        }
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let error = if thread::panicking() {
            Error::Internal(Internal::Panicked)
        } else {
            Error::TimedOut { seconds: self.began.elapsed().as_secs() }
        };
        self.note(Some(error.code()));
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text;

    use super::*;

    fn shown(registry: &Registry) -> String {
        let mut shown = String::new();
        text::encode(&mut shown, registry).expect("text takes everything");
        shown
    }

    #[test]
    fn requests_are_counted_with_their_errors() {
        let mut registry = Registry::with_prefix("kraken_rpc");
        let metrics = Metrics::register(&mut registry);
        let call = metrics.begin(Some("starknet_call"));
        call.end(&Err(Error::ContractNotFound));
        metrics.begin(None).end(&Err(Error::MethodNotFound { method: "a_b".to_owned() }));
        let shown = shown(&registry);
        for line in [
            "kraken_rpc_requests_total{method=\"starknet_call\"} 1",
            "kraken_rpc_requests_total{method=\"unknown\"} 1",
            "kraken_rpc_errors_total{method=\"starknet_call\",code=\"20\"} 1",
            "kraken_rpc_errors_total{method=\"unknown\",code=\"-32601\"} 1",
            "kraken_rpc_request_duration_seconds_count{method=\"starknet_call\"} 1",
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} in {shown}");
        }
        assert!(!shown.contains("a_b"), "callers make no series");
    }

    #[test]
    fn a_request_that_was_given_up_on_counts_as_timed_out() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        drop(metrics.begin(Some("starknet_call")));
        let shown = shown(&registry);
        assert!(
            shown.contains("errors_total{method=\"starknet_call\",code=\"-32000\"} 1"),
            "{shown}"
        );
    }
}
